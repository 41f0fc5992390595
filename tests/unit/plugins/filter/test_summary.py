# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import typing as t

from ansible_collections.pooled.odoo.plugins.filter.summary import published, published_audit, summary

VERDICT: dict[str, t.Any] = {
    "verdict": "passed",
    "reasons": [],
    "metric": "peak",
    "baseline": {"peak": 576, "mean": 570},
    "current": {
        "peak": 55,
        "mean": 40,
        "total": {"peak": 61},
        "poolers": [{"name": "pooled-odoo-pgbouncer", "transactions_per_second": 80.5, "wait_ms": 0.2}],
    },
    "reduction_percent": 90.45,
    "threshold_percent": 71.0,
}
MOVES = [
    {"name": "erp1", "method": "reload", "gap_ms": 0, "changed": True},
    {"name": "a-longer-name", "method": "recreate", "gap_ms": 4904, "changed": True},
    {"name": "moved-before", "method": "alias", "changed": False},
]


def test_a_passed_run() -> None:
    lines = summary(VERDICT, MOVES)
    assert lines[:-1] == [
        "instance       method    away",
        "erp1           reload    0.0 s",
        "a-longer-name  recreate  4.9 s",
        "PostgreSQL connections (peak): 576 before, 55 now, 90.45 % fewer (asked: 71.0 % fewer): passed",
        "all roles together: 61 at the peak",
        "pooled-odoo-pgbouncer: 80.5 transactions a second, each waited 0.2 ms for a connection",
        "Prove it again in any busy hour: pooled.odoo.verify. Take it back: pooled.odoo.rollback.",
    ]
    assert json.loads(lines[-1]) == {
        **published(VERDICT),
        "instances": [
            {"name": "erp1", "method": "reload", "away_ms": 0},
            {"name": "a-longer-name", "method": "recreate", "away_ms": 4904},
        ],
    }


def test_why_it_is_not_passed_and_what_to_do() -> None:
    lines = summary({**VERDICT, "verdict": "inconclusive", "reasons": ["too little load"]})
    assert lines[0].startswith("PostgreSQL connections")
    assert "too little load" in lines
    assert "Measure again while people work: pooled.odoo.verify." in lines


def test_more_connections_are_called_more() -> None:
    line = summary({**VERDICT, "verdict": "failed", "reduction_percent": -33.3})[0]
    assert line == "PostgreSQL connections (peak): 576 before, 55 now, 33.3 % more (asked: 71.0 % fewer): failed"


def test_no_connections_before_are_not_compared_with() -> None:
    line = summary({**VERDICT, "verdict": "inconclusive", "reduction_percent": None})[0]
    assert "nothing to compare with" in line


def test_numbers_of_an_audit_are_published_as_numbers() -> None:
    audit = {
        "connections": {"peak": 576, "mean": 570.2},
        "by_state": {"idle": {"mean": 540.1}},
        "limits": {"max_connections": 1000},
    }
    plan = {"predicted": {"steady": 55, "worst_case": 120}}
    assert published_audit(audit, plan, ["erp2", "erp1"]) == {
        "schema": "pooled.odoo/published-audit/1",
        "instances": ["erp1", "erp2"],
        "peak": 576,
        "mean": 570.2,
        "idle": 540.1,
        "max_connections": 1000,
        "planned_steady": 55,
        "planned_worst_case": 120,
    }
    assert published_audit({**audit, "by_state": {}}, plan, [])["idle"] == 0
