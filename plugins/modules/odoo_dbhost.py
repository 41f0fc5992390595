#!/usr/bin/python
# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: odoo_dbhost
short_description: Move an Odoo container to another database address, or back
version_added: 0.1.0
description:
  - Changes the database address where the instance has it from (odoo.conf, environment, command), makes the running Odoo
    use it with the least interruption that its image and version allow, and waits until the instance answers B(and) its
    connections go to the new address and no longer to the old one. If that does not happen, everything is rolled back.
  - Keeps a rollback token from which O(state=reverted) restores the very bytes of odoo.conf, or the very container, that
    were there.
extends_documentation_fragment:
  - pooled.odoo._attributes
  - pooled.odoo._reported
  - pooled.odoo._docker
  - pooled.odoo._odoo
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  name:
    description:
      - Name of the container.
    type: str
    required: true
  state:
    description:
      - V(moved) makes it use O(host) and O(port).
      - V(reverted) brings it back to what it was before it was moved; without a rollback token there is nothing to do.
    type: str
    choices: [moved, reverted]
    default: moved
  host:
    description:
      - Host name or address of the database as the container uses it. Required when O(state=moved).
    type: str
  port:
    description:
      - Port of the database.
    type: int
    default: 5432
  method:
    description:
      - How to move it. V(auto) takes the first of the following that is open.
      - V(reload) edits odoo.conf on the host and sends SIGHUP. Odoo 19 with workers hands its listening socket to the new
        server, so no request fails.
      - V(alias) touches nothing of Odoo. The name by which it reaches PostgreSQL on its Docker network is given to the pooler
        that O(host) leads to; where that name belongs to PostgreSQL's container, the container leaves the network for a
        moment and comes back at the same address without it, reachable under the name with C(-direct) behind it. Then Odoo's
        workers are renewed, so that no request fails. The name moves for everybody on that network who uses it, see
        O(followers), and comes back with the first instance that is reverted. An address that Docker could give to another
        container while PostgreSQL's is stopped would be fixed by that, so V(auto) passes this way over there.
      - V(compose) edits the value where the files of the container's Compose project have it (C(environment), C(env_file),
        C(.env)), nothing else of them, checks with Compose that nothing but this means something else now, and lets Compose
        bring up that one service. Several services that share the value must be in O(followers) too. Needs Compose 2 and PyYAML.
      - V(restart) edits odoo.conf on the host and restarts the container.
      - V(recreate) creates the same container with another environment or command. The old one is kept, stopped, for the
        way back, under the same name with C(-pooled-before) behind it.
    type: str
    choices: [auto, reload, alias, compose, restart, recreate]
    default: auto
  followers:
    description:
      - Names of further containers that use the same name for PostgreSQL and may be led to the pooler with this one when
        O(method=alias). While another container is connected to PostgreSQL there, that way is not open.
    type: list
    elements: str
    default: []
  compose_command:
    description:
      - Command that runs Compose 2 on this host, for O(method=compose).
    type: list
    elements: str
    default: [docker, compose]
  upstream_host:
    description:
      - Where the pooler finds PostgreSQL. A pooler that has a name finds itself under it, so this name cannot be given to it
        (O(method=alias)).
    type: str
    version_added: 0.2.0
  runner_host:
    description:
      - Database host for the job runner of OCA queue_job, if the instance starts one. A transaction pooler cannot serve it, so
        it gets an address for itself with the move, in the section C(queue_job) of odoo.conf or in the environment; unless
        it has one already.
      - By default the address that the instance had before the move, which is PostgreSQL itself.
    type: str
  runner_port:
    description:
      - Database port for the job runner. Counts with O(runner_host) only.
    type: int
    default: 5432
  ignore_shadowed:
    description:
      - Go on although another source names another address that does not count.
    type: bool
    default: false
  timeout:
    description:
      - Seconds until the instance must work at its new address. Odoo lets a request run for 120 seconds by default, and
        an old worker keeps its connection that long.
    type: int
    default: 180
  state_dir:
    description:
      - Directory on the target for rollback tokens, readable by its owner only. A token holds odoo.conf or the
        container's environment with their passwords.
    type: path
    default: /var/lib/pooled-odoo/cutover
