# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A run that is killed at the boundary of two tasks can be repeated, and taken back; and one that loses an instance on its way
leaves the others consistent.

The boundaries are found by a callback, and those that have a change behind them are tried: at the others the host is what it
was at the one before.

Each costs a minute or more, so by default some of them are tried; POOLED_ODOO_EVERY_BOUNDARY=1 tries them all, and
POOLED_ODOO_EVERY_BOUNDARY=7: all from the seventh on.
"""

from __future__ import annotations

import collections
import itertools
import json
import os
import shutil
import signal
import subprocess
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.lab.instances import works_directly
from tests.lab.lab import Lab, wait_until
from tests.lab.load import Traffic
from tests.lab.play import UNPROVEN, Runner

FIRST = int(os.environ.get("POOLED_ODOO_EVERY_BOUNDARY", "0"))


@pytest.fixture(scope="module")
def before(lab: Lab, traffic: Traffic) -> dict[str, t.Any]:
    return lab.state()


@pytest.fixture(scope="module")
def runner(lab: Lab, traffic: Traffic, tmp_path_factory: pytest.TempPathFactory) -> Runner:
    return Runner(lab, tmp_path_factory.mktemp("killed"))


def behind_changes(boundaries: list[dict[str, t.Any]]) -> list[dict[str, t.Any]]:
    found = [boundary for boundary in boundaries if boundary["changed"]]
    return found[FIRST - 1 :] if FIRST else found[:: max(1, len(found) // 2)][:2]


def test_killed_runs_arrive_and_come_back(lab: Lab, runner: Runner, before: dict[str, t.Any]) -> None:
    """A deployment that is killed at one boundary and repeated arrives; a rollback that is killed at one of its own and repeated
    leaves everything as it was. So does a rollback at once of a killed deployment, which every third boundary tries: both
    begin with the same half of a deployment."""
    done, there = runner.run("deploy")
    assert done.code == 0
    done, back = runner.run("rollback")
    assert done.code == 0
    assert lab.state() == before
    tried = itertools.zip_longest(behind_changes(there), behind_changes(back))
    counts: collections.Counter[str] = collections.Counter()
    for index, (on_the_way, on_the_way_back) in enumerate(tried):
        if on_the_way and index % 3 == 0:
            told("deploy", on_the_way, there, "rolled back at once")
            runner.run("deploy", kill=on_the_way["number"])
            runner.finish("rollback")
            assert lab.state() == before
            counts["deploy rolled back at once"] += 1
        if on_the_way:
            told("deploy", on_the_way, there, "repeated")
            runner.run("deploy", kill=on_the_way["number"])
            counts["deploy repeated"] += 1
        runner.finish("deploy")
        assert direct(lab) == []
        if on_the_way_back:
            told("rollback", on_the_way_back, back, "repeated")
            runner.run("rollback", kill=on_the_way_back["number"])
            counts["rollback repeated"] += 1
        runner.finish("rollback")
        assert lab.state() == before
    print(f"all arrived and came back: {dict(counts)}")


def told(name: str, boundary: dict[str, t.Any], boundaries: list[dict[str, t.Any]], then: str) -> None:
    clock = time.strftime("%H:%M:%S")
    print(
        f"{clock} {name} killed before task {boundary['number']} of {len(boundaries)} ({boundary['before']}), {then}",
        flush=True,
    )


def direct(lab: Lab) -> list[str]:
    """Addresses other than the pooler's from which Odoo is connected."""
    running = [str(container.name) for container in lab.client.containers.list(filters={"label": "pooled.odoo"})]
    poolers = [lab.address(name) for name in running]
    return [address for address in lab.client_addresses() if address not in poolers]


def test_the_others_go_back_where_an_instance_is_lost_before_its_turn(
    lab: Lab, runner: Runner, before: dict[str, t.Any]
) -> None:
    first, last = (odoo.name for odoo in lab.instances)
    token = lab.directory / "state" / "cutover" / f"{first}.json"
    container = lab.client.containers.get(last)
    with ThreadPoolExecutor(1) as pool:
        roll = pool.submit(runner.run, "deploy")
        wait_until("the first one moves", 180, token.stat)
        container.kill()
        done, _boundaries = roll.result()
    container.start()
    assert done.code != 0
    assert f"container '{last}' is exited; let it run ('docker start {last}'), or leave it out" in done.output
    assert "Everything was rolled back: Odoo uses PostgreSQL directly again and the pooler is gone." in done.output
    assert lab.state() == before


def test_an_instance_that_is_lost_behind_the_pooler_keeps_nobody_from_the_way_back(
    lab: Lab, runner: Runner, before: dict[str, t.Any]
) -> None:
    lost = lab.instances[0].name
    runner.finish("deploy")
    container = lab.client.containers.get(lost)
    container.kill()
    try:
        told = runner.finish("rollback")
    finally:
        container.start()
    assert f"{lost} is exited; it will use its former address when it runs again" in told.warnings
    wait_until("it works at its former address", 60, works_directly, lost)
    assert lab.state() == before


def test_a_second_run_stops_with_a_clear_word(lab: Lab, runner: Runner) -> None:
    command = [
        "ansible-playbook",
        "pooled.odoo.deploy",
        "-i",
        str(lab.inventory),
        "-e",
        json.dumps({**UNPROVEN, "pooled_odoo_audit_duration": 20}),
    ]
    first = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
    lock = lab.directory / "state" / "run.lock"
    deadline = time.monotonic() + 30
    while not lock.exists():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    second, _boundaries = runner.run("rollback", pooled_odoo_lock_wait=0)
    assert second.code != 0
    assert "deploy of" in second.output
    assert f"(process {first.pid}) is at work here since" in second.output
    # Killed, it keeps nobody off.
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    runner.finish("rollback")
    # Other tests begin with a lab that was never moved.
    shutil.rmtree(lab.directory / "state")
