# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Remembers, beside a configuration, what a running PgBouncer must still do to use it.

This module util is PRIVATE to the collection. It can have breaking changes at any time.

PgBouncer cannot be asked which userlist or hba file it has read, so a run that ends between writing and reloading
would leave a difference that no later run could see.
"""

from __future__ import annotations

import os

from ansible_collections.pooled.odoo.plugins.module_utils import _files
from ansible_collections.pooled.odoo.plugins.module_utils._pgbouncer_config import EFFECTS

MARKER = ".pending"


def read(directory: str) -> str:
    """``none``, ``reload`` or ``restart``; a damaged marker counts as the strongest."""
    content = _files.read(os.path.join(directory, MARKER))
    if content is None:
        return "none"
    effect = content.decode("utf-8", "replace").strip()
    return effect if effect in EFFECTS else EFFECTS[-1]


def remember(directory: str, effect: str, attributes: _files.Attributes) -> None:
    if effect != "none":
        _files.replace(os.path.join(directory, MARKER), f"{effect}\n".encode(), attributes)


def clear(directory: str) -> None:
    _files.remove(os.path.join(directory, MARKER))
