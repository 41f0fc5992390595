# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From Odoo instances and PostgreSQL's limits to pool sizes, each with its reason.

This module util is PRIVATE to the collection. It can have breaking changes at any time.

A plan depends only on what the instances are, not on what they happened to do while they were measured, so that the same
instances always get the same configuration. What was measured decides whether the plan fits.
"""

from __future__ import annotations

import math
import typing as t

from ansible_collections.pooled.odoo.plugins.module_utils import _ini
from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError

SCHEMA = "pooled.odoo/plan/1"

# Server connections for the steady state of one tenant: one works, a second one (login, logging, mail) does not wait.
TENANT_POOL_SIZE = 2
# Seconds after which a waiting client may use the reserve. Two cursors of one cron wait that long at most.
RESERVE_POOL_TIMEOUT = 1
# A websocket worker takes a cursor for a dispatch now and then, two at once at most in what we measured.
GEVENT_CURSORS = 2
# In threaded mode every request is a thread; Odoo bounds them by half of db_maxconn (odoo/service/server.py). More than
# this many of one process never work at once, because Python runs one of them at a time.
MAX_BUSY_THREADS = 16
# Connections to `postgres` that come and go: NOTIFY after a commit, the list of databases, the database manager.
MIN_SHORT_CALLS, MAX_SHORT_CALLS = 4, 10
# PgBouncer's own look-ups of passwords.
AUTH_POOL_SIZE = 2
# Room in PostgreSQL for an administrator, a backup and a dump beside all pools.
DIRECT_CONNECTIONS = 5
# A client is a few kilobytes in PgBouncer, a refused one is an error page, so the limit is generous.
MIN_CLIENTS = 1000
MIN_FILES = 8192

Instance = t.Mapping[str, t.Any]


class Role(t.NamedTuple):
    """What the instances of one PostgreSQL role need together."""

    name: str
    listeners: int
    workers: int
    holders: int
    clients: int
    tenants: frozenset[str]


def _busy(instance: Instance) -> int:
    """Requests that may be in a transaction at once."""
    if instance["workers"] > 0:
        return int(instance["workers"]) + GEVENT_CURSORS
    return min(int(instance["db_maxconn"]) // 2, MAX_BUSY_THREADS)


def _clients(instance: Instance) -> int:
    """Most connections that Odoo opens: one pool of db_maxconn a process (odoo/sql_db.py)."""
    processes = instance["workers"] + instance["cron_threads"] + 1 if instance["workers"] > 0 else 1
    return int(processes * instance["db_maxconn"])


def by_role(instances: t.Sequence[Instance]) -> list[Role]:
    roles = []
    for name in sorted({instance["db_user"] for instance in instances}):
        own = [instance for instance in instances if instance["db_user"] == name]
        roles.append(
            Role(
                name=name,
                listeners=sum(instance["listeners"] for instance in own),
                workers=sum(max(instance["workers"], 1) for instance in own),
                holders=sum(_busy(instance) + instance["cron_threads"] for instance in own),
                clients=sum(_clients(instance) for instance in own),
                tenants=frozenset(tenant for instance in own for tenant in instance["databases"]),
            )
        )
    return roles


def _short_calls(role: Role) -> int:
    return min(MAX_SHORT_CALLS, max(MIN_SHORT_CALLS, math.ceil(role.workers / 4)))


def _session_pool(role: Role) -> int:
    return role.listeners + _short_calls(role)


def _cap(role: Role) -> int:
    """Every holder has one connection, one of them gets its second; whoever waits then gets one released. The caps of
    PgBouncer count like a pool's limit, so a lower one could let all of them wait for each other."""
    return _session_pool(role) + role.holders + 1


