# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A run that is killed at the boundary of two tasks can be repeated, and taken back. The boundaries are found by a callback, and
those that have a change behind them are tried: at the others the host is what it was at the one before.

Each costs two to three minutes, so by default some of them are tried; POOLED_ODOO_EVERY_BOUNDARY=1 tries them all, and
POOLED_ODOO_EVERY_BOUNDARY=7: all from the seventh on.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
import typing as t
from pathlib import Path

import pytest

from tests.e2e.conftest import Play
from tests.e2e.faults.conftest import SETTINGS
from tests.lab.lab import Lab
from tests.lab.load import Traffic

CALLBACKS = Path(__file__).parents[2] / "lab" / "callbacks"
FIRST = int(os.environ.get("POOLED_ODOO_EVERY_BOUNDARY", "0"))


@pytest.fixture(scope="module")
def before(lab: Lab, traffic: Traffic) -> dict[str, t.Any]:
    return lab.state()


class Runner:
    """Runs playbooks on the lab, to the end or to a boundary."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab, self.folder = lab, folder

    def run(self, name: str, kill: int = 0, **settings: t.Any) -> tuple[Play, list[dict[str, t.Any]]]:
        """The outcome and the boundaries that were passed; with *kill* the run ends at that one."""
        notes = self.folder / f"boundaries-{time.time_ns()}"
        environment = {
            **os.environ,
            "ANSIBLE_CALLBACK_PLUGINS": str(CALLBACKS),
            "ANSIBLE_CALLBACKS_ENABLED": "boundaries",
            "BOUNDARIES_FILE": str(notes),
            "BOUNDARIES_KILL": str(kill),
        }
        done = self.lab.playbook(
            name,
            "-e",
            json.dumps({**SETTINGS, **settings}),
            artifacts=self.folder / "artifacts",
            env=environment,
            capture_output=True,
            text=True,
        )
        boundaries = [json.loads(line) for line in notes.read_text().splitlines()]
        if kill and kill <= len(boundaries):
            assert done.returncode == -signal.SIGKILL
        return Play(done), boundaries

    def finish(self, name: str) -> Play:
        done, _boundaries = self.run(name)
        assert done.code == 0, done.output[-3000:]
        return done


@pytest.fixture(scope="module")
def runner(lab: Lab, traffic: Traffic, tmp_path_factory: pytest.TempPathFactory) -> Runner:
    return Runner(lab, tmp_path_factory.mktemp("killed"))


def behind_changes(boundaries: list[dict[str, t.Any]]) -> list[dict[str, t.Any]]:
    found = [boundary for boundary in boundaries if boundary["changed"]]
    return found[FIRST - 1 :] if FIRST else found[:: max(1, len(found) // 2)][:2]


def test_a_killed_deploy(lab: Lab, runner: Runner, before: dict[str, t.Any]) -> None:
    """Repeated, it arrives; rolled back, everything is as it was. So is it when it is rolled back at once, which every third
    boundary tries: both begin with the same half of a deployment."""
    done, boundaries = runner.run("deploy")
    assert done.code == 0
    runner.finish("rollback")
    assert lab.state() == before
    tried = behind_changes(boundaries)
    for index, boundary in enumerate(tried):
        print(f"deploy killed before task {boundary['number']} of {len(boundaries)}: {boundary['before']}", flush=True)
        runner.run("deploy", kill=boundary["number"])
        runner.finish("deploy")
        assert direct(lab) == []
        runner.finish("rollback")
        assert lab.state() == before
        if index % 3 == 0:
            runner.run("deploy", kill=boundary["number"])
            runner.finish("rollback")
            assert lab.state() == before
    print(f"{len(tried)} boundaries of deploy, all of them converged and came back")


def test_a_killed_rollback(lab: Lab, runner: Runner, before: dict[str, t.Any]) -> None:
    runner.finish("deploy")
    done, boundaries = runner.run("rollback")
    assert done.code == 0
    tried = behind_changes(boundaries)
    for boundary in tried:
        print(
            f"rollback killed before task {boundary['number']} of {len(boundaries)}: {boundary['before']}", flush=True
        )
        runner.finish("deploy")
        runner.run("rollback", kill=boundary["number"])
        runner.finish("rollback")
        assert lab.state() == before
    print(f"{len(tried)} boundaries of rollback, all of them came back")


def direct(lab: Lab) -> list[str]:
    """Addresses other than the pooler's from which Odoo is connected."""
    running = [str(container.name) for container in lab.client.containers.list(filters={"label": "pooled.odoo"})]
    poolers = [lab.address(name) for name in running]
    return [address for address in lab.client_addresses() if address not in poolers]


def test_a_second_run_stops_with_a_clear_word(lab: Lab, runner: Runner) -> None:
    command = [
        "ansible-playbook",
        "pooled.odoo.deploy",
        "-i",
        str(lab.inventory),
        "-e",
        json.dumps({**SETTINGS, "pooled_odoo_audit_duration": 20}),
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
