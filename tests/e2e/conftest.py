# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A small lab with users at work, for all tests of this folder. Needs what bin/test prepares."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import pytest

from tests.lab.lab import DATABASE_ADDRESS, POOLER, Lab
from tests.lab.load import Traffic, warm_up
from tests.modules import run_module

# Settings of a deployment that is quick, and whose proof a lab of two containers can give.
QUICK = {
    "pooled_odoo_audit_duration": 15,
    "pooled_odoo_settle_seconds": 15,
    "pooled_odoo_min_reduction": 30,
    "pooled_odoo_min_load_ratio": 0.3,
}


# The two instances of the small lab, by where their database's address stands; and the pooler's name.
BY_FILE, BY_ENVIRONMENT = "pooled-lab-odoo1", "pooled-lab-odoo2"
EVERYBODY = [BY_FILE, BY_ENVIRONMENT]
POOLED = "pooled-odoo"

# A lab that bin/demo has left, moved and warm, is used as it is and stays: its largest size takes a quarter of an hour to make.
KEPT = bool(os.environ.get("POOLED_ODOO_KEPT_LAB"))


@pytest.fixture(scope="session")
def lab() -> t.Iterator[Lab]:
    # CI has the small one; the others take longer and want more memory.
    lab = Lab(Path(os.environ["POOLED_ODOO_HOME"]) / "lab", os.environ.get("POOLED_ODOO_LAB_SIZE", "small"))
    if not KEPT:
        lab.up()
    yield lab
    if not KEPT:
        lab.down()


@pytest.fixture(scope="session")
def traffic(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Traffic]:
    """Users at work until the last test; the lab is warm when the first test begins."""
    traffic = Traffic(lab, tmp_path_factory.mktemp("traffic"))
    if not KEPT:
        warm_up(lab, traffic, 90 * lab.size.containers)
    else:
        time.sleep(30)
    yield traffic
    traffic.stop()


class Play:
    """The outcome of a playbook."""

    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        self.code = done.returncode
        self.output = done.stdout
        self.warnings = done.stderr
        recap = re.search(r"localhost\s+:(.*)", done.stdout.rpartition("PLAY RECAP")[2])
        pairs = re.findall(r"(\w+)=(\d+)", recap.group(1)) if recap else []
        self.recap = {name: int(value) for name, value in pairs}

    def __repr__(self) -> str:
        """What a failed assertion shows: the first task that failed and what it said."""
        failed = re.search(
            r"TASK \[([^\]]*)\][^\n]*\n(?:(?!TASK)[^\n]*\n)*?(?:fatal|failed): .*?\"msg\": \"?(.*)", self.output
        )
        return f"Play({self.code}, {failed.group(1)}: {failed.group(2)[:160]})" if failed else f"Play({self.code})"

    def changed_tasks(self) -> list[str]:
        """For messages: what was not idempotent."""
        return re.findall(r"TASK \[([^\]]*)\][^\n]*\n(?:(?!TASK)[^\n]*\n)*?changed:", self.output)


@pytest.fixture
def play(lab: Lab, traffic: Traffic, artifacts: Path) -> t.Callable[..., Play]:
    def run(name: str, *arguments: str, **settings: t.Any) -> Play:
        extra = json.dumps({**QUICK, **settings})
        done = lab.playbook(name, "-e", extra, *arguments, artifacts=artifacts, capture_output=True, text=True)
        print(done.stdout, done.stderr)
        return Play(done)

    return run


@pytest.fixture(scope="session")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("artifacts")


@pytest.fixture(scope="session")
def state_dir(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("tokens") / "state")


@pytest.fixture(scope="session")
def pooler(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[str]:
    """A deployed pooler with both instances direct again; its address."""
    artifacts = tmp_path_factory.mktemp("deploy")
    settings = {
        "pooled_odoo_audit_duration": 5,
        "pooled_odoo_audit_interval": 0.5,
        "pooled_odoo_settle_seconds": 0,
        "pooled_odoo_min_load_ratio": 0,
        "pooled_odoo_min_reduction": 0,
        "pooled_odoo_rollback_on_failure": False,
    }
    done = Play(lab.playbook("deploy", "-e", json.dumps(settings), artifacts=artifacts, capture_output=True, text=True))
    print(done.output)
    address = pooler_address(lab)
    for name in (BY_FILE, BY_ENVIRONMENT):
        run_module("odoo_dbhost", name=name, state="reverted", state_dir=str(lab.directory / "state" / "cutover"))
    yield address
    lab.playbook("rollback", artifacts=artifacts, capture_output=True)


def ends(name: str) -> set[str]:
    """Where the container's database connections go now."""
    found = run_module("odoo_info", containers=[name], databases=False)["instances"][0]["connections"]
    return {end["address"] for end in found if end["port"] == 5432}


def works_directly(name: str) -> None:
    """Raises ConnectionError as long as the container is not connected to PostgreSQL, or not to it alone."""
    if ends(name) != {DATABASE_ADDRESS}:
        raise ConnectionError("not yet")


def pooler_address(lab: Lab) -> str:
    networks = lab.client.containers.get(POOLER).attrs["NetworkSettings"]["Networks"]
    return next(iter(networks.values()))["IPAddress"]


def kill_in_the_middle(arguments: dict[str, t.Any], path: Path, delay: float, content: bytes = b"") -> None:
    """A run of odoo_dbhost that is killed *delay* seconds after it wrote *content* into *path*, its record for example."""
    code = (
        "import json, sys; from tests.modules import run_module; run_module('odoo_dbhost', **json.loads(sys.argv[1]))"
    )
    process = subprocess.Popen([sys.executable, "-c", code, json.dumps(arguments)], start_new_session=True)
    deadline = time.monotonic() + 30
    while not path.exists() or content not in path.read_bytes():
        assert time.monotonic() < deadline
        assert process.poll() is None, "it ended before it began"
        time.sleep(0.01)
    time.sleep(delay)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
