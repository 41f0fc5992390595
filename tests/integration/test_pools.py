# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the plan promises, under the very configuration that the role writes for it: hot tenants, deep holders, threads, listeners
that nobody planned for, clients that never log in. Nothing here asks how long something took; tests/bench/bench_pools.py does.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
import typing as t
from concurrent.futures import Future, ThreadPoolExecutor

import psycopg2
import pytest

from ansible_collections.pooled.odoo.plugins.module_utils import _holders
from tests.lab import pools
from tests.lab.pools import Endpoint
from tests.lab.servers import PASSWORD as ADMIN
from tests.lab.servers import Pooler, Server
from tests.modules import run_module

pytestmark = pytest.mark.parametrize("image", ["stable"], indirect=True)
TENANT = "tenant01"


@pytest.fixture(scope="module")
def erp(postgres: Server) -> t.Iterator[Server]:
    """PostgreSQL with Odoo's role and two tenants."""
    postgres.run(f"CREATE ROLE {pools.ROLE} LOGIN CREATEDB PASSWORD '{pools.PASSWORD}'")
    for tenant in (TENANT, "tenant02"):
        postgres.run(f"CREATE DATABASE {tenant} OWNER {pools.ROLE}")
    yield postgres
    for tenant in (TENANT, "tenant02"):
        postgres.run(f"DROP DATABASE {tenant} WITH (FORCE)")
    postgres.run(f"DROP ROLE {pools.ROLE}")


@pytest.fixture
def start(pooler: Pooler, version: str, erp: Server) -> t.Callable[[dict[str, t.Any]], Endpoint]:
    """Starts the PgBouncer of a plan; where its clients log in."""

    def started(plan: dict[str, t.Any]) -> Endpoint:
        run_module("pgbouncer_config", **pools.configuration(plan, pooler.config, version, erp.host, ADMIN))
        pooler.start()
        return Endpoint(pooler.host)

    return started


def depths(instances: t.Sequence[dict[str, t.Any]]) -> list[int]:
    """The depth of each holder of *instances*."""
    return [
        holders.depth
        for instance in instances
        for holders in _holders.of(instance)
        for _number in range(holders.number)
    ]


def errors(found: t.Iterable[pools.Holding]) -> list[str]:
    return [one.error for one in found if one.error]


@contextlib.contextmanager
def most(server: Server, tenant: str) -> t.Iterator[t.Callable[[], int]]:
    """The most connections of *tenant* that worked at the same moment, asked ten times a second."""
    enough, seen = threading.Event(), [0]

    def watch() -> None:
        query = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{tenant}' AND state = 'active'"
        with contextlib.closing(server.connect()) as connection, connection.cursor() as cursor:
            while not enough.wait(0.1):
                cursor.execute(query)
                seen.append(cursor.fetchone()[0])

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield lambda: max(seen)
    finally:
        enough.set()
        watcher.join()


def test_a_hot_tenant_gets_all_that_it_works_with(start: t.Any, erp: Server) -> None:
    """Twelve clients of one tenant work at once, in a cluster of 32 workers and 500 tenants."""
    databases = [f"tenant{number:03d}" for number in range(500)]
    endpoint = start(pools.planned([pools.instance(f"erp{number}", databases=databases) for number in range(8)]))
    with most(erp, TENANT) as seen:
        done = pools.work(endpoint, [TENANT], 12, 4, "SELECT pg_sleep(0.1)")
    assert done.errors == []
    assert seen() == 12


HOLDERS = [
    [pools.instance()],
    [pools.instance(workers=8, cron_threads=6)],
    [pools.instance("erp1"), pools.instance("erp2", workers=2)],
    [pools.instance(queue_job={"databases": [TENANT]})],
]


@pytest.mark.parametrize("instances", HOLDERS)
def test_holders_never_wait_for_each_other(start: t.Any, instances: list[dict[str, t.Any]]) -> None:
    """Everybody has all but the last of his connections, on one tenant, before anybody wants that."""
    plan = pools.planned(instances)
    assert errors(pools.hold_all(start(plan), TENANT, depths(instances))) == []


