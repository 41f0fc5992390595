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
    connections  peak, mean, p50, p95: of the roles in scope, and of the poolers' own
    total        peak, mean: of all roles
    by_state, by_database, by_client   {name: {peak, mean}}: of the roles in scope
    by_role, by_role_and_client        {role: {peak, mean}}, {role: {client: {peak, mean}}}: of all roles
    listeners    peak, mean
    oldest_idle_in_transaction_s                null without one
    limits       max_connections, reserved, headroom
    load         source (postgresql or poolers), transactions_per_second, rows_written_per_second, rows_read_per_second
    poolers      list, see _pooler_load; empty where none was asked

How the verdict is made, and what it cannot tell: docs/verdict.md.
"""

from __future__ import annotations

import math
import typing as t

from ansible_collections.pooled.odoo.plugins.module_utils import _pooler_load
from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError

SCHEMA = "pooled.odoo/audit/2"
FIRST_SCHEMA = "pooled.odoo/audit/1"
VERDICT_SCHEMA = "pooled.odoo/verdict/2"
METRICS = ("peak", "mean", "p50", "p95")
DIMENSIONS = ("state", "database", "client")
# Fewer samples, or a shorter window, see no peak.
MIN_SAMPLES = 10
MIN_WINDOW_S = 5
# Transactions per second: below this a figure is crons' and the database's own housekeeping.
MEANINGFUL_LOAD = 1.0
# Of PostgreSQL's transactions behind a pooler, those that clients made: a third where its pools are cold (measured; see
# _pooler_load). The pooler's own counters need no such guess.
CLIENTS_SHARE_BEHIND_A_POOLER = 1 / 3
# Milliseconds for each transaction below which nobody notices that it waited. A start of a backend takes some ten.
NOTICEABLE_WAIT_MS = 20
# Transactions in the window below which an average says nothing about a single database.
JUDGED_TRANSACTIONS = 20
# Seconds. Whoever was seen to wait that long saw his page hang.
HANGING_S = 3


class Criteria(t.NamedTuple):
    """What a verdict asks for. ``metric``: the figure that is compared; ``min_reduction``: per cent; ratios: shares of the
    baseline's, 0 to 1; ``max_wait_share``: waiting as a share of the time in transactions."""

    metric: str
    min_reduction: float
    min_window_ratio: float
    min_load_ratio: float
    max_wait_share: float


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


def summarise(samples: t.Sequence[Sample], roles: t.Collection[str] = ()) -> dict[str, t.Any]:
    """The figures of an audit (see the module's head) that come from *samples*; at least one is needed. *roles*: those in
    scope, with the poolers' own; empty for all."""
    if not samples:
        raise PooledError("no sample was taken; make duration longer than interval", "duration")
    scoped = [[group for group in sample if not roles or group.role in roles] for sample in samples]
    totals = [sum(group.connections for group in sample) for sample in scoped]
    ages = [g.idle_in_transaction_s for sample in scoped for g in sample if g.idle_in_transaction_s is not None]
    summary: dict[str, t.Any] = {
        "connections": {
            "peak": max(totals),
            "mean": _mean(totals),
            "p50": percentile(totals, 50),
            "p95": percentile(totals, 95),
        },
        "total": _peak_and_mean([sum(group.connections for group in sample) for sample in samples]),
        "listeners": _peak_and_mean([sum(group.listeners for group in sample) for sample in scoped]),
        "oldest_idle_in_transaction_s": round(max(ages), 1) if ages else None,
        "by_role": _by("role", samples),
        "by_role_and_client": {
            role: _by("client", [[group for group in sample if group.role == role] for sample in samples])
            for role in sorted({group.role for sample in samples for group in sample})
        },
    }
    for dimension in DIMENSIONS:
        summary[f"by_{dimension}"] = _by(dimension, scoped)
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
    """*document* if it is a whole audit, also one of the first schema; raises PooledError that says what is missing."""
    found = document.get("schema") if isinstance(document, dict) else type(document).__name__
    if found not in (SCHEMA, FIRST_SCHEMA):
        raise PooledError(f"is not an audit of this version (schema {SCHEMA}, found {found}); audit again", option)
    wanted = {
        "window": ("duration_s", "interval_s", "samples"),
        "cluster": ("system_identifier",),
        "scope": ("roles", "databases", "totals_only"),
        "connections": METRICS,
        "load": ("transactions_per_second",),
    }
    for section, keys in wanted.items():
        for key in keys:
            if not isinstance(document.get(section), dict) or key not in document[section]:
                raise PooledError(f"the audit is damaged, {section}.{key} is missing; audit again", option)
    for section in ("connections", "load", "window"):
        for key in wanted[section]:
            if not isinstance(document[section][key], (int, float)):
                raise PooledError(f"the audit is damaged, {section}.{key} is not a number; audit again", option)
    return t.cast(t.Dict[str, t.Any], document)


