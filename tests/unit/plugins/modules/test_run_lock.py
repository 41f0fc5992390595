# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import platform
import stat
import subprocess
import typing as t
from pathlib import Path

import pytest

from ansible_collections.pooled.odoo.plugins.action import run_lock as action
from ansible_collections.pooled.odoo.plugins.modules import run_lock
from tests.modules import run_module

ME: dict[str, t.Any] = {"host": "here", "pid": 1, "user": "ops"}
CASES = [
    ("nobody", None, False),
    ("myself", {**ME, "since": 99.0}, False),
    ("another process", {**ME, "pid": 2, "since": 99.0}, True),
    ("another container", {**ME, "namespace": "pid:[2]", "since": 99.0}, True),
    ("another with my number", {**ME, "started": "7", "since": 99.0}, True),
    ("another host", {**ME, "host": "there", "since": 99.0}, True),
    ("left behind long ago", {**ME, "pid": 2, "since": 10.0}, False),
    ("of no time", {"host": "there", "pid": 2}, False),
]


@pytest.mark.parametrize(("found", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_keeps_off(found: dict[str, t.Any] | None, expected: bool) -> None:
    assert run_lock.keeps_off(found, ME, now=100.0, lease=60.0) is expected


def test_one_after_the_other(tmp_path: Path) -> None:
    path = tmp_path / "state" / "run.lock"
    other = {**ME, "pid": 2}

    def ask(owner: dict[str, t.Any], **more: t.Any) -> dict[str, t.Any]:
        return run_module("run_lock", path=str(path), owner=owner, playbook="deploy", **more)

    assert run_module("run_lock", True, path=str(path), owner=ME)["owner"] is None
    assert not path.exists()
    assert ask(ME)["owner"]["playbook"] == "deploy"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "kept_off" not in ask(ME)
    assert ask(other)["kept_off"] is True
    assert ask(other, state="released")["owner"]["pid"] == 1
    assert ask(other, gone={**ME, "pid": 3})["kept_off"] is True
    assert ask(other, gone=ME)["owner"]["pid"] == 2
    assert ask(ME, force=True)["owner"]["pid"] == 1
    assert ask(other, force=True)["owner"]["pid"] == 2
    assert ask(other, state="released")["owner"] is None
    assert not path.exists()
    path.write_text("half a no")
    assert ask(ME)["owner"]["pid"] == 1


def test_a_long_run_renews_what_it_holds_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "state" / "run.lock"
    other = {**ME, "pid": 2}

    def renew(owner: dict[str, t.Any]) -> dict[str, t.Any]:
        return run_module("run_lock", path=str(path), owner=owner, state="renewed")

    assert renew(ME)["owner"] is None
    assert run_module("run_lock", path=str(path), owner=ME, state="released")["owner"] is None
    assert not path.parent.exists()
    run_module("run_lock", path=str(path), owner=ME, playbook="deploy")
    long_ago = {**json.loads(path.read_text()), "since": 10.0}
    path.write_text(json.dumps(long_ago))
    renew(other)
    assert json.loads(path.read_text()) == long_ago
    renew(ME)
    renewed = json.loads(path.read_text())
    assert renewed["since"] > 10.0
    assert {**renewed, "since": 10.0} == long_ago
    assert run_module("run_lock", path=str(path), owner=other)["kept_off"] is True


def test_who_is_alive() -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    here = {"host": platform.node(), "namespace": action.namespace()}
    me = {**here, "pid": os.getpid(), "started": action.started(os.getpid())}
    assert int(me["started"] or 0) > 0
    assert action.alive(me)
    assert not action.alive({**me, "started": "1"})
    assert not action.alive({**here, "pid": gone.pid})
    assert action.alive({**here, "namespace": "pid:[1]", "pid": gone.pid})
    assert action.alive({**here, "host": "somewhere else", "pid": gone.pid})
    assert action.alive(here)
