# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Faults on the lab while users work: what they noticed, and for how long."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import time
import typing as t
from pathlib import Path

import pytest

from tests.e2e.conftest import Play
from tests.lab.lab import Lab, fetch, wait_until
from tests.lab.load import Traffic, between, errors

# The proof is not what these tests are about.
SETTINGS: dict[str, t.Any] = {
    "pooled_odoo_audit_duration": 5,
    "pooled_odoo_audit_interval": 0.5,
    "pooled_odoo_settle_seconds": 0,
    "pooled_odoo_min_load_ratio": 0,
    "pooled_odoo_min_reduction": 0,
}


CALLBACKS = Path(__file__).parents[2] / "lab" / "callbacks"


class Observation(t.NamedTuple):
    """What users saw of a fault: requests that ended from its begin until ten seconds after everybody answered again;
    *seconds* from the first that failed to the last."""

    fault: str
    road: str
    total: int
    failed: int
    seconds: float
    slowest_ms: float
    examples: list[str]

    @property
    def share(self) -> float:
        return self.failed / self.total


class Observer:
    """Collects observations; with POOLED_ODOO_FAULT_TABLE they are written there."""

    def __init__(self, lab: Lab, traffic: Traffic) -> None:
        self.lab, self.traffic = lab, traffic
        self.seen: list[Observation] = []

    @contextlib.contextmanager
    def watch(self, fault: str, road: str, calm: float = 10) -> t.Iterator[None]:
        began = time.time()
        yield
        for odoo in self.lab.instances:
            wait_until(f"{odoo.name} answers", 120, fetch, f"{odoo.url}/web/health?db_server_status=1")
        time.sleep(calm)
        # Those that still hang end within the traffic's own limit of a minute; nothing should take that long.
        records = between(self.traffic.records(), began - 1, time.time())
        failed = [record for record in records if record["error"]]
        ends = [record["t"] + record["ms"] / 1000 for record in failed]
        seen = Observation(
            fault,
            road,
            len(records),
            len(failed),
            round(max(ends) - min(record["t"] for record in failed), 1) if failed else 0.0,
            max(record["ms"] for record in records),
            sorted(errors(records))[:3],
        )
        print(seen)
        self.seen.append(seen)

    def last(self) -> Observation:
        return self.seen[-1]


@pytest.fixture(scope="package")
def observer(lab: Lab, traffic: Traffic) -> t.Iterator[Observer]:
    observer = Observer(lab, traffic)
    yield observer
    path = os.environ.get("POOLED_ODOO_FAULT_TABLE")
    if path:
        Path(path).write_text(json.dumps([seen._asdict() for seen in observer.seen], indent=1))


@pytest.fixture(scope="module")
def pooled(lab: Lab, traffic: Traffic, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Lab]:
    """The lab behind its pooler; afterwards as it was."""
    artifacts = tmp_path_factory.mktemp("pooled")
    run(lab, "deploy", artifacts)
    yield lab
    run(lab, "rollback", artifacts)
    shutil.rmtree(lab.directory / "state")


def run(lab: Lab, name: str, artifacts: Path, succeeds: bool = True, **settings: t.Any) -> Play:
    extra = json.dumps({**SETTINGS, **settings})
    done = Play(lab.playbook(name, "-e", extra, artifacts=artifacts, capture_output=True, text=True))
    print(done.output)
    assert (done.code == 0) is succeeds
    return done


class Runner:
    """Runs playbooks on the lab, to the end or to a boundary."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab, self.folder = lab, folder

    def run(self, name: str, kill: int | str = 0, **settings: t.Any) -> tuple[Play, list[dict[str, t.Any]]]:
        """The outcome and the boundaries that were passed; with *kill*, its number or the beginning of its name, the run
        ends at that one."""
        notes = self.folder / f"boundaries-{time.time_ns()}"
        environment = {
            **os.environ,
            # A hundred runs and more; without it Ansible copies every module to a file first.
            "ANSIBLE_PIPELINING": "1",
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
        if kill:
            assert done.returncode == -signal.SIGKILL
        return Play(done), boundaries

    def finish(self, name: str) -> Play:
        done, _boundaries = self.run(name)
        assert done.code == 0, done.output[-3000:]
        return done
