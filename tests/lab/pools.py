# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A planned PgBouncer without Odoo: the very settings that the role writes for a plan, and clients that use connections as
Odoo's processes do (odoo/sql_db.py): nested cursors, one pool for all threads, listeners.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg2
import psycopg2.extensions
import yaml
from jinja2 import Environment

from ansible_collections.pooled.odoo.plugins.module_utils import _pool_budget, _pool_plan

CONFIGURE = Path(__file__).parents[2] / "roles" / "pooler" / "tasks" / "configure.yml"
ROLE, PASSWORD = "odoo", "0doo"
LIMITS = {"max_connections": 10_000, "reserved": 3}


def instance(name: str = "erp1", **changes: t.Any) -> dict[str, t.Any]:
    """An instance as odoo_info describes it: four workers and two crons, all of the rest by default."""
    crons = changes.get("cron_threads", 2)
    return {
        "name": name,
        "db_user": ROLE,
        "workers": 4,
        "cron_threads": crons,
        "listeners": crons + 1,
        "db_maxconn": 64,
        "databases": ["tenant01"],
        **changes,
    }


# What a plan made before 0.2.0 had for 8 holders, to see that the tests fail on it (and what the benchmark says of it).
FORMER = {
    "postgres.pool_size": 7,
    "default_pool_size": 2,
    "reserve_pool_size": 7,
    "reserve_pool_timeout": 1,
    "odoo.max_user_connections": 16,
    "client_login_timeout": 60,
}


def planned(instances: t.Sequence[dict[str, t.Any]], **options: t.Any) -> dict[str, t.Any]:
    """What a pooler for *instances* is configured with; with POOLED_ODOO_FORMER_PLAN=1 in the environment one as it was."""
    if os.environ.get("POOLED_ODOO_FORMER_PLAN"):
        options = {"overrides": FORMER, "force": True}
    return _pool_plan.make(instances, LIMITS, _pool_budget.Others(0, {}), "postgres", **options)["poolers"][0]


def configuration(plan: dict[str, t.Any], folder: Path, version: str, postgres: str, admin: str) -> dict[str, t.Any]:
    """Arguments of pgbouncer_config for *plan*, read from the role's own task, so that both cannot drift apart. Passwords are
    looked up as the superuser *admin*, because the look-up function is none of the plan's."""
    task = yaml.safe_load(CONFIGURE.read_text())[0]
    written = {**task["vars"]["__pooler_own_settings"], **task["vars"]["__pooler_lookup_settings"]}
    variables = {
        "pooler_plan": plan,
        "pooler_postgres_host": postgres,
        "pooler_postgres_port": 5432,
        "pooler_port": 5432,
        "pooler_auth_user": "postgres",
        "pooler_auth_schema": "pg_catalog",
        "pooler_admin_user": "boss",
        "pooler_postgres_ssl_mode": "prefer",
    }
    own = {key: _templated(value, variables) for key, value in written.items()}
    own["auth_query"] = "SELECT rolname, rolpassword FROM pg_catalog.pg_authid WHERE rolname = $1"
    databases = [
        {key: _templated(value, variables) for key, value in database.items()}
        for database in task["pooled.odoo.pgbouncer_config"]["databases"]
    ]
    return {
        "path": str(folder),
        "version": version,
        "fixes_backported": True,
        "settings": {**own, **plan["settings"]},
        "databases": databases,
        "users": plan["users"],
        "userlist": [{"name": "boss", "password": "b0ss"}, {"name": "postgres", "password": admin}],
        "hba": [
            {"type": "local", "database": ["pgbouncer"], "user": ["boss"], "method": "scram-sha-256"},
            {"type": "host", "database": ["all"], "user": ["all"], "address": "all", "method": "scram-sha-256"},
        ],
    }


def _templated(value: t.Any, variables: dict[str, t.Any]) -> t.Any:
    return Environment().from_string(value).render(variables) if isinstance(value, str) else value


class Endpoint(t.NamedTuple):
    """Where clients log in as Odoo's role: the pooler, or PostgreSQL itself."""

    host: str

    def connect(self, dbname: str) -> t.Any:
        return psycopg2.connect(host=self.host, dbname=dbname, user=ROLE, password=PASSWORD, connect_timeout=60)


def listen(endpoint: Endpoint) -> t.Any:
    """A cron's or the bus's connection, which stays until it is closed."""
    connection = endpoint.connect("postgres")
    connection.set_isolation_level(psycopg2.extensions.ISOLATION_LEVEL_AUTOCOMMIT)
    with connection.cursor() as cursor:
        cursor.execute("LISTEN cron_trigger")
    return connection