author:
  - The pooled.odoo developers (@pooled-odoo)
seealso:
  - module: pooled.odoo.odoo_info
  - module: pooled.odoo.odoo_preflight
"""

EXAMPLES = r"""
- name: Move erp1 behind the pooler
  pooled.odoo.odoo_dbhost:
    name: erp1
    host: pooled-odoo

- name: Bring it back
  pooled.odoo.odoo_dbhost:
    name: erp1
    state: reverted
"""

RETURN = r"""
method:
  description: Method that was or would be used; null when nothing had to be done.
  returned: success
  type: str
  sample: reload
reason:
  description: Why this method.
  returned: success
  type: str
passed_over:
  description: Less disruptive methods that are not open to this instance, with the reason against each.
  returned: when something changed and O(state=moved)
  type: list
  elements: dict
  sample: [{name: reload, reason: the address does not come from odoo.conf but from HOST=db (the environment)}]
interruption:
  description: What users notice of this method.
  returned: when something changed
  type: str
interrupts:
  description: Whether the instance answers nobody for a while, so that a load balancer should send its users elsewhere before.
  returned: when something changed
  type: bool
before:
  description: Address before, C(host) and C(port).
  returned: success
  type: dict
  sample: {host: db, port: 5432}
after:
  description: Address after, C(host) and C(port).
  returned: success
  type: dict
  sample: {host: pooled-odoo, port: 5432}
gap_ms:
  description:
    - Milliseconds from the stop of the old container until the new one was seen to work. 0 for V(reload) and V(alias).
  returned: when something changed, outside check mode
  type: int
duration_ms:
  description: Milliseconds from the first change until the instance was seen to work at its new address.
  returned: when something changed, outside check mode
  type: int
job_runner:
  description: Address that the job runner of queue_job got for itself; null where there is none or it has one already.
  returned: when something changed and O(state=moved)
  type: dict
  sample: {host: db, port: 5432}
token:
  description: Path of the rollback token on the target; null when there is none.
  returned: success
  type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pooled.odoo.plugins.module_utils import _alias, _docker, _errors
from ansible_collections.pooled.odoo.plugins.module_utils._move.base import Context
from ansible_collections.pooled.odoo.plugins.module_utils._move.methods import METHODS
from ansible_collections.pooled.odoo.plugins.module_utils._move.mover import Mover


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **_docker.argument_spec(),
            **_errors.argument_spec(),
            "name": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["moved", "reverted"], "default": "moved"},
            "host": {"type": "str"},
            "port": {"type": "int", "default": 5432},
            "method": {"type": "str", "choices": ["auto", *METHODS], "default": "auto"},
            "compose_command": {"type": "list", "elements": "str", "default": ["docker", "compose"]},
            "followers": {"type": "list", "elements": "str", "default": []},
            "upstream_host": {"type": "str"},
            "runner_host": {"type": "str"},
            "runner_port": {"type": "int", "default": 5432},
            "ignore_shadowed": {"type": "bool", "default": False},
            "address_variables": {"type": "dict", "default": {}},
            "timeout": {"type": "int", "default": 180},
            "state_dir": {"type": "path", "default": "/var/lib/pooled-odoo/cutover"},
        },
        required_if=[("state", "moved", ["host"])],
        supports_check_mode=True,
    )
    context = None
    try:
        context = Context(module.params, module.check_mode)
        if not module.check_mode:
            for name in _alias.reattach(context.client, context.state_dir):
                context.warnings.append(f"an interrupted run had left {name} off its network; it is back")
        mover = Mover(context)
        result = mover.move() if module.params["state"] == "moved" else mover.revert()
    except _docker.ERRORS as error:
        warn(module, context)
        module.fail_json(msg=_errors.told(error, module.params["reported_as"]))
    warn(module, context)
    module.exit_json(**result)


def warn(module: AnsibleModule, context: Context | None) -> None:
    for warning in context.warnings if context else []:
        module.warn(warning)


if __name__ == "__main__":
    main()
