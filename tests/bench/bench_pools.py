# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What clients that behave like Odoo's processes get directly and behind a planned PgBouncer, one after the other in one run.

    pytest -s tests/bench/bench_pools.py                  # some minutes; needs Docker, no Odoo
    pytest -s tests/bench/bench_pools.py -k hot

PgBouncer runs with the settings that the role writes for the plan of 8 instances with 4 workers and 2 crons each. Prints a line
for each measurement; asserts nothing about time. POOLED_ODOO_BENCH_SECONDS is the length of each (12 by default).
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor

import psycopg2
import pytest

from tests.integration.test_pools import depths, errors
from tests.lab import pools
from tests.lab.pools import Endpoint
from tests.lab.servers import PASSWORD as ADMIN
from tests.lab.servers import Pooler, Server
from tests.modules import run_module

# The servers of the integration tests.
pytest_plugins = ["tests.integration.conftest"]
pytestmark = pytest.mark.parametrize("image", ["stable"], indirect=True)
SECONDS = float(os.environ.get("POOLED_ODOO_BENCH_SECONDS", "12"))
REAL_TENANTS = 100


@pytest.fixture(scope="module")
def erp(postgres: Server) -> t.Iterator[Server]:
    """PostgreSQL with Odoo's role and a hundred real tenants."""
    postgres.run(f"CREATE ROLE {pools.ROLE} LOGIN CREATEDB PASSWORD '{pools.PASSWORD}'")
    for tenant in names(REAL_TENANTS):
        postgres.run(f"CREATE DATABASE {tenant} OWNER {pools.ROLE}")
    yield postgres
    for tenant in names(REAL_TENANTS):
        postgres.run(f"DROP DATABASE {tenant} WITH (FORCE)")
    postgres.run(f"DROP ROLE {pools.ROLE}")


def names(number: int) -> list[str]:
    return [f"tenant{one:03d}" for one in range(1, number + 1)]


def cluster(tenants: int, **changes: t.Any) -> list[dict[str, t.Any]]:
    return [pools.instance(f"erp{number}", databases=names(tenants), **changes) for number in range(8)]


@pytest.fixture
def start(pooler: Pooler, version: str, erp: Server) -> t.Callable[[dict[str, t.Any]], dict[str, Endpoint]]:
    """Starts the PgBouncer of a plan; both endpoints."""

    def started(plan: dict[str, t.Any]) -> dict[str, Endpoint]:
        run_module("pgbouncer_config", **pools.configuration(plan, pooler.config, version, erp.host, ADMIN))
        pooler.start()
        return {"direct": Endpoint(erp.host), "pooled": Endpoint(pooler.host)}

    return started


def show(what: str, endpoint: str, done: pools.Transactions, connections: int | str = "") -> None:
    print(
        f"{what:34} {endpoint:7} {len(done.seconds):6} transactions  p50 {1000 * done.percentile(50):7.1f} ms"
        f"  p95 {1000 * done.percentile(95):7.1f} ms  failed {len(done.errors):3}  connections {connections}"
    )


@contextlib.contextmanager
def peak(server: Server) -> t.Iterator[t.Callable[[], int]]:
    """The most server connections of Odoo's role, asked five times a second."""
    seen, go_on = [0], [True]
    query = f"SELECT count(*) FROM pg_stat_activity WHERE usename = '{pools.ROLE}'"

    def watch() -> None:
        with contextlib.closing(server.connect()) as connection, connection.cursor() as cursor:
            while go_on:
                cursor.execute(query)
                seen.append(cursor.fetchone()[0])
                time.sleep(0.2)

    with ThreadPoolExecutor(1) as pool:
        pool.submit(watch)
        try:
            yield lambda: max(seen)
        finally:
            go_on.clear()


@pytest.mark.parametrize("tenants", [16, 100, 500])
def test_hot_tenant(start: t.Any, erp: Server, tenants: int) -> None:
    """12 clients of one tenant whose transactions wait for something, 0.1 s each."""
    print()
    for name, endpoint in start(pools.planned(cluster(tenants))).items():
        with peak(erp) as seen:
            done = pools.work(endpoint, ["tenant001"], 12, SECONDS, "SELECT pg_sleep(0.1)")
        show(f"hot tenant, {tenants} planned", name, done, seen())


def test_many_tenants(start: t.Any, erp: Server) -> None:
    """32 workers visit a hundred real tenants in turn, each for 20 ms with 0.2 s between; idle connections are evicted."""
    print()
    endpoints = start(pools.planned(cluster(REAL_TENANTS)))
    for tenants in (16, REAL_TENANTS):
        for name, endpoint in endpoints.items():
            with peak(erp) as seen:
                done = pools.work(endpoint, names(tenants), 32, SECONDS, "SELECT pg_sleep(0.02)", pause=0.2)
            show(f"{tenants} tenants in turn", name, done, seen())


