# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible_collections.pooled.odoo.plugins.module_utils import _pooler_load
from ansible_collections.pooled.odoo.plugins.module_utils._pooler_load import Look


def counters(database: str, transactions: int, working_ms: int, waiting_ms: int) -> dict[str, t.Any]:
    return {
        "database": database,
        "total_xact_count": transactions,
        "total_query_count": 10 * transactions,
        "total_xact_time": 1000 * working_ms,
        "total_wait_time": 1000 * waiting_ms,
    }


def pool(database: str, waited: int = 0, servers: int = 1) -> dict[str, t.Any]:
    return {
        "database": database,
        "user": "odoo",
        "maxwait": waited,
        "maxwait_us": 250000,
        "sv_active": servers,
        "sv_idle": 1,
    }


BEFORE = Look([counters("erp", 100, 1000, 50), counters("pgbouncer", 5, 0, 0)], (77, 10.0))
AFTER = Look(
    [
        counters("erp", 300, 5000, 450),
        counters("new", 10, 40, 0),
        counters("idle", 0, 0, 0),
        counters("pgbouncer", 50, 9, 9),
    ],
    (77, 13.0),
)


def test_what_clients_did_and_waited_for() -> None:
    found = _pooler_load.describe("pgbouncer", BEFORE, AFTER, [[pool("erp")], [pool("erp", 2, 7), pool("new")]], 10)
    assert found == {
        "name": "pgbouncer",
        "transactions_per_second": 21.0,
        "queries_per_second": 210.0,
        "wait_ms": 1.9,
        "wait_share": 0.099,
        "longest_wait_s": 2.25,
        "longest_wait_pool": "odoo@erp",
        "server_connections": 10,
        "cpu_share": 0.3,
        "databases": {
            "erp": {"transactions": 200, "wait_ms": 2.0, "wait_share": 0.1},
            "new": {"transactions": 10, "wait_ms": 0.0, "wait_share": 0.0},
        },
        "restarted": False,
    }


def test_a_restart_is_noticed_by_its_process_and_by_its_counters() -> None:
    by_process = _pooler_load.describe("p", BEFORE, AFTER._replace(process=(99, 0.1)), [], 10)
    by_counters = _pooler_load.describe("p", AFTER._replace(process=None), BEFORE._replace(process=None), [], 10)
    assert by_process["restarted"]
    assert by_counters["restarted"]
    assert by_process["cpu_share"] is None


def test_nothing_happened() -> None:
    found = _pooler_load.describe("p", BEFORE, BEFORE, [[]], 10)
    assert (found["transactions_per_second"], found["wait_share"], found["longest_wait_pool"]) == (0, 0, None)
