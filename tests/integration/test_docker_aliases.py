# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""docker_aliases on a real container: it keeps its address, or nothing happens."""

from __future__ import annotations

import typing as t

import pytest
from docker.types import IPAMConfig, IPAMPool

from ansible_collections.pooled.odoo.plugins.module_utils import _alias
from tests.lab.lab import LABEL, POSTGRES_IMAGE
from tests.lab.servers import Server
from tests.modules import ModuleFailed, run_module, sextet

NAME = "pooled-test-named"
SUBNETS = {"fixed": "172.29.79.0/24", "any": None}


@pytest.fixture
def named(client: t.Any, postgres: Server, request: pytest.FixtureRequest) -> t.Iterator[t.Any]:
    """A container on a network of its own, with the subnet of the test's parameter or with one that Docker chose."""
    subnet = SUBNETS[request.param]
    ipam = IPAMConfig(pool_configs=[IPAMPool(subnet=subnet)]) if subnet else None
    network = client.networks.create(f"pooled-test-{request.param}", labels={LABEL: "test"}, ipam=ipam)
    container = client.containers.run(
        POSTGRES_IMAGE,
        ["infinity"],
        entrypoint=["sleep"],
        name=NAME,
        detach=True,
        labels={LABEL: "test"},
        network=network.name,
    )
    yield container
    container.remove(force=True, v=True)
    network.remove()


def endpoint(container: t.Any) -> tuple[str, list[str]]:
    container.reload()
    (found,) = container.attrs["NetworkSettings"]["Networks"].values()
    aliases = [alias for alias in found["Aliases"] or [] if alias != container.id[:12]]
    return found["IPAddress"], aliases


@pytest.mark.parametrize("named", ["fixed"], indirect=True)
def test_names_come_and_go_at_the_same_address(named: t.Any) -> None:
    address, names = endpoint(named)
    given = {"container": NAME, "aliases": ["db", "sql"]}
    taken = {"container": NAME, "aliases": ["sql"], "state": "absent"}
    results = sextet("docker_aliases", given, taken, lambda: endpoint(named))
    assert results[1]["aliases"] == {"pooled-test-fixed": ["db", "sql"]}
    assert endpoint(named) == (address, [*names, "db"])


@pytest.mark.parametrize("named", ["any"], indirect=True)
def test_nothing_happens_where_the_address_would_be_lost(named: t.Any) -> None:
    before = endpoint(named)
    with pytest.raises(ModuleFailed, match="without losing its connections on the network pooled-test-any .*subnet"):
        run_module("docker_aliases", container=NAME, aliases=["db"])
    assert endpoint(named) == before


def test_a_name_does_not_move_where_addresses_of_ipv6_would_be_lost(client: t.Any) -> None:
    pools = [IPAMPool(subnet="172.29.78.0/24"), IPAMPool(subnet="fd00:2977::/64")]
    network = client.networks.create(
        "pooled-test-ipv6", labels={LABEL: "test"}, enable_ipv6=True, ipam=IPAMConfig(pool_configs=pools)
    )
    try:
        hindrance = _alias.hindrance(client, _alias.Name(network.name, "db", None), {})
    finally:
        network.remove()
    assert hindrance is not None
    assert "pooled-test-ipv6 gives IPv6 addresses too" in hindrance


def test_bad_input_is_named(client: t.Any) -> None:
    with pytest.raises(ModuleFailed, match="missing required arguments: aliases, container"):
        run_module("docker_aliases")
    with pytest.raises(ModuleFailed, match="there is no container 'nowhere'"):
        run_module("docker_aliases", container="nowhere", aliases=["db"])


@pytest.mark.parametrize("named", ["fixed"], indirect=True)
def test_links_are_kept(client: t.Any, named: t.Any, postgres: Server) -> None:
    """It leaves its network and joins it again, with its links."""
    other = client.containers.run(
        POSTGRES_IMAGE,
        ["infinity"],
        entrypoint=["sleep"],
        detach=True,
        labels={LABEL: "test"},
        network="pooled-test-fixed",
    )
    network = client.networks.get("pooled-test-fixed")
    try:
        address, _names = endpoint(named)
        network.disconnect(named)
        network.connect(named, ipv4_address=address, links={other.name: "mail"})
        run_module("docker_aliases", container=NAME, aliases=["db"])
        assert endpoint(named)[1] == ["db"]
        assert named.attrs["NetworkSettings"]["Networks"]["pooled-test-fixed"]["Links"] == [f"{other.name}:mail"]
    finally:
        other.remove(force=True)
