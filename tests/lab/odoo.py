# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the lab's users have to know of the Odoo that they work with, by its version. Source: Odoo's branches 14.0 to 19.0."""

from __future__ import annotations

import re
import typing as t


class Dialect(t.NamedTuple):
    """How one version is talked to."""

    major: int

    @property
    def page(self) -> str:
        """The web client (web/controllers/home.py)."""
        return "/odoo" if self.major >= 18 else "/web"

    @property
    def channel(self) -> str:
        """The model of a chat channel (mail)."""
        return "discuss.channel" if self.major >= 17 else "mail.channel"

    @property
    def has_websocket(self) -> bool:
        """Whether the bus speaks through a websocket; before 16 it is polled at length (bus/controllers/main.py)."""
        return self.major >= 16

    def search(self, fields: t.Sequence[str], limit: int) -> dict[str, t.Any]:
        """Arguments of ``web_search_read`` (web/models/models.py) for all records."""
        if self.major >= 17:
            return {"domain": [], "specification": {name: {} for name in fields}, "limit": limit}
        return {"domain": [], "fields": list(fields), "limit": limit}


def dialect(version: str) -> Dialect:
    """Of what an image says of itself: ``19.0`` or ``Odoo Server 14.0-20230101``."""
    found = re.search(r"(\d+)\.\d+", version)
    if not found:
        raise ValueError(f"{version!r} names no version of Odoo")
    return Dialect(int(found.group(1)))
