# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.pooled.odoo.plugins.filter.weakened_tls import weakened_tls

CASES: list[tuple[list[str], str, list[str], str]] = [
    (["prefer", "allow", "disable"], "disable", [], ""),
    (["require"], "prefer", ["erp0"], "require"),
    (["require"], "require", [], ""),
    (["require", "prefer", "verify-full"], "prefer", ["erp0", "erp2"], "verify-full"),
    (["require", "verify-full"], "verify-ca", ["erp1"], "verify-full"),
    (["verify-full"], "verify-full", [], ""),
    (["something else"], "prefer", [], ""),
]


@pytest.mark.parametrize(("modes", "pooler", "names", "mode"), CASES)
def test_who_would_be_worse_off(modes: list[str], pooler: str, names: list[str], mode: str) -> None:
    instances = [{"name": f"erp{number}", "sslmode": given} for number, given in enumerate(modes)]
    assert weakened_tls(instances, pooler) == {"names": names, "mode": mode}
