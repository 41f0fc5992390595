# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What users give as a list or as a dictionary, and what arrives as text: from ``-e`` on the command line, from an AWX survey."""

from __future__ import annotations

import difflib
import typing as t

import yaml
from ansible.errors import AnsibleFilterError


def given_list(value: t.Any, name: str) -> list[str]:
    """*value* of the variable *name* as a list of texts: a list, a text like ``[a, b]``, ``a,b`` or a line for each."""
    if isinstance(value, str):
        text = value.strip()
        if text.startswith("["):
            value = _parsed(text, name, "a list")
        else:
            value = [part.strip() for line in text.splitlines() for part in line.split(",") if part.strip()]
    if not isinstance(value, (list, tuple)) or any(
        isinstance(one, (dict, list, tuple)) or one is None for one in value
    ):
        raise AnsibleFilterError(f"{name} is no list of names: {value!r}; write [one, another], or one,another as text")
    return [str(one) for one in value]


def given_dict(value: t.Any, name: str) -> dict[str, t.Any]:
    """*value* of the variable *name* as a dictionary: one, or its text in YAML or JSON; an empty text is an empty one."""
    if isinstance(value, str):
        value = _parsed(value, name, "a dictionary") if value.strip() else {}
    if not isinstance(value, dict):
        raise AnsibleFilterError(f"{name} is no dictionary: {value!r}; write {{key: value}}")
    return dict(value)


def mistyped(names: t.Sequence[str], known: t.Sequence[str]) -> list[str]:
    """Each of *names*, with the one of *known* that was meant if one is much like it."""
    told = []
    for name in names:
        meant = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
        told.append(f"{name} (did you mean {meant[0]}?)" if meant else name)
    return told


def _parsed(text: str, name: str, wanted: str) -> t.Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise AnsibleFilterError(f"{name} is no text that reads as {wanted}: {str(error).splitlines()[0]}") from error


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"given_list": given_list, "given_dict": given_dict, "mistyped": mistyped}