def in_scope(baseline: dict[str, t.Any], roles: t.Sequence[str]) -> dict[str, t.Any]:
    """*baseline* for *roles*, if it is of the first schema and counted all: that one had figures for each role as well.

    Several roles need not have had their peaks at once, so the sum of their means takes the place of the peak: a proof by
    less than there was is a proof all the same.
    """
    if baseline["schema"] != FIRST_SCHEMA or baseline["scope"]["roles"] or not roles:
        return baseline
    figures = [baseline.get("by_role", {}).get(role, {"peak": 0, "mean": 0}) for role in roles]
    mean = sum(figure["mean"] for figure in figures)
    peak = figures[0]["peak"] if len(figures) == 1 else math.floor(mean)
    return {
        **baseline,
        "scope": {**baseline["scope"], "roles": sorted(roles)},
        "connections": {"peak": peak, "mean": mean, "p50": math.floor(mean), "p95": math.floor(mean)},
    }


def compare(baseline: t.Mapping[str, t.Any], current: t.Mapping[str, t.Any], criteria: Criteria) -> dict[str, t.Any]:
    """The verdict on two audits.

    ``verdict`` is ``inconclusive`` where the two cannot be compared, else ``failed`` where connections did not fall by
    ``min_reduction`` or clients wait, else ``passed``. ``reasons`` says why it is not passed, ``failed_on`` by what:
    ``connections``, ``waiting``.
    """
    before, after = baseline["connections"][criteria.metric], current["connections"][criteria.metric]
    reasons = [*unfit_as_baseline(baseline, criteria), *_reasons_against(baseline, current, criteria)]
    reduction = None
    if before > 0:
        # Towards zero, to two digits: 70.996 must not pass as 71.
        # (The small addend undoes what binary fractions lose: 100 to 31 is 69, not 68.99.)
        reduction = math.floor((before - after) * 10000 / before + 1e-6) / 100
    failures: dict[str, list[str]] = {}
    if reduction is not None and reduction < criteria.min_reduction:
        failures["connections"] = [
            f"{criteria.metric} {'fell' if reduction >= 0 else 'rose'} by {abs(reduction):g} % ({before:g} to {after:g}), asked"
            f" was a fall of at least {criteria.min_reduction:g} %"
        ]
    waits = [wait for pooler in current.get("poolers", []) for wait in _waits(pooler, criteria.max_wait_share)]
    if waits:
        failures["waiting"] = waits
    inconclusive = bool(reasons) or reduction is None
    return {
        "schema": VERDICT_SCHEMA,
        "verdict": "inconclusive" if inconclusive else "failed" if failures else "passed",
        "reasons": reasons if inconclusive else [reason for found in failures.values() for reason in found],
        "failed_on": [] if inconclusive else sorted(failures),
        "metric": criteria.metric,
        "reduction_percent": reduction,
        "threshold_percent": criteria.min_reduction,
        "roles": current["scope"]["roles"],
        "baseline": _extract(baseline),
        "current": _extract(current),
    }


