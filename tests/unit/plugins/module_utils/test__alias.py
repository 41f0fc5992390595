# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names on networks, as far as they need no Docker."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest

from ansible_collections.pooled.odoo.plugins.module_utils import _alias

COMPOSE = "com.docker.compose."
PASSING: list[tuple[str, dict[str, str] | None, str | None]] = [
    ("db", None, None),
    ("db", {}, None),
    ("db", {"project": "erp", "service": "db"}, r"services: db-direct: instead of db:"),
    (
        "sql",
        {"project": "erp", "service": "db"},
        r"write sql-direct instead of sql among its aliases there \(networks: erp: aliases:\)",
    ),
]


@pytest.mark.parametrize(("name", "labels", "says"), PASSING)
def test_a_name_that_compose_will_give_back_is_told(name: str, labels: dict[str, str] | None, says: str | None) -> None:
    full = {f"{COMPOSE}{key}": value for key, value in (labels or {}).items()}
    holder = None if labels is None else SimpleNamespace(name="erp-db-1", attrs={"Config": {"Labels": full}})
    told = _alias.compose_warning(_alias.Name("erp", name, holder))
    if says is None:
        assert told is None
    else:
        assert re.search(says, told or "")
