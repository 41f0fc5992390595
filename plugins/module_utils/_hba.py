# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PgBouncer's host-based authentication file, of the same form as PostgreSQL's ``pg_hba.conf``.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import ipaddress
import re
import typing as t

from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError
from ansible_collections.pooled.odoo.plugins.module_utils._settings import Version, reject_control_characters

TYPES = ("local", "host", "hostssl", "hostnossl")
METHODS = ("trust", "reject", "md5", "scram-sha-256", "plain", "cert", "peer", "ldap", "pam")
_KEYWORDS = ("all", "sameuser", "samerole", "replication")


def _field(names: t.Sequence[str], option: str) -> str:
    if not names:
        raise PooledError("is empty; write [all] for everything", option)
    quoted = []
    for name in names:
        reject_control_characters(name, option)
        literal = re.fullmatch(r'"([^"]+)"', name)
        if literal:
            # A role that is called like a keyword.
            quoted.append(f'"{literal[1]}"')
        elif name in _KEYWORDS or re.fullmatch(r"[0-9A-Za-z_]+", name):
            quoted.append(name)
        elif '"' in name:
            raise PooledError("PgBouncer's hba file cannot express a double quote in a name", option)
        else:
            quoted.append(f'"{name}"')
    return ",".join(quoted)


def check(rules: t.Sequence[t.Mapping[str, t.Any]], version: Version, option: str = "hba") -> list[str]:
    """Rules ``{type, database: […], user: […], address, method}``, in order, as the lines of the file."""
    lines = []
    for index, rule in enumerate(rules):
        here = f"{option}[{index}]"
        kind, method, address = rule["type"], rule["method"], rule.get("address")
        if kind not in TYPES:
            raise PooledError(f"{kind!r} is not one of {', '.join(TYPES)}", f"{here}.type")
        if method not in METHODS:
            raise PooledError(f"{method!r} is not one of {', '.join(METHODS)}", f"{here}.method")
        if method == "ldap" and version < (1, 25, 0):
            raise PooledError("PgBouncer knows ldap from 1.25 on", f"{here}.method")
        if method == "peer" and kind != "local":
            raise PooledError("peer works on Unix sockets only, that is for type local", f"{here}.method")
        fields = [kind, _field(rule["database"], f"{here}.database"), _field(rule["user"], f"{here}.user")]
        if kind == "local":
            if address:
                raise PooledError("a rule of type local takes no address", f"{here}.address")
        else:
            fields.append(_address(address, f"{here}.address"))
        lines.append(" ".join([*fields, method]))
    return lines


def _address(address: str | None, option: str) -> str:
    if address == "all":
        return address
    try:
        return str(ipaddress.ip_network(address or "", strict=True))
    except ValueError as error:
        raise PooledError(f"{error}; write a network like 10.0.0.0/8 or all", option) from error


def render(lines: t.Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def parse(text: str) -> list[str]:
    """The rules of a file, white space folded and comments dropped, except inside quotes."""
    rules = (" ".join(re.findall(r'(?:"[^"]*"|[^\s"#])+', _without_comment(line))) for line in text.split("\n"))
    return [rule for rule in rules if rule]


def fields(rule: str) -> tuple[t.Any, ...]:
    """A rule as ``(type, [databases], [users], …, method)``."""
    kind, database, user, *rest = re.findall(r'(?:"[^"]*"|[^\s"])+', rule)
    return (kind, _names(database), _names(user), *rest)


def _names(field: str) -> list[str]:
    return [name.strip('"') for name in re.findall(r'"[^"]*"|[^,"]+', field)]


def _without_comment(line: str) -> str:
    return (re.match(r'(?:"[^"]*"|[^"#])*', line) or [""])[0]
