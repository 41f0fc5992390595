# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The collection is upgraded while Odoo works behind the pooler: what the former release has set up, moved and written down is
verified, brought up to date and taken back by this one."""

from __future__ import annotations

import subprocess
import typing as t
from pathlib import Path

import pytest

from tests.lab.instances import pooler_address
from tests.lab.lab import Lab
from tests.lab.load import Traffic, errors
from tests.lab.play import UNPROVEN, Play, play

pytestmark = pytest.mark.road

REPO = Path(__file__).parents[2]
# The last commit of what the changelog calls 0.1.0.
FORMER = "f7d9d3e~1"

Run = t.Callable[..., Play]


@pytest.fixture(scope="module")
def former(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of collections with the former release in it; it comes from this repository's history."""
    folder = tmp_path_factory.mktemp("former")
    target = folder / "ansible_collections/pooled/odoo"
    target.mkdir(parents=True)
    archive = subprocess.run(["git", "archive", FORMER], cwd=REPO, check=True, capture_output=True).stdout
    subprocess.run(["tar", "-x", "-C", str(target)], input=archive, check=True)
    assert "version: 0.1.0" in (target / "galaxy.yml").read_text()
    return folder


@pytest.fixture(scope="module")
def run(lab: Lab, traffic: Traffic, tmp_path_factory: pytest.TempPathFactory) -> Run:
    artifacts = tmp_path_factory.mktemp("artifacts")

    def unproven(name: str, collections: Path | None = None) -> Play:
        return play(lab, name, artifacts=artifacts, collections=collections, **UNPROVEN)

    return unproven


@pytest.fixture(scope="module")
def before(lab: Lab, traffic: Traffic) -> dict[str, t.Any]:
    return lab.state()


def test_the_former_release_moves_odoo(lab: Lab, run: Run, former: Path, before: dict[str, t.Any]) -> None:
    assert run("deploy", former).code == 0
    assert lab.client_addresses() == [pooler_address(lab)]


def test_this_one_understands_what_is_there(run: Run) -> None:
    assert run("verify").code == 0


def test_this_one_brings_the_pooler_up_to_date(lab: Lab, run: Run, traffic: Traffic) -> None:
    count = len(traffic.records())
    assert run("upgrade").code == 0
    assert errors(traffic.records()[count:]) == {}
    again = run("deploy")
    assert (again.code, again.recap["changed"]) == (0, 0), again.changed_tasks()


def test_this_one_rolls_it_back(lab: Lab, run: Run, before: dict[str, t.Any]) -> None:
    assert run("rollback").code == 0
    assert lab.state() == before
