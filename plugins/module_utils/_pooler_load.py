# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What clients of a PgBouncer got done in a window, and what they waited for: from its counters before and after.

This module util is PRIVATE to the collection. It can have breaking changes at any time.

PostgreSQL's own counters are no measure of users behind a pooler: DISCARD ALL, starts of backends and look-ups of passwords
are transactions to it, so they double when pools are warm and triple when they are cold. ``SHOW STATS`` counts the
transactions of clients, the time that these were open (``total_xact_time``) and the time that clients waited for a server
connection (``total_wait_time``), in microseconds (PgBouncer's manual, SHOW STATS).

A pooler is described as::

    name, transactions_per_second, queries_per_second
    wait_ms          of a transaction, on average
    wait_share       waiting as a share of the time in transactions
    longest_wait_s   that a client had waited for when a sample was taken, with longest_wait_pool (user@database)
    server_connections  at the peak
    cpu_share        of one processor, null where its process cannot be seen
    databases        {name: {transactions, wait_ms, wait_share}}
    restarted        its counters began anew, so nothing above means anything
"""

from __future__ import annotations

import typing as t

COUNTERS = ("total_xact_count", "total_query_count", "total_xact_time", "total_wait_time")
Row = t.Mapping[str, t.Any]

# PgBouncer is one process on one processor. The share of it from which two should divide the work: beyond, bursts wait.
BUSY = 0.5
REMEDY = (
    "let two share the clients (pooled_odoo_second_pooler=true); where there are two, pool fewer instances with them"
)


class Look(t.NamedTuple):
    """One pooler at one moment: rows of SHOW STATS, its start (``SHOW STATS`` tells none, so the process's), its CPU seconds."""

    stats: t.Sequence[Row]
    process: tuple[int, float] | None


def describe(
    name: str, before: Look, after: Look, pools: t.Sequence[t.Sequence[Row]], seconds: float
) -> dict[str, t.Any]:
    """*pools*: typed rows of SHOW POOLS, sample after sample."""
    first = {row["database"]: row for row in before.stats}
    moved: dict[str, dict[str, int]] = {}
    restarted = bool(before.process and after.process and before.process[0] != after.process[0])
    for row in after.stats:
        former = first.get(row["database"], {})
        moved[row["database"]] = {key: row[key] - former.get(key, 0) for key in COUNTERS}
        restarted = restarted or any(value < 0 for value in moved[row["database"]].values())
    moved.pop("pgbouncer", None)  # the admin console
    total = {key: sum(counts[key] for counts in moved.values()) for key in COUNTERS}
    cpu = None
    if before.process and after.process and not restarted:
        cpu = round((after.process[1] - before.process[1]) / seconds, 3)
    longest, pool = _longest_wait(pools)
    return {
        "name": name,
        "transactions_per_second": round(max(0, total["total_xact_count"]) / seconds, 2),
        "queries_per_second": round(max(0, total["total_query_count"]) / seconds, 2),
        **_waiting(total),
        "longest_wait_s": longest,
        "longest_wait_pool": pool,
        "server_connections": max((_servers(rows) for rows in pools), default=0),
        "cpu_share": cpu,
        "databases": {
            database: {"transactions": counts["total_xact_count"], **_waiting(counts)}
            for database, counts in sorted(moved.items())
            if counts["total_xact_count"] > 0 or counts["total_wait_time"] > 0
        },
        "restarted": restarted,
    }


def _waiting(counts: t.Mapping[str, int]) -> dict[str, float]:
    waited, worked = max(0, counts["total_wait_time"]), max(1, counts["total_xact_time"])
    return {
        "wait_ms": round(waited / 1000 / max(1, counts["total_xact_count"]), 2),
        "wait_share": round(waited / worked, 4),
    }


def _longest_wait(pools: t.Sequence[t.Sequence[Row]]) -> tuple[float, str | None]:
    longest, pool = 0.0, None
    for rows in pools:
        for row in rows:
            waited = row["maxwait"] + row.get("maxwait_us", 0) / 1e6
            if waited > longest:
                longest, pool = waited, f"{row['user']}@{row['database']}"
    return round(longest, 2), pool


def _servers(rows: t.Sequence[Row]) -> int:
    columns = ("sv_active", "sv_idle", "sv_used", "sv_tested", "sv_login")
    return sum(row.get(column, 0) for row in rows for column in columns if row["database"] != "pgbouncer")
