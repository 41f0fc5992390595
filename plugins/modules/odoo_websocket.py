#!/usr/bin/python
# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: odoo_websocket
short_description: Let Odoo start its websocket process anew
version_added: 0.2.0
description:
  - Odoo's bus sleeps for 50 seconds when it has lost its connection (bus.py, C(TIMEOUT)), and no chat message arrives meanwhile.
  - In prefork mode its process can be ended; Odoo starts another at once, which listens again, and browsers reconnect.
  - An instance in threaded mode has no such process, and is left as it is.
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
      - Each run ends the process that is there.
options:
  name:
    description:
      - Name of the Odoo container.
    type: str
    required: true
author:
  - The pooled.odoo developers (@pooled-odoo)
"""

EXAMPLES = r"""
- name: Let chat arrive again
  pooled.odoo.odoo_websocket:
    name: erp1
"""

RETURN = r"""
ended:
  description: The number of processes that were ended; in check mode that would be.
  returned: success
  type: int
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pooled.odoo.plugins.module_utils import _docker


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **_docker.argument_spec(),
            "name": {"type": "str", "required": True},
        },
        supports_check_mode=True,
    )
    try:
        container = _docker.find(_docker.connect(module.params), module.params["name"])
        _docker.check_runs(container, "name")
        ended = _docker.probe(container, {"do": "renew_websocket", "pretend": module.check_mode})["ended"]
    except _docker.ERRORS as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=ended > 0, ended=ended)


if __name__ == "__main__":
    main()
