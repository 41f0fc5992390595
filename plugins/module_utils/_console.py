# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the rows of PgBouncer's ``SHOW`` commands mean.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError

Row = t.Dict[str, t.Any]

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
    return value


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
    """The keys of ``[pgbouncer]`` whose running value is not the wanted one."""
    return sorted(key for key, value in wanted.items() if key in config and not _same(value, config[key]["value"]))


def _same(wanted: str, running: str | None) -> bool:
    running = running or ""
    try:
        return float(wanted) == float(running)
    except ValueError:
        return wanted.strip() == running.strip()


def is_paused(databases: t.Sequence[Row], database: str | None) -> bool:
    """Whether PAUSE is in force, for *database* or, with None, for everything. Reads typed ``SHOW DATABASES`` rows."""
    rows = [row for row in databases if row["name"] != "pgbouncer" and database in (None, row["name"])]
    return bool(rows) and all(row["paused"] for row in rows)


def any_paused(databases: t.Sequence[Row], database: str | None) -> bool:
    return any(row["paused"] for row in databases if database in (None, row["name"]))