def _extract(audit: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    return {
        **audit["connections"],
        **audit["load"],
        "total": audit.get("total"),
        "window": audit["window"],
        "created_at": audit.get("created_at"),
        "poolers": [
            {key: value for key, value in pooler.items() if key != "databases"} for pooler in audit.get("poolers", [])
        ],
    }


def unfit_as_baseline(audit: t.Mapping[str, t.Any], criteria: Criteria) -> list[str]:
    """Why *audit* can prove nothing as a baseline, whatever comes after it; empty where it can."""
    reasons = list(_too_short("the baseline", audit["window"]))
    if audit["connections"][criteria.metric] <= 0:
        reasons.append("the baseline saw no connection at all, so nothing can be reduced; audit while users work")
    load = clients_load(audit)
    if criteria.min_load_ratio and load < MEANINGFUL_LOAD:
        reasons.append(
            f"the baseline saw hardly any load ({load:g} transactions per second), so nothing tells whether users are served"
            " as before; take the baseline while users work"
        )
    return reasons


def clients_load(audit: t.Mapping[str, t.Any]) -> float:
    """Transactions per second of all clients: those behind the poolers that were asked, and at least those beside them."""
    load = audit.get("load") or {}
    return float(load.get("transactions_per_second", 0) + (load.get("beside_poolers_per_second") or 0))


def _reasons_against(baseline: t.Mapping[str, t.Any], current: t.Mapping[str, t.Any], criteria: Criteria) -> list[str]:
    reasons = []
    clusters = [audit["cluster"]["system_identifier"] for audit in (baseline, current)]
    if clusters[0] != clusters[1]:
        reasons.append(f"the baseline is of another PostgreSQL cluster ({clusters[0]}, this is {clusters[1]})")
    if baseline["scope"] != current["scope"]:
        counted = [", ".join(audit["scope"]["roles"]) or "all roles" for audit in (baseline, current)]
        reasons.append(
            f"the baseline counted other roles or databases ({counted[0]}; now {counted[1]}); use the same roles, databases"
            " and totals_only"
        )
    return [
        *reasons,
        *_untold(current),
        *_too_short("this window", current["window"]),
        *_shorter(baseline["window"], current["window"], criteria),
        *_too_little_load(baseline, current, criteria),
    ]


def _untold(current: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    """Which poolers cannot tell how long their clients waited in this window."""
    for name, why in (current.get("unreachable_poolers") or {}).items():
        yield f"{name} cannot be asked what its clients do ({why}); repair it (playbook deploy) and audit again"
    for pooler in current.get("poolers", []):
        if pooler["restarted"]:
            yield f"{pooler['name']} was restarted meanwhile and has forgotten what its clients did; audit again"


def _beside(load: t.Mapping[str, t.Any]) -> str:
    beside = load.get("beside_poolers_per_second") or 0
    if beside < MEANINGFUL_LOAD:
        return ""
    return (
        f". At least {beside:g} per second go past the poolers now, and the baseline counted their like: move those clients too,"
        " or lower min_load_ratio (pooled_odoo_min_load_ratio) by their share"
    )


def _too_short(name: str, window: t.Mapping[str, float]) -> t.Iterator[str]:
    if window["samples"] < MIN_SAMPLES or window["duration_s"] < MIN_WINDOW_S:
        yield (
            f"{name} has {window['samples']} samples in {window['duration_s']:g} s, and fewer than {MIN_SAMPLES}, or less"
            f" than {MIN_WINDOW_S} s, see no peak; set a longer duration (a minute of working hours)"
        )


def _shorter(before: t.Mapping[str, float], now: t.Mapping[str, float], criteria: Criteria) -> t.Iterator[str]:
    if now["duration_s"] < before["duration_s"] * criteria.min_window_ratio:
        yield (
            f"this window of {now['duration_s']:g} s is too short beside the baseline's {before['duration_s']:g} s to see a"
            f" like peak; set duration to at least {math.ceil(before['duration_s'] * criteria.min_window_ratio)}"
        )
    if now["samples"] < before["samples"] * criteria.min_window_ratio:
        yield (
            f"{now['samples']} samples are too few beside the baseline's {before['samples']} to see a like peak; use its"
            f" interval of {before['interval_s']:g} s"
        )


def _too_little_load(
    baseline: t.Mapping[str, t.Any], current: t.Mapping[str, t.Any], criteria: Criteria
) -> t.Iterator[str]:
    """Why the two loads do not bear a comparison, if they do not. Without *min_load_ratio* nobody asks, and where a pooler has
    told nothing there is nothing to compare."""
    if criteria.min_load_ratio == 0 or any(_untold(current)):
        return
    # Clients that went past the poolers may have been moved since, so the baseline's count; those that still do prove nothing.
    before, now = clients_load(baseline), current["load"]["transactions_per_second"]
    enough = before * criteria.min_load_ratio
    if before < MEANINGFUL_LOAD:
        return
    if now < enough:
        yield (
            f"the load is far below the baseline's ({now:g} transactions per second, it was {before:g}), so fewer connections"
            f" prove nothing; audit again while users work{_beside(current['load'])}"
        )
    elif current["load"].get("source") != "poolers" and now * CLIENTS_SHARE_BEHIND_A_POOLER < enough:
        yield (
            f"of PostgreSQL's {now:g} transactions per second two thirds may be a pooler's own, and the rest would be far below"
            f" the baseline's {before:g}; name the poolers' admin consoles (poolers), which know what clients did"
        )


def load_beside(postgresql: float, behind_poolers: float) -> float:
    """Transactions per second of whoever goes past the poolers, at least: what is left of *postgresql*'s when the poolers have
    as many of their own as they can have."""
    return round(max(0.0, postgresql - behind_poolers / CLIENTS_SHARE_BEHIND_A_POOLER), 2)


def advice(audit: t.Mapping[str, t.Any]) -> list[str]:
    """What the poolers of *audit* will run into next, in words."""
    unreachable = [
        f"{name} is not counted with, because it cannot be asked: {why}"
        for name, why in audit.get("unreachable_poolers", {}).items()
    ]
    return unreachable + [
        f"{pooler['name']} takes {100 * pooler['cpu_share']:.0f} % of the one processor that it can use; {_pooler_load.REMEDY}"
        for pooler in audit.get("poolers", [])
        if (pooler.get("cpu_share") or 0) > _pooler_load.BUSY
    ]


def _waits(pooler: t.Mapping[str, t.Any], max_share: float) -> t.Iterator[str]:
    """What clients of *pooler* wait for noticeably, in words."""
    if pooler["longest_wait_s"] >= HANGING_S:
        yield (
            f"a client of {pooler['longest_wait_pool']} had waited for {pooler['longest_wait_s']:g} s for a server connection at"
            f" {pooler['name']}; pages hang while that lasts (SHOW POOLS and SHOW CLIENTS tell more)"
        )
    for database, found in pooler["databases"].items():
        if (
            found["transactions"] >= JUDGED_TRANSACTIONS
            and found["wait_share"] > max_share
            and found["wait_ms"] > NOTICEABLE_WAIT_MS
        ):
            yield (
                f"transactions on {database} waited {found['wait_ms']:g} ms each at {pooler['name']},"
                f" {100 * found['wait_share']:.0f} % of the time that they took (allowed: {100 * max_share:g} %); its pool is too"
                " small for what it does, or PostgreSQL is slow to open connections"
            )
    if pooler["wait_share"] > max_share and pooler["wait_ms"] > NOTICEABLE_WAIT_MS:
        yield (
            f"transactions at {pooler['name']} waited {pooler['wait_ms']:g} ms each, {100 * pooler['wait_share']:.0f} % of the"
            f" time that they took (allowed: {100 * max_share:g} %)"
        )
