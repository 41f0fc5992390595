# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the rows of PgBouncer's ``SHOW`` commands mean.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import re
import typing as t
from decimal import Decimal

from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError
from ansible_collections.pooled.odoo.plugins.module_utils._pgbouncer_options import SETTINGS

Row = t.Dict[str, t.Any]

# Read-only keys whose running value is no setting.
_DERIVED = frozenset({"conffile", "job_name", "service_name", "user"})

# Columns that hold names, which may well consist of digits.
_TEXT_COLUMNS = frozenset({"name", "database", "user", "host", "addr", "local_addr", "application_name", "force_user"})


def version_of(rows: t.Sequence[Row]) -> str:
    """``PgBouncer 1.24.1`` of ``SHOW VERSION`` as ``1.24.1``."""
    text = " ".join(str(value) for row in rows for value in row.values())
    match = re.search(r"\d+\.\d+(\.\d+)?", text)
    if not match:
        raise PooledError(f"this is not PgBouncer's admin console: it calls itself {text!r}")
    return match.group(0)


def typed(rows: t.Sequence[Row]) -> list[Row]:
    """The rows with numbers as numbers."""
    return [{key: _typed_value(key, value) for key, value in row.items()} for row in rows]


def _typed_value(column: str, value: t.Any) -> t.Any:
    if isinstance(value, str) and column not in _TEXT_COLUMNS and re.fullmatch(r"-?\d+", value):
        return int(value)
    # PgBouncer's totals come as numeric, which psycopg2 makes decimals of.
    return int(value) if isinstance(value, Decimal) else value


def typed_config(rows: t.Sequence[Row]) -> dict[str, Row]:
    """``SHOW CONFIG`` by key; ``changeable`` as a boolean. Values stay text: ``0700`` is not the number 700."""
    return {
        row["key"]: {
            "value": row["value"],
            "default": row.get("default"),
            "changeable": row.get("changeable") == "yes",
        }
        for row in rows
    }


def unapplied(wanted: t.Mapping[str, str], config: t.Mapping[str, Row]) -> list[str]:
    """The keys of ``[pgbouncer]`` whose running value is not the wanted one, among them those that only a restart brings
    back to their default."""
    different = {key for key, value in wanted.items() if key in config and not same(key, value, config[key]["value"])}
    different |= {
        key
        for key, row in config.items()
        if key not in wanted and not row["changeable"] and not same(key, row["default"] or "", row["value"])
    }
    return sorted(different - _DERIVED)


def same(key: str, wanted: str, running: str | None) -> bool:
    """Whether *running*, as ``SHOW CONFIG`` gives it, is what *wanted* means in the file."""
    running = running or ""
    if key in SETTINGS and SETTINGS[key].kind == "octal":
        # Written in octal, shown in decimal.
        return running in (wanted, str(int(wanted, 8)))
    try:
        return float(wanted) == float(running)
    except ValueError:
        return wanted.strip() == running.strip()


def is_paused(state: t.Sequence[Row]) -> bool:
    """Whether a PAUSE of everything is in force, by ``SHOW STATE``."""
    return any(row.get("key") == "paused" and row.get("value") == "yes" for row in state)


def busy_transactions(pools: t.Sequence[Row], database: str | None) -> list[str]:
    """The databases, or only *database*, whose transaction poolers have server connections in use, by typed rows of
    ``SHOW POOLS``. A session pool's are in use for as long as its clients like."""
    return sorted(
        {
            row["database"]
            for row in pools
            if row["pool_mode"] != "session" and row["sv_active"] > 0 and database in (None, row["database"])
        }
    )


def paused_databases(databases: t.Sequence[Row]) -> list[str]:
    """The databases that are paused one by one, by typed rows of ``SHOW DATABASES``."""
    return [row["name"] for row in databases if row["paused"]]
