# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
import typing as t

import pytest

from ansible_collections.pooled.odoo.plugins.module_utils import _activity
from ansible_collections.pooled.odoo.plugins.module_utils._activity import Group
from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError


def sample(idle: int, active: int = 0, age: float | None = None) -> list[Group]:
    return [
        Group("erp", "odoo", "10.0.0.1", "idle", idle, 2, None),
        Group("postgres", "odoo", "10.0.0.2", "active", active, 0, age),
    ]


def test_summary() -> None:
    summary = _activity.summarise([sample(10), sample(20, 5, 1.26), sample(12)])
    assert summary["connections"] == {"peak": 25, "mean": 15.67, "p50": 12, "p95": 25}
    assert summary["by_state"] == {"active": {"peak": 5, "mean": 1.67}, "idle": {"peak": 20, "mean": 14.0}}
    assert summary["by_database"]["postgres"] == {"peak": 5, "mean": 1.67}
    assert summary["by_client"]["10.0.0.1"]["peak"] == 20
    assert summary["listeners"] == {"peak": 2, "mean": 2.0}
    assert summary["oldest_idle_in_transaction_s"] == 1.3


def test_no_sample() -> None:
    with pytest.raises(PooledError, match="duration"):
        _activity.summarise([])


@pytest.mark.parametrize(
    ("values", "rank", "wanted"),
    [([7], 50, 7), ([1, 2], 50, 1), ([1, 2, 3], 50, 2), (list(range(1, 101)), 95, 95), ([3, 1, 2], 100, 3)],
)
def test_percentile(values: list[int], rank: int, wanted: int) -> None:
    assert _activity.percentile(values, rank) == wanted


def audit(peak: int = 547, **changes: t.Any) -> dict[str, t.Any]:
    document: dict[str, t.Any] = {
        "schema": _activity.SCHEMA,
        "created_at": "2026-01-01T00:00:00+00:00",
        "window": {"duration_s": 60, "interval_s": 1, "samples": 61},
        "cluster": {"system_identifier": "7"},
        "scope": {"roles": [], "databases": [], "totals_only": False},
        "connections": {"peak": peak, "mean": peak - 5, "p50": peak - 4, "p95": peak - 1},
        "load": {"transactions_per_second": 100.0, "rows_written_per_second": 50.0},
    }
    document = copy.deepcopy(document)
    for path, value in changes.items():
        section, key = path.split("__")
        document[section][key] = value
    return document


def compare(baseline: dict[str, t.Any], current: dict[str, t.Any], minimum: float = 71) -> dict[str, t.Any]:
    return _activity.compare(baseline, current, "peak", minimum, min_window_ratio=0.8, min_load_ratio=0.5)


VERDICTS = [
    (547, 56, 71, "passed", 89.76),
    (100, 29, 71, "passed", 71.0),
    (100, 31, 69, "passed", 69.0),  # binary fractions make 68.99 of it
    (1000, 290.04, 71, "failed", 70.99),
    (100, 30, 71, "failed", 70.0),
    (50, 60, 71, "failed", -20.0),
    (50, 50, 0, "passed", 0.0),
]


@pytest.mark.parametrize(("before", "after", "minimum", "verdict", "reduction"), VERDICTS)
def test_verdict(before: int, after: int, minimum: float, verdict: str, reduction: float) -> None:
    result = compare(audit(before), audit(after), minimum)
    assert (result["verdict"], result["reduction_percent"]) == (verdict, reduction)
    assert result["baseline"]["peak"] == before
    assert result["current"]["peak"] == after
    assert bool(result["reasons"]) == (verdict != "passed")


INCONCLUSIVE = [
    ({"cluster__system_identifier": "8"}, "another PostgreSQL cluster"),
    ({"scope__roles": ["odoo"]}, "counted other roles"),
    ({"window__duration_s": 47}, "too short"),
    ({"window__samples": 20}, "samples are too few"),
    ({"load__transactions_per_second": 49.0}, "the load is far below the baseline's (49 transactions per second"),
    (
        {"load__transactions_per_second": 90.0, "load__rows_written_per_second": 24.0},
        "the load is far below the baseline's (24 written rows per second",
    ),
]


@pytest.mark.parametrize(("changes", "reason"), INCONCLUSIVE)
def test_what_proves_nothing(changes: dict[str, t.Any], reason: str) -> None:
    result = compare(audit(547), audit(10, **changes))
    assert result["verdict"] == "inconclusive"
    assert reason in result["reasons"][0]


def test_an_idle_baseline_proves_nothing() -> None:
    assert compare(audit(0), audit(0))["verdict"] == "inconclusive"


def test_written_rows_count_only_where_a_poolers_own_transactions_could_deceive() -> None:
    few_writes = {"load__rows_written_per_second": 1.0}
    assert compare(audit(), audit(20, load__transactions_per_second=100.0, **few_writes))["verdict"] == "passed"
    assert compare(audit(), audit(20, load__transactions_per_second=99.0, **few_writes))["verdict"] == "inconclusive"
    # Where nobody wrote before, nothing can tell users' transactions from a pooler's.
    no_writes: dict[str, t.Any] = {"load__rows_written_per_second": 0.5}
    assert compare(audit(**no_writes), audit(20, load__transactions_per_second=60.0))["verdict"] == "inconclusive"


def test_housekeeping_is_no_load() -> None:
    quiet = {"load__transactions_per_second": 0.5, "load__rows_written_per_second": 0.1}
    still = {"load__transactions_per_second": 0.0, "load__rows_written_per_second": 0.0}
    assert compare(audit(100, **quiet), audit(10, **still))["verdict"] == "passed"


DAMAGED: list[tuple[t.Any, str]] = [
    (None, "is not an audit of this version"),
    ([], "is not an audit of this version"),
    ({"schema": "pooled.odoo/audit/0"}, "found pooled.odoo/audit/0"),
    ({**audit(), "connections": {}}, "connections.peak is missing"),
    ({**audit(), "load": None}, "load.transactions_per_second is missing"),
    (audit(connections__peak="many"), "connections.peak is not a number"),
    (audit(window__duration_s="60"), "window.duration_s is not a number"),
]


@pytest.mark.parametrize(("document", "message"), DAMAGED)
def test_damaged_documents(document: t.Any, message: str) -> None:
    with pytest.raises(PooledError) as caught:
        _activity.check_document(document, "baseline")
    assert message in str(caught.value)


def test_a_whole_document() -> None:
    assert _activity.check_document(audit(), "baseline") == audit()
