# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real PostgreSQL, and a real PgBouncer of each version that the role builds, on a network of their own."""

from __future__ import annotations

import os
import socket
import time
import typing as t
from pathlib import Path

import docker
import psycopg2
import pytest

from tests.lab.lab import IMAGES, LABEL, POSTGRES_IMAGE, wait_until

ROLE_IMAGE = Path(__file__).parents[2] / "roles" / "pooler" / "files" / "image"
NETWORK = "pooled-test"
PASSWORD = "t3st"
UID = 6432
# Room for what the largest plan of these tests has at its worst, twice.
MAX_CONNECTIONS = 400
# The versions that Debian's stable and unstable give; the second part of each is asserted, not assumed.
SUITES = {"stable": "1.24", "unstable": "1.26"}


@pytest.fixture(scope="session")
def client() -> t.Any:
    return docker.from_env(timeout=300)


@pytest.fixture(scope="session")
def network(client: t.Any) -> t.Iterator[t.Any]:
    remove_leftovers(client)
    yield client.networks.create(NETWORK, labels={LABEL: "test"})
    remove_leftovers(client)


def remove_leftovers(client: t.Any) -> None:
    for container in client.containers.list(all=True, filters={"label": f"{LABEL}=test"}):
        container.remove(force=True, v=True)
    for network in client.networks.list(filters={"label": f"{LABEL}=test"}):
        network.remove()


class Server(t.NamedTuple):
    """PostgreSQL for a test."""

    host: str

    def login(self, **changes: t.Any) -> dict[str, t.Any]:
        return {"login_host": self.host, "login_user": "postgres", "login_password": PASSWORD, **changes}

    def connect(self, dbname: str = "postgres", user: str = "postgres", password: str = PASSWORD) -> t.Any:
        connection = psycopg2.connect(host=self.host, dbname=dbname, user=user, password=password, connect_timeout=5)
        connection.autocommit = True
        return connection

    def run(self, *statements: str) -> list[tuple[t.Any, ...]]:
        connection = self.connect()
        try:
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()


@pytest.fixture(scope="session")
def postgres(client: t.Any, network: t.Any, tmp_path_factory: pytest.TempPathFactory) -> Server:
    client.images.build(path=str(IMAGES / "postgres"), tag=POSTGRES_IMAGE, rm=True, labels={LABEL: ""})
    secrets = tmp_path_factory.mktemp("secrets")
    secrets.chmod(0o755)
    (secrets / "postgres_password").write_text(PASSWORD)
    for parent in (secrets, *secrets.parents[:2]):
        parent.chmod(0o755)
    container = client.containers.run(
        POSTGRES_IMAGE,
        ["-c", f"max_connections={MAX_CONNECTIONS}", "-c", "fsync=off"],
        name="pooled-test-db",
        detach=True,
        labels={LABEL: "test"},
        network=NETWORK,
        volumes={str(secrets): {"bind": "/run/secrets", "mode": "ro"}},
    )
    server = Server(address_of(container))
    wait_until("PostgreSQL accepts connections", 60, server.run, "SELECT 1")
    return server


def address_of(container: t.Any) -> str:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        container.reload()
        for network in container.attrs["NetworkSettings"]["Networks"].values():
            if network["IPAddress"]:
                return network["IPAddress"]
        time.sleep(0.1)
    raise TimeoutError(f"{container.name} got no address")


@pytest.fixture(scope="session", params=SUITES)
def image(request: pytest.FixtureRequest, client: t.Any) -> str:
    tag = f"pooled-test-pgbouncer:{request.param}"
    arguments = {"PGBOUNCER_SUITE": request.param, "POOLER_UID": str(UID)}
    client.images.build(path=str(ROLE_IMAGE), tag=tag, rm=True, buildargs=arguments, labels={LABEL: ""})
    return tag


@pytest.fixture(scope="session")
def version(client: t.Any, image: str) -> str:
    output = client.containers.run(image, ["--version"], remove=True, labels={LABEL: "test"}).decode()
    found = output.split()[1]
    assert found.startswith(SUITES[image.partition(":")[2]])
    return found


class Pooler:
    """A PgBouncer in a container whose configuration the test writes with the module."""

    def __init__(self, client: t.Any, image: str, folder: Path) -> None:
        self.client, self.image = client, image
        self.config, self.socket = folder / "config", folder / "socket"
        for path in (self.config, self.socket):
            path.mkdir()
            os.chown(path, UID, UID)
            path.chmod(0o700)
        self.container: t.Any = None

    def start(self) -> None:
        self.container = self.client.containers.run(
            self.image,
            detach=True,
            labels={LABEL: "test"},
            network=NETWORK,
            read_only=True,
            cap_drop=["ALL"],
            volumes={
                str(self.config): {"bind": "/etc/pgbouncer", "mode": "ro"},
                str(self.socket): {"bind": "/run/pgbouncer"},
            },
        )
        self.host = address_of(self.container)
        wait_until(f"PgBouncer listens; it says {self.log()}", 20, self.knock)

    def knock(self) -> None:
        self.container.reload()
        assert self.container.status == "running", self.log()
        socket.create_connection((self.host, 5432), 2).close()
        # It listens on its Unix socket a moment later.
        (self.socket / ".s.PGSQL.5432").lstat()

    def log(self) -> str:
        return self.container.logs().decode()

    @property
    def console(self) -> dict[str, t.Any]:
        return {"login_host": str(self.socket), "login_user": "boss", "login_password": "b0ss"}

    def stop(self) -> None:
        if self.container:
            self.container.remove(force=True)


@pytest.fixture
def pooler(client: t.Any, network: t.Any, image: str, tmp_path: Path) -> t.Iterator[Pooler]:
    pooler = Pooler(client, image, tmp_path)
    yield pooler
    pooler.stop()


def configuration(pooler: Pooler, version: str, host: str, **changes: t.Any) -> dict[str, t.Any]:
    """Arguments of pgbouncer_config for a PgBouncer that works in front of *host*."""
    settings = {
        "listen_addr": "*",
        "listen_port": 5432,
        "unix_socket_dir": "/run/pgbouncer",
        "auth_type": "hba",
        "auth_file": "/etc/pgbouncer/userlist.txt",
        "auth_hba_file": "/etc/pgbouncer/pg_hba.conf",
        "admin_users": "boss",
        "pool_mode": "transaction",
        "max_user_connections": 10,
        **changes.pop("settings", {}),
    }
    return {
        "path": str(pooler.config),
        "version": version,
        "settings": settings,
        "databases": [{"name": "*", "host": host}],
        "userlist": [{"name": "boss", "password": "b0ss"}, {"name": "postgres", "password": PASSWORD}],
        "hba": [
            {"type": "local", "database": ["pgbouncer"], "user": ["boss"], "method": "scram-sha-256"},
            {"type": "host", "database": ["all"], "user": ["all"], "address": "all", "method": "scram-sha-256"},
        ],
        **changes,
    }
