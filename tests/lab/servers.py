# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A PostgreSQL, and a PgBouncer whose configuration a test writes with the module."""

from __future__ import annotations

import os
import socket
import time
import typing as t
from pathlib import Path

import psycopg2

from tests.lab.lab import LABEL, wait_until

ROLE_IMAGE = Path(__file__).parents[2] / "roles" / "pooler" / "files" / "image"
NETWORK = "pooled-test"
PASSWORD = "t3st"
UID = 6432
# Room for what the largest plan of these tests has at its worst, twice.
MAX_CONNECTIONS = 400
# The versions that Debian's stable and unstable give; the second part of each is asserted, not assumed.
SUITES = {"stable": "1.24", "unstable": "1.26"}


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


def address_of(container: t.Any) -> str:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        container.reload()
        for network in container.attrs["NetworkSettings"]["Networks"].values():
            if network["IPAddress"]:
                return network["IPAddress"]
        time.sleep(0.1)
    raise TimeoutError(f"{container.name} got no address")


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
