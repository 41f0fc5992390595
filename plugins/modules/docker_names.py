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
    milliseconds and joins it again at the same address, so that open connections live on.
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
      - Name of the container.
    type: str
    required: true
  names:
    description:
      - The names. The container's own name is not among them; Docker always resolves it.
    type: list
    elements: str
    required: true
  networks:
    description:
      - Networks on which it gets the names, or loses them. By default all that it is connected to.
    type: list
    elements: str
  state:
    description:
      - Whether it shall have these names.
    type: str
    choices: [present, absent]
    default: present
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
"""

RETURN = r"""
names:
  description: The names of the container by network, afterwards.
  returned: success
  type: dict
  sample: {erp: [pooled-odoo]}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pooled.odoo.plugins.module_utils import _alias, _docker


def wanted(present: list[str], names: list[str], state: str) -> list[str]:
    """The names that the container shall have, in their order. Pure."""
    if state == "absent":
        return [name for name in present if name not in names]
    return present + [name for name in names if name not in present]


def text(names: dict[str, list[str]]) -> str:
    return "".join(f"{network}: {', '.join(names[network])}\n" for network in sorted(names))


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **_docker.argument_spec(),
            "container": {"type": "str", "required": True},
            "names": {"type": "list", "elements": "str", "required": True},
            "networks": {"type": "list", "elements": "str"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        supports_check_mode=True,
    )
    params = module.params
    try:
        client = _docker.connect(params)
        container = _docker.find(client, params["container"])
        before = _alias.names_of(container, params["networks"])
        after = {network: wanted(names, params["names"], params["state"]) for network, names in before.items()}
        for network in sorted(after):
            if after[network] != before[network] and not module.check_mode:
                _alias.rename(client, container, network, after[network])
    except _docker.ERRORS as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=before != after, names=after, diff={"before": text(before), "after": text(after)})


if __name__ == "__main__":
    main()
