# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks single PgBouncer keys and values against the catalogue and writes them the way PgBouncer reads them.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import difflib
import re
import typing as t

from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError
from ansible_collections.pooled.odoo.plugins.module_utils._pgbouncer_options import Option

Version = t.Tuple[int, int, int]

# PostgreSQL's NAMEDATALEN less the closing NUL. PgBouncer cuts longer database names at the same length, silently.
MAX_NAME_BYTES = 63

_TRUE = ("1", "yes", "true", "on")
_FALSE = ("0", "no", "false", "off")


def parse_version(text: str, option: str = "version") -> Version:
    """``"1.24"``, ``"1.24.1"`` or ``"PgBouncer 1.24.1"`` as a tuple of three integers."""
    match = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", text)
    if not match:
        raise PooledError(f"{text!r} is not a PgBouncer version; write it like 1.24.1", option)
    return int(match.group(1)), int(match.group(2)), int(match.group(3) or 0)


def reject_control_characters(value: str, option: str) -> str:
    """PgBouncer's files are read line by line, as C strings: a newline or NUL would smuggle in another line."""
    for character, name in (("\n", "a newline"), ("\r", "a carriage return"), ("\0", "a NUL byte")):
        if character in value:
            raise PooledError(f"holds {name}, which PgBouncer's files cannot express; remove it", option)
    return value


def check_name(name: t.Any, option: str, what: str) -> str:
    """A database or role name as PostgreSQL allows it: any characters but NUL, 1 to 63 bytes of UTF-8."""
    if not isinstance(name, str) or not name:
        raise PooledError(f"a {what} name must be a non-empty string, not {name!r}", option)
    reject_control_characters(name, option)
    if len(name.encode()) > MAX_NAME_BYTES:
        raise PooledError(f"the {what} name is longer than {MAX_NAME_BYTES} bytes, PostgreSQL's limit", option)
    return name


def normalise_value(option: Option, value: t.Any, path: str) -> str:
    """*value* as the text that PgBouncer expects for *option*; raises when type, range or choice is wrong."""
    if value is None:
        raise PooledError("has no value; remove the key to get PgBouncer's default", path)
    if isinstance(value, (dict, list)):
        raise PooledError(f"must be a single value, not a {type(value).__name__}", path)
    if option.kind == "boolean":
        return _boolean(value, path)
    text = str(value).strip() if not isinstance(value, str) else value
    reject_control_characters(text, path)
    if text != text.strip():
        raise PooledError("begins or ends with white space, which PgBouncer would drop", path)
    if option.kind == "enum":
        if text not in option.choices:
            raise PooledError(f"{text!r} is not one of {', '.join(option.choices)}", path)
        return text
    if option.kind == "name":
        return check_name(text, path, "database")
    if option.kind == "octal":
        if not re.fullmatch(r"0?[0-7]{3}", text):
            raise PooledError(f"{text!r} is not a file mode; quote it, like '0700'", path)
        return text.rjust(4, "0")
    if option.kind in ("integer", "seconds"):
        return _number(option, value, text, path)
    return text


def _boolean(value: t.Any, path: str) -> str:
    text = str(value).lower()
    if text in _TRUE:
        return "1"
    if text in _FALSE:
        return "0"
    raise PooledError(f"{value!r} is not a boolean; write true or false", path)


def _number(option: Option, value: t.Any, text: str, path: str) -> str:
    pattern, what = (r"-?\d+", "a whole number")
    if option.kind == "seconds":
        pattern, what = (r"-?\d+(\.\d+)?", "a number of seconds without a unit")
    # bool is an int in Python; True would silently become a limit of 1.
    if isinstance(value, bool) or not re.fullmatch(pattern, text, re.ASCII):
        raise PooledError(f"{value!r} is not {what}", path)
    number = float(text)
    # Without leading zeros, which PgBouncer would read as octal.
    text = str(int(number)) if number.is_integer() else text.lstrip("0") if not text.startswith("0.") else text
    if option.low is not None and number < option.low:
        raise PooledError(f"{text} is below the smallest allowed value, {option.low}", path)
    if option.high is not None and number > option.high:
        raise PooledError(f"{text} is above the largest allowed value, {option.high}", path)
    return text


def check_keys(
    catalogue: dict[str, Option], values: t.Mapping[str, t.Any], version: Version, path: str
) -> dict[str, str]:
    """Every key known to this version of PgBouncer, every value in its type and range; returned as text, sorted."""
    checked = {}
    for key in sorted(values):
        here = f"{path}.{key}"
        option = catalogue.get(key)
        if option is None:
            near = difflib.get_close_matches(key, catalogue, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise PooledError(f"PgBouncer has no such key{hint}", here)
        if option.since and parse_version(option.since) > version:
            asked = ".".join(map(str, version))
            raise PooledError(f"PgBouncer knows this key from {option.since} on, the target is {asked}", here)
        if option.until and parse_version(option.until)[:2] < version[:2]:
            asked = ".".join(map(str, version))
            raise PooledError(f"PgBouncer knew this key until {option.until}, the target is {asked}; remove it", here)
        checked[key] = normalise_value(option, values[key], here)
    return checked
