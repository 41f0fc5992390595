#!/usr/bin/python
# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: docker_names
short_description: Give a running container names on its Docker networks, or take them from it
version_added: 0.2.0
description:
  - Changes under which names other containers find a container, and nothing else of it. It leaves each network for some
    milliseconds and joins it again at the same address, so that open connections live on; its clients are frozen
    meanwhile. Where Docker gives no fixed addresses (a network that was created without a subnet) nothing is changed and the
    module fails.
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
  container:
    description:
      - Name of the container. Required for V(present) and V(absent).
    type: str
  names:
    description:
      - The names. The container's own name is not among them; Docker always resolves it.
      - Required for V(present) and V(absent).
    type: list
    elements: str
  networks:
    description:
      - Networks on which it gets the names, or loses them. By default all that it is connected to.
    type: list
    elements: str
  state:
    description:
      - Whether it shall have these names.
      - With V(rejoined), every container that a run of M(pooled.odoo.odoo_dbhost) has left off its network, because it was
        killed between leaving and joining, joins it again. Names are not changed by that.
      - With V(returned), every name that M(pooled.odoo.odoo_dbhost) has given to a pooler means PostgreSQL again, but for those
        by which an instance is still moved.
    type: str
    choices: [present, absent, rejoined, returned]
    default: present
  state_dir:
    description:
      - Where M(pooled.odoo.odoo_dbhost) keeps its records, for O(state=rejoined) and O(state=returned).
    type: path
    default: /var/lib/pooled-odoo/cutover
author:
  - The pooled.odoo developers (@pooled-odoo)
seealso:
  - module: pooled.odoo.odoo_dbhost
"""

EXAMPLES = r"""
- name: Let nobody new come to the second pooler
  pooled.odoo.docker_names:
    container: pooled-odoo-pgbouncer-2
    names: [pooled-odoo]
    state: absent

- name: Mend what a killed run may have left
  pooled.odoo.docker_names:
    state: rejoined
"""

RETURN = r"""
names:
  description: The names of the container by network, afterwards.
  returned: success, with O(state=present) or O(state=absent)
  type: dict
  sample: {erp: [pooled-odoo]}
rejoined:
  description: Names of the containers that joined their networks again.
  returned: success, with O(state=rejoined)
  type: list
  elements: str
  sample: []
returned:
  description: Names that mean PostgreSQL again.
  returned: success, with O(state=returned)
  type: list
  elements: str
  sample: [db]
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pooled.odoo.plugins.module_utils import _alias, _docker


def wanted(present: list[str], names: list[str], state: str) -> list[str]:
    """The names that the container shall have, in their order. Pure."""
    if state == "absent":
        return [name for name in present if name not in names]
    return present + [name for name in names if name not in present]


def text(names: dict[str, list[str]]) -> str:
    return "".join(f"{network}: {', '.join(names[network])}\n" for network in sorted(names))


def rename(client: Any, params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    container = _docker.find(client, params["container"])
    before = _alias.names_of(container, params["networks"])
    after = {network: wanted(names, params["names"], params["state"]) for network, names in before.items()}
    for network in sorted(after):
        if after[network] != before[network] and not check_mode:
            _alias.rename(client, container, network, after[network])
    return {"changed": before != after, "names": after, "diff": {"before": text(before), "after": text(after)}}


def rejoin(client: Any, params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    bring_back = _alias.astray if check_mode else _alias.mend
    names = bring_back(client, params["state_dir"])
    lines = "".join(f"{name}\n" for name in names)
    return {"changed": bool(names), "rejoined": names, "diff": {"before": "", "after": lines}}


def give_back(client: Any, params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    state_dir = params["state_dir"]
    records = _alias.nobodys(state_dir) if check_mode else _alias.give_rest_back(client, state_dir)
    names = [record["name"] for record in records]
    warnings = [] if check_mode else [told for told in map(_alias.left_fixed, records) if told]
    lines = "".join(f"{name}\n" for name in names)
    return {"changed": bool(names), "returned": names, "warnings": warnings, "diff": {"before": lines, "after": ""}}


WORK = {"present": rename, "absent": rename, "rejoined": rejoin, "returned": give_back}


def main() -> None:
    needed = ["container", "names"]
    module = AnsibleModule(
        argument_spec={
            **_docker.argument_spec(),
            "container": {"type": "str"},
            "names": {"type": "list", "elements": "str"},
            "networks": {"type": "list", "elements": "str"},
            "state": {"type": "str", "choices": list(WORK), "default": "present"},
            "state_dir": {"type": "path", "default": "/var/lib/pooled-odoo/cutover"},
        },
        required_if=[("state", "present", needed), ("state", "absent", needed)],
        supports_check_mode=True,
    )
    try:
        result = WORK[module.params["state"]](_docker.connect(module.params), module.params, module.check_mode)
    except _docker.ERRORS as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
