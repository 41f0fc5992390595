# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which password is a role's, of those that Odoo's instances have and the one that was kept. Pure.

This module util is PRIVATE to the collection. It can have breaking changes at any time.

Only PostgreSQL knows, and it is asked by a log-in: an instance may have one that was changed meanwhile.
"""

from __future__ import annotations

import typing as t

from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError

# Why a log-in with this password fails, None where it works.
Refusal = t.Callable[[str], t.Optional[str]]


class Choice(t.NamedTuple):
    """A role's password, the instances that have it and those that have another one. ``stale``: the kept one works no more."""

    password: str
    instances: list[str]
    outdated: list[str]
    stale: bool


def choose(role: str, of_instances: t.Mapping[str, str], kept: str | None, refusal: Refusal) -> Choice:
    """The password of *role*. *of_instances*: what each instance that logs in as *role* has; *kept*: what was found earlier, for
    a role whose instances do not run just now. Raises PooledError where none works, or where PostgreSQL takes several."""
    candidates = sorted({*of_instances.values(), *([kept] if kept is not None else [])})
    if not candidates:
        raise PooledError(
            f"no instance that runs here tells the password of role {role}; let one run that has it in odoo.conf, in the"
            " environment or among its arguments"
        )
    refusals = {password: refusal(password) for password in candidates}
    fitting = [password for password in candidates if refusals[password] is None]
    if not fitting:
        raise PooledError(_none_fits(role, of_instances, kept, refusals))
    if len(fitting) > 1:
        raise PooledError(
            f"PostgreSQL takes several passwords for role {role} (a rule trust in pg_hba.conf?), and a pooler can know only one;"
            f" give {', '.join(sorted(of_instances))} the same"
        )
    (password,) = fitting
    return Choice(
        password,
        sorted(name for name, own in of_instances.items() if own == password),
        sorted(name for name, own in of_instances.items() if own != password),
        kept is not None and kept != password,
    )


def _none_fits(
    role: str, of_instances: t.Mapping[str, str], kept: str | None, refusals: t.Mapping[str, str | None]
) -> str:
    who = [f"that of {name}" for name in sorted(of_instances)] + (["the one that the pooler has"] if kept else [])
    words = sorted({str(refused) for refused in refusals.values()})
    return (
        f"PostgreSQL takes no password of role {role} that is known here ({', '.join(who)}): {'; '.join(words)}. If the"
        " password was changed, give the new one to Odoo (odoo.conf, or its environment) and repeat"
    )
