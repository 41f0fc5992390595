# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PostgreSQL in a container that comes up after others, as a reboot may have it: one of them may have its address then.

Both ways that deploy names where it refuses such an address.
"""

from __future__ import annotations

import contextlib
import typing as t

import docker
import pytest

from tests.lab.lab import LABEL, POSTGRES_IMAGE, wait_until
from tests.lab.servers import PASSWORD, Pooler, Server, address_of, configuration
from tests.modules import run_module

DATABASE = "pooled-test-reboot"
# A network of its own; Docker gives away the lower half only.
NETWORK, SUBNET, GIVEN_AWAY, FIXED = "pooled-test-reboot", "10.231.77.0/24", "10.231.77.0/25", "10.231.77.200"


class Database:
    """A PostgreSQL whose address Docker chooses, or *address*."""

    def __init__(self, client: t.Any, secrets: str, address: str | None) -> None:
        self.client = client
        self.container = client.containers.create(
            POSTGRES_IMAGE,
            ["-c", "fsync=off"],
            name=DATABASE,
            labels={LABEL: "test"},
            volumes={secrets: {"bind": "/run/secrets", "mode": "ro"}},
        )
        client.networks.get("bridge").disconnect(self.container)
        client.networks.get(NETWORK).connect(self.container, ipv4_address=address)
        self.start()

    def start(self) -> None:
        self.container.start()
        wait_until("PostgreSQL accepts connections", 60, Server(address_of(self.container)).run, "SELECT 1")

    @contextlib.contextmanager
    def overtaken(self) -> t.Iterator[None]:
        """Others start before it, enough of them for its address to be taken if Docker gives that away."""
        self.container.stop(timeout=5)
        others = []
        try:
            for _number in range(3):
                others.append(
                    self.client.containers.run(
                        POSTGRES_IMAGE,
                        entrypoint=["sleep", "600"],
                        detach=True,
                        labels={LABEL: "test"},
                        network=NETWORK,
                    )
                )
            self.start()
            yield
        finally:
            for other in others:
                other.remove(force=True)


@pytest.fixture
def start(client: t.Any, network: t.Any, postgres: Server) -> t.Iterator[t.Callable[..., Database]]:
    mounts = client.containers.get("pooled-test-db").attrs["Mounts"]
    (secrets,) = [mount["Source"] for mount in mounts if mount["Destination"] == "/run/secrets"]
    pool = docker.types.IPAMPool(subnet=SUBNET, iprange=GIVEN_AWAY)
    own = client.networks.create(NETWORK, labels={LABEL: "test"}, ipam=docker.types.IPAMConfig(pool_configs=[pool]))
    started: list[Database] = []

    def start(address: str | None = None) -> Database:
        started.append(Database(client, secrets, address))
        return started[-1]

    yield start
    for database in started:
        database.container.remove(force=True, v=True)
    for container in client.containers.list(all=True, filters={"network": NETWORK}):
        own.disconnect(container, force=True)
    own.remove()


def served(pooler: Pooler) -> str:
    """The address at which PostgreSQL serves a new client of the pooler."""
    with contextlib.closing(Server(pooler.host).connect(password=PASSWORD)) as client, client.cursor() as cursor:
        cursor.execute("SELECT inet_server_addr()")
        return str(cursor.fetchall()[0][0])


def serve(client: t.Any, pooler: Pooler, version: str, host: str) -> None:
    """Starts the pooler in front of PostgreSQL at *host*."""
    run_module("pgbouncer_config", **configuration(pooler, version, host))
    pooler.start()
    client.networks.get(NETWORK).connect(pooler.container)
    wait_until("the pooler serves", 30, served, pooler)


@pytest.mark.parametrize("image", ["stable"], indirect=True)
def test_a_pooler_that_starts_with_everybody_finds_it_by_its_name(
    start: t.Callable[..., Database], client: t.Any, pooler: Pooler, version: str
) -> None:
    database = start()
    address = address_of(database.container)
    found = run_module("docker_address_holder_info", address=address)["holder"]
    assert found == {"container": DATABASE, "network": NETWORK, "fixed": False}
    serve(client, pooler, version, DATABASE)
    with database.overtaken():
        assert address_of(database.container) != address
        pooler.container.restart(timeout=1)
        pooler.host = address_of(pooler.container)
        wait_until("the pooler finds PostgreSQL", 30, served, pooler)
        assert served(pooler) == address_of(database.container)


@pytest.mark.parametrize("image", ["stable"], indirect=True)
def test_an_address_that_docker_gives_nobody_is_kept(
    start: t.Callable[..., Database], client: t.Any, pooler: Pooler, version: str
) -> None:
    database = start(FIXED)
    found = run_module("docker_address_holder_info", address=FIXED)["holder"]
    assert found == {"container": DATABASE, "network": NETWORK, "fixed": True}
    serve(client, pooler, version, FIXED)
    with database.overtaken():
        # The pooler was there all the time.
        wait_until("the pooler goes on", 60, served, pooler)
        assert served(pooler) == FIXED
