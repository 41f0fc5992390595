# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""odoo_dbhost and odoo_info on hosts that grew: several networks, a shared odoo.conf, what somebody has frozen, cleared away or
made anew meanwhile."""

from __future__ import annotations

import contextlib
import json
import os
import typing as t
from pathlib import Path

import pytest
from docker.types import IPAMConfig, IPAMPool

from tests.lab.instances import BY_ENVIRONMENT, BY_FILE, EVERYBODY, POOLED, ends, kill_in_the_middle, works_directly
from tests.lab.lab import (
    DATABASE,
    DATABASE_ADDRESS,
    FILESTORE,
    LABEL,
    NETWORK,
    ODOO_IMAGE,
    POOLER,
    Lab,
    wait_until,
)
from tests.modules import ModuleFailed, run_module

# Before the lab's own in every order, so that it is found first.
FRONT = "a-front"


@pytest.fixture
def front(lab: Lab, pooler: str) -> t.Iterator[str]:
    """A second network, as a reverse proxy has it, with everybody but PostgreSQL on it."""
    ipam = IPAMConfig(pool_configs=[IPAMPool(subnet="172.29.76.0/24")])
    network = lab.client.networks.create(FRONT, labels={LABEL: ""}, ipam=ipam)
    members = [*EVERYBODY, POOLER]
    for name in members:
        network.connect(name, aliases=[POOLED] if name == POOLER else None)
    yield FRONT
    for name in members:
        network.disconnect(name, force=True)
    network.remove()


def by_alias(name: str, state_dir: str) -> dict[str, t.Any]:
    return {"name": name, "host": POOLED, "method": "alias", "followers": EVERYBODY, "state_dir": state_dir}


def back(name: str, state_dir: str) -> dict[str, t.Any]:
    return {"name": name, "state": "reverted", "state_dir": state_dir}


def test_a_name_moves_on_its_own_network(lab: Lab, pooler: str, front: str, state_dir: str) -> None:
    """Docker's resolver tells one network's addresses, and that need not be PostgreSQL's network."""
    before = lab.state()
    for name in EVERYBODY:
        assert run_module("odoo_dbhost", **by_alias(name, state_dir))["method"] == "alias"
        assert ends(name) == {pooler}
    assert run_module("cutover_info", state_dir=state_dir)["together"] == [EVERYBODY]
    assert os.listdir(f"{state_dir}/names").count(f"{NETWORK}@db.json") == 1
    lab.client.networks.get(front).reload()
    attached = lab.client.containers.get(POOLER).attrs["NetworkSettings"]["Networks"]
    assert "db" in attached[NETWORK]["Aliases"]
    assert "db" not in attached[front]["Aliases"]
    for name in EVERYBODY:
        assert run_module("odoo_dbhost", **by_alias(name, state_dir))["changed"] is False
    for name in EVERYBODY:
        run_module("odoo_dbhost", **back(name, state_dir))
        wait_until("it works at its former address", 60, works_directly, name)
    assert lab.state() == before


def test_a_name_stays_as_long_as_somebody_is_moved_by_it(lab: Lab, pooler: str, state_dir: str) -> None:
    before = lab.state()
    run_module("odoo_dbhost", **by_alias(BY_ENVIRONMENT, state_dir))
    for check in (True, False):
        assert run_module("cutover_repair", check, repair="aliases", state_dir=state_dir)["aliases"] == []
    assert lab.execute(BY_ENVIRONMENT, "getent", "ahostsv4", "db").split()[0] == pooler
    # Somebody has lost the token, as by hand.
    token = Path(state_dir) / f"{BY_ENVIRONMENT}.json"
    content = token.read_bytes()
    token.unlink()
    assert run_module("cutover_repair", repair="aliases", state_dir=state_dir)["aliases"] == ["db"]
    token.write_bytes(content)
    run_module("odoo_dbhost", **back(BY_ENVIRONMENT, state_dir))
    wait_until("it works at its former address", 60, works_directly, BY_ENVIRONMENT)
    assert lab.state() == before


