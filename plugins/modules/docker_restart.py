#!/usr/bin/python
# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: docker_restart
short_description: Restart a container and tell nothing of it
version_added: 0.2.0
description:
  - M(community.docker.docker_container) returns an inspection of the container that it restarts, with the environment of
    somebody's Odoo in it. This module does the same and returns only that it was done.
extends_documentation_fragment:
  - pooled.odoo._attributes
  - pooled.odoo._docker
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: none
    details:
      - Each run restarts it.
options:
  name:
    description:
      - Name of the container, which has to run.
    type: str
    required: true
  timeout:
    description:
      - Seconds that it has to stop by itself; Docker's own default would cut a request that takes longer. By default what the
        container was created with.
    type: int
author:
  - The pooled.odoo developers (@pooled-odoo)
"""

EXAMPLES = r"""
- name: Restart a threaded Odoo whose crons have ended
  pooled.odoo.docker_restart:
    name: erp1
"""

RETURN = r"""
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pooled.odoo.plugins.module_utils import _docker


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **_docker.argument_spec(),
            "name": {"type": "str", "required": True},
            "timeout": {"type": "int"},
        },
        supports_check_mode=True,
    )
    timeout = module.params["timeout"]
    try:
        client = _docker.connect(module.params)
        container = _docker.find(client, module.params["name"])
        _docker.check_runs(container, "name")
        if not module.check_mode:
            container.restart(**({} if timeout is None else {"timeout": timeout}))
    except _docker.ERRORS as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=True)


if __name__ == "__main__":
    main()
