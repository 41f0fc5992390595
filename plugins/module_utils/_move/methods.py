# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The methods of moving an instance, and which of them are open to one.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import typing as t

from ansible_collections.pooled.odoo.plugins.module_utils import _odoo_address
from ansible_collections.pooled.odoo.plugins.module_utils._move.alias import Alias
from ansible_collections.pooled.odoo.plugins.module_utils._move.base import Method
from ansible_collections.pooled.odoo.plugins.module_utils._move.compose import Compose
from ansible_collections.pooled.odoo.plugins.module_utils._move.conf import Reload, Restart
from ansible_collections.pooled.odoo.plugins.module_utils._move.recreate import Recreate

# The least disruptive first. Reload comes before alias, although both fail no request: what stands in odoo.conf can be read by
# whoever looks after the ERP, and PostgreSQL's container stays as it is.
METHODS: dict[str, type[Method]] = {method.name: method for method in (Reload, Alias, Compose, Restart, Recreate)}


class Way(t.NamedTuple):
    """A method for one instance: whether it is open, why (not), and what users notice."""

    name: str
    open: bool
    reason: str
    interruption: str


def ways(circumstances: _odoo_address.Circumstances, parts: t.Collection[str] = ("host",)) -> list[Way]:
    """All methods, the least disruptive first, for changing *parts* of the address. Pure."""
    found = []
    for method in METHODS.values():
        reason = method.against(circumstances, parts)
        found.append(Way(method.name, reason is None, reason or method.reason, method.interruption))
    return found
