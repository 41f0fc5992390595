# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The outcome of a run as a short table for people, and as one line of JSON for machines."""

from __future__ import annotations

import json
import typing as t

NEXT = {
    "passed": "Prove it again in any busy hour: pooled.odoo.verify. Take it back: pooled.odoo.rollback.",
    "failed": "See verdict.json for what was measured; pooled.odoo.audit shows who holds connections.",
    "inconclusive": "Measure again while people work: pooled.odoo.verify.",
}


def published(verdict: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """What of a verdict the next job of a workflow may rely on; stable within a major version."""
    metric = verdict["metric"]
    return {
        "schema": "pooled.odoo/published-verdict/1",
        "verdict": verdict["verdict"],
        "reasons": list(verdict["reasons"]),
        "metric": metric,
        "before": verdict["baseline"][metric],
        "after": verdict["current"][metric],
        "reduction_percent": verdict["reduction_percent"],
        "threshold_percent": verdict["threshold_percent"],
    }


def published_audit(
    audit: t.Mapping[str, t.Any], plan: t.Mapping[str, t.Any], instances: t.Sequence[str]
) -> dict[str, t.Any]:
    """The same of a measurement and the plan that was made of it, for *instances* by name. Made here and not in the playbook,
    where Ansible before 2.19 would make text of the numbers."""
    return {
        "schema": "pooled.odoo/published-audit/1",
        "instances": sorted(instances),
        "peak": audit["connections"]["peak"],
        "mean": audit["connections"]["mean"],
        "idle": audit["by_state"].get("idle", {}).get("mean", 0),
        "max_connections": audit["limits"]["max_connections"],
        "planned_steady": plan["predicted"]["steady"],
        "planned_worst_case": plan["predicted"]["worst_case"],
    }


def fell(percent: float | None) -> str:
    """How the connections changed, in words; *percent* is negative where there are more, None where there were none before."""
    if percent is None:
        return "nothing to compare with"
    return f"{percent} % fewer" if percent >= 0 else f"{-percent} % more"


def summary(verdict: t.Mapping[str, t.Any], moves: t.Sequence[t.Mapping[str, t.Any]] = ()) -> list[str]:
    """Lines: the instances that were moved, the connections, what was served, what comes next; at last the same as JSON."""
    found = published(verdict)
    instances = [
        {"name": move["name"], "method": move.get("method"), "away_ms": move.get("gap_ms")}
        for move in moves
        if move.get("changed")
    ]
    lines = []
    if instances:
        width = max(len("instance"), *(len(one["name"]) for one in instances))
        lines.append(f"{'instance':{width}}  {'method':8}  away")
        for one in instances:
            away = "-" if one["away_ms"] is None else f"{one['away_ms'] / 1000:.1f} s"
            lines.append(f"{one['name']:{width}}  {one['method'] or '-':8}  {away}")
    lines.append(
        f"PostgreSQL connections ({found['metric']}): {found['before']} before, {found['after']} now,"
        f" {fell(found['reduction_percent'])} (asked: {found['threshold_percent']} % fewer): {found['verdict']}"
    )
    if "total" in verdict["current"]:
        lines.append(f"all roles together: {verdict['current']['total']['peak']} at the peak")
    for pooler in verdict["current"].get("poolers", []):
        lines.append(
            f"{pooler['name']}: {pooler['transactions_per_second']} transactions a second, each waited"
            f" {pooler['wait_ms']} ms for a connection"
        )
    lines += found["reasons"]
    lines.append(NEXT[found["verdict"]])
    lines.append(json.dumps({**found, "instances": instances}, sort_keys=True))
    return lines


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"summary": summary, "published": published, "published_audit": published_audit}
