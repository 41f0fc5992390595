# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one error that the core raises and that a module's ``main()`` turns into ``fail_json``.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import re
import typing as t


class PooledError(Exception):
    """Something that the operator has to know or mend.

    ``option`` is the path of the option at fault (``databases[0].pool_mode``), when one is. The text always says what
    to do; it never holds a secret.
    """

    def __init__(self, message: str, option: str | None = None) -> None:
        self.message = message
        self.option = option
        super().__init__(f"{option}: {message}" if option else message)


def argument_spec() -> dict[str, t.Any]:
    return {"reported_as": {"type": "dict", "default": {}}}


def told(error: Exception, reported_as: t.Mapping[str, str]) -> str:
    """The error's text, with the options that it names by the names under which the caller knows them. Pure."""
    names = {option: str(name) for option, name in reported_as.items()}
    text, option = str(error), error.option if isinstance(error, PooledError) else None
    if option:
        text = re.sub(r"^\w+", lambda found: names.get(found.group(), found.group()), text)
    # In a sentence a word such as "host" is no option; login_host is, unless it is part of a path or in quotes.
    text = re.sub(
        r"(?<![\w./\"'-])[a-z]+(?:_[a-z]+)+(?![\w/\"'-])", lambda found: names.get(found.group(), found.group()), text
    )
    # Where the text said both.
    return re.sub(r"\b(pooled_odoo_\w+) \(\1\)", r"\1", text)
