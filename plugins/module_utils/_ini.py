# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PgBouncer's ini dialect: sections of ``key = value`` lines, connection strings as values.

This module util is PRIVATE to the collection. It can have breaking changes at any time.

Rules (PgBouncer's lib/usual/cfparser.c and src/loader.c): a comment is a whole line that begins with ``;`` or ``#``; a
name on the left side consists of ASCII letters, digits and ``_.-*``, and no quoting helps (a database of another name is
reached through the wildcard entry); a value in a connection string that holds a blank or a quote is put in single quotes,
doubled inside.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError

Section = t.Dict[str, str]
ConnectSection = t.Dict[str, t.Dict[str, str]]


def can_name(name: str) -> bool:
    """Whether *name* can stand on the left side of a line."""
    return bool(re.fullmatch(r"[0-9A-Za-z_.*-]+", name))


def quote_value(value: str) -> str:
    """A value inside a connection string."""
    if re.fullmatch(r"[^\s'\\]+", value):
        return value
    return "'" + value.replace("'", "''") + "'"


def render_connect_string(values: t.Mapping[str, str]) -> str:
    return " ".join(f"{key}={quote_value(values[key])}" for key in sorted(values))


def render(
    settings: Section, databases: ConnectSection, users: ConnectSection, peers: ConnectSection, heading: str
) -> str:
    """The text of ``pgbouncer.ini``: same data in, same bytes out. All values are already checked text."""
    lines = [f"; {line}".rstrip() for line in heading.splitlines()]
    for title, section in (("databases", databases), ("users", users), ("peers", peers)):
        if section:
            lines += ["", f"[{title}]"]
            lines += [f"{name} = {render_connect_string(section[name])}".rstrip() for name in sorted(section)]
    lines += ["", "[pgbouncer]"]
    lines += [f"{key} = {settings[key]}".rstrip() for key in sorted(settings)]
    return "\n".join(lines) + "\n"


def parse(text: str, faults: list[str] | None = None) -> dict[str, dict[str, t.Any]]:
    """What :func:`render` wrote, or a hand-written file of the same dialect, as
    ``{"databases": {name: {key: value}}, "users": …, "peers": …, "pgbouncer": {key: value}}``.

    Raises PooledError with the line number where PgBouncer would refuse the file too. With a list for *faults* such lines are
    noted there and left out instead, and with a section's line all that follows it.
    """
    parsed: dict[str, dict[str, t.Any]] = {"databases": {}, "users": {}, "peers": {}, "pgbouncer": {}}
    section: str | None = None
    for number, line in enumerate(text.split("\n"), start=1):
        line = line.strip()
        if not line or line[0] in ";#":
            continue
        try:
            if line.startswith("["):
                section, title = None, line.strip("[]").strip()
                if not line.endswith("]") or title not in parsed:
                    raise PooledError(f"line {number}: {line} is not a section of pgbouncer.ini")
                section = title
            else:
                _take(parsed, section, line, number)
        except PooledError as error:
            if faults is None:
                raise
            faults.append(str(error))
    return parsed


def _take(parsed: dict[str, dict[str, t.Any]], section: str | None, line: str, number: int) -> None:
    if line.startswith("%include"):
        raise PooledError(f"line {number}: %include is not followed; put the included lines into this file")
    name, value = _split_line(line, number)
    if section is None:
        raise PooledError(f"line {number}: {name} stands before the first section")
    parsed[section][name] = value if section == "pgbouncer" else parse_connect_string(value, number)


def _split_line(line: str, number: int) -> tuple[str, str]:
    plain = re.match(r"([0-9A-Za-z_.*-]+)\s*=\s*(.*)", line)
    if plain:
        return plain.group(1), plain.group(2)
    # Without the line itself: it may hold a password.
    raise PooledError(f"line {number} is not of the form key = value")


def parse_connect_string(text: str, number: int = 1) -> dict[str, str]:
    """``host=db port=5432 password='it''s'`` as a dict; the line number is for the message."""
    values = {}
    position = 0
    token = re.compile(r"\s*([a-z_]+)\s*=\s*(?:'((?:[^']|'')*)'|([^\s']*))(?=\s|$)")
    while text[position:].strip():
        match = token.match(text, position)
        if not match:
            raise PooledError(f"line {number}: cannot read the connection string behind its character {position}")
        quoted = match.group(2)
        values[match.group(1)] = quoted.replace("''", "'") if quoted is not None else match.group(3)
        position = match.end()
    return values
