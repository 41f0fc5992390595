# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""odoo_info, odoo_preflight and odoo_dbhost on real Odoo, state by state, with users at work; and what happens when a move
fails or its run is killed."""

from __future__ import annotations

import json
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.lab.instances import BY_ENVIRONMENT, BY_FILE, EVERYBODY, POOLED, ends, kill_in_the_middle, works_directly
from tests.lab.lab import DATABASE, DATABASE_ADDRESS, NETWORK, POOLER, Lab, wait_until
from tests.modules import ModuleFailed, run_module


def test_info_finds_every_instance(lab: Lab, traffic: t.Any) -> None:
    found = {instance["name"]: instance for instance in run_module("odoo_info")["instances"]}
    assert sorted(found) == [BY_FILE, BY_ENVIRONMENT]
    for instance in found.values():
        assert instance["version"] == "19.0"
        assert instance["family"] == "official"
        assert (instance["workers"], instance["cron_threads"], instance["listeners"]) == (2, 2, 3)
        assert instance["databases"] == lab.tenants
        assert instance["db_user"] == "odoo"
        assert (instance["address"]["host"], instance["address"]["resolved"]) == ("db", [DATABASE_ADDRESS])
    assert found[BY_FILE]["address"]["host_source"]["kind"] == "file"
    assert found[BY_ENVIRONMENT]["address"]["host_source"]["kind"] == "environment"
    assert "l4b" not in json.dumps(found)


def test_info_refuses_what_is_no_odoo(traffic: t.Any) -> None:
    with pytest.raises(ModuleFailed, match="there is no container 'nowhere' on this host"):
        run_module("odoo_info", containers=["nowhere"])
    with pytest.raises(ModuleFailed, match="'pooled-lab-db' runs no Odoo server"):
        run_module("odoo_info", containers=[DATABASE])
    with pytest.raises(ModuleFailed, match="Docker does not answer at unix:///nowhere"):
        run_module("odoo_info", docker_host="unix:///nowhere")


def test_preflight(pooler: str) -> None:
    result = run_module("odoo_preflight", name=BY_FILE, host=POOLED)
    assert all(check["ok"] for check in result["checks"])
    assert [check["check"] for check in result["checks"]][:4] == [
        "name of the pooler resolves",
        "login to postgres as Odoo's role",
        "the PostgreSQL behind it is the one that Odoo uses now",
        "LISTEN and NOTIFY across two connections on postgres",
    ]
    with pytest.raises(ModuleFailed, match="cannot resolve 'nowhere'"):
        run_module("odoo_preflight", name=BY_FILE, host="nowhere")
    # At that container's address, whatever the name means.
    by_address = run_module("odoo_preflight", name=BY_FILE, host=BY_ENVIRONMENT, pooler=POOLER)
    assert all(check["ok"] for check in by_address["checks"])
    with pytest.raises(ModuleFailed, match="there is no container 'nowhere'"):
        run_module("odoo_preflight", name=BY_FILE, host=POOLED, pooler="nowhere")
    with pytest.raises(ModuleFailed, match="login to postgres as Odoo's role"):
        run_module("odoo_preflight", name=BY_FILE, host=BY_ENVIRONMENT)


MOVES = [
    (BY_FILE, "auto", "reload"),
    (BY_ENVIRONMENT, "auto", "alias"),
    (BY_ENVIRONMENT, "recreate", "recreate"),
    (BY_FILE, "restart", "restart"),
]


@pytest.mark.parametrize(("name", "asked", "used"), MOVES)
def test_there_and_back(lab: Lab, pooler: str, state_dir: str, name: str, asked: str, used: str) -> None:
    """Check, real, again for both states; back, everything is as it was."""
    before = lab.state()
    there: dict[str, t.Any] = {
        "name": name,
        "host": POOLED,
        "method": asked,
        "followers": EVERYBODY,
        "state_dir": state_dir,
    }
    back: dict[str, t.Any] = {"name": name, "state": "reverted", "state_dir": state_dir}

    predicted = run_module("odoo_dbhost", True, **there)
    assert (predicted["changed"], predicted["method"]) == (True, used)
    assert lab.state() == before
    # While the name was the pooler's for another instance, this one may have opened connections there too.
    assert DATABASE_ADDRESS in ends(name)

    done = run_module("odoo_dbhost", **there)
    assert (done["changed"], done["method"]) == (True, used)
    assert done["diff"] == predicted["diff"]
    assert (done["before"]["host"], done["after"]["host"]) == ("db", POOLED)
    assert (done["gap_ms"] == 0) is (used in ("reload", "alias"))
    assert ends(name) == {pooler}
    moved = lab.state()
    assert moved != before

    for check in (True, False):
        assert run_module("odoo_dbhost", check, **there)["changed"] is False
    assert lab.state() == moved

    assert run_module("odoo_dbhost", True, **back)["changed"] is True
    assert lab.state() == moved
    assert run_module("odoo_dbhost", **back)["changed"] is True
    assert lab.state() == before
    assert ends(name) == {DATABASE_ADDRESS}
    for check in (True, False):
        assert run_module("odoo_dbhost", check, **back)["changed"] is False
    assert comes_back_after_a_reboot(lab, name)


def comes_back_after_a_reboot(lab: Lab, name: str) -> bool:
    """Whether Docker will start the container, whose policy is unless-stopped, again: it does not tell, but it writes it down."""
    folder = Path(lab.client.info()["DockerRootDir"]) / "containers" / str(lab.client.containers.get(name).id)
    return not json.loads((folder / "config.v2.json").read_text())["HasBeenManuallyStopped"]


def test_a_second_address_needs_the_way_back_first(lab: Lab, pooler: str, state_dir: str) -> None:
    run_module("odoo_dbhost", name=BY_FILE, host=POOLED, state_dir=state_dir)
    with pytest.raises(ModuleFailed, match="was moved to pooled-odoo:5432 before"):
        run_module("odoo_dbhost", name=BY_FILE, host=pooler, state_dir=state_dir)
    run_module("odoo_dbhost", name=BY_FILE, state="reverted", state_dir=state_dir)


BAD: list[tuple[dict[str, t.Any], str]] = [
    ({"name": "nowhere"}, "there is no container 'nowhere'"),
    ({"name": "../../etc/passwd"}, "is not a container's name"),
    ({"name": DATABASE}, "runs no Odoo server"),
    ({"host": "no-such-name"}, "does not resolve inside pooled-lab-odoo1"),
    ({"method": "recreate"}, "odoo.conf gives the address"),
    ({"name": BY_ENVIRONMENT, "method": "reload"}, "does not come from odoo.conf but from HOST=db"),
    ({"method": "compose"}, "Compose did not make this container"),
    ({"method": "alias"}, "pooled-lab-odoo2 on the network pooled-lab also uses PostgreSQL"),
    ({"method": "alias", "port": 6432}, "a name keeps its port"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD)
def test_bad_input_changes_nothing(
    lab: Lab, pooler: str, state_dir: str, arguments: dict[str, t.Any], message: str
) -> None:
    before = lab.state()
    with pytest.raises(ModuleFailed) as caught:
        run_module("odoo_dbhost", **{"name": BY_FILE, "host": POOLED, "state_dir": state_dir, **arguments})
    assert message in str(caught.value)
    assert lab.state() == before


@pytest.mark.parametrize("name", [BY_FILE, BY_ENVIRONMENT])
def test_a_move_that_does_not_work_is_put_back(lab: Lab, pooler: str, state_dir: str, name: str) -> None:
    """The name resolves, but no database is there."""
    before = lab.state()
    with pytest.raises(ModuleFailed) as caught:
        run_module("odoo_dbhost", name=name, host="pooled-lab-pgbouncer", port=5433, state_dir=state_dir, timeout=15)
    assert "did not reach the expected state within 15 s" in str(caught.value)
    assert "works at its former address again" in str(caught.value) or "runs again" in str(caught.value)
    assert lab.state() == before
    wait_until("it works at its former address", 60, works_directly, name)


# Looks for the host of its argument and connects to it, again and again until there is a file; prints how often, and what failed.
# Some only look: those who connect all wait for an answer when it counts.
HAMMER = """
import json, os, socket, sys, threading, time
done, failed = [], []
def look():
    socket.getaddrinfo(sys.argv[1], 5432, socket.AF_INET)
