# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A small lab with users at work, for all tests of this folder. Needs what bin/test prepares."""

from __future__ import annotations

import os
import time
import typing as t
from pathlib import Path

import pytest

from tests.lab.instances import BY_ENVIRONMENT, BY_FILE, KEPT, pooler_address
from tests.lab.lab import Lab
from tests.lab.load import Traffic, warm_up
from tests.lab.play import QUICK, UNPROVEN, Play
from tests.lab.play import play as play_on
from tests.modules import run_module


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
    # All faults with every boundary take two hours.
    traffic = Traffic(lab, tmp_path_factory.mktemp("traffic"), seconds=4 * 3600)
    if not KEPT:
        warm_up(lab, traffic, 90 * lab.size.containers)
    else:
        time.sleep(30)
    yield traffic
    traffic.stop()


@pytest.fixture
def play(lab: Lab, traffic: Traffic, artifacts: Path) -> t.Callable[..., Play]:
    """Runs a playbook with a quick proof."""

    def run(name: str, *arguments: str, **settings: t.Any) -> Play:
        return play_on(lab, name, *arguments, artifacts=artifacts, **{**QUICK, **settings})

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
    play_on(lab, "deploy", artifacts=artifacts, **UNPROVEN, pooled_odoo_rollback_on_failure=False)
    address = pooler_address(lab)
    for name in (BY_FILE, BY_ENVIRONMENT):
        run_module("odoo_dbhost", name=name, state="reverted", state_dir=str(lab.directory / "state" / "cutover"))
    yield address
    lab.playbook("rollback", artifacts=artifacts, capture_output=True)
