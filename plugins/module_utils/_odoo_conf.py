# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads and edits ``odoo.conf`` such that everything but the edited values keeps its bytes.

This module util is PRIVATE to the collection. It can have breaking changes at any time.

Odoo reads the file with Python's RawConfigParser: section ``[options]``, ``key = value`` or ``key: value``, comments on
lines of their own, an indented line continues the value before it, the same key twice is an error.
"""

from __future__ import annotations

import configparser
import re
import typing as t

from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError

# What Odoo takes for "not set" (odoo/tools/config.py).
UNSET = ("False", "None", "")
# The section that Odoo itself reads. Modules have sections of their own beside it, such as queue_job.
OPTIONS = "options"


class _Line(t.NamedTuple):
    number: int
    key: str
    value: str


def _split(text: str) -> list[str]:
    """Lines with their endings, so that joining them gives *text* again."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def _option_lines(lines: t.Sequence[str], wanted: str = OPTIONS) -> t.Iterator[_Line]:
    section = None
    for number, line in enumerate(lines):
        header = re.match(r"\[([^]]+)\]", line)
        if header:
            section = header.group(1)
            continue
        match = re.match(r"([^\s#;=:\[][^=:]*?)\s*[=:][ \t]*(.*?)\s*$", line)
        if section == wanted and match:
            yield _Line(number, match.group(1).lower(), match.group(2))


def read(text: str, section: str = OPTIONS) -> dict[str, str]:
    """The keys of *section* that have a value, lower-cased. Values that Odoo takes for unset are left out."""
    return {key: value for key, value in written(text, section).items() if value not in UNSET}


def written(text: str, section: str = OPTIONS) -> dict[str, str]:
    """The keys of *section*, lower-cased, as they are written, be it ``False``."""
    return {line.key: line.value for line in _option_lines(_split(text), section)}


def edit(text: str, values: t.Mapping[str, str], section: str = OPTIONS) -> str:
    """*text* with *values* in *section*. A key that is there gets its value in place; a new one follows the last
    of its kind (``db_…`` after ``db_…``), or the section's head. A section of a module that is not there is added.

    A changed line is written ``key = value``, with one blank on each side: the official image's entrypoint cuts the
    line at blanks and misreads any other form. Raises PooledError where a key stands twice, where there is no section,
    or where the file is of a form in which the edit would change anything else (indented or continued lines).
    """
    lines = _split(text)
    ending = "\r\n" if lines and lines[0].endswith("\r\n") else "\n"
    if values and section != OPTIONS and _head(lines, section) is None:
        if not lines[-1].endswith("\n"):
            lines[-1] += ending
        lines += [ending, f"[{section}]{ending}"]
    for key, value in values.items():
        found = [line for line in _option_lines(lines, section) if line.key == key]
        if len(found) > 1:
            numbers = " and ".join(str(line.number + 1) for line in found)
            raise PooledError(f"{key} stands in lines {numbers}; Odoo refuses that, keep one of them")
        if found:
            line = lines[found[0].number]
            lines[found[0].number] = f"{key} = {value}" + line[len(line.rstrip("\r\n")) :]
        else:
            place = _place_for(lines, key, section)
            if not lines[place - 1].endswith("\n"):
                lines[place - 1] += ending
            lines.insert(place, f"{key} = {value}{ending}")
    edited = "".join(lines)
    _check_edit(text, edited, values, section)
    return edited


def _check_edit(before: str, after: str, values: t.Mapping[str, str], section: str) -> None:
    """What Odoo will read must differ in *values* and in nothing else."""
    wanted = _as_odoo_reads(before)
    if values:
        wanted[section] = {**wanted.get(section, {}), **values}
    if _as_odoo_reads(after) != wanted:
        raise PooledError(
            f"cannot change {' and '.join(values)} in this file without touching something else; write each of them as"
            " 'key = value' on one line that begins at the margin"
        )


def _as_odoo_reads(text: str) -> dict[str, dict[str, str]]:
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(text)
        return {section: dict(parser.items(section)) for section in parser.sections()}
    except configparser.Error as error:
        raise PooledError(f"Odoo could not read this file either: {str(error).splitlines()[0]}") from error


def remove(text: str, keys: t.Collection[str], section: str = OPTIONS) -> str:
    """*text* without the lines of *keys* in *section*."""
    lines = _split(text)
    doomed = {line.number for line in _option_lines(lines, section) if line.key in keys}
    return "".join(line for number, line in enumerate(lines) if number not in doomed)


def _place_for(lines: t.Sequence[str], key: str, section: str) -> int:
    prefix = key.split("_")[0] + "_"
    kin = [line.number for line in _option_lines(lines, section) if line.key.startswith(prefix)]
    if kin:
        # Behind the continuation lines of the last one.
        place = kin[-1] + 1
        while place < len(lines) and re.match(r"[ \t]+\S", lines[place]):
            place += 1
        return place
    head = _head(lines, section)
    if head is None:
        raise PooledError("the file has no section [options]; Odoo would not read anything from it")
    return head + 1


def _head(lines: t.Sequence[str], section: str) -> int | None:
    return next((number for number, line in enumerate(lines) if line.startswith(f"[{section}]")), None)
