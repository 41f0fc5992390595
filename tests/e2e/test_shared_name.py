# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two instances that share PostgreSQL's name, moved by two runs, of which the second one fails."""

from __future__ import annotations

import typing as t

import pytest

from tests.lab.lab import POOLER, Lab
from tests.lab.load import Traffic
from tests.lab.play import Play

Run = t.Callable[..., Play]


@pytest.fixture(scope="module")
def before(lab: Lab, traffic: Traffic) -> dict[str, t.Any]:
    return lab.state()


def test_who_shares_a_name_goes_back_together(lab: Lab, play: Run, before: dict[str, t.Any]) -> None:
    """A deploy that fails has finished what an earlier one began; the name is one for both."""
    quick: dict[str, t.Any] = {
        "pooled_odoo_method": "alias",
        "pooled_odoo_audit_duration": 5,
        "pooled_odoo_audit_interval": 0.5,
        "pooled_odoo_settle_seconds": 0,
        "pooled_odoo_proof_attempts": 1,
        "pooled_odoo_min_load_ratio": 0,
    }
    first = {"pooled_odoo_containers": ["pooled-lab-odoo2"], "pooled_odoo_followers": ["pooled-lab-odoo1"]}
    play("deploy", **quick, **first, pooled_odoo_min_reduction=0, pooled_odoo_rollback_on_failure=False)
    assert lab.execute("pooled-lab-odoo2", "getent", "ahostsv4", "db").split()[0] == lab.address(POOLER)
    done = play("deploy", **quick, pooled_odoo_min_reduction=99.9)
    assert done.code != 0
    assert "Cutover | Record the result of pooled-lab-odoo1" in done.output
    assert "Everything was rolled back" in done.output
    assert lab.state() == before
