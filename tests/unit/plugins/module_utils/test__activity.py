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


def test_only_roles_in_scope_are_compared_and_all_are_shown() -> None:
    """A report tool's connections are neither Odoo's failure nor its merit."""
    tool = Group("erp", "bi", "10.0.0.9", "idle", 300, 0, 7.0)
    summary = _activity.summarise([[*sample(10, 2), tool], [*sample(20), tool]], {"odoo"})
    assert summary["connections"]["peak"] == 20
    assert summary["total"] == {"peak": 320, "mean": 316.0}
    assert summary["by_client"].keys() == {"10.0.0.1", "10.0.0.2"}
    assert summary["by_role"]["bi"] == {"peak": 300, "mean": 300.0}
    assert summary["by_role_and_client"]["bi"] == {"10.0.0.9": {"peak": 300, "mean": 300.0}}
    assert summary["oldest_idle_in_transaction_s"] is None


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
        "load": {"source": "postgresql", "transactions_per_second": 100.0, "rows_written_per_second": 50.0},
        "poolers": [],
    }
    document = copy.deepcopy(document)
    for path, value in changes.items():
        section, key = path.split("__")
        document[section][key] = value
    return document


def pooled(peak: int = 56, transactions: float = 100.0, **pooler: t.Any) -> dict[str, t.Any]:
    """An audit behind a pooler whose clients wait for nothing, but for what *pooler* changes."""
    document = audit(peak, load__source="poolers", load__transactions_per_second=transactions)
    waits_for_nothing: dict[str, t.Any] = {
        "name": "pgbouncer",
        "transactions_per_second": transactions,
        "wait_ms": 0.1,
        "wait_share": 0.003,
        "longest_wait_s": 0.0,
        "longest_wait_pool": None,
        "databases": {"erp": {"transactions": 6000, "wait_ms": 0.1, "wait_share": 0.003}},
        "restarted": False,
    }
    document["poolers"] = [{**waits_for_nothing, **pooler}]
    return document


def compare(
    baseline: dict[str, t.Any], current: dict[str, t.Any], minimum: float = 71, load_ratio: float = 0.5
) -> dict[str, t.Any]:
    return _activity.compare(baseline, current, _activity.Criteria("peak", minimum, 0.8, load_ratio, 0.1))


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
    result = compare(audit(before), pooled(t.cast(int, after)), minimum)
    assert (result["verdict"], result["reduction_percent"]) == (verdict, reduction)
    assert result["baseline"]["peak"] == before
    assert result["current"]["peak"] == after
    assert bool(result["reasons"]) == (verdict != "passed")
    assert result["failed_on"] == (["connections"] if verdict == "failed" else [])


INCONCLUSIVE: list[tuple[dict[str, t.Any], dict[str, t.Any], str]] = [
    (audit(), audit(10, cluster__system_identifier="8"), "another PostgreSQL cluster"),
    (audit(), audit(10, scope__roles=["odoo"]), "counted other roles or databases (all roles; now odoo)"),
    (audit(), audit(10, window__duration_s=47), "too short"),
    (audit(), audit(10, window__samples=20), "samples are too few"),
    # Two samples see nothing, also where both windows are alike.
    (
        audit(window__duration_s=1, window__samples=2),
        audit(10, window__duration_s=1, window__samples=2),
        "the baseline has 2 samples in 1 s",
    ),
    (
        audit(),
        pooled(transactions=49.0),
        "the load is far below the baseline's (49 transactions per second, it was 100)",
    ),
    # Crons alone, a third of what was.
    (audit(), pooled(transactions=33.0), "the load is far below"),
    # Hardly anything, then nothing.
    (audit(load__transactions_per_second=0.5), pooled(transactions=0.0), "the baseline saw hardly any load"),
    (audit(load__transactions_per_second=0.0), pooled(transactions=500.0), "the baseline saw hardly any load"),
    # PostgreSQL counts what the pooler does for itself.
    (audit(), audit(10, load__transactions_per_second=149.0), "name the poolers' admin consoles"),
    (audit(), pooled(restarted=True), "pgbouncer was restarted meanwhile"),
    (audit(0), pooled(0), "the baseline saw no connection at all"),
]


