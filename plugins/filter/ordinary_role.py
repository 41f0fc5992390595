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
positional: _input, instances
options:
  _input:
    description: The role's C(name), its C(oid) in C(pg_roles), and by name of each database its owner (C(owners)).
    type: dict
    required: true
  instances:
    description: The C(instances) of M(pooled.odoo.odoo_info), whose databases are meant where they log in as this role.
    type: list
    elements: dict
    required: true
author:
  - The pooled.odoo developers (@pooled-odoo)
"""

EXAMPLES = r"""
- name: Write what is to be done
  ansible.builtin.copy:
    dest: superuser-odoo.sql
    content: "{{ found | pooled.odoo.ordinary_role(odoo.instances) | join('\n') }}"
    # found has name, oid and owners.
    mode: "0600"
"""

RETURN = r"""
_value:
  description: The lines of a file for psql.
  type: list
  elements: str
"""

import typing as t

from ansible_collections.pooled.odoo.plugins.module_utils import _ordinary_role


def ordinary_role(found: dict[str, t.Any], instances: list[dict[str, t.Any]]) -> list[str]:
    return _ordinary_role.statements(_ordinary_role.describe(found, instances))


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"ordinary_role": ordinary_role}
