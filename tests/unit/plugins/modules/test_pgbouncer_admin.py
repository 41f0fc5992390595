# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.pooled.odoo.plugins.modules.pgbouncer_admin import State, decide

RUNNING = State(False, ())
PAUSED = State(True, ())
ONE = State(False, ("erp",))

CASES = [
    ("reload", None, RUNNING, ["RELOAD"]),
    ("reload", None, PAUSED, ["RELOAD"]),
    ("pause", None, RUNNING, ["PAUSE"]),
    ("pause", None, PAUSED, []),
    ("pause", None, ONE, ["PAUSE"]),
    ("pause", "erp", RUNNING, ['PAUSE "erp"']),
    ("pause", "erp", ONE, []),
    ("pause", 'it"s', RUNNING, ['PAUSE "it""s"']),
    ("resume", None, RUNNING, []),
    ("resume", None, PAUSED, ["RESUME"]),
    ("resume", None, ONE, ['RESUME "erp"']),
    ("resume", None, State(True, ("erp",)), ["RESUME", 'RESUME "erp"']),
    ("resume", "erp", ONE, ['RESUME "erp"']),
    ("resume", "erp", RUNNING, []),
    ("reconnect", None, RUNNING, ["RECONNECT"]),
    ("wait_close", "erp", RUNNING, ['WAIT_CLOSE "erp"']),
]


@pytest.mark.parametrize(("command", "database", "state", "statements"), CASES)
def test_decide(command: str, database: str | None, state: State, statements: list[str]) -> None:
    assert decide(command, database, state) == statements
