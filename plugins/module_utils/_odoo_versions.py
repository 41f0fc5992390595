# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What differs between Odoo's versions as far as a pooler is concerned.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import typing as t


class VersionFacts(t.NamedTuple):
    # Each cron thread or worker holds a connection to the database postgres for LISTEN cron_trigger
    # (odoo/service/server.py; added by odoo/odoo#62124 for 15.0, 14.0 polls).
    cron_listens: bool
    # SIGHUP in prefork mode hands the listening socket to a new server before the old one goes
    # (odoo/service/server.py, PreforkServer.fork_and_reload; odoo/odoo#207956, 19.0).
    graceful_reload: bool
    # Odoo itself reads PGHOST and PGPORT before odoo.conf (odoo/tools/config.py, env_name, 19.0).
    # Before, libpq reads them, and only where odoo.conf and the arguments say nothing.
    pg_environment_first: bool
    # A cron thread of threaded mode outlives the loss of its connection
    # (odoo/service/server.py, cron_thread; odoo/odoo#88984, odoo/odoo#184421; mended in 19.0).
    threaded_cron_reconnects: bool


VERSIONS: dict[int, VersionFacts] = {
    14: VersionFacts(False, False, False, True),
    15: VersionFacts(True, False, False, False),
    16: VersionFacts(True, False, False, False),
    17: VersionFacts(True, False, False, False),
    18: VersionFacts(True, False, False, False),
    19: VersionFacts(True, True, True, True),
}


# What an instance is treated as that does not tell its version.
TREATED_AS = 18


def facts(major: int | None) -> VersionFacts:
    """The facts of a version. An unknown one is treated as 15 to 18, the versions with the most traps; a newer one as
    the newest that is known."""
    if major is None:
        return VERSIONS[TREATED_AS]
    return VERSIONS[max(min(VERSIONS), min(major, max(VERSIONS)))]


def unknown(version: str | None) -> str | None:
    """Why a version is treated as another, in words; None for one that is known."""
    major = major_of(version)
    if major is None:
        return f"its version is not known, so it is treated as {TREATED_AS}, which has the most traps; set ODOO_VERSION"
    if major not in VERSIONS:
        known = f"{min(VERSIONS)} to {max(VERSIONS)}"
        like = max(min(VERSIONS), min(major, max(VERSIONS)))
        return f"Odoo {version} is not known here (known: {known}), so it is treated as {like}; try it on a copy first"
    return None


def major_of(version: str | None) -> int | None:
    """``19`` of ``19.0``, ``Odoo Server 19.0-20261101`` or ``saas~18.2``."""
    for word in (version or "").replace("~", " ").replace("-", " ").split():
        head = word.split(".")[0]
        if head.isdigit():
            return int(head)
    return None


def listeners(major: int | None, cron_threads: int, serves_http: bool = True) -> int:
    """Connections to the database ``postgres`` that an instance keeps for ever: its crons, and where it answers requests the bus.

    The bus is counted also before the first browser makes it listen (addons/bus/models/bus.py, ImDispatch).
    """
    return (cron_threads if facts(major).cron_listens else 0) + int(serves_http)
