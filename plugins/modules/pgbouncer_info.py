#!/usr/bin/python
# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pgbouncer_info
short_description: Read the state of a running PgBouncer
version_added: 0.1.0
description:
  - Reads C(SHOW …) from PgBouncer's admin console and returns it as data, numbers as numbers.
extends_documentation_fragment:
  - pooled.odoo._attributes.info_module
  - pooled.odoo._login
options:
  gather:
    description:
      - What to read. V(config) comes as a dictionary of keys, everything else as a list of rows.
    type: list
    elements: str
    choices: [clients, config, databases, lists, pools, servers, stats, users]
    default: [config, databases, lists, pools]
author:
  - The pooled.odoo developers (@pooled-odoo)
seealso:
  - module: pooled.odoo.pgbouncer_admin
"""

EXAMPLES = r"""
- name: Look at the pools
  pooled.odoo.pgbouncer_info:
    login_host: /var/lib/pooled-odoo-socket
    login_user: pooled_odoo_admin
    login_password: "{{ admin_password }}"
    gather: [pools, lists]
  register: pooler

- name: Fail when clients wait for a server connection
  ansible.builtin.assert:
    that: pooler.pools | map(attribute='cl_waiting') | sum == 0
"""

RETURN = r"""
version:
  description: Version of the running PgBouncer.
  returned: success
  type: str
  sample: 1.24.1
config:
  description: Every key with its C(value), C(default) and whether it is C(changeable) by C(RELOAD).
  returned: when asked for
  type: dict
  sample:
    max_client_conn: {value: "2000", default: "100", changeable: true}
databases:
  description: Rows of C(SHOW DATABASES).
  returned: when asked for
  type: list
  elements: dict
lists:
  description: Counts of C(SHOW LISTS) by name.
  returned: when asked for
  type: dict
  sample: {used_clients: 12, used_servers: 7}
pools:
  description: Rows of C(SHOW POOLS).
  returned: when asked for
  type: list
  elements: dict
clients:
  description: Rows of C(SHOW CLIENTS).
  returned: when asked for
  type: list
  elements: dict
servers:
  description: Rows of C(SHOW SERVERS).
  returned: when asked for
  type: list
  elements: dict
stats:
  description: Rows of C(SHOW STATS).
  returned: when asked for
  type: list
  elements: dict
users:
  description: Rows of C(SHOW USERS).
  returned: when asked for
  type: list
  elements: dict
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pooled.odoo.plugins.module_utils import _console, _login
from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError

SUBJECTS = ["clients", "config", "databases", "lists", "pools", "servers", "stats", "users"]


def gather(console: _login.AdminConsole, subjects: t.Sequence[str]) -> dict[str, t.Any]:
    result: dict[str, t.Any] = {"version": _console.version_of(console.run("SHOW VERSION"))}
    for subject in subjects:
        rows = console.run(f"SHOW {subject.upper()}")
        if subject == "config":
            result[subject] = _console.typed_config(rows)
        elif subject == "lists":
            result[subject] = {row["list"]: row["items"] for row in _console.typed(rows)}
        else:
            result[subject] = _console.typed(rows)
    return result


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **_login.argument_spec(),
            "gather": {
                "type": "list",
                "elements": "str",
                "choices": SUBJECTS,
                "default": ["config", "databases", "lists", "pools"],
            },
        },
        supports_check_mode=True,
    )
    try:
        with _login.AdminConsole(module.params) as console:
            result = gather(console, module.params["gather"])
    except PooledError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
