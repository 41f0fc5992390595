# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PgBouncer's ``userlist.txt``: one ``"name" "secret"`` a line, quotes doubled.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError
from ansible_collections.pooled.odoo.plugins.module_utils._settings import check_name, reject_control_characters

# MAX_PASSWORD in PgBouncer's include/bouncer.h, less the closing NUL.
MAX_SECRET_BYTES = 2047


def check(entries: t.Sequence[t.Mapping[str, t.Any]], option: str = "userlist") -> dict[str, str]:
    """``[{"name": …, "password": …}, …]`` as ``{name: secret}``; a secret is a password or a stored SCRAM or md5 hash."""
    users: dict[str, str] = {}
    for index, entry in enumerate(entries):
        here = f"{option}[{index}]"
        name = check_name(entry.get("name"), f"{here}.name", "user")
        secret = entry.get("password")
        if not isinstance(secret, str):
            raise PooledError("a user needs a password; write '' for one that never logs in with a password", here)
        reject_control_characters(secret, f"{here}.password")
        try:
            length = len(secret.encode())
        except UnicodeEncodeError:
            raise PooledError("is no UTF-8 text", f"{here}.password") from None
        if length > MAX_SECRET_BYTES:
            raise PooledError(f"is longer than {MAX_SECRET_BYTES} bytes, PgBouncer's limit", f"{here}.password")
        if name in users:
            raise PooledError(f"user {name!r} is listed twice", f"{here}.name")
        users[name] = secret
    return users


def _quote(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def render(users: t.Mapping[str, str]) -> str:
    return "".join(f"{_quote(name)} {_quote(users[name])}\n" for name in sorted(users))


def parse(text: str) -> dict[str, str]:
    """The file as ``{name: secret}``. Lines that PgBouncer would skip (comments, blank, malformed) are skipped."""
    users = {}
    for line in text.split("\n"):
        match = re.match(r'\s*"((?:[^"]|"")*)"\s+"((?:[^"]|"")*)"', line)
        if match:
            name, secret = (part.replace('""', '"') for part in match.groups())
            users[name] = secret
    return users