def make(
    instances: t.Sequence[Instance],
    limits: t.Mapping[str, t.Any],
    other_connections: int,
    auth_user: str,
) -> dict[str, t.Any]:
    """The plan, a JSON document.

    *instances*: as ``odoo_info`` lists them, with ``databases``. *limits*: ``max_connections`` and ``reserved`` of
    PostgreSQL. *other_connections*: the most that roles other than Odoo's had while measured. Raises PooledError when
    PostgreSQL cannot give what the plan needs at its worst.
    """
    if not instances:
        raise PooledError("there is no Odoo instance to plan for")
    for instance in instances:
        if not instance.get("db_user"):
            raise PooledError(
                f"the role of {instance['name']} is unknown; set db_user in its odoo.conf or its environment"
            )
    roles = by_role(instances)
    caps = {role.name: _cap(role) for role in roles}
    worst_case = sum(caps.values()) + AUTH_POOL_SIZE
    available = limits["max_connections"] - limits["reserved"] - other_connections - DIRECT_CONNECTIONS
    if worst_case > available:
        raise PooledError(
            f"max_connections is too small for the plan: at worst the pools need {worst_case}, and of"
            f" {limits['max_connections']} are left {available} ({limits['reserved']} reserved, {other_connections} used by"
            f" others, {DIRECT_CONNECTIONS} for administration); raise max_connections to at least"
            f" {limits['max_connections'] + worst_case - available}, or lower workers or max_cron_threads of Odoo",
        )
    most_holders = max(role.holders for role in roles)
    session_pool = max(_session_pool(role) for role in roles)
    clients = max(MIN_CLIENTS, math.ceil(sum(role.clients for role in roles) / 100) * 100)
    tenants = len({(role.name, tenant) for role in roles for tenant in role.tenants})
    figures = [
        _figure(
            "postgres.pool_size",
            session_pool,
            f"{max(role.listeners for role in roles)} listeners (crons and bus) hold one each for ever, and"
            " up to that many short calls more come at once; too few and the whole ERP hangs",
        ),
        _figure(
            "default_pool_size",
            TENANT_POOL_SIZE,
            "the steady state of a tenant; more only keeps idle connections warm",
        ),
        _figure(
            "reserve_pool_size",
            most_holders + 1 - TENANT_POOL_SIZE,
            f"{most_holders} workers, crons and websocket cursors may each hold one connection of a tenant and want a"
            " second; with one more than that they cannot deadlock",
        ),
        _figure("reserve_pool_timeout", RESERVE_POOL_TIMEOUT, "the longest that a nested cursor waits for the reserve"),
        _figure(
            "max_client_conn", clients, "what all Odoo processes may open (db_maxconn each); refused is an error page"
        ),
        _figure("query_wait_timeout", 30, "below Odoo's limit_time_real of 120, so that the error tells the reason"),
        _figure(
            "server_idle_timeout", 10, "crons visit each tenant every minute; longer, and no connection would ever go"
        ),
        _figure("server_login_retry", 1, "a tenant that was just created must not be refused for 15 s"),
        _figure(
            "server_reset_query_always",
            1,
            "what one client sets (search_path by a backup, lock_timeout by an upgrade) must not reach another",
        ),
    ]
    for role in roles:
        figures.append(
            _figure(
                f"{role.name}.max_user_connections",
                caps[role.name],
                f"session pool {_session_pool(role)}, {role.holders} holders and one more; the total never passes it",
            )
        )
    settings = {figure["name"]: figure["value"] for figure in figures if "." not in figure["name"]}
    settings.update(pool_mode="transaction", max_user_connections=max(caps.values()))
    return {
        "schema": SCHEMA,
        "settings": settings,
        # Every role finds its listeners' pool at this size; caps are per role.
        "postgres_pool_size": session_pool,
        "roles": [role.name for role in roles],
        "users": [
            # A role whose name pgbouncer.ini cannot express has the global cap, which is the highest.
            *({"name": r.name, "max_user_connections": caps[r.name]} for r in roles if _ini.can_name(r.name)),
            {"name": auth_user, "max_user_connections": AUTH_POOL_SIZE, "pool_size": AUTH_POOL_SIZE},
        ],
        "figures": figures,
        "budget": {
            "max_connections": limits["max_connections"],
            "reserved": limits["reserved"],
            "others": other_connections,
            "administration": DIRECT_CONNECTIONS,
            "available": available,
        },
        "predicted": {
            "steady": sum(role.listeners for role in roles) + tenants + 1,
            "worst_case": worst_case,
        },
        # One for each client and server connection and some for itself; in large steps, because another limit is another
        # container, and a new worker or two should not be.
        "file_limit": max(MIN_FILES, 2 ** math.ceil(math.log2(clients + worst_case + 100))),
        "warnings": _warnings(instances, available, worst_case),
    }


def _figure(name: str, value: int, reason: str) -> dict[str, t.Any]:
    return {"name": name, "value": value, "reason": reason}


def _warnings(instances: t.Sequence[Instance], available: int, worst_case: int) -> list[str]:
    warnings = []
    if worst_case > 0.8 * available:
        warnings.append(
            f"at worst the pools take {worst_case} of the {available} connections that PostgreSQL can give them;"
            " there is little room for more workers"
        )
    for instance in instances:
        if not instance["databases"]:
            warnings.append(
                f"{instance['name']} serves no database yet; plan again when it does (run deploy once more)"
            )
    return warnings
