# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a container that is created anew keeps of the former one, by real Docker."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.pooled.odoo.plugins.module_utils import _container, _docker
from ansible_collections.pooled.odoo.plugins.module_utils._move import containers
from tests.lab.lab import LABEL, POSTGRES_IMAGE
from tests.lab.servers import Server

FRONT, BACK = "pooled-test-front", "pooled-test-back"
OTHER, FORMER, NEW = "pooled-test-other", "pooled-test-former", "pooled-test-new"


@pytest.fixture
def networks(client: t.Any, network: t.Any) -> t.Iterator[list[t.Any]]:
    made = [client.networks.create(name, labels={LABEL: "test"}) for name in (FRONT, BACK)]
    yield made
    for container in client.containers.list(all=True, filters={"label": f"{LABEL}=test", "network": BACK}):
        container.remove(force=True)
    for network in made:
        network.remove()


@pytest.fixture
def former(client: t.Any, networks: list[t.Any], postgres: Server) -> t.Any:
    """On two networks, with a name and a hardware address on each, and with a link."""

    def create(name: str, **options: t.Any) -> t.Any:
        return client.containers.create(
            POSTGRES_IMAGE,
            ["infinity"],
            entrypoint=["sleep"],
            stop_signal="SIGKILL",
            name=name,
            labels={LABEL: "test"},
            **options,
        )

    other = create(OTHER, network=BACK)
    other.start()
    made = create(FORMER, network=FRONT, mac_address="02:42:ac:11:00:99")
    networks[1].connect(made, aliases=["erp"], links={OTHER: "mail"}, mac_address="00:16:3e:00:00:01")
    made.start()
    made.reload()
    return made


def test_networks_are_kept_with_all_that_was_asked_for(client: t.Any, former: t.Any) -> None:
    created = containers.create_like(client, former.attrs, NEW, {"HOST": "pooled-odoo"}, {})
    former.stop()
    created.start()
    created.reload()
    wanted, kept = _container.endpoints(former.attrs), _container.endpoints(created.attrs)
    assert kept == wanted
    assert wanted[FRONT]["MacAddress"] == "02:42:ac:11:00:99"
    # Docker 24 and older take one for the first network alone.
    assert wanted[BACK].get("MacAddress") == ("00:16:3e:00:00:01" if _docker.speaks(client, "1.44") else None)
    assert wanted[BACK]["Links"] == [f"{OTHER}:mail"]
    assert "erp" in wanted[BACK]["Aliases"]
