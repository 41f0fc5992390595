#!/usr/bin/python
# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: run_lock
short_description: Keep a second run of a playbook off the same host
version_added: 0.2.0
description:
  - Notes on the target which run is at work there. Another one waits, and stops with a clear word when that does not help.
  - A run that is gone keeps nobody off. On the controller where it ran that is seen at once, because its process is gone;
    from anywhere else after O(lease) seconds, or with O(force).
  - Its action part runs on the controller and finds out who asks.
extends_documentation_fragment:
  - pooled.odoo._attributes
attributes:
  check_mode:
    support: full
    details:
      - Takes and releases nothing.
  diff_mode:
    support: none
    details:
      - A lock is no configuration.
  idempotent:
    support: full
options:
  path:
    description:
      - File on the target. Its directory is made, readable by its owner only.
    type: path
    required: true
  state:
    description:
      - Whether this run holds the lock.
      - V(renewed) is for long work in between. The O(lease) begins anew, if this run holds the lock; if not, nothing happens.
    type: str
    choices: [held, renewed, released]
    default: held
  playbook:
    description:
      - What this run does, for the message that others get. For O(state=held).
    type: str
    default: a playbook
  wait:
    description:
      - Seconds to wait for another run to end.
    type: int
    default: 0
  lease:
    description:
      - Seconds after which a lock counts as left behind when its owner cannot be looked for.
    type: int
    default: 7200
  force:
    description:
      - Take it whoever has it.
    type: bool
    default: false
  owner:
    description:
      - Who asks; set by the action part. C(host), C(namespace) (of process ids), C(pid), C(started) and C(user) of the run on
        its controller.
    type: dict
  gone:
    description:
      - An owner of whom the action part has found that it lives no more; only from that one the lock is taken.
    type: dict
author:
  - The pooled.odoo developers (@pooled-odoo)
"""

EXAMPLES = r"""
- name: One run at a time
  pooled.odoo.run_lock:
    path: /var/lib/pooled-odoo/run.lock
    playbook: deploy
"""

RETURN = r"""
owner:
  description: Who holds the lock now; null for nobody.
  returned: always
  type: dict
  sample: {host: controller, namespace: 'pid:[4026531836]', pid: 4711, started: '81734', user: ops, playbook: deploy}
"""

import fcntl
import json
import os
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pooled.odoo.plugins.module_utils import _files
from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError

Owner = t.Dict[str, t.Any]


def same(one: Owner, other: Owner) -> bool:
    """Whether both are the same process: execution environments share a host's name, and numbers come again."""
    return all(one.get(key) == other.get(key) for key in ("host", "namespace", "pid", "started"))


def keeps_off(found: Owner | None, asking: Owner, now: float, lease: float) -> bool:
    """Whether the lock that was *found* keeps the run that asks off. Pure."""
    return found is not None and not same(found, asking) and now - found.get("since", 0) < lease


def read(path: str) -> Owner | None:
    content = _files.read(path)
    try:
        found = json.loads(content) if content else None
    except ValueError:
        return None  # a truncated lock file counts as free
    return found if isinstance(found, dict) else None


def write(path: str, owner: Owner) -> None:
    attributes = _files.private()
    _files.replace_all_locked({path: (json.dumps(owner) + "\n").encode()}, attributes)


def decide(params: dict[str, t.Any], check_mode: bool) -> dict[str, t.Any]:
    path, owner = params["path"], params["owner"] or {}
    directory = os.path.dirname(path)
    if (check_mode or params["state"] != "held") and not os.path.isdir(directory):
        return {"changed": False, "owner": None}
    os.makedirs(directory, mode=0o700, exist_ok=True)
    # Between looking and writing nobody else may write.
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        found, now = read(path), time.time()
        own = found if found is not None and same(found, owner) else None
        if params["state"] == "released":
            if own and not check_mode:
                _files.remove(path)
            return {"changed": False, "owner": None if own else found}
        if params["state"] == "renewed":
            if own and not check_mode:
                write(path, {**own, "since": now})
            return {"changed": False, "owner": found}
        gone = found is not None and params["gone"] is not None and same(found, params["gone"])
        if keeps_off(found, owner, now, params["lease"]) and not gone and not params["force"]:
            return {"changed": False, "owner": found, "kept_off": True}
        taken = {**owner, "playbook": params["playbook"], "since": now}
        if not check_mode:
            write(path, taken)
        return {"changed": False, "owner": taken}
    finally:
        os.close(descriptor)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "state": {"type": "str", "choices": ["held", "renewed", "released"], "default": "held"},
            "playbook": {"type": "str", "default": "a playbook"},
            "wait": {"type": "int", "default": 0},
            "lease": {"type": "int", "default": 7200},
            "force": {"type": "bool", "default": False},
            "owner": {"type": "dict"},
            "gone": {"type": "dict"},
        },
        supports_check_mode=True,
    )
    try:
        result = decide(module.params, module.check_mode)
    except (PooledError, OSError) as error:
        module.fail_json(msg=str(error))
    # Nothing of the host's configuration differs, so a lock is no change.
    module.exit_json(**result)


if __name__ == "__main__":
    main()
