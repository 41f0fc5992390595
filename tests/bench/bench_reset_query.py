# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What it costs to clean a server connection between two clients, and what each way of cleaning leaves behind.

    pytest -s tests/bench/bench_reset_query.py -k reset
    POOLED_ODOO_LAB_POSTGRES=18 pytest -s tests/bench/bench_reset_query.py -k tracked     # 18 reports search_path

All ways are measured in turns on one PgBouncer and one PostgreSQL, so that a busy machine hurts them alike. Prints a table;
asserts nothing about time.
"""

from __future__ import annotations

import statistics
import typing as t

import psycopg2
import pytest

from tests.lab.servers import PASSWORD, Pooler, Server, configuration
from tests.modules import run_module

# The servers of the integration tests.
pytest_plugins = ["tests.integration.conftest"]

WAYS = {
    "nothing": (0, "DISCARD ALL"),
    "RESET ALL": (1, "RESET ALL"),
    "RESET search_path, lock_timeout": (1, "RESET search_path; RESET lock_timeout"),
    "DISCARD ALL": (1, "DISCARD ALL"),
}
ROUNDS, SECONDS, CLIENTS = 5, 4, 8
# A page of Odoo in small: some reads by key, a search, a write, in one transaction, by the simple protocol.
PAGE = "\n".join(
    [
        "\\set id random(1, 100000)",
        "BEGIN ISOLATION LEVEL REPEATABLE READ;",
        *["SELECT abalance, filler FROM pgbench_accounts WHERE aid = :id;"] * 8,
        "SELECT count(*) FROM pgbench_accounts WHERE aid BETWEEN :id AND :id + 200;",
        "UPDATE pgbench_accounts SET abalance = abalance + 1 WHERE aid = :id;",
        "COMMIT;",
    ]
)
LEFT = {
    "search_path": ("SET search_path = ''", "SELECT to_regclass('pgbench_accounts') IS NULL"),
    "lock_timeout": ("SET lock_timeout = '15s'", "SELECT current_setting('lock_timeout') = '15s'"),
    "row_security": ("SET row_security = off", "SELECT current_setting('row_security') = 'off'"),
    "temporary table": ("CREATE TEMP TABLE res_users (id int)", "SELECT to_regclass('pg_temp.res_users') IS NOT NULL"),
    "advisory lock": (
        "SELECT pg_advisory_lock(42)",
        "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid())",
    ),
    "LISTEN": ("LISTEN lab", "SELECT EXISTS (SELECT FROM pg_listening_channels())"),
    "cursor WITH HOLD": (
        "DECLARE held CURSOR WITH HOLD FOR SELECT 1",
        "SELECT EXISTS (SELECT FROM pg_cursors WHERE name = 'held')",
    ),
    "prepared statement": ("PREPARE p AS SELECT 1", "SELECT EXISTS (SELECT FROM pg_prepared_statements)"),
}


@pytest.mark.parametrize("image", ["stable"], indirect=True)
def test_reset_queries(pooler: Pooler, postgres: Server, version: str, client: t.Any) -> None:
    run_module(
        "pgbouncer_config", **configuration(pooler, version, postgres.host, settings={"max_user_connections": 4})
    )
    pooler.start()
    database = prepared(client)
    rates: dict[str, list[float]] = {way: [] for way in WAYS}
    left: dict[str, list[str]] = {}
    for _round in range(ROUNDS):
        for way, (always, query) in WAYS.items():
            console(pooler, f"SET server_reset_query_always = {always}", f"SET server_reset_query = '{query}'")
            rates[way].append(pages(database, pooler))
            left[way] = what_is_left(pooler)
    show(rates, left)
    assert left["DISCARD ALL"] == []


TRACKED = {"track_extra_parameters": "IntervalStyle, search_path"}
CLEANED = {"server_reset_query": "DISCARD ALL", "server_reset_query_always": 1}
TRACKED_WAYS: dict[str, dict[str, t.Any]] = {
    "nothing": {},
    "search_path is tracked": TRACKED,
    "DISCARD ALL": CLEANED,
    "DISCARD ALL, search_path is tracked": {**CLEANED, **TRACKED},
}


@pytest.mark.parametrize("image", ["unstable"], indirect=True)
def test_tracked_search_path(pooler: Pooler, postgres: Server, version: str, client: t.Any) -> None:
    """PgBouncer keeps for each client what PostgreSQL reports, which only a restart changes."""
    database = prepared(client)
    rates: dict[str, list[float]] = {way: [] for way in TRACKED_WAYS}
    left: dict[str, list[str]] = {}
    for _round in range(ROUNDS):
        for way, settings in TRACKED_WAYS.items():
            given = configuration(pooler, version, postgres.host, settings={"max_user_connections": 4, **settings})
            run_module("pgbouncer_config", **given)
            pooler.start()
            rates[way].append(pages(database, pooler))
            left[way] = what_is_left(pooler)
            pooler.stop()
    show(rates, left)


def prepared(client: t.Any) -> t.Any:
    """PostgreSQL's container with what the pages need."""
    database = client.containers.get("pooled-test-db")
    inside(database, "pgbench -h /tmp -U postgres -i -q -s 1 postgres")
    inside(database, f"cat > /tmp/page.sql <<'END'\n{PAGE}\nEND")
    return database


def pages(database: t.Any, pooler: Pooler) -> float:
    """Pages per second, of a few seconds."""
    run = f"PGPASSWORD={PASSWORD} pgbench -h {pooler.host} -U postgres -n -f /tmp/page.sql -M simple"
    output = inside(database, f"{run} -c {CLIENTS} -T {SECONDS} postgres")
    return float(output.split("tps = ")[1].split()[0])


def show(rates: dict[str, list[float]], left: dict[str, list[str]]) -> None:
    base = statistics.median(rates["nothing"])
    print(f"\n{'between two clients':36} {'pages/s':>8} {'cost':>7}   what one client leaves to the next")
    for way, found in rates.items():
        rate = statistics.median(found)
        print(f"{way:36} {rate:8.0f} {100 * (1 - rate / base):6.1f}%   {', '.join(left[way]) or 'nothing'}")


def inside(container: t.Any, command: str) -> str:
    code, output = container.exec_run(["sh", "-c", command])
    assert code == 0, output
    return bytes(output).decode()


def console(pooler: Pooler, *commands: str) -> None:
    connection = psycopg2.connect(host=str(pooler.socket), user="boss", password="b0ss", dbname="pgbouncer")
    connection.autocommit = True
    with connection.cursor() as cursor:
        for command in commands:
            cursor.execute(command)
        # Connections that another way has cleaned, or not, are none of this one's.
        cursor.execute("RECONNECT")
    connection.close()


def what_is_left(pooler: Pooler) -> list[str]:
    found = []
    for name, (leave, look) in LEFT.items():
        for statement, keep in ((leave, False), (look, True)):
            connection = psycopg2.connect(host=pooler.host, user="postgres", password=PASSWORD, dbname="postgres")
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)
                if keep and cursor.fetchall()[0][0]:
                    found.append(name)
            connection.close()
        console(pooler)
    return found
