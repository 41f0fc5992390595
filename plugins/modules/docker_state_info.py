#!/usr/bin/python
# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: docker_state_info
short_description: Tell the state, names and addresses of containers, and no secret of theirs
version_added: 0.2.0
description:
  - An inspection of a container has its environment in it, which is where other people's containers keep their passwords, and
    what a task registers is shown by C(-v) and kept by AWX. This module returns what a playbook of this collection needs to know
    of a container and nothing else.
extends_documentation_fragment:
  - pooled.odoo._attributes.info_module
  - pooled.odoo._docker
options:
  names:
    description:
      - Names of the containers; those that do not exist are told, too.
    type: list
    elements: str
    required: true
author:
  - The pooled.odoo developers (@pooled-odoo)
seealso:
  - module: community.docker.docker_container_info
"""

EXAMPLES = r"""
- name: Look at the pooler
  pooled.odoo.docker_state_info:
    names: [pooled-odoo-pgbouncer]
  register: found
"""

RETURN = r"""
engine:
  description: The C(version) of the engine, and whether it is C(rootless) or remaps user ids (C(userns_remap)).
  returned: success
  type: dict
containers:
  description: The containers in the order of O(names).
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the container.
      type: str
      returned: success
    exists:
      description: Whether there is one.
      type: bool
      returned: success
    running:
      description: Whether it runs.
      type: bool
      returned: success
    health:
      description: What its health check says, V(none) without one.
      type: str
      returned: success
    started_at:
      description: When it was started, UTC; empty for one that does not exist.
      type: str
      returned: success
    own:
      description: What it is to this collection, V(pooler) for instance; empty for somebody else's.
      type: str
      returned: success
    installation:
      description: The installation of this collection that made it; empty where none has said so.
      type: str
      returned: success
    file_limit:
      description: Its limit of open files; V(0) for the engine's default.
      type: int
      returned: success
    memory_limit:
      description: Its limit of memory in bytes; V(0) for none.
      type: int
      returned: success
    bind_mounts:
      description: The paths of the host that it has.
      type: list
      elements: str
      returned: success
    networks:
      description: Its C(aliases) and C(address) by network.
      type: dict
      returned: success
      sample: {erp: {address: 172.20.255.254, aliases: [pooled-odoo]}}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pooled.odoo.plugins.module_utils import _docker


def describe(name: str, container: Any) -> dict[str, Any]:
    inspection = container.attrs if container is not None else {}
    state = inspection.get("State", {})
    host_config = inspection.get("HostConfig", {})
    labels = inspection.get("Config", {}).get("Labels") or {}
    limits = [limit["Soft"] for limit in host_config.get("Ulimits") or [] if limit["Name"] == "nofile"]
    return {
        "name": name,
        "exists": container is not None,
        "running": bool(state.get("Running")),
        "health": (state.get("Health") or {}).get("Status") or "none",
        "started_at": state.get("StartedAt", ""),
        "own": labels.get(_docker.OWN_LABEL, ""),
        "installation": labels.get(_docker.INSTALLATION_LABEL, ""),
        "file_limit": limits[0] if limits else 0,
        "memory_limit": host_config.get("Memory") or 0,
        "bind_mounts": [mount["Source"] for mount in inspection.get("Mounts") or [] if mount.get("Type") == "bind"],
        "networks": {
            network: {
                "address": endpoint.get("IPAddress") or "",
                # Docker adds the short id of the container by itself.
                "aliases": sorted(set(endpoint.get("Aliases") or []) - {inspection["Id"][:12]}),
            }
            for network, endpoint in (inspection.get("NetworkSettings", {}).get("Networks") or {}).items()
        },
    }


def describe_engine(info: dict[str, Any]) -> dict[str, Any]:
    options = [option.split(",")[0] for option in info.get("SecurityOptions") or []]
    return {
        "version": info.get("ServerVersion", ""),
        "rootless": "name=rootless" in options,
        "userns_remap": "name=userns" in options,
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **_docker.argument_spec(),
            "names": {"type": "list", "elements": "str", "required": True},
        },
        supports_check_mode=True,
    )
    try:
        client = _docker.connect(module.params)
        found = [describe(name, _docker.find_or_none(client, name)) for name in module.params["names"]]
        engine = describe_engine(client.info())
    except _docker.ERRORS as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, containers=found, engine=engine)


if __name__ == "__main__":
    main()
