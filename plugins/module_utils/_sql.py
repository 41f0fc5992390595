# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SQL's quotes, which PgBouncer's admin console knows too. Pure.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations


def identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """For servers with standard_conforming_strings, the default since PostgreSQL 9.1."""
    return "'" + text.replace("'", "''") + "'"
