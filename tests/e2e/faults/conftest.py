# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Faults on the lab while users work: what they noticed, and for how long."""

from __future__ import annotations

import json
import os
import shutil
import typing as t
from pathlib import Path

import pytest

from tests.lab.lab import Lab
from tests.lab.load import Traffic
from tests.lab.observer import Observer
from tests.lab.play import run


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