@pytest.mark.parametrize(("baseline", "current", "reason"), INCONCLUSIVE)
def test_what_proves_nothing(baseline: dict[str, t.Any], current: dict[str, t.Any], reason: str) -> None:
    result = compare(baseline, current)
    assert result["verdict"] == "inconclusive"
    assert reason in result["reasons"][0]
    assert result["failed_on"] == []


def test_enough_transactions_prove_something_whoever_counted_them() -> None:
    assert compare(audit(), pooled(transactions=50.0))["verdict"] == "passed"
    assert compare(audit(), audit(20, load__transactions_per_second=150.0))["verdict"] == "passed"


@pytest.mark.parametrize(
    ("postgresql", "behind", "at_least"),
    [
        # Pools at work: twice what clients do, up to threefold where they are cold.
        (200.0, 100.0, 0.0),
        (30.0, 10.0, 0.0),
        # Most of the load stays direct.
        (120.0, 10.0, 90.0),
    ],
)
def test_whoever_goes_past_the_poolers_is_told_of(postgresql: float, behind: float, at_least: float) -> None:
    """And counts for nothing: that they are served says nothing of those who were moved."""
    assert _activity.load_beside(postgresql, behind) == at_least
    now = pooled(transactions=behind)
    now["load"]["beside_poolers_per_second"] = at_least
    verdict = compare(audit(), now)
    assert ("go past the poolers" in " ".join(verdict["reasons"])) == (at_least > 0)


@pytest.mark.parametrize("ratio", [0.0, 0.5])
def test_a_pooler_that_tells_nothing_proves_nothing(ratio: float) -> None:
    """Connections fall for certain where it is dead, also where nobody asks for the load."""
    silent = {**pooled(peak=0), "poolers": [], "unreachable_poolers": {"pgbouncer": "connection refused"}}
    verdict = compare(audit(), silent, load_ratio=ratio)
    assert (verdict["verdict"], verdict["reasons"][0]) == (
        "inconclusive",
        "pgbouncer cannot be asked what its clients do (connection refused); repair it (playbook deploy) and audit again",
    )
    assert compare(audit(), pooled(restarted=True), load_ratio=ratio)["verdict"] == "inconclusive"
    # One of two: the other's clients are no strangers, and there is nothing to compare.
    half = {**pooled(transactions=10.0), "unreachable_poolers": {"second": "timeout"}}
    half["load"]["beside_poolers_per_second"] = 90.0
    assert len(compare(audit(), half, load_ratio=ratio)["reasons"]) == 1


def test_a_baseline_beside_an_idle_pooler_counts_everybody() -> None:
    """As a run that was killed before its first move leaves it."""
    beside = audit()
    beside["load"] = {"source": "poolers", "transactions_per_second": 0.0, "beside_poolers_per_second": 98.0}
    assert _activity.clients_load(beside) == 98.0
    assert compare(beside, pooled(transactions=90.0))["verdict"] == "passed"
    assert compare(beside, pooled(transactions=40.0))["verdict"] == "inconclusive"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"load__transactions_per_second": 0.4}, "hardly any load"),
        ({"connections__peak": 0}, "no connection at all"),
        ({"window__samples": 9}, "see no peak"),
        ({"window__duration_s": 4}, "see no peak"),
    ],
)
def test_what_can_be_no_baseline_is_known_at_once(changes: dict[str, t.Any], reason: str) -> None:
    asked = _activity.Criteria("peak", 71, 0.8, 0.5, 0.1)
    (found,) = _activity.unfit_as_baseline(audit(**changes), asked)
    assert reason in found
    assert _activity.unfit_as_baseline(audit(), asked) == []
    assert "hardly any load" not in str(_activity.unfit_as_baseline(audit(**changes), asked._replace(min_load_ratio=0)))