def test_one_connection_fewer_and_holders_wait_for_each_other(start: t.Any) -> None:
    """The rule is no larger than it has to be, and the test above can fail."""
    instances = [pools.instance()]
    settings = {"default_pool_size": 2, "reserve_pool_size": _holders.least(instances) - 1 - 2, "query_wait_timeout": 5}
    endpoint = start(pools.planned(instances, overrides=settings, force=True))
    found = errors(pools.hold_all(endpoint, TENANT, depths(instances)))
    assert len(found) == len(depths(instances))


def test_listeners_that_nobody_planned_for_take_nothing_from_holders(start: t.Any) -> None:
    """More LISTEN than the session pool has room for, as when instances come before the next plan."""
    instances = [pools.instance()]
    plan = pools.planned(instances)
    endpoint = start(plan)
    with contextlib.ExitStack() as stack, ThreadPoolExecutor(40) as pool:
        flood = [pool.submit(pools.listen, endpoint) for _number in range(plan["postgres_pool_size"] + 12)]
        wait_until_done(flood, plan["postgres_pool_size"])
        assert errors(pools.hold_all(endpoint, TENANT, depths(instances))) == []
        for one in flood:
            with contextlib.suppress(psycopg2.Error):
                stack.enter_context(contextlib.closing(one.result()))


def wait_until_done(futures: t.Sequence[Future[t.Any]], number: int) -> None:
    deadline = time.monotonic() + 30
    while sum(future.done() for future in futures) < number:
        assert time.monotonic() < deadline, "too few listeners got in"
        time.sleep(0.1)
    # And no more than that.
    time.sleep(1)
    assert sum(future.done() for future in futures) == number


def test_two_instances_more_than_planned_still_hear_and_speak(start: t.Any) -> None:
    """An instance that is reloaded listens twice, and one more has come: notifications get through all the same."""
    endpoint = start(pools.planned([pools.instance()]))
    with contextlib.ExitStack() as stack:
        for _listener in range(3 * 3):
            stack.enter_context(contextlib.closing(pools.listen(endpoint)))
        with ThreadPoolExecutor(4) as pool:
            assert errors(pool.map(lambda _number: pools.hold(endpoint, "postgres", 1), range(8))) == []


def test_crons_have_a_connection_to_spare_beside_long_requests(start: t.Any) -> None:
    """Three requests hold two connections each for as long as they like; both crons get their three nevertheless."""
    endpoint = start(pools.planned([pools.instance()]))
    with contextlib.ExitStack() as stack:
        for _connection in range(3 * 2):
            connection = stack.enter_context(contextlib.closing(endpoint.connect(TENANT)))
            connection.cursor().execute("SELECT 1")
        assert errors(pools.hold_all(endpoint, TENANT, [3, 3])) == []


@pytest.mark.parametrize("bound", [None, 24])
def test_threads_of_one_process_never_wait_for_each_other(start: t.Any, bound: int | None) -> None:
    """24 log-ins at once in threaded mode, each with a second cursor, behind the lock of Odoo's own pool."""
    endpoint = start(pools.planned([pools.instance(workers=0, max_http_threads=bound)]))
    assert errors(pools.log_in_at_once(endpoint, TENANT, 24, 0.05, rounds=3)) == []
    # And all of them with all but the last one before anybody wants that.
    assert errors(pools.hold_all(endpoint, TENANT, [2] * 24)) == []


def test_who_never_logs_in_holds_no_place(start: t.Any, pooler: Pooler) -> None:
    """More half-open log-ins than there are places: PgBouncer closes them, and Odoo gets in."""
    plan = pools.planned([pools.instance()])
    endpoint = start(plan)
    with contextlib.ExitStack() as stack:
        places = plan["settings"]["max_client_conn"]
        silent = []
        for number in range(places + 200):
            silent.append(stack.enter_context(socket.create_connection((pooler.host, 5432), 5)))
            # What overruns the queue of the listening socket is dropped by the kernel, and PgBouncer never hears of it.
            if number % 50 == 0:
                time.sleep(0.1)
        # PgBouncer's own default is a minute; a socket that is still open after half of it would be one.
        for one in silent:
            one.settimeout(30)
            with contextlib.suppress(ConnectionResetError):
                while one.recv(1024):
                    pass
        endpoint.connect(TENANT).close()


