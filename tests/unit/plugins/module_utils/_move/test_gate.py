# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What counts as an instance that works at its address."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.pooled.odoo.plugins.module_utils._move import gate

GOAL = gate.Goal("pooled", 5432, (("10.0.0.1", 5432),), 0, "/web/health", True)


def seen(**changes: t.Any) -> dict[str, t.Any]:
    return {
        "odoo": True,
        "http": {"port": 8069, "status": 200, "touched": []},
        "resolved": {"pooled": ["10.0.0.2"]},
        "connections": [{"address": "10.0.0.2", "port": 5432, "count": 3}],
        **changes,
    }


OLD = {"address": "10.0.0.1", "port": 5432, "count": 2}
NEW = {"address": "10.0.0.2", "port": 5432, "count": 1}

CASES: list[tuple[dict[str, t.Any], str | None]] = [
    ({}, None),
    ({"odoo": False}, "no Odoo server runs"),
    ({"http": {"port": 8069, "error": "refused", "touched": []}}, "port 8069 does not answer (refused)"),
    ({"http": {"port": 8069, "status": 500, "touched": []}}, "answers HTTP 500"),
    ({"http": {"port": 8069, "status": 303, "touched": []}}, None),
    ({"http": None}, None),
    ({"resolved": {}}, "pooled does not resolve"),
    ({"connections": []}, "no connection to pooled:5432 yet"),
    ({"connections": [OLD, NEW]}, "former address are still open (2 to 10.0.0.1:5432)"),
    ({"connections": [{**OLD, "port": 6000}, NEW]}, None),
]


@pytest.mark.parametrize(("changes", "lacking"), CASES)
def test_unmet(changes: dict[str, t.Any], lacking: str | None) -> None:
    found = gate.unmet(GOAL, seen(**changes))
    if lacking is None:
        assert found is None
    else:
        assert found is not None
        assert lacking in found


def test_an_idle_instance_has_to_show_that_its_answer_needed_the_new_address() -> None:
    goal = GOAL._replace(expect_connection=False)
    silent = seen(connections=[])
    assert gate.unmet(goal, silent) == "no connection to pooled:5432 yet"
    touched = {"port": 8069, "status": 200, "touched": [["10.0.0.2", 5432]]}
    assert gate.unmet(goal, seen(connections=[], http=touched)) is None


def test_a_job_runner_may_stay_at_the_former_address() -> None:
    """One connection for each of its tenants, and not one more."""
    both = seen(connections=[OLD, NEW])
    assert gate.unmet(GOAL._replace(allowed_old=2), both) is None
    assert gate.unmet(GOAL._replace(allowed_old=1), both) is not None
