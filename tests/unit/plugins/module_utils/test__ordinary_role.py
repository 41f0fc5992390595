# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""That they work is tested on a real PostgreSQL, in tests/integration/test_ordinary_role.py."""

from __future__ import annotations

from ansible_collections.pooled.odoo.plugins.module_utils._ordinary_role import BOOTSTRAP_OID, statements


def plain(lines: list[str]) -> list[str]:
    """Without the blocks that hand over what is in a database."""
    return [line for line in lines if line.startswith(("ALTER", "CREATE", "\\connect"))]


def test_a_superuser_stays_itself() -> None:
    assert plain(statements('o"doo', 16384, {"one": 'o"doo', "two": "postgres"})) == [
        '\\connect "one"',
        'ALTER DATABASE "two" OWNER TO "o""doo";',
        '\\connect "two"',
        'ALTER ROLE "o""doo" NOSUPERUSER NOREPLICATION NOCREATEROLE CREATEDB;',
    ]


def test_the_first_role_leaves_its_name() -> None:
    assert plain(statements("odoo", BOOTSTRAP_OID, {"one": "odoo"})) == [
        'ALTER ROLE "odoo" RENAME TO "odoo_superuser";',
        "CREATE ROLE \"odoo\" LOGIN CREATEDB PASSWORD '…';",
        'ALTER DATABASE "one" OWNER TO "odoo";',
        '\\connect "one"',
    ]
