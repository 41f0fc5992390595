# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which parts of an Odoo instance hold connections of a tenant, and how many of them at once.

This module util is PRIVATE to the collection. It can have breaking changes at any time.

A *holder* is whatever may be in a transaction: an HTTP worker, a thread, a cron, the websocket process. Its *depth* is the
number of connections to one tenant that it may hold at the same moment, each nested in the one before. Holders deadlock when
each keeps what it has and waits for one more, so a limit on the connections of all of them has to be

    sum over all holders of (depth - 1), and 1

Measured with plain clients on PgBouncer 1.24: with eight connections for eight holders of which only the two crons are three
deep, all eight fail after query_wait_timeout; with the sum above all succeed (tests/integration/test_pools.py).
"""

from __future__ import annotations

import typing as t

Instance = t.Mapping[str, t.Any]


class Kind(t.NamedTuple):
    """``depth``: connections at once. ``source``: where Odoo nests them."""

    depth: int
    source: str


KINDS: dict[str, Kind] = {
    "worker": Kind(2, "a request, and in it a log-in or a server action's log (res_users.py, ir_actions.py)"),
    "thread": Kind(2, "as a worker's"),
    # odoo/addons/queue_job/controllers/main.py: jobs are requests; a job that fails is stored through a cursor of its own, and
    # its code may log as any request may.
    "job worker": Kind(
        3, "a worker that runs queue_job's jobs: the request, the job's state, a log (queue_job/controllers)"
    ),
    "job thread": Kind(3, "a thread that runs queue_job's jobs, as a worker does"),
    "cron": Kind(3, "the lock on its row, the work, a log of the work (ir_cron.py, ir_logging)"),
    # bus/websocket.py, acquire_cursor: one for a dispatch. A second one was never seen; a log would be one.
    "websocket": Kind(2, "a dispatch of the websocket process, and a log (bus/websocket.py)"),
}

# A websocket process takes a cursor for a dispatch now and then, two dispatches at once at most in what was measured.
WEBSOCKET_DISPATCHES = 2
# Threads below which a plan for threaded mode is not worth having: the requests of a handful of users at once.
MIN_THREADS = 8


class Holders(t.NamedTuple):
    """So many holders of one kind."""

    kind: str
    number: int

    @property
    def depth(self) -> int:
        return KINDS[self.kind].depth


def is_threaded(instance: Instance) -> bool:
    return bool(instance["workers"] == 0)


def serves_http(instance: Instance) -> bool:
    """Whether it answers requests at all; crons alone have neither workers nor a websocket process."""
    return "http" not in instance or instance["http"] is not None


def threads_unbounded(instance: Instance) -> bool:
    """Whether only db_maxconn bounds the threads of this instance. ``max_http_threads`` is what ODOO_MAX_HTTP_THREADS sets
    (odoo/service/server.py, ThreadedWSGIServerReloadable), null where it is not set."""
    return is_threaded(instance) and serves_http(instance) and not instance.get("max_http_threads")


def most_connections(instance: Instance) -> int | None:
    """The most connections to tenants that Odoo itself allows, None where that is no useful bound.

    Threads share one pool of db_maxconn, in which the listeners are too; each prefork process has one for itself
    (odoo/sql_db.py, ConnectionPool).
    """
    if not is_threaded(instance):
        return None
    return max(1, int(instance["db_maxconn"]) - int(instance["listeners"]))


def of(instance: Instance, most_threads: int | None = None) -> list[Holders]:
    """The holders of *instance*. *most_threads*: count no more than these for threads that Odoo does not bound."""
    crons = Holders("cron", int(instance["cron_threads"]))
    runs_jobs = bool((instance.get("queue_job") or {}).get("databases"))
    if not serves_http(instance):
        return [crons]
    if is_threaded(instance):
        threads = int(instance.get("max_http_threads") or most_connections(instance) or 1)
        if threads_unbounded(instance) and most_threads is not None:
            threads = min(threads, most_threads)
        return [Holders("job thread" if runs_jobs else "thread", threads), crons]
    return [
        Holders("job worker" if runs_jobs else "worker", int(instance["workers"])),
        crons,
        Holders("websocket", WEBSOCKET_DISPATCHES),
    ]


def _bounded(instance: Instance, connections: int) -> int:
    most = most_connections(instance)
    return connections if most is None else min(connections, most)


def count(instance: Instance, most_threads: int | None = None) -> int:
    """The number of holders of *instance*."""
    return sum(holders.number for holders in of(instance, most_threads))


def nested(instance: Instance, most_threads: int | None = None) -> int:
    """The connections that the holders of *instance* can keep while each of them waits for one more."""
    return _bounded(instance, sum(holders.number * (holders.depth - 1) for holders in of(instance, most_threads)))


def least(instances: t.Iterable[Instance], most_threads: int | None = None) -> int:
    """The smallest limit under which the holders of *instances* cannot deadlock."""
    return sum(nested(instance, most_threads) for instance in instances) + 1


def wanted(instances: t.Iterable[Instance], most_threads: int | None = None) -> int:
    """The limit to plan: no deadlock, a connection for each holder, and one to spare for each cron.

    Without the spare, requests that hold two connections for long leave none for the crons behind them: three such requests
    of 35 s beside two crons on eight connections failed both crons.
    """
    total = 1
    for instance in instances:
        busy = max(nested(instance, most_threads), count(instance, most_threads))
        total += _bounded(instance, busy + int(instance["cron_threads"]))
    return total


def clients(instance: Instance) -> int:
    """Most connections that Odoo opens to the pooler: one pool of db_maxconn for each process (odoo/sql_db.py), of
    db_maxconn_gevent for the websocket process (17 and newer)."""
    most = int(instance["db_maxconn"])
    if is_threaded(instance):
        return most
    if not serves_http(instance):
        return max(1, int(instance["cron_threads"])) * most
    return (int(instance["workers"]) + int(instance["cron_threads"])) * most + int(
        instance.get("db_maxconn_gevent") or most
    )
