# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which known holes a PgBouncer still has, by its version and, on Debian, its package.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import re
import typing as t


class Fix(t.NamedTuple):
    """A hole, the first version of PgBouncer without it (its NEWS.md), and Debian's packages that have the fix of an older one
    (their changelogs), by that version."""

    cve: str
    harm: str
    fixed: str
    packages: dict[str, str]


# Without CVE-2026-107348 (1.26.1), which takes a max_packet_size above 2 GiB.
FIXES = [
    Fix("CVE-2025-2291", "an expired password still works through auth_query", "1.24.1", {}),
    Fix(
        "CVE-2025-12819",
        "SQL before a log-in, where search_path is tracked",
        "1.25.1",
        {"1.24.1": "1.24.1-1+deb13u1"},
    ),
    Fix(
        "CVE-2026-6664 to 6667",
        "a client that has not logged in can crash it",
        "1.25.2",
        {"1.24.1": "1.24.1-1+deb13u2"},
    ),
    Fix(
        "CVE-2026-107349",
        "a client that has not logged in can stop it, where ignore_startup_parameters has something but not options in it",
        "1.26.1",
        {},
    ),
    Fix("CVE-2026-107350", "who knows the password of a user in its userlist can log in as another one", "1.26.1", {}),
]


def open_holes(version: str, package: str = "") -> list[str]:
    """The holes of PgBouncer *version*, in words. *package*: the version of Debian's package, empty for another build."""
    return [
        f"{fix.cve} ({fix.harm}; mended in PgBouncer {fix.fixed}"
        + (f", in Debian's {patched}" if patched else "")
        + ")"
        for fix in FIXES
        for patched in [fix.packages.get(version, "")]
        if _key(version) < _key(fix.fixed) and not _is_patched(package, patched)
    ]


def _is_patched(package: str, patched: str) -> bool:
    """Whether *package* is Debian's own, of the same release as *patched* and at least as new. Other builds of that version
    (PGDG's, Ubuntu's, backports) number their fixes otherwise, so nothing is known of them."""
    found = [re.fullmatch(r"(.+\+deb\d+u)(\d+)", text) for text in (package, patched)]
    return bool(found[0] and found[1] and found[0][1] == found[1][1] and int(found[0][2]) >= int(found[1][2]))


def _key(version: str) -> list[tuple[int, int, str]]:
    """Numbers by their value, all else by its text; enough for versions of PgBouncer."""
    return [(1, int(part), "") if part.isdigit() else (0, 0, part) for part in re.findall(r"\d+|\D+", version)]
