# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.pooled.odoo.plugins.module_utils import _pgbouncer_fixes

# What was found later is in all that the rows below are about.
LATER = ["CVE-2026-107349", "CVE-2026-107350"]
HOLES = [
    ("1.24.1", "1.24.1-1+deb13u2", []),
    ("1.24.1", "1.24.1-1+deb13u10", []),
    ("1.24.1", "1.24.1-1+deb13u1", ["CVE-2026-6664"]),
    ("1.24.1", "1.24.1-1", ["CVE-2025-12819", "CVE-2026-6664"]),
    # Other builds of the same version, of whose fixes nothing is known.
    ("1.24.1", "1.24.1-1.pgdg13+1", ["CVE-2025-12819", "CVE-2026-6664"]),
    ("1.24.1", "1.24.1-1build1", ["CVE-2025-12819", "CVE-2026-6664"]),
    ("1.24.1", "1.24.1-1~bpo12+1", ["CVE-2025-12819", "CVE-2026-6664"]),
    # Not Debian's package, so nothing is known of fixes in it.
    ("1.24.1", "", ["CVE-2025-12819", "CVE-2026-6664"]),
    ("1.23.0", "", ["CVE-2025-2291", "CVE-2025-12819", "CVE-2026-6664"]),
    ("1.25.1", "1.25.1-1", ["CVE-2026-6664"]),
    ("1.25.2", "1.25.2-1~bpo13+1", []),
    ("1.26.0", "", []),
]


@pytest.mark.parametrize(("version", "package", "holes"), HOLES)
def test_open_holes(version: str, package: str, holes: list[str]) -> None:
    found = _pgbouncer_fixes.open_holes(version, package)
    assert [told.split()[0] for told in found] == holes + LATER


def test_nothing_is_known_of_the_newest() -> None:
    assert _pgbouncer_fixes.open_holes("1.26.1") == []
