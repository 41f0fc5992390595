# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError
from ansible_collections.pooled.odoo.plugins.modules.pgbouncer_admin import State, decide, set_statements

RUNNING = State(False, (), ("erp",))
PAUSED = State(True, (), ("erp",))
ONE = State(False, ("erp",), ("erp",))

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
    ("resume", None, State(True, ("erp",), ("erp",)), ["RESUME", 'RESUME "erp"']),
    ("resume", "erp", ONE, ['RESUME "erp"']),
    ("resume", "erp", RUNNING, []),
    ("resume", "hidden", RUNNING, ['RESUME "hidden"']),
    ("reconnect", None, RUNNING, ["RECONNECT"]),
    ("wait_close", "erp", RUNNING, ['WAIT_CLOSE "erp"']),
]


@pytest.mark.parametrize(("command", "database", "state", "statements"), CASES)
def test_decide(command: str, database: str | None, state: State, statements: list[str]) -> None:
    assert decide(command, database, state) == statements


CONFIG = {
    "query_wait_timeout": {"value": "30", "default": "120", "changeable": True},
    "listen_port": {"value": "5432", "default": "6432", "changeable": False},
}


def test_set_statements() -> None:
    assert set_statements({"query_wait_timeout": 90}, CONFIG) == ["SET query_wait_timeout = '90'"]
    assert set_statements({"query_wait_timeout": "30"}, CONFIG) == []
    for settings in ({"listen_port": 1}, {"nonsense": 1}, {"query_wait_timeout": "soon"}):
        with pytest.raises(PooledError):
            set_statements(settings, CONFIG)
