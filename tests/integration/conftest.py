# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real PostgreSQL, and a real PgBouncer of each version that the role builds, on a network of their own."""

from __future__ import annotations

import typing as t
from pathlib import Path

import docker
import pytest

from tests.lab.lab import IMAGES, LABEL, POSTGRES_IMAGE, STANDIN_IMAGE, postgres_arguments, wait_until
from tests.lab.servers import MAX_CONNECTIONS, NETWORK, PASSWORD, ROLE_IMAGE, SUITES, UID, Pooler, Server, address_of


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


@pytest.fixture(scope="session")
def standin(client: t.Any) -> str:
    """The image of the stand-in for Odoo."""
    # All of the folder: its entrypoint is the lab's own.
    client.images.build(
        path=str(IMAGES), dockerfile="standin/Dockerfile", tag=STANDIN_IMAGE, rm=True, labels={LABEL: ""}
    )
    return STANDIN_IMAGE


@pytest.fixture(scope="session")
def postgres(client: t.Any, network: t.Any, tmp_path_factory: pytest.TempPathFactory) -> Server:
    client.images.build(
        path=str(IMAGES / "postgres"), tag=POSTGRES_IMAGE, rm=True, labels={LABEL: ""}, buildargs=postgres_arguments()
    )
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


@pytest.fixture
def pooler(client: t.Any, network: t.Any, image: str, tmp_path: Path) -> t.Iterator[Pooler]:
    pooler = Pooler(client, image, tmp_path)
    yield pooler
    pooler.stop()
