# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What users notice of a failover: two real PostgreSQL with streaming replication, HAProxy in front of them, workers that write.

    pytest -s tests/bench/bench_failover.py              # some ten minutes; needs Docker, no Odoo

The primary is killed, or loses its network so that nobody hears of it; three seconds later the standby is promoted, as by a
manager of clusters. Directly, behind a planned PgBouncer, and with single settings of it changed. Prints a line for each;
asserts that everybody is served again in the end, and nothing about time.
"""

from __future__ import annotations

import threading
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg2
import pytest

from tests.lab import pools
from tests.lab.lab import IMAGES, LABEL, POSTGRES_IMAGE, PROXY_IMAGE, wait_until
from tests.lab.pools import Endpoint
from tests.lab.servers import NETWORK, PASSWORD, Pooler, Server, address_of
from tests.modules import run_module

# The network and the images of the integration tests.
pytest_plugins = ["tests.integration.conftest"]
pytestmark = pytest.mark.parametrize("image", ["stable"], indirect=True)

TENANTS = ["tenant001", "tenant002", "tenant003"]
CLIENTS = 12
MAX_CONNECTIONS = 200
# A worker's next request comes so soon.
PAUSE = 0.1
BEFORE, DECISION, AFTER = 5, 3, 35
PREPARE_STANDBY = (
    "umask 077; until PGPASSWORD=$REPLICATION pg_basebackup -c fast -h $PRIMARY -U postgres -R -D $PGDATA; do sleep 1; done"
    " && exec postgres -c max_connections=$MAX_CONNECTIONS -c listen_addresses='*' -c unix_socket_directories=/tmp"
)


class Request(t.NamedTuple):
    began: float
    ended: float
    error: str | None


class Pair:
    """A primary, its standby and the proxy whose address everybody has."""

    def __init__(self, client: t.Any) -> None:
        self.client = client
        self.containers: list[t.Any] = []

    def run(self, image: str, command: list[str], **options: t.Any) -> t.Any:
        made = self.client.containers.run(
            image, command, detach=True, labels={LABEL: "test"}, network=NETWORK, **options
        )
        self.containers.append(made)
        return made

    def start(self, secrets: Path) -> None:
        self.primary = self.run(
            POSTGRES_IMAGE,
            ["-c", f"max_connections={MAX_CONNECTIONS}", "-c", "fsync=off"],
            volumes={str(secrets): {"bind": "/run/secrets", "mode": "ro"}},
        )
        server = Server(address_of(self.primary))
        wait_until("the primary answers", 60, server.run, "SELECT 1")
        allow = ["bash", "-c", "echo 'host replication all all scram-sha-256' >>$PGDATA/pg_hba.conf"]
        assert self.primary.exec_run(allow).exit_code == 0
        server.run("SELECT pg_reload_conf()", f"CREATE ROLE {pools.ROLE} LOGIN PASSWORD '{pools.PASSWORD}'")
        for tenant in TENANTS:
            server.run(f"CREATE DATABASE {tenant} OWNER {pools.ROLE}")
            owner = psycopg2.connect(host=server.host, dbname=tenant, user=pools.ROLE, password=pools.PASSWORD)
            with owner, owner.cursor() as cursor:
                cursor.execute("CREATE TABLE counted AS SELECT generate_series(1, 1000) AS id, 0 AS n")
            owner.close()
        self.standby = self.run(
            POSTGRES_IMAGE,
            ["-ec", PREPARE_STANDBY],
            entrypoint=["bash"],
            # A standby must allow as many as its primary does.
            environment={"PRIMARY": server.host, "REPLICATION": PASSWORD, "MAX_CONNECTIONS": MAX_CONNECTIONS},
        )
        wait_until("the standby answers", 60, Server(address_of(self.standby)).run, "SELECT 1")
        self.proxy = self.run(
            PROXY_IMAGE,
            ["haproxy", "-W", "-db", "-f", "/failover.cfg"],
            environment={"FIRST": server.host, "SECOND": address_of(self.standby)},
            volumes={str(IMAGES / "proxy" / "failover.cfg"): {"bind": "/failover.cfg", "mode": "ro"}},
        )
        self.host = address_of(self.proxy)
        wait_until("the proxy leads to it", 30, Server(self.host).run, "SELECT 1")

    def fail(self, how: str) -> None:
        if how == "killed":
            self.primary.kill()
        else:
            self.client.networks.get(NETWORK).disconnect(self.primary, force=True)

    def promote(self) -> None:
        Server(address_of(self.standby)).run("SELECT pg_promote()")

    def remove(self) -> None:
        for container in reversed(self.containers):
            container.remove(force=True, v=True)


@pytest.fixture
def pair(client: t.Any, postgres: Server, tmp_path: Path) -> t.Iterator[Pair]:
    client.images.build(path=str(IMAGES / "proxy"), tag=PROXY_IMAGE, rm=True, labels={LABEL: ""})
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "postgres_password").write_text(PASSWORD)
    for path in (secrets, *secrets.parents[:3]):
        path.chmod(0o755)
    pair = Pair(client)
    try:
        pair.start(secrets)
        yield pair
    finally:
        pair.remove()


def work(endpoint: Endpoint, stop: threading.Event) -> list[Request]:
    """Workers that write, each with its own pool, as Odoo's do."""
    done: list[Request] = []

    def worker(number: int) -> None:
        process = pools.ProcessPool(endpoint)
        turn = number
        while not stop.is_set():
            began, error = time.monotonic(), None
            try:
                with process.cursor(TENANTS[turn % len(TENANTS)]) as cursor:
                    cursor.execute("UPDATE counted SET n = n + 1 WHERE id = %s", (turn % 1000 + 1,))
            except psycopg2.Error as caught:
                error = str(caught).strip().splitlines()[0]
            done.append(Request(began, time.monotonic(), error))
            turn += CLIENTS
            stop.wait(PAUSE)
        process.close()

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(worker, range(CLIENTS)))
    return done


