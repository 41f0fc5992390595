# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError, told

NAMES = {"host": "pooled_odoo_pooler_alias", "login_password": "pooled_odoo_postgres_admin_password"}

CASES = [
    (PooledError("does not resolve", "host"), "pooled_odoo_pooler_alias: does not resolve"),
    # A path of options begins with one of them.
    (PooledError("is no name", "host[0].name"), "pooled_odoo_pooler_alias[0].name: is no name"),
    (
        PooledError("the host is gone; check login_password"),
        "the host is gone; check pooled_odoo_postgres_admin_password",
    ),
    (PooledError("the host is gone", "state_dir"), "state_dir: the host is gone"),
    (
        PooledError("give login_password (pooled_odoo_postgres_admin_password)"),
        "give pooled_odoo_postgres_admin_password",
    ),
    (OSError("login_password"), "pooled_odoo_postgres_admin_password"),
]


@pytest.mark.parametrize(("error", "text"), CASES)
def test_options_are_named_as_the_caller_knows_them(error: Exception, text: str) -> None:
    assert told(error, NAMES) == text
    assert told(error, {}) == str(error)
