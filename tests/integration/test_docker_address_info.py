# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""docker_address_info on real networks: a container can have what it finds, and nobody else wants it."""

from __future__ import annotations

import typing as t

import pytest
from docker.types import IPAMConfig, IPAMPool

from tests.lab.lab import LABEL, POSTGRES_IMAGE
from tests.lab.servers import Server
from tests.modules import ModuleFailed, run_module

NETWORK, CHOSEN, NEW = "pooled-test-addresses", "pooled-test-docker-chose", "pooled-test-new"


@pytest.fixture
def networks(client: t.Any, postgres: Server) -> t.Iterator[list[str]]:
    """One with a subnet, and one whose subnet Docker chose, where it gives no fixed addresses."""
    ipam = IPAMConfig(pool_configs=[IPAMPool(subnet="172.29.79.0/24")])
    made = [
        client.networks.create(NETWORK, labels={LABEL: "test"}, ipam=ipam),
        client.networks.create(CHOSEN, labels={LABEL: "test"}),
    ]
    yield [network.name for network in made]
    for network in made:
        for container in client.containers.list(all=True, filters={"network": network.name}):
            container.remove(force=True, v=True)
        network.remove()


def create(client: t.Any, name: str, address: str | None) -> t.Any:
    container = client.containers.create(
        POSTGRES_IMAGE, ["infinity"], entrypoint=["sleep"], name=name, labels={LABEL: "test"}, network="none"
    )
    client.networks.get("none").disconnect(container)
    client.networks.get(NETWORK).connect(container, ipv4_address=address)
    return container


def ask(networks: list[str]) -> dict[str, t.Any]:
    before = run_module("docker_address_info", check=True, name=NEW, image=POSTGRES_IMAGE, networks=networks)
    done = run_module("docker_address_info", name=NEW, image=POSTGRES_IMAGE, networks=networks)
    assert before == done
    addresses: dict[str, t.Any] = done["addresses"]
    return addresses


def test_a_new_container_gets_the_highest_that_nobody_wants(client: t.Any, networks: list[str]) -> None:
    assert ask(networks) == {NETWORK: "172.29.79.254", CHOSEN: None}
    # It does not run, but it will want its address when it does.
    create(client, "pooled-test-other", "172.29.79.254")
    address = ask(networks)[NETWORK]
    assert address == "172.29.79.253"
    container = create(client, NEW, address)
    container.start()
    container.reload()
    assert container.attrs["NetworkSettings"]["Networks"][NETWORK]["IPAddress"] == address
    assert ask(networks) == {NETWORK: address, CHOSEN: None}


def test_one_that_is_there_keeps_what_it_has(client: t.Any, networks: list[str]) -> None:
    create(client, NEW, None).start()
    assert ask(networks) == {NETWORK: None, CHOSEN: None}


def test_bad_input_is_named(client: t.Any, networks: list[str]) -> None:
    with pytest.raises(ModuleFailed, match="nowhere"):
        run_module("docker_address_info", name=NEW, image=POSTGRES_IMAGE, networks=["nowhere"])