# --- the verdict ------------------------------------------------------------------------------------------------------


# It reads a table, as all that Odoo does: a backend that touches none keeps its count of transactions to itself for as long as it
# has nothing else to report (PostgreSQL's pgstat_report_stat).
PAGE = "SELECT count(*) FROM pg_class, pg_sleep(0.05)"


def audited(erp: Server, work: t.Callable[[], t.Any], **arguments: t.Any) -> dict[str, t.Any]:
    """What pg_conn_audit says of five seconds of *work*."""
    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(work)
        time.sleep(0.5)
        try:
            settings = {"duration": 5, "interval": 0.5, "roles": [pools.ROLE], "enforce": False, **arguments}
            return run_module("pg_conn_audit", **erp.login(), **settings)
        finally:
            working.result()


def console(pooler: Pooler) -> dict[str, t.Any]:
    return {"name": "pgbouncer", "login_port": 5432, **pooler.console}


def test_passed_means_that_users_are_served(start: t.Any, erp: Server, pooler: Pooler, tmp_path: t.Any) -> None:
    """The same users directly, behind the plan, behind one that throttles them, and nobody at all but a cron."""
    baseline = str(tmp_path / "baseline.json")

    def users(endpoint: Endpoint) -> pools.Transactions:
        return pools.work(endpoint, [TENANT], 10, 7, PAGE)

    def cron(endpoint: Endpoint) -> pools.Transactions:
        return pools.work(endpoint, [TENANT], 2, 7, PAGE)

    audited(erp, lambda: users(Endpoint(erp.host)), dest=baseline)
    endpoint = start(pools.planned([pools.instance(workers=8)]))
    compared = {"baseline": baseline, "min_reduction": 0, "poolers": [console(pooler)]}
    served = audited(erp, lambda: users(endpoint), **compared)["verdict"]
    assert (served["verdict"], served["reasons"]) == ("passed", [])
    nobody = audited(erp, lambda: cron(endpoint), **compared)["verdict"]
    assert nobody["verdict"] == "inconclusive"
    assert "the load is far below" in nobody["reasons"][0]
    throttled = {"default_pool_size": 2, "reserve_pool_size": 9, "reserve_pool_timeout": 20}
    changed = pools.planned([pools.instance(workers=8)], overrides=throttled, force=True)
    run_module("pgbouncer_config", **pools.configuration(changed, pooler.config, "1.24.1", erp.host, ADMIN))
    run_module("pgbouncer_admin", **{**pooler.console, "command": "reload", "config_path": str(pooler.config)})
    waited = audited(erp, lambda: users(endpoint), **compared, min_load_ratio=0)["verdict"]
    assert (waited["verdict"], waited["failed_on"]) == ("failed", ["waiting"])
    assert f"transactions on {TENANT} waited" in waited["reasons"][0]
    assert waited["current"]["poolers"][0]["cpu_share"] is not None


def test_a_pooler_that_cannot_be_asked_keeps_nobody_from_counting(erp: Server, pooler: Pooler, tmp_path: t.Any) -> None:
    """So that one that is broken can be repaired by a deploy, which counts first; and nothing is proven beside it."""
    lost = {**console(pooler), "login_password": None, "login_password_file": str(tmp_path / "lost")}
    closed = {**console(pooler), "name": "closed", "login_host": str(tmp_path)}
    baseline = str(tmp_path / "baseline.json")
    found = audited(erp, lambda: None, poolers=[lost, closed], dest=baseline)["audit"]
    assert (found["poolers"], set(found["unreachable_poolers"])) == ([], {"pgbouncer", "closed"})
    assert found["load"]["source"] == "postgresql"
    verdict = audited(erp, lambda: None, poolers=[closed], baseline=baseline)["verdict"]
    assert verdict["verdict"] == "inconclusive"
    assert any("closed cannot be asked what its clients do" in reason for reason in verdict["reasons"])