def connect():
    socket.create_connection((sys.argv[1], 5432), 10).close()
def repeat(what):
    while not os.path.exists('/tmp/enough'):
        try:
            what()
        except OSError as error:
            failed.append(str(error))
        done.append(what)
        # The name is away for many of these; without it the machine would do nothing else.
        time.sleep(0.002)
threads = [threading.Thread(target=repeat, args=[what]) for what in (look, look, connect, connect)]
for thread in threads: thread.start()
for thread in threads: thread.join()
os.remove('/tmp/enough')
print(json.dumps([len(done), failed]))
"""


def test_nobody_misses_the_pooler_while_it_gets_a_name_and_loses_it(lab: Lab, pooler: str, state_dir: str) -> None:
    """It leaves its network for that; who uses it already must not find nobody just then."""
    run_module("odoo_dbhost", name=BY_FILE, host=POOLED, state_dir=state_dir)
    container = lab.client.containers.get(BY_FILE)
    with ThreadPoolExecutor(1) as pool:
        hammer = pool.submit(container.exec_run, ["python3", "-c", HAMMER, POOLED])
        time.sleep(1)
        try:
            there: dict[str, t.Any] = {"host": POOLED, "method": "alias", "followers": [BY_FILE]}
            run_module("odoo_dbhost", name=BY_ENVIRONMENT, state_dir=state_dir, **there)
            run_module("odoo_dbhost", name=BY_ENVIRONMENT, state_dir=state_dir, state="reverted")
        finally:
            container.exec_run(["touch", "/tmp/enough"])
        done, failed = json.loads(t.cast(bytes, hammer.result(30).output))
    run_module("odoo_dbhost", name=BY_FILE, state_dir=state_dir, state="reverted")
    print(f"{done} times while the name moved, failed: {failed}")
    assert done > 100
    assert failed == []


# Seconds after the record appeared: while Odoo starts, at once, and while the gate waits. Each costs a minute and more, so CI has
# the first of them.
MOMENTS = [0.5, pytest.param(0.0, marks=pytest.mark.long), pytest.param(2.0, marks=pytest.mark.long)]
KILLED = [(BY_FILE, "reload"), (BY_ENVIRONMENT, "recreate"), (BY_ENVIRONMENT, "alias")]


@pytest.mark.parametrize("delay", MOMENTS)
@pytest.mark.parametrize(("name", "method"), KILLED)
def test_a_killed_run_can_be_finished_or_taken_back(
    lab: Lab, pooler: str, state_dir: str, name: str, method: str, delay: float
) -> None:
    before = lab.state()
    there: dict[str, t.Any] = {
        "name": name,
        "host": POOLED,
        "method": method,
        "followers": EVERYBODY,
        "state_dir": state_dir,
    }
    kill_in_the_middle(there, Path(state_dir) / f"{name}.json", delay)
    done = run_module("odoo_dbhost", **there)
    assert done["after"]["host"] == POOLED
    assert ends(name) == {pooler}
    # The rollback, killed behind what its process needs to begin.
    back: dict[str, t.Any] = {"name": name, "state": "reverted", "state_dir": state_dir}
    kill_in_the_middle(back, Path(state_dir) / f"{name}.json", 0.7 + delay)
    run_module("odoo_dbhost", **back)
    assert lab.state() == before

    kill_in_the_middle(there, Path(state_dir) / f"{name}.json", delay)
    run_module("odoo_dbhost", **back)
    assert lab.state() == before
    wait_until("it works at its former address", 60, works_directly, name)


@pytest.mark.parametrize("lost", [POOLER, DATABASE])
def test_who_was_left_off_the_network_comes_back(lab: Lab, pooler: str, state_dir: str, lost: str) -> None:
    """What a run leaves that is killed in the milliseconds between leaving and joining."""
    before = lab.state()
    there: dict[str, t.Any] = {"name": BY_ENVIRONMENT, "host": POOLED, "method": "alias", "followers": EVERYBODY}
    repair: dict[str, t.Any] = {"repair": "attachments", "state_dir": state_dir}
    run_module("odoo_dbhost", **there, state_dir=state_dir)
    network = lab.client.networks.get(NETWORK)
    network.disconnect(lost, force=True)
    assert run_module("cutover_repair", True, **repair)["containers"] == [lost]
    if lost == DATABASE:
        assert run_module("cutover_repair", **repair)["containers"] == [lost]
    run_module("odoo_dbhost", name=BY_ENVIRONMENT, state="reverted", state_dir=state_dir)
    assert lab.state() == before
    assert lab.address(POOLER) == pooler
    wait_until("it works at its former address", 60, works_directly, BY_ENVIRONMENT)
    assert run_module("cutover_repair", **repair)["changed"] is False


@pytest.mark.parametrize(("name", "method"), [(BY_FILE, "reload"), (BY_ENVIRONMENT, "alias")])
def test_an_instance_that_was_lost_goes_back_as_far_as_it_is_there(
    lab: Lab, pooler: str, state_dir: str, name: str, method: str
) -> None:
    before = lab.state()
    there: dict[str, t.Any] = {"name": name, "host": POOLED, "method": method, "followers": EVERYBODY}
    run_module("odoo_dbhost", **there, state_dir=state_dir)
    container = lab.client.containers.get(name)
    container.kill()
    container.rename(f"{name}-lost")
    try:
        back = run_module("odoo_dbhost", name=name, state="reverted", state_dir=state_dir)
    finally:
        container.rename(name)
        container.start()
    assert f"{name} is gone; it will use its former address when it runs again" in json.dumps(back["warnings"])
    assert not (Path(state_dir) / f"{name}.json").exists()
    wait_until("it works at its former address", 60, works_directly, name)
    assert lab.state() == before