def test_a_pooler_that_cannot_be_asked_is_told_of() -> None:
    found = {**audit(), "unreachable_poolers": {"pgbouncer": "connection refused"}}
    assert _activity.advice(found) == ["pgbouncer is not counted with, because it cannot be asked: connection refused"]


def test_without_a_ratio_nobody_asks_for_the_load() -> None:
    assert (
        compare(audit(load__transactions_per_second=0.0), pooled(transactions=0.0), load_ratio=0)["verdict"] == "passed"
    )


WAITS: list[tuple[dict[str, t.Any], str]] = [
    # A hot tenant: it waited three times as long as it worked, while the sum of all looks well.
    (
        {"databases": {"erp": {"transactions": 6000, "wait_ms": 310.0, "wait_share": 3.1}}},
        "transactions on erp waited 310 ms each at pgbouncer, 310 % of the time",
    ),
    ({"wait_ms": 40.0, "wait_share": 0.2}, "transactions at pgbouncer waited 40 ms each, 20 %"),
    ({"longest_wait_s": 12.5, "longest_wait_pool": "odoo@postgres"}, "a client of odoo@postgres had waited for 12.5 s"),
]


@pytest.mark.parametrize(("pooler", "reason"), WAITS)
def test_whoever_waits_is_not_served_as_before(pooler: dict[str, t.Any], reason: str) -> None:
    result = compare(audit(), pooled(**pooler))
    assert (result["verdict"], result["failed_on"]) == ("failed", ["waiting"])
    assert reason in result["reasons"][0]


def test_a_pooler_at_its_limit_is_told_of() -> None:
    assert _activity.advice(pooled(cpu_share=0.85))[0].startswith("pgbouncer takes 85 %")
    assert _activity.advice(pooled(cpu_share=0.4)) == _activity.advice(pooled(cpu_share=None)) == []


UNNOTICED: list[dict[str, t.Any]] = [
    # Starts of backends for short transactions of crons.
    {"databases": {"erp": {"transactions": 300, "wait_ms": 9.0, "wait_share": 4.5}}},
    # A long report that waited a moment.
    {"databases": {"erp": {"transactions": 300, "wait_ms": 50.0, "wait_share": 0.01}}},
    # One or two transactions are no average.
    {"databases": {"erp": {"transactions": 2, "wait_ms": 500.0, "wait_share": 5.0}}},
    {"longest_wait_s": 0.4, "longest_wait_pool": "odoo@erp"},
]


@pytest.mark.parametrize("pooler", UNNOTICED)
def test_what_nobody_notices_fails_nothing(pooler: dict[str, t.Any]) -> None:
    assert compare(audit(), pooled(**pooler))["verdict"] == "passed"


def first(**changes: t.Any) -> dict[str, t.Any]:
    """A baseline as the version before wrote it: of all roles, with figures for each."""
    document = audit(400, **changes)
    return {
        **{key: value for key, value in document.items() if key != "poolers"},
        "schema": _activity.FIRST_SCHEMA,
        "by_role": {
            "odoo": {"peak": 90, "mean": 80.0},
            "jobs": {"peak": 10, "mean": 6.5},
            "bi": {"peak": 300, "mean": 300.0},
        },
    }


@pytest.mark.parametrize(
    ("roles", "peak", "mean"), [(["odoo"], 90, 80.0), (["odoo", "jobs"], 86, 86.5), (["nobody"], 0, 0), ([], 400, 395)]
)
def test_a_baseline_of_the_version_before_counts_for_todays_roles(roles: list[str], peak: int, mean: float) -> None:
    _activity.check_document(first(), "baseline")
    converted = _activity.in_scope(first(), roles)
    assert (converted["connections"]["peak"], converted["connections"]["mean"]) == (peak, mean)
    assert converted["scope"]["roles"] == sorted(roles)


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
