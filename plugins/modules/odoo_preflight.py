#!/usr/bin/python
# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: odoo_preflight
short_description: Try from inside an Odoo container what Odoo will do behind a pooler
version_added: 0.1.0
description:
  - Before an instance is moved, connects from its container to the new address, with the instance's own credentials, and
    does what Odoo does there. It resolves the name, logs in to C(postgres), compares the server with the present one, sends
    a notification from one connection to another, runs a transaction on every tenant, holds two cursors at once, and checks
    that settings of one client do not reach another.
  - Fails with what did not work and what that would mean. Nothing in the instance is changed.
extends_documentation_fragment:
  - pooled.odoo._attributes.info_module
  - pooled.odoo._reported
  - pooled.odoo._docker
options:
  name:
    description:
      - Name of the container.
    type: str
    required: true
  host:
    description:
      - Host name or address of the pooler as the container would use it.
    type: str
    required: true
  port:
    description:
      - Port of the pooler.
    type: int
    default: 5432
  pooler:
    description:
      - Container of one pooler, to try that one alone. It is found at its address on a network that it has in common with
        O(name), whoever else answers to O(host), also while O(host) does not mean it. A certificate is checked against O(host).
    type: str
    version_added: 0.2.0
  pool_mode:
    description:
      - V(transaction) tries what Odoo itself does.
      - V(session) tries what job runners, backups and upgrades need of a session pooler, on the first tenant. These are
        notifications there, a cursor that outlives its transaction, and an advisory lock that one of two clients gets.
    type: str
    choices: [transaction, session]
    default: transaction
author:
  - The pooled.odoo developers (@pooled-odoo)
seealso:
  - module: pooled.odoo.odoo_dbhost
"""

EXAMPLES = r"""
- name: See whether erp1 would work behind the pooler
  pooled.odoo.odoo_preflight:
    name: erp1
    host: pooled-odoo

- name: See whether the second of two poolers would do as well
  pooled.odoo.odoo_preflight:
    name: erp1
    host: pooled-odoo
    pooler: pooled-odoo-pgbouncer-2
"""

RETURN = r"""
checks:
  description: What was tried, in order, with C(check), C(ok), C(error) and the time it took in C(ms).
  returned: when the container could be entered
  type: list
  elements: dict
databases:
  description: Tenants that were seen through the pooler.
  returned: when the container could be entered
  type: list
  elements: str
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pooled.odoo.plugins.module_utils import _docker, _errors, _odoo_instance
from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError


def try_out(params: dict[str, t.Any]) -> dict[str, t.Any]:
    client = _docker.connect(params)
    container = _docker.find(client, params["name"])
    found = _docker.describe(container)
    address = _odoo_instance.assemble(container.attrs, found).address
    present = {"host": address.host, "port": address.port}
    hostaddr = params["pooler"] and address_for(container, _docker.find(client, params["pooler"]))
    request = {
        "do": "preflight",
        "present": present,
        "hostaddr": hostaddr,
        **{key: params[key] for key in ("host", "port", "pool_mode")},
    }
    return _docker.probe(container, request, found["python"])


def address_for(container: t.Any, pooler: t.Any) -> str:
    """Where *container* finds *pooler*; raises PooledError where no network is common to them."""
    own = container.attrs["NetworkSettings"]["Networks"]
    for network, endpoint in sorted(pooler.attrs["NetworkSettings"]["Networks"].items()):
        if network in own and endpoint["IPAddress"]:
            return endpoint["IPAddress"]
    message = f"{pooler.name} does not run on a network of {container.name}; 'docker inspect' tells theirs"
    raise PooledError(message, "pooler")


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **_docker.argument_spec(),
            **_errors.argument_spec(),
            "name": {"type": "str", "required": True},
            "host": {"type": "str", "required": True},
            "port": {"type": "int", "default": 5432},
            "pooler": {"type": "str"},
            "pool_mode": {"type": "str", "choices": ["transaction", "session"], "default": "transaction"},
        },
        supports_check_mode=True,
    )
    params = module.params
    try:
        result = try_out(params)
    except _docker.ERRORS as error:
        module.fail_json(msg=_errors.told(error, module.params["reported_as"]))
    failed = [f"{check['check']}: {check['error']}" for check in result["checks"] if not check["ok"]]
    if failed:
        address = params["pooler"] or f"{params['host']}:{params['port']}"
        module.fail_json(msg=f"{params['name']} would not work behind {address}: {'; '.join(failed)}", **result)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