class Holding(t.NamedTuple):
    """What became of one holder: ``error`` is None when it had all of its connections."""

    error: str | None
    seconds: float


def hold(
    endpoint: Endpoint, tenant: str, depth: int, together: threading.Barrier | None = None, work: float = 0.0
) -> Holding:
    """Opens *depth* nested cursors on *tenant*, as a cron that logs does. With *together* all holders have all but their last one
    before any of them wants it."""
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        try:
            for level in range(depth):
                if together and level == depth - 1:
                    together.wait(60)
                connection = stack.enter_context(contextlib.closing(endpoint.connect(tenant)))
                with connection.cursor() as cursor:
                    cursor.execute("SELECT 1")
            time.sleep(work)
        except (psycopg2.Error, threading.BrokenBarrierError) as error:
            return Holding(str(error).strip() or type(error).__name__, time.monotonic() - began)
    return Holding(None, time.monotonic() - began)


def hold_all(endpoint: Endpoint, tenant: str, depths: t.Sequence[int]) -> list[Holding]:
    """Holders of these depths at once, each waiting until all have all but their last connection."""
    together = threading.Barrier(len(depths))
    with ThreadPoolExecutor(len(depths)) as pool:
        return list(pool.map(lambda depth: hold(endpoint, tenant, depth, together), depths))


class ProcessPool:
    """The connections of one Odoo process (odoo/sql_db.py, ConnectionPool): borrowed last in, first out, cleaned when they are
    borrowed, all behind one lock, so one thread that waits makes all of them wait."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint, self.lock = endpoint, threading.Lock()
        self.free: list[tuple[str, t.Any]] = []

    @contextlib.contextmanager
    def cursor(self, tenant: str) -> t.Iterator[t.Any]:
        with self.lock:
            kept = next((entry for entry in reversed(self.free) if entry[0] == tenant), None)
            if kept:
                self.free.remove(kept)
                connection = kept[1]
                connection.reset()
            else:
                connection = self.endpoint.connect(tenant)
            connection.set_isolation_level(psycopg2.extensions.ISOLATION_LEVEL_REPEATABLE_READ)
        try:
            with connection.cursor() as cursor:
                yield cursor
            connection.commit()
        except BaseException:
            connection.close()
            raise
        with self.lock:
            self.free.append((tenant, connection))

    def close(self) -> None:
        for _tenant, connection in self.free:
            connection.close()


def log_in(pool: ProcessPool, tenant: str, work: float) -> Holding:
    """A request with a cursor, in it another, as Odoo's log-in."""
    began = time.monotonic()
    try:
        with pool.cursor(tenant) as outer:
            outer.execute("SELECT pg_sleep(%s)", (work,))
            with pool.cursor(tenant) as inner:
                inner.execute("SELECT pg_sleep(%s)", (work,))
    except psycopg2.Error as error:
        return Holding(str(error).strip() or type(error).__name__, time.monotonic() - began)
    return Holding(None, time.monotonic() - began)


def log_in_at_once(endpoint: Endpoint, tenant: str, number: int, work: float, rounds: int = 1) -> list[Holding]:
    """*number* threads of one process log in at the same moment, *rounds* times."""
    process = ProcessPool(endpoint)
    with contextlib.closing(process), ThreadPoolExecutor(number) as threads:
        found: list[Holding] = []
        for _round in range(rounds):
            found += threads.map(lambda _number: log_in(process, tenant, work), range(number))
        return found


class Transactions(t.NamedTuple):
    """Seconds that each transaction took, and what failed."""

    seconds: list[float]
    errors: list[str]

    def percentile(self, rank: int) -> float:
        ordered = sorted(self.seconds)
        return ordered[max(0, -(-rank * len(ordered) // 100) - 1)] if ordered else 0.0


def work(
    endpoint: Endpoint, tenants: t.Sequence[str], clients: int, seconds: float, statement: str, pause: float = 0.0
) -> Transactions:
    """*clients* workers, each with its own pool, do *statement* in transactions for *seconds*, on one tenant after the other."""
    until = time.monotonic() + seconds
    done, errors = [], []

    def worker(number: int) -> None:
        process = ProcessPool(endpoint)
        turn = number
        with contextlib.closing(process):
            while time.monotonic() < until:
                began = time.monotonic()
                try:
                    with process.cursor(tenants[turn % len(tenants)]) as cursor:
                        cursor.execute(statement)
                except psycopg2.Error as error:
                    errors.append(str(error).strip())
                done.append(time.monotonic() - began)
                turn += clients
                if pause:
                    time.sleep(pause)

    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(worker, range(clients)))
    return Transactions(done, errors)
