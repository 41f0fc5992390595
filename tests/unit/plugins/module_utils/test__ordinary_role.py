# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""That they work is tested on a real PostgreSQL, in tests/integration/test_ordinary_role.py."""

from __future__ import annotations

import typing as t

from ansible_collections.pooled.odoo.plugins.module_utils._ordinary_role import BOOTSTRAP_OID, describe, statements


def plain(found: dict[str, t.Any], *instances: tuple[str, list[str]]) -> list[str]:
    """Without the blocks that hand over what is in a database."""
    described = describe(found, [{"db_user": user, "databases": databases} for user, databases in instances])
    return [line for line in statements(described) if line.startswith(("ALTER", "CREATE", "\\connect"))]


def test_a_superuser_stays_itself() -> None:
    found = {"name": 'o"doo', "oid": 16384, "owners": {"one": 'o"doo', "two": "postgres"}}
    assert plain(found, ('o"doo', ["one", "two"])) == [
        '\\connect "one"',
        'ALTER DATABASE "two" OWNER TO "o""doo";',
        '\\connect "two"',
        'ALTER ROLE "o""doo" NOSUPERUSER NOREPLICATION NOCREATEROLE CREATEDB;',
    ]


def test_the_first_role_leaves_its_name() -> None:
    found = {"name": "odoo", "oid": BOOTSTRAP_OID, "owners": {"one": "odoo", "archive": "odoo"}}
    assert plain(found, ("odoo", ["one"])) == [
        'ALTER ROLE "odoo" RENAME TO "odoo_superuser";',
        'ALTER ROLE "odoo_superuser" NOLOGIN;',
        "CREATE ROLE \"odoo\" LOGIN CREATEDB PASSWORD '…';",
        'ALTER DATABASE "one" OWNER TO "odoo";',
        '\\connect "one"',
    ]
    assert [line for line in statements(describe(found, [])) if "The databases archive, one," in line]


def test_databases_of_another_role_stay_its_own() -> None:
    found = {"name": "a", "oid": 16384, "owners": {"one": "a", "two": "b", "both": "a"}}
    assert plain(found, ("a", ["one", "both"]), ("b", ["two", "both"])) == [
        '\\connect "one"',
        'ALTER ROLE "a" NOSUPERUSER NOREPLICATION NOCREATEROLE CREATEDB;',
    ]
