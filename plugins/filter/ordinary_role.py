# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: ordinary_role
short_description: Tell the statements that make an ordinary owner of a superuser
version_added: 0.2.0
description:
  - A pooler must not get to know a superuser's password. What belongs to Odoo's databases is handed over one by one, so that it
    works for the first role of a cluster too, which C(REASSIGN OWNED) refuses.
positional: _input, oid, owners
options:
  _input:
    description: Name of the role.
    type: str
    required: true
  oid:
    description: Its number in C(pg_roles).
    type: int
    required: true
  owners:
    description: By name of each of Odoo's databases the name of its owner.
    type: dict
    required: true
author:
  - The pooled.odoo developers (@pooled-odoo)
"""

EXAMPLES = r"""
- name: Tell what is to be done
  ansible.builtin.debug:
    msg: "{{ 'odoo' | pooled.odoo.ordinary_role(10, {'tenant1': 'odoo'}) }}"
"""

RETURN = r"""
_value:
  description: Lines for psql.
  type: list
  elements: str
"""

import typing as t

from ansible_collections.pooled.odoo.plugins.module_utils import _ordinary_role


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"ordinary_role": _ordinary_role.statements}
