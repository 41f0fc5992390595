# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which password is a role's, of those that Odoo's instances have, that were given, and that was kept. Pure.

This module util is PRIVATE to the collection. It can have breaking changes at any time.

Only PostgreSQL knows, and it is asked by a log-in: an instance may have one that was changed meanwhile.
"""

from __future__ import annotations

import typing as t

from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError

# Why a log-in with this password fails, None where it works.
Refusal = t.Callable[[str], t.Optional[str]]


class Known(t.NamedTuple):
    """What is known of a role's password: ``instances`` by name, each with the one that it runs with and then others that it
    would find at its next start; the one that was ``given``; the one that was ``kept`` earlier."""

    instances: t.Mapping[str, t.Sequence[str]]
    given: str | None = None
    kept: str | None = None

    def candidates(self) -> list[str]:
        """Each once, what the instances run with first."""
        found = [words[0] for words in self.instances.values()]
        found += [one for one in (self.given, self.kept) if one is not None]
        found += [word for words in self.instances.values() for word in words[1:]]
        return list(dict.fromkeys(found))


class Choice(t.NamedTuple):
    """A role's password; the instances that run with it, those that will when they are started anew, and those that have another
    one. ``stale``: the kept one works no more."""

    password: str
    instances: list[str]
    restart: list[str]
    outdated: list[str]
    stale: bool


def choose(role: str, known: Known, refusal: Refusal) -> Choice:
    """The password of *role*. Raises PooledError where none works, or where PostgreSQL takes several and instances differ."""
    refusals = {password: refusal(password) for password in known.candidates()}
    if not refusals:
        raise PooledError(
            f"no instance that runs here tells the password of role {role}; let one run that has it in odoo.conf, in the"
            " environment or among its arguments, or give it in role_passwords"
        )
    fitting = [password for password, refused in refusals.items() if refused is None]
    if not fitting:
        raise PooledError(_none_fits(role, known, refusals))
    running = {words[0] for words in known.instances.values()}
    if len(fitting) > 1 and len(running) > 1:
        raise PooledError(
            f"PostgreSQL takes several passwords for role {role} (a rule trust in pg_hba.conf?), and a pooler can know only one;"
            f" give {', '.join(sorted(known.instances))} the same"
        )
    password = fitting[0]
    names = {
        place: sorted(name for name, words in known.instances.items() if _place(words, password) == place)
        for place in ("instances", "restart", "outdated")
    }
    return Choice(password=password, stale=known.kept not in (None, *fitting), **names)


def _place(words: t.Sequence[str], password: str) -> str:
    if words[0] == password:
        return "instances"
    return "restart" if password in words else "outdated"


def _none_fits(role: str, known: Known, refusals: t.Mapping[str, str | None]) -> str:
    who = [f"that of {name}" for name in sorted(known.instances)]
    who += ["the one that was given"] * (known.given is not None) + ["the one that the pooler has"] * (
        known.kept is not None
    )
    words = sorted({str(refused) for refused in refusals.values()})
    return (
        f"PostgreSQL takes no password of role {role} that is known here ({', '.join(who)}): {'; '.join(words)}. If the"
        " password was changed, put the new one into odoo.conf, or give it in role_passwords, and repeat"
    )
