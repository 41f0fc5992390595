# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from ansible_collections.pooled.odoo.plugins.modules.pg_conn_audit import Counters, Moment, rates

BEGAN = datetime(2026, 1, 1, tzinfo=timezone.utc)
FIRST = Moment(
    {1: Counters("erp", 1000, 50, 90), 2: Counters("doomed", 900000, 0, 0), 3: Counters("reset", 500, 7, 7)}, BEGAN
)
# One was dropped, one came, and of one the statistics were reset.
LAST = Moment(
    {1: Counters("erp", 1610, 60, 190), 3: Counters("reset", 20, 0, 0), 4: Counters("new", 70000, 9, 9)},
    BEGAN + timedelta(seconds=10),
)


def test_a_database_that_is_dropped_takes_no_other_ones_load() -> None:
    """The sum over all databases would have fallen."""
    found = rates(FIRST, LAST, None, own=10)
    assert found == {"transactions_per_second": 60.0, "rows_written_per_second": 1.0, "rows_read_per_second": 10.0}


def test_only_databases_in_scope_count() -> None:
    assert rates(FIRST, LAST, {"elsewhere"}, own=0)["transactions_per_second"] == 0
