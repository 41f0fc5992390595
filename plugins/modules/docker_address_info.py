#!/usr/bin/python
# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: docker_address_info
short_description: Find the addresses that a container should ask for on its Docker networks
version_added: 0.2.0
description:
  - Docker gives a network's addresses from the lowest upwards, and it heeds a fixed address only while its container runs. A
    container with a low one may find it taken after a reboot, and does not start then.
  - For a container that is yet to come to a network this module finds the network's highest free address, preferring those that
    Docker gives to nobody by itself (outside C(--ip-range)). For one that is there it tells the fixed address that it has.
extends_documentation_fragment:
  - pooled.odoo._attributes
  - pooled.odoo._docker
attributes:
  check_mode:
    support: full
    details:
      - Whether a network gives fixed addresses is tried with a container that never starts and is removed at once, also in check
        mode.
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  name:
    description:
      - Name of the container, which need not be there yet.
    type: str
    required: true
  image:
    description:
      - Image of the container.
    type: str
    required: true
  networks:
    description:
      - Names of its networks.
    type: list
    elements: str
    required: true
author:
  - The pooled.odoo developers (@pooled-odoo)
seealso:
  - module: pooled.odoo.docker_aliases
"""

EXAMPLES = r"""
- name: Find an address for the pooler
  pooled.odoo.docker_address_info:
    name: pooled-odoo-pgbouncer
    image: pooled-odoo-pgbouncer:stable
    networks: [erp]
  register: addresses
"""

RETURN = r"""
addresses:
  description:
    - The address by network. Null where the network gives no fixed ones (it was created without a subnet, or is no bridge),
      and where the container is on the network and has none, because another would cut its connections.
  returned: success
  type: dict
  sample: {erp: 172.20.255.254}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pooled.odoo.plugins.module_utils import _addresses, _docker


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **_docker.argument_spec(),
            "name": {"type": "str", "required": True},
            "image": {"type": "str", "required": True},
            "networks": {"type": "list", "elements": "str", "required": True},
        },
        supports_check_mode=True,
    )
    params: dict[str, Any] = module.params
    try:
        client = _docker.connect(params)
        container = _docker.find_or_none(client, params["name"])
        endpoints = _addresses.networks_of(container.attrs) if container is not None else {}
        found = {
            network: _addresses.asked_for(endpoints[network])
            if network in endpoints
            else _addresses.propose(client, params["image"], network)
            for network in params["networks"]
        }
    except _docker.ERRORS as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, addresses=found)


if __name__ == "__main__":
    main()
