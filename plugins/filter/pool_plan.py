# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: pool_plan
short_description: Plan PgBouncer's pools for Odoo instances
version_added: 0.1.0
description:
  - Computes pool sizes from the instances that M(pooled.odoo.odoo_info) found and from PostgreSQL's limits, each with its
    reason, and the server connections to expect in the steady state and at worst.
  - Fails when PostgreSQL cannot give what the plan needs at worst.
positional: _input
options:
  _input:
    description: The C(instances) of M(pooled.odoo.odoo_info).
    type: list
    elements: dict
    required: true
  audit:
    description:
      - An audit of M(pooled.odoo.pg_conn_audit), for PostgreSQL's limits and the connections of other roles.
    type: dict
    required: true
  settings:
    description:
      - Figures to set instead of planning them, by the names under which the plan shows them, such as
        C(postgres.pool_size), C(default_pool_size) or C(odoo.max_user_connections); and other keys of PgBouncer's own
        section.
      - What can hang, deadlock or break Odoo is refused.
    type: dict
    default: {}
  force:
    description: Take such settings nevertheless, with a warning for each.
    type: bool
    default: false
  session_pooler:
    description: Plan a pooler in session mode too, for job runners, backups and upgrades.
    type: bool
    default: false
  poolers:
    description: How many transaction poolers share the clients.
    type: int
    default: 1
  auth_user:
    description: Role as which the first pooler looks up passwords; the names of the others' follow from it.
    type: str
    default: pooled_odoo_auth
  held_by_poolers:
    description:
      - What this collection's poolers hold already, each with C(addresses) and server C(connections); that is part of the plan.
        Whatever else comes from Odoo's roles stays beside it.
    type: list
    elements: dict
    default: []
author:
  - The pooled.odoo developers (@pooled-odoo)
"""

EXAMPLES = r"""
- name: Show the plan
  ansible.builtin.debug:
    msg: "{{ odoo.instances | pooled.odoo.pool_plan(audit=measured.audit) }}"
"""

RETURN = r"""
_value:
  description: The plan, with C(poolers) (what each is configured with, for O(pooled.odoo.pooler#role:main:pooler_plan)),
    C(figures) and their reasons, C(predicted), C(budget) and C(warnings).
  type: dict
"""

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.pooled.odoo.plugins.module_utils import _activity, _pool_budget, _pool_plan
from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError


def pool_plan(
    instances: list[dict[str, t.Any]],
    audit: dict[str, t.Any],
    settings: dict[str, t.Any] | None = None,
    force: bool = False,
    session_pooler: bool = False,
    poolers: int = 1,
    auth_user: str = "pooled_odoo_auth",
    held_by_poolers: list[dict[str, t.Any]] | None = None,
) -> dict[str, t.Any]:
    # What PgBouncer itself holds after a first deployment is in the plan already.
    own_roles = {*_pool_plan.auth_users(auth_user), _pool_plan.session_auth_user(auth_user)}
    try:
        beside = _pool_budget.others(audit, instances, own_roles, held_by_poolers or [])
        load = _activity.clients_load(audit)
        return _pool_plan.make(
            instances, audit["limits"], beside, auth_user, settings, force, session_pooler, poolers, load
        )
    except PooledError as error:
        raise AnsibleFilterError(f"pool_plan: {error}") from error


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"pool_plan": pool_plan}