def test_postgresql_came_back_in_a_container_of_another_name(lab: Lab, pooler: str, state_dir: str) -> None:
    before = lab.state()
    database = lab.client.containers.get(DATABASE)
    named: dict[str, t.Any] = {"aliases": ["db"]}
    run_module("odoo_dbhost", **by_alias(BY_ENVIRONMENT, state_dir))
    try:
        database.rename("pooled-lab-newer")
        run_module("docker_aliases", container="pooled-lab-newer", **named)
        assert run_module("odoo_dbhost", **by_alias(BY_ENVIRONMENT, state_dir))["changed"] is True
        assert lab.execute(BY_ENVIRONMENT, "getent", "ahostsv4", "db").split()[0] == pooler
        assert ends(BY_ENVIRONMENT) == {pooler}
    finally:
        database.rename(DATABASE)
    with pytest.raises(ModuleFailed, match="pooled-lab-newer, which had the name db, is gone"):
        run_module("odoo_dbhost", **back(BY_ENVIRONMENT, state_dir))
    run_module("docker_aliases", container=DATABASE, **named)
    run_module("odoo_dbhost", **back(BY_ENVIRONMENT, state_dir))
    run_module("docker_aliases", container=DATABASE, aliases=["db-direct"], state="absent")
    wait_until("it works at its former address", 60, works_directly, BY_ENVIRONMENT)
    assert lab.state() == before


def test_what_is_frozen_is_not_lost(lab: Lab, pooler: str, state_dir: str) -> None:
    """Whoever thaws it finds it using the pooler, so it must keep its token, and with that the pooler."""
    before = lab.state()
    run_module("odoo_dbhost", name=BY_FILE, host=POOLED, method="reload", state_dir=state_dir)
    container = lab.client.containers.get(BY_FILE)
    container.pause()
    try:
        with pytest.raises(ModuleFailed, match=f"is paused; let it run .'docker unpause {BY_FILE}'"):
            run_module("odoo_dbhost", **back(BY_FILE, state_dir))
    finally:
        container.unpause()
    assert (Path(state_dir) / f"{BY_FILE}.json").exists()
    run_module("odoo_dbhost", **back(BY_FILE, state_dir))
    wait_until("it works at its former address", 60, works_directly, BY_FILE)
    assert lab.state() == before


# Older official images read the file and pass what it says as an argument, where a reload does not reach it.
PASSES_ON = ["sh", "-c", "exec odoo --db_host=$(sed -n 's/^db_host = //p' /etc/odoo/odoo.conf)"]


@pytest.fixture
def twin(lab: Lab, request: pytest.FixtureRequest) -> t.Iterator[str]:
    """Another instance with the odoo.conf of the first, as behind a load balancer; the parameter is its command."""
    name = f"{BY_FILE}-twin"
    volumes = {FILESTORE: {"bind": "/var/lib/odoo"}, str(lab.directory / BY_FILE): {"bind": "/etc/odoo"}}
    container = lab.run(
        ODOO_IMAGE, name, command=request.param, network=NETWORK, volumes=volumes, stop_signal="SIGTERM"
    )
    wait_until("the twin works", 120, works_directly, name)
    yield name
    container.remove(force=True, v=True)


