# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: weakened_tls
short_description: Find instances that insist on TLS more than the pooler would do for them
version_added: 0.2.0
description:
  - An Odoo with C(db_sslmode = verify-full) knows whom it talks to. Behind a pooler that only prefers TLS to PostgreSQL nobody
    would, and Odoo could not tell.
positional: _input, ssl_mode
options:
  _input:
    description: The C(instances) of M(pooled.odoo.odoo_info).
    type: list
    elements: dict
    required: true
  ssl_mode:
    description: The pooler's mode towards PostgreSQL.
    type: str
    required: true
author:
  - The pooled.odoo developers (@pooled-odoo)
"""

EXAMPLES = r"""
- name: Tell who would be worse off
  ansible.builtin.debug:
    msg: "{{ odoo.instances | pooled.odoo.weakened_tls('prefer') }}"
"""

RETURN = r"""
_value:
  description: The C(names) of these instances, and the C(mode) that is as strict as the strictest of them; both empty for none.
  type: dict
"""

import typing as t

# libpq's, the weakest first. Up to prefer nobody insists on anything.
MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


def weakened_tls(instances: list[dict[str, t.Any]], ssl_mode: str) -> dict[str, t.Any]:
    enough = max(MODES.index(ssl_mode), MODES.index("prefer"))
    stricter = [one for one in instances if one.get("sslmode") in MODES[enough + 1 :]]
    modes = sorted((one["sslmode"] for one in stricter), key=MODES.index)
    return {"names": sorted(one["name"] for one in stricter), "mode": modes[-1] if modes else ""}


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"weakened_tls": weakened_tls}
