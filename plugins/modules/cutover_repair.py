#!/usr/bin/python
# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cutover_repair
short_description: Repair what interrupted or ended moves by alias have left on Docker networks
version_added: 0.2.0
description:
  - Works from the records that M(pooled.odoo.odoo_dbhost) keeps while a name of PostgreSQL leads to a pooler, and without any
    instance.
extends_documentation_fragment:
  - pooled.odoo._attributes
  - pooled.odoo._docker
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  repair:
    description:
      - With V(attachments), every container that a run has left off its network, because it was killed between leaving and
        joining, joins it again. What its aliases mean is not changed by that.
      - With V(aliases), every name that was given to a pooler means PostgreSQL again, but for those by which an instance is
        still moved.
    type: str
    choices: [attachments, aliases]
    required: true
  state_dir:
    description:
      - Where M(pooled.odoo.odoo_dbhost) keeps its records.
    type: path
    default: /var/lib/pooled-odoo/cutover
author:
  - The pooled.odoo developers (@pooled-odoo)
seealso:
  - module: pooled.odoo.odoo_dbhost
  - module: pooled.odoo.docker_aliases
"""

EXAMPLES = r"""
- name: Reattach containers that an interrupted run has left detached
  pooled.odoo.cutover_repair:
    repair: attachments
"""

RETURN = r"""
containers:
  description: Names of the containers that joined their networks again.
  returned: success, with O(repair=attachments)
  type: list
  elements: str
  sample: []
aliases:
  description: Names that mean PostgreSQL again.
  returned: success, with O(repair=aliases)
  type: list
  elements: str
  sample: [db]
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pooled.odoo.plugins.module_utils import _alias, _docker


def reattach(client: Any, state_dir: str, check_mode: bool) -> dict[str, Any]:
    containers = (_alias.detached if check_mode else _alias.reattach)(client, state_dir)
    after = "".join(f"{name}\n" for name in containers)
    return {"changed": bool(containers), "containers": containers, "diff": {"before": "", "after": after}}


def release(client: Any, state_dir: str, check_mode: bool) -> dict[str, Any]:
    records = _alias.unused(state_dir) if check_mode else _alias.release_unused(client, state_dir)
    aliases = [record["name"] for record in records]
    warnings = [] if check_mode else [told for told in map(_alias.left_fixed, records) if told]
    before = "".join(f"{name}\n" for name in aliases)
    return {"changed": bool(aliases), "aliases": aliases, "warnings": warnings, "diff": {"before": before, "after": ""}}


REPAIRS = {"attachments": reattach, "aliases": release}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **_docker.argument_spec(),
            "repair": {"type": "str", "choices": list(REPAIRS), "required": True},
            "state_dir": {"type": "path", "default": "/var/lib/pooled-odoo/cutover"},
        },
        supports_check_mode=True,
    )
    params = module.params
    try:
        result = REPAIRS[params["repair"]](_docker.connect(params), params["state_dir"], module.check_mode)
    except _docker.ERRORS as error:
        module.fail_json(msg=str(error))
    for warning in result.pop("warnings", []):
        module.warn(warning)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