WAYS: dict[str, dict[str, t.Any] | None] = {
    "direct": None,
    "pooled, as planned": {},
    "server_connect_timeout 3": {"server_connect_timeout": 3},
    "query_wait_timeout 60": {"query_wait_timeout": 60},
    "server_login_retry 15 (default)": {"server_login_retry": 15},
    "tcp_user_timeout 5000": {"tcp_user_timeout": 5000},
}


@pytest.mark.parametrize("how", ["killed", "vanished"])
@pytest.mark.parametrize("way", WAYS)
def test_failover(pair: Pair, pooler: Pooler, version: str, way: str, how: str) -> None:
    endpoint = Endpoint(pair.host)
    settings = WAYS[way]
    if settings is not None:
        plan = pools.planned([pools.instance(f"erp{number}", databases=TENANTS) for number in range(3)])
        given = pools.configuration(plan, pooler.config, version, pair.host, PASSWORD)
        run_module("pgbouncer_config", **{**given, "settings": {**given["settings"], **settings}})
        pooler.start()
        endpoint = Endpoint(pooler.host)
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        users = pool.submit(work, endpoint, stop)
        time.sleep(BEFORE)
        pair.fail(how)
        time.sleep(DECISION)
        pair.promote()
        time.sleep(AFTER)
        stop.set()
        done = users.result()
    failed = sorted(request.ended for request in done if request.error)
    away = failed[-1] - failed[0] if failed else 0.0
    slowest = max(request.ended - request.began for request in done)
    errors = sorted({str(request.error)[:90] for request in done if request.error})
    print(
        f"\n{how:9} {way:32} {len(failed):4} of {len(done)} failed, over {away:5.1f} s; the slowest took {slowest:5.1f} s"
        f"\n          {'; '.join(errors)}"
    )
    last = [request for request in done if request.began > max(one.ended for one in done) - 3]
    assert last
    assert not [request for request in last if request.error]
