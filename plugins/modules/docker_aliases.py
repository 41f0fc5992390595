#!/usr/bin/python
# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: docker_aliases
short_description: Give a running container aliases on its Docker networks, or take them from it
version_added: 0.2.0
description:
  - Changes under which aliases other containers find a container, and nothing else of it. It leaves each network for some
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
      - Name of the container.
    type: str
    required: true
  aliases:
    description:
      - The aliases. The container's own name is not among them; Docker always resolves it.
    type: list
    elements: str
    required: true
  networks:
    description:
      - Networks on which it gets the aliases, or loses them. By default all that it is connected to.
    type: list
    elements: str
  state:
    description:
      - Whether it shall have these aliases.
    type: str
    choices: [present, absent]
    default: present
author:
  - The pooled.odoo developers (@pooled-odoo)
seealso:
  - module: pooled.odoo.cutover_repair
"""

EXAMPLES = r"""
- name: Let no new client come to the second pooler
  pooled.odoo.docker_aliases:
    container: pooled-odoo-pgbouncer-2
    aliases: [pooled-odoo]
    state: absent
"""

RETURN = r"""
aliases:
  description: The aliases of the container by network, afterwards.
  returned: success
  type: dict
  sample: {erp: [pooled-odoo]}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pooled.odoo.plugins.module_utils import _docker, _docker_networks


def wanted(present: list[str], aliases: list[str], state: str) -> list[str]:
    """The aliases that the container shall have, in their order. Pure."""
    if state == "absent":
        return [alias for alias in present if alias not in aliases]
    return present + [alias for alias in aliases if alias not in present]


def text(aliases: dict[str, list[str]]) -> str:
    return "".join(f"{network}: {', '.join(aliases[network])}\n" for network in sorted(aliases))


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **_docker.argument_spec(),
            "container": {"type": "str", "required": True},
            "aliases": {"type": "list", "elements": "str", "required": True},
            "networks": {"type": "list", "elements": "str"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        supports_check_mode=True,
    )
    params = module.params
    try:
        client = _docker.connect(params)
        container = _docker.find(client, params["container"])
        before = _docker_networks.aliases_of(container, params["networks"])
        after = {network: wanted(names, params["aliases"], params["state"]) for network, names in before.items()}
        for network in sorted(after):
            if after[network] != before[network] and not module.check_mode:
                _docker_networks.set_aliases(client, container, network, after[network])
    except _docker.ERRORS as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=before != after, aliases=after, diff={"before": text(before), "after": text(after)})


if __name__ == "__main__":
    main()