def test_threads(start: t.Any) -> None:
    """24 log-ins at once, two cursors each, in one threaded process with nothing in its pool; then again."""
    print()
    for name, endpoint in start(pools.planned([pools.instance(workers=0)])).items():
        began = time.monotonic()
        found = pools.log_in_at_once(endpoint, "tenant001", 24, 0.05, rounds=3)
        took = time.monotonic() - began
        print(f"{'24 log-ins at once, 3 rounds':34} {name:7} {took:6.2f} s  failed {len(errors(found))}")


def test_depth(start: t.Any) -> None:
    """All holders of a cluster on one tenant at once, crons three deep, with a barrier before the last cursor of each."""
    print()
    instances = [pools.instance("erp1"), pools.instance("erp2")]
    for name, endpoint in start(pools.planned(instances)).items():
        began = time.monotonic()
        found = pools.hold_all(endpoint, "tenant001", depths(instances))
        took = time.monotonic() - began
        print(f"{f'{len(found)} holders, crons 3 deep':34} {name:7} {took:6.2f} s  failed {len(errors(found))}")


def test_flood_of_listeners(start: t.Any) -> None:
    """Twelve listeners more than the session pool has room for, then all holders."""
    print()
    instances = [pools.instance("erp1")]
    plan = pools.planned(instances)
    for name, endpoint in start(plan).items():
        with ThreadPoolExecutor(60) as pool:
            flood = [pool.submit(pools.listen, endpoint) for _number in range(plan["postgres_pool_size"] + 12)]
            time.sleep(2)
            found = pools.hold_all(endpoint, "tenant001", depths(instances))
            print(f"{'holders beside 12 more listeners':34} {name:7} {len(found)} holders  failed {len(errors(found))}")
            for one in flood:
                with contextlib.suppress(psycopg2.Error):
                    one.result().close()


def test_half_open_log_ins(start: t.Any, pooler: Pooler) -> None:
    """As many clients that never log in as there are places, then 40 that do: how long until all are in."""
    print()
    plan = pools.planned(cluster(16))
    endpoint = start(plan)["pooled"]
    with contextlib.ExitStack() as stack:
        for _number in range(plan["settings"]["max_client_conn"] + 200):
            with contextlib.suppress(OSError):
                stack.enter_context(socket.create_connection((pooler.host, 5432), 5))
        began, refused, logged_in = time.monotonic(), 0, 0
        while logged_in < 40 and time.monotonic() < began + 90:
            try:
                stack.enter_context(contextlib.closing(endpoint.connect("tenant001")))
                logged_in += 1
            except psycopg2.Error:
                refused += 1
                time.sleep(0.2)
        took = time.monotonic() - began
    print(f"{'half-open log-ins':34} pooled  {logged_in} of 40 logged in after {took:.1f} s, {refused} refused before")


@pytest.mark.parametrize("clients", [8, 32])
def test_what_one_process_can(start: t.Any, pooler: Pooler, client: t.Any, erp: Server, clients: int) -> None:
    """pgbench's selects, as fast as they go: queries per second, and the processor that one PgBouncer takes for them."""
    print()
    endpoint = start(pools.planned(cluster(1)))
    database = client.containers.get("pooled-test-db")
    run = f"PGPASSWORD={pools.PASSWORD} pgbench -U {pools.ROLE}"
    assert database.exec_run(["sh", "-c", f"{run} -h {erp.host} -i -q -s 5 tenant001"]).exit_code == 0
    for name, one in endpoint.items():
        before = cpu_seconds(pooler)
        command = f"{run} -h {one.host} -n -S -M simple -c {clients} -j 2 -T {SECONDS:.0f} tenant001"
        output = database.exec_run(["sh", "-c", command]).output.decode()
        rate = float(output.split("tps = ")[1].split()[0])
        used = (cpu_seconds(pooler) - before) / SECONDS
        print(
            f"{f'selects, {clients} clients':34} {name:7} {rate:8.0f} per second  PgBouncer's processor {100 * used:.0f} %"
        )


def cpu_seconds(pooler: Pooler) -> float:
    pid = pooler.container.attrs["State"]["Pid"] or 0
    fields = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()  # noqa: SIM115
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_memory(start: t.Any, pooler: Pooler) -> None:
    """What a client costs PgBouncer."""
    print()
    plan = pools.planned(cluster(16))
    endpoint = start(plan)["pooled"]
    seen = [resident(pooler)]
    with contextlib.ExitStack() as stack:
        for _number in range(900):
            connection = stack.enter_context(contextlib.closing(endpoint.connect("tenant001")))
            with connection.cursor() as cursor:
                cursor.execute("SELECT repeat('x', 1000)")
            connection.commit()
        seen.append(resident(pooler))
    each = (seen[1] - seen[0]) / 900
    print(f"{'memory':34} pooled  {seen[0]} kB at the start, {seen[1]} kB with 900 clients: {each:.1f} kB each")


def resident(pooler: Pooler) -> int:
    """Kilobytes."""
    pooler.container.reload()
    status = open(f"/proc/{pooler.container.attrs['State']['Pid']}/status").read()  # noqa: SIM115
    return int(status.split("VmRSS:")[1].split()[0])
