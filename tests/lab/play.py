# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs the collection's playbooks on the lab, as a user would, and tells how they ended."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
import typing as t
from pathlib import Path

from tests.lab.lab import Lab

# Settings of a deployment that is quick, and whose proof a lab of two containers can give.
QUICK = {
    "pooled_odoo_audit_duration": 15,
    "pooled_odoo_settle_seconds": 15,
    "pooled_odoo_min_reduction": 30,
    "pooled_odoo_min_load_ratio": 0.3,
}

# Where the proof is not what a test is about.
UNPROVEN: dict[str, t.Any] = {
    "pooled_odoo_audit_duration": 5,
    "pooled_odoo_audit_interval": 0.5,
    "pooled_odoo_settle_seconds": 0,
    "pooled_odoo_min_load_ratio": 0,
    "pooled_odoo_min_reduction": 0,
}

CALLBACKS = Path(__file__).parent / "callbacks"


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


def play(
    lab: Lab, name: str, *arguments: str, artifacts: Path, collections: Path | None = None, **settings: t.Any
) -> Play:
    """Runs ``pooled.odoo.NAME`` with *settings* to its end, and prints what it said. Another release is in *collections*."""
    extra = json.dumps(settings)
    # A hundred runs and more; without pipelining Ansible copies every module to a file first.
    environment = {**os.environ, "ANSIBLE_PIPELINING": "1"}
    if collections:
        environment["ANSIBLE_COLLECTIONS_PATH"] = f"{collections}{os.pathsep}{environment['ANSIBLE_COLLECTIONS_PATH']}"
    done = lab.playbook(
        name, "-e", extra, *arguments, artifacts=artifacts, env=environment, capture_output=True, text=True
    )
    print(done.stdout, done.stderr)
    return Play(done)


def run(lab: Lab, name: str, artifacts: Path, succeeds: bool = True, **settings: t.Any) -> Play:
    """:func:`play` without a proof; it has to succeed, or not to."""
    done = play(lab, name, artifacts=artifacts, **{**UNPROVEN, **settings})
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
            "ANSIBLE_PIPELINING": "1",
            "ANSIBLE_CALLBACK_PLUGINS": str(CALLBACKS),
            "ANSIBLE_CALLBACKS_ENABLED": "boundaries",
            "BOUNDARIES_FILE": str(notes),
            "BOUNDARIES_KILL": str(kill),
        }
        done = self.lab.playbook(
            name,
            "-e",
            json.dumps({**UNPROVEN, **settings}),
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