@pytest.mark.parametrize(("twin", "method"), [(["odoo"], "reload"), (PASSES_ON, "restart")], indirect=["twin"])
def test_two_instances_with_one_conf(lab: Lab, pooler: str, state_dir: str, twin: str, method: str) -> None:
    before = lab.state()
    first: dict[str, t.Any] = {"name": BY_FILE, "host": POOLED, "method": "reload", "state_dir": state_dir}
    second = {**first, "name": twin, "method": method}
    assert run_module("odoo_dbhost", True, **second)["before"]["host"] == "db"
    run_module("odoo_dbhost", **first)
    assert run_module("odoo_info", containers=[twin], state_dir=state_dir)["instances"][0]["unread"] is True

    moved = run_module("odoo_dbhost", **second)
    assert (moved["changed"], moved["method"], moved["before"]["host"]) == (True, method, "db")
    assert ends(twin) == {pooler}
    assert run_module("odoo_info", containers=[twin], state_dir=state_dir)["instances"][0]["unread"] is False
    assert run_module("cutover_info", state_dir=state_dir)["together"] == [[BY_FILE, twin]]
    for arguments in (first, second):
        assert run_module("odoo_dbhost", **arguments)["changed"] is False

    # The one takes the file back from the other, which is then moved once more.
    run_module("odoo_dbhost", **back(twin, state_dir))
    assert ends(BY_FILE) == {pooler}
    assert run_module("odoo_dbhost", **first)["changed"] is True
    run_module("odoo_dbhost", **second)
    for name in (BY_FILE, twin):
        run_module("odoo_dbhost", **back(name, state_dir))
        wait_until("it works at its former address", 60, works_directly, name)
    assert lab.state() == before


def test_a_former_container_that_was_cleared_away(lab: Lab, pooler: str, state_dir: str) -> None:
    """Made anew from the token, also where a first attempt was killed."""
    before = lab.state()
    run_module("odoo_dbhost", name=BY_ENVIRONMENT, host=POOLED, method="recreate", state_dir=state_dir)
    lab.client.containers.get(f"{BY_ENVIRONMENT}-pooled-before").remove()
    kill_in_the_middle(back(BY_ENVIRONMENT, state_dir), Path(state_dir) / f"{BY_ENVIRONMENT}.json", 2)
    done = run_module("odoo_dbhost", **back(BY_ENVIRONMENT, state_dir))
    assert done["changed"] is True
    wait_until("it works at its former address", 60, works_directly, BY_ENVIRONMENT)
    after = lab.state()
    for state in (before, after):
        # It is another container, but for that the same.
        del state["containers"][BY_ENVIRONMENT]["id"]
        state["containers"][BY_ENVIRONMENT]["networks"][NETWORK]["Aliases"] = None
        state["containers"][BY_ENVIRONMENT]["config"].pop("Hostname")
    assert after == before


def test_what_else_odoo_can_do_and_who_cannot_be_told_apart(lab: Lab, pooler: str) -> None:
    """A shell is no server; an instance on the host's network is none that could be moved. Neither keeps the others from it."""
    shell = lab.run(
        ODOO_IMAGE,
        "pooled-lab-shell",
        command=["odoo", "shell", "-d", lab.tenants[0], "--no-http"],
        network=NETWORK,
        environment=lab.environment(),
        stdin_open=True,
    )
    outside = lab.run(
        ODOO_IMAGE,
        "pooled-lab-outside",
        command=["odoo", "--http-port=18999", "--workers=0", "--max-cron-threads=0"],
        network_mode="host",
        environment=lab.environment(host=DATABASE_ADDRESS),
    )
    try:
        for container in (shell, outside):
            wait_until(f"{container.name} is there", 30, shows_odoo, container)
        found = run_module("odoo_info")
        assert sorted(instance["name"] for instance in found["instances"]) == EVERYBODY
        assert "pooled-lab-outside is left out" in json.dumps(found["warnings"])
        with pytest.raises(ModuleFailed, match="shares the network of host"):
            run_module("odoo_info", containers=["pooled-lab-outside"])
        with pytest.raises(ModuleFailed, match="runs no Odoo server"):
            run_module("odoo_info", containers=["pooled-lab-shell"])
    finally:
        for container in (shell, outside):
            with contextlib.suppress(Exception):
                container.remove(force=True, v=True)


def shows_odoo(container: t.Any) -> None:
    titles = [process[-1] for process in container.top()["Processes"]]
    if not any("odoo" in title and "python" in title for title in titles):
        raise ConnectionError(f"not yet: {titles}")
