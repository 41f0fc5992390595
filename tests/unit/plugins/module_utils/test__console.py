# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rows of the admin console."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.pooled.odoo.plugins.module_utils import _console
from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError


def test_console_rows() -> None:
    rows = [{"database": "1234", "user": "7", "cl_active": "3", "avg": None, "pool_mode": "session"}]
    assert _console.typed(rows) == [{**rows[0], "cl_active": 3}]
    assert _console.version_of([{"version": "PgBouncer 1.24.1"}]) == "1.24.1"
    with pytest.raises(PooledError, match="not PgBouncer's admin console"):
        _console.version_of([{"version": "PostgreSQL"}])


def config_row(value: str, default: str = "", changeable: bool = True) -> dict[str, t.Any]:
    return {"value": value, "default": default, "changeable": changeable}


def test_unapplied() -> None:
    config = {
        "max_client_conn": config_row("100", "100"),
        "server_idle_timeout": config_row("60.0", "600"),
        "unix_socket_mode": config_row("511", "0777", False),
        "so_reuseport": config_row("1", "0", False),
        "listen_port": config_row("5432", "6432", False),
    }
    wanted = {"max_client_conn": "200", "server_idle_timeout": "60", "listen_port": "5432"}
    # so_reuseport was taken out of the file; only a restart brings its default back.
    assert _console.unapplied(wanted, config) == ["max_client_conn", "so_reuseport"]
