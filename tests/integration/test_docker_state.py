# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the collection tells of containers: their state and names, nothing that is secret; and whose an address is."""

from __future__ import annotations

import json
import typing as t

import pytest

from ansible_collections.pooled.odoo.plugins.module_utils import _addresses, _docker
from tests.lab.lab import LABEL, POSTGRES_IMAGE
from tests.lab.servers import NETWORK, Server, address_of
from tests.modules import ModuleFailed, run_module

CANARY = "c4nary"


@pytest.fixture
def neighbour(client: t.Any, postgres: Server) -> t.Iterator[t.Any]:
    """A container with a password in its environment, as people have them."""
    container = client.containers.run(
        POSTGRES_IMAGE,
        name="pooled-test-neighbour",
        entrypoint=["sleep", "600"],
        detach=True,
        labels={LABEL: "test"},
        network=NETWORK,
        environment={"POSTGRES_PASSWORD": CANARY},
        init=True,
    )
    yield container
    container.remove(force=True)


def test_state_without_secrets(neighbour: t.Any) -> None:
    found = run_module("docker_state_info", names=[neighbour.name, "nobody"])
    known, unknown = found["containers"]
    assert (known["exists"], known["running"], known["own"], known["installation"]) == (True, True, "", "")
    assert known["networks"][NETWORK]["address"] == address_of(neighbour)
    assert (unknown["exists"], unknown["running"], unknown["networks"]) == (False, False, {})
    assert found["engine"]["rootless"] is False
    assert CANARY not in json.dumps(found)


def test_restart_tells_nothing(neighbour: t.Any) -> None:
    before = run_module("docker_state_info", names=[neighbour.name])["containers"][0]["started_at"]
    assert run_module("docker_restart", check=True, name=neighbour.name)["changed"] is True
    assert run_module("docker_state_info", names=[neighbour.name])["containers"][0]["started_at"] == before
    done = run_module("docker_restart", name=neighbour.name, timeout=1)
    assert done["changed"] is True
    assert CANARY not in json.dumps(done)
    assert run_module("docker_state_info", names=[neighbour.name])["containers"][0]["started_at"] > before
    with pytest.raises(ModuleFailed, match="there is no container 'nobody'"):
        run_module("docker_restart", name="nobody")


def test_whose_an_address_is(neighbour: t.Any, client: t.Any) -> None:
    address = address_of(neighbour)
    wanted = {"container": neighbour.name, "network": NETWORK, "fixed": False}
    assert run_module("docker_address_holder_info", address=address)["holder"] == wanted
    for nobodys in ("db.example.com", "192.0.2.1", ""):
        assert run_module("docker_address_holder_info", address=nobodys)["holder"] is None


def test_another_runs_trial_container_is_left_alone(client: t.Any, neighbour: t.Any) -> None:
    """One that is in use may be removed by whoever made it, and by nobody else."""
    trials = {
        owner: client.containers.create(
            POSTGRES_IMAGE, labels={LABEL: "test", _docker.OWN_LABEL: "trial", _docker.PROCESS_LABEL: owner}
        )
        for owner in (_docker.this_process(), "elsewhere/1/2/3", f"{_docker.this_process()}0")
    }
    _addresses.refusal(client, POSTGRES_IMAGE, NETWORK, "192.0.2.1")
    left = {container.id for container in client.containers.list(all=True)}
    # The last one names a process of this machine that is not there.
    assert [trial.id in left for trial in trials.values()] == [True, True, False]
