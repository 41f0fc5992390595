# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: fleet
short_description: Tell which Odoo instances use the pooler and which are to be moved
version_added: 0.2.0
description:
  - Takes what the hosts told of their instances and of earlier moves, and decides what a playbook needs to know, for each host
    and for all of them. Nothing is asked and nothing is changed.
positional: _input
options:
  _input:
    description:
      - What each host told, by its name, C(instances) of M(pooled.odoo.odoo_info) and C(tokens), C(interrupted) and C(aliases) of
        M(pooled.odoo.cutover_info).
    type: dict
    required: true
  alias:
    description: Name by which instances reach the transaction poolers.
    type: str
    required: true
  port:
    description: Port on which these listen.
    type: int
    required: true
  names:
    description: Names of the transaction poolers' containers.
    type: list
    elements: str
    required: true
  session_alias:
    description: Name by which job runners reach the session pooler.
    type: str
    required: true
  followers:
    description: Further containers that may be led to the pooler by an alias.
    type: list
    elements: str
    default: []
author:
  - The pooled.odoo developers (@pooled-odoo)
"""

EXAMPLES = r"""
- name: Show what a deployment would move
  ansible.builtin.debug:
    msg: "{{ fleet.hosts.erp1.to_move }}"
  vars:
    told: "{{ {'erp1': odoo | combine(cutover)} }}"
    fleet: >-
      {{ told | pooled.odoo.fleet(alias='pooled-odoo', port=5432, names=['pooled-odoo'],
      session_alias='pooled-odoo-session') }}
"""

RETURN = r"""
_value:
  description:
    - C(instances), all of them with their C(host); C(untouched), whether nothing has moved yet; and by C(hosts) the names in
      C(instances), C(moved), C(to_move), C(interrupted), C(not_running), C(other_address), C(followers), C(lost_runners),
      C(users) and C(session_users), with C(networks) and C(aliases).
  type: dict
"""

import typing as t

from ansible_collections.pooled.odoo.plugins.module_utils import _fleet


def fleet(
    told: dict[str, dict[str, t.Any]],
    alias: str,
    port: int,
    names: list[str],
    session_alias: str,
    followers: list[str] | None = None,
) -> dict[str, t.Any]:
    hosts = {
        host: _fleet.Found(*(one.get(field) or [] for field in _fleet.Found._fields)) for host, one in told.items()
    }
    return _fleet.describe(hosts, _fleet.Poolers(alias, int(port), names, session_alias), followers or [])


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"fleet": fleet}
