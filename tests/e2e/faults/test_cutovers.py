# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All instances of a lab back and there again, five times, each by the method that auto chooses for it (``reload`` where
odoo.conf gives the address, ``alias`` where the environment does), with users at work of whom none may notice."""

from __future__ import annotations

import collections
import time
import typing as t

import pytest

from tests.lab.instances import KEPT, POOLED
from tests.lab.lab import DATABASE_ADDRESS, POOLER, Lab
from tests.lab.load import Traffic, between, errors
from tests.lab.play import run
from tests.modules import run_module

ROUNDS = 5


@pytest.fixture(scope="module")
def moved(lab: Lab, traffic: Traffic, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Lab]:
    artifacts = tmp_path_factory.mktemp("cutovers")
    if not KEPT:
        run(lab, "deploy", artifacts)
    yield lab
    if not KEPT:
        run(lab, "rollback", artifacts)


def move(lab: Lab, state: str) -> collections.Counter[str]:
    """How many instances went by which method; back in the reverse order, as the playbooks do it."""
    names = [odoo.name for odoo in lab.instances]
    common: dict[str, t.Any] = {
        "host": POOLED,
        "followers": names,
        "state": state,
        "state_dir": str(lab.directory / "state" / "cutover"),
    }
    methods: collections.Counter[str] = collections.Counter()
    for name in names if state == "moved" else reversed(names):
        done = run_module("odoo_dbhost", name=name, **common)
        assert done["changed"]
        methods[done["method"]] += 1
    return methods


def test_five_times_there_and_back(moved: Lab, traffic: Traffic) -> None:
    began = time.time()
    pooler = moved.address(POOLER)
    for number in range(1, ROUNDS + 1):
        for state, address in (("reverted", DATABASE_ADDRESS), ("moved", pooler)):
            started = time.time()
            methods = move(moved, state)
            records = between(traffic.records(), started, time.time())
            seconds = round(time.time() - started)
            print(
                f"{number}. {state}: {dict(methods)} in {seconds} s, {len(records)} requests, {errors(records)}",
                flush=True,
            )
            assert (moved.client_addresses() == [pooler]) is (address == pooler)
    time.sleep(10)
    records = between(traffic.records(), began, time.time())
    print(f"in all {len(records)} requests, failed: {errors(records) or 'none'}")
    assert errors(records) == {}
