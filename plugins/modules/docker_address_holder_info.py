#!/usr/bin/python
# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: docker_address_holder_info
short_description: Tell which container has an address, and whether Docker may give it to another
version_added: 0.2.0
description:
  - Docker gives a container its address anew each time it starts, unless it asks for a fixed one or the network keeps that
    out of what it gives away (C(--ip-range)). Whoever was told such an address may find another container there after a reboot.
extends_documentation_fragment:
  - pooled.odoo._attributes.info_module
  - pooled.odoo._reported
  - pooled.odoo._docker
options:
  address:
    description:
      - IPv4 address to look for. Anything else is nobody's.
    type: str
    required: true
author:
  - The pooled.odoo developers (@pooled-odoo)
seealso:
  - module: pooled.odoo.docker_address_info
"""

EXAMPLES = r"""
- name: See whether PostgreSQL keeps its address
  pooled.odoo.docker_address_holder_info:
    address: 172.20.0.2
  register: found
"""

RETURN = r"""
holder:
  description: The container that has the address; null where none has it.
  returned: success
  type: dict
  contains:
    container:
      description: Name of the container.
      type: str
      returned: success
    network:
      description: The network on which it has it.
      type: str
      returned: success
    fixed:
      description: Whether it will have it after a restart too.
      type: bool
      returned: success
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pooled.odoo.plugins.module_utils import _addresses, _docker, _errors


def find(client: Any, address: str) -> dict[str, Any] | None:
    for container in client.containers.list(all=True, ignore_removed=True):
        for network, endpoint in _addresses.networks_of(container.attrs).items():
            asked_for = _addresses.asked_for(endpoint)
            if address in (endpoint.get("IPAddress"), asked_for):
                configuration = client.networks.get(network).attrs["IPAM"]["Config"] or []
                fixed = asked_for == address or _addresses.is_reserved(address, configuration)
                return {"container": container.name, "network": network, "fixed": fixed}
    return None


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **_docker.argument_spec(),
            **_errors.argument_spec(),
            "address": {"type": "str", "required": True},
        },
        supports_check_mode=True,
    )
    try:
        holder = find(_docker.connect(module.params), module.params["address"])
    except _docker.ERRORS as error:
        module.fail_json(msg=_errors.told(error, module.params["reported_as"]))
    module.exit_json(changed=False, holder=holder)


if __name__ == "__main__":
    main()
