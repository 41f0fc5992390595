# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Statistics over samples of ``pg_stat_activity``, and the comparison of two such audits.

This module util is PRIVATE to the collection. It can have breaking changes at any time.

An audit is a JSON document::

    schema, created_at
    window       started_at, ended_at (ISO 8601, UTC), duration_s, interval_s, samples
    cluster      system_identifier, server_version, server_version_num, in_recovery
    scope        roles, databases (sorted lists, empty for all), totals_only
    connections  peak, mean, p50, p95
    by_state, by_database, by_role, by_client   {name: {peak, mean}}
    listeners    peak, mean
    oldest_idle_in_transaction_s                null without one
    limits       max_connections, reserved, headroom
    load         transactions_per_second, rows_written_per_second, rows_read_per_second
"""

from __future__ import annotations

import math
import typing as t

from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError

SCHEMA = "pooled.odoo/audit/1"
VERDICT_SCHEMA = "pooled.odoo/verdict/1"
METRICS = ("peak", "mean", "p50", "p95")
# A pooler adds a transaction of its own (DISCARD ALL) to each of a client's, no more.
OWN_SHARE_BEHIND_A_POOLER = 0.5
# Below this a figure is the database's own housekeeping.
MEANINGFUL_LOAD = 1.0
DIMENSIONS = ("state", "database", "role", "client")


class Group(t.NamedTuple):
    """A row of a sample: so many connections of this kind at that moment."""

    database: str
    role: str
    client: str
    state: str
    connections: int
    listeners: int
    idle_in_transaction_s: float | None


Sample = t.List[Group]


def summarise(samples: t.Sequence[Sample]) -> dict[str, t.Any]:
    """The figures of an audit (see the module's head) that come from *samples*; at least one is needed."""
    if not samples:
        raise PooledError("no sample was taken; make duration longer than interval", "duration")
    totals = [sum(group.connections for group in sample) for sample in samples]
    ages = [g.idle_in_transaction_s for sample in samples for g in sample if g.idle_in_transaction_s is not None]
    summary: dict[str, t.Any] = {
        "connections": {
            "peak": max(totals),
            "mean": _mean(totals),
            "p50": percentile(totals, 50),
            "p95": percentile(totals, 95),
        },
        "listeners": _peak_and_mean([sum(group.listeners for group in sample) for sample in samples]),
        "oldest_idle_in_transaction_s": round(max(ages), 1) if ages else None,
    }
    for dimension in DIMENSIONS:
        summary[f"by_{dimension}"] = _by(dimension, samples)
    return summary


def percentile(values: t.Sequence[int], rank: float) -> int:
    """The nearest-rank percentile: a value that was really seen, at least as high as *rank* per cent of all."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(rank / 100 * len(ordered)) - 1)]


def _mean(values: t.Sequence[int]) -> float:
    return round(sum(values) / len(values), 2)


def _peak_and_mean(values: t.Sequence[int]) -> dict[str, float]:
    return {"peak": max(values), "mean": _mean(values)}


def _by(dimension: str, samples: t.Sequence[Sample]) -> dict[str, dict[str, float]]:
    names = sorted({getattr(group, dimension) for sample in samples for group in sample})
    return {
        name: _peak_and_mean(
            [sum(g.connections for g in sample if getattr(g, dimension) == name) for sample in samples]
        )
        for name in names
    }


def check_document(document: t.Any, option: str) -> dict[str, t.Any]:
    """*document* if it is a whole audit; raises PooledError that says what is missing."""
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        found = document.get("schema") if isinstance(document, dict) else type(document).__name__
        raise PooledError(f"is not an audit of this version (schema {SCHEMA}, found {found}); audit again", option)
    wanted = {
        "window": ("duration_s", "interval_s", "samples"),
        "cluster": ("system_identifier",),
        "scope": ("roles", "databases", "totals_only"),
        "connections": METRICS,
        "load": ("transactions_per_second", "rows_written_per_second"),
    }
    for section, keys in wanted.items():
        for key in keys:
            if not isinstance(document.get(section), dict) or key not in document[section]:
                raise PooledError(f"the audit is damaged, {section}.{key} is missing; audit again", option)
    for section in ("connections", "load", "window"):
        for key in wanted[section]:
            if not isinstance(document[section][key], (int, float)):
                raise PooledError(f"the audit is damaged, {section}.{key} is not a number; audit again", option)
    return document


def compare(
    baseline: t.Mapping[str, t.Any],
    current: t.Mapping[str, t.Any],
    metric: str,
    min_reduction: float,
    min_window_ratio: float,
    min_load_ratio: float,
) -> dict[str, t.Any]:
    """The verdict on two audits.

    ``verdict`` is ``passed`` or ``failed`` by ``reduction_percent >= min_reduction``, or ``inconclusive`` with the
    ``reasons`` why the two cannot be compared. Ratios are shares of the baseline's figure, 0 to 1.
    """
    before, after = baseline["connections"][metric], current["connections"][metric]
    reasons = _reasons_against(baseline, current, min_window_ratio, min_load_ratio)
    reduction = None
    if before > 0:
        # Towards zero, to two digits: 70.996 must not pass as 71.
        # (The small addend undoes what binary fractions lose: 100 to 31 is 69, not 68.99.)
        reduction = math.floor((before - after) * 10000 / before + 1e-6) / 100
    else:
        reasons.append("the baseline saw no connection at all, so nothing can be reduced; audit while users work")
    if reasons or reduction is None:
        verdict = "inconclusive"
    elif reduction >= min_reduction:
        verdict = "passed"
    else:
        verdict = "failed"
        reasons = [
            f"{metric} {'fell' if reduction >= 0 else 'rose'} by {abs(reduction):g} % ({before:g} to {after:g}), asked was a"
            f" fall of at least {min_reduction:g} %"
        ]
    return {
        "schema": VERDICT_SCHEMA,
        "verdict": verdict,
        "reasons": reasons,
        "metric": metric,
        "reduction_percent": reduction,
        "threshold_percent": min_reduction,
        "baseline": _extract(baseline),
        "current": _extract(current),
    }


def _extract(audit: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    return {**audit["connections"], **audit["load"], "window": audit["window"], "created_at": audit.get("created_at")}


def _reasons_against(
    baseline: t.Mapping[str, t.Any], current: t.Mapping[str, t.Any], min_window_ratio: float, min_load_ratio: float
) -> list[str]:
    reasons = []
    clusters = [audit["cluster"]["system_identifier"] for audit in (baseline, current)]
    if clusters[0] != clusters[1]:
        reasons.append(f"the baseline is of another PostgreSQL cluster ({clusters[0]}, this is {clusters[1]})")
    if baseline["scope"] != current["scope"]:
        reasons.append("the baseline counted other roles or databases; use the same roles, databases and totals_only")
    windows = [audit["window"]["duration_s"] for audit in (baseline, current)]
    if windows[1] < windows[0] * min_window_ratio:
        reasons.append(
            f"this window of {windows[1]:g} s is too short beside the baseline's {windows[0]:g} s to see a like peak;"
            f" set duration to at least {math.ceil(windows[0] * min_window_ratio)}"
        )
    samples = [audit["window"]["samples"] for audit in (baseline, current)]
    if samples[1] < samples[0] * min_window_ratio:
        reasons.append(
            f"{samples[1]} samples are too few beside the baseline's {samples[0]} to see a like peak; use its interval of"
            f" {baseline['window']['interval_s']:g} s"
        )
    return reasons + _too_little_load(baseline["load"], current["load"], min_load_ratio)


def _too_little_load(before: t.Mapping[str, float], now: t.Mapping[str, float], min_ratio: float) -> list[str]:
    """The reason why *now* is too little beside *before*, if it is.

    Transactions decide. Where only a pooler's own could have made them enough, written rows must be enough as well; alone
    they would not do, because an import or the first crons of a morning write more than users do in an hour. Rows read
    would not do at all: a worker that loads its registry reads more than its users in a minute.
    """
    key, what = "transactions_per_second", "transactions"
    enough = before[key] * min_ratio
    if before[key] < MEANINGFUL_LOAD or now[key] * OWN_SHARE_BEHIND_A_POOLER >= enough:
        return []
    written = "rows_written_per_second"
    if now[key] >= enough and before[written] >= MEANINGFUL_LOAD:
        if now[written] >= before[written] * min_ratio:
            return []
        key, what = written, "written rows"
    return [
        f"the load is far below the baseline's ({now[key]:g} {what} per second, it was {before[key]:g}), so fewer"
        " connections prove nothing; audit again while users work"
    ]
