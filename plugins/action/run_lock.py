# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's part of run_lock: it knows which run asks, and whether the one that has the lock is still alive."""

from __future__ import annotations

import getpass
import os
import platform
import time
import typing as t
from datetime import datetime, timezone

from ansible.plugins.action import ActionBase

POLL_SECONDS = 5


def namespace() -> str | None:
    """Where process ids count: each container has its own, under the host's name or another."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return None  # not Linux


def started(pid: int) -> str | None:
    """When the process was started, in the kernel's ticks; None where nobody tells."""
    try:
        with open(f"/proc/{pid}/stat") as handle:
            # Its name, in parentheses, may have spaces; the 22nd field is the 20th behind it.
            return handle.read().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return None


def alive(owner: dict[str, t.Any]) -> bool:
    """Whether a lock's owner may still be at work: whoever cannot be looked for from here may."""
    if (owner.get("host"), owner.get("namespace")) != (platform.node(), namespace()):
        return True
    try:
        os.kill(int(owner["pid"]), 0)
    except ProcessLookupError:
        return False
    except (OSError, KeyError, ValueError, TypeError):
        return True
    # The number may be another's by now.
    return owner.get("started") == started(int(owner["pid"]))


def user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return str(os.getuid())  # in a container the number may have no name


def told(owner: dict[str, t.Any]) -> str:
    since = datetime.fromtimestamp(owner.get("since", 0), timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
    return (
        f"{owner.get('playbook')} of {owner.get('user')} on {owner.get('host')} (process {owner.get('pid')}) is at work here"
        f" since {since}"
    )


class ActionModule(ActionBase):
    def run(self, tmp: t.Any = None, task_vars: t.Any = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        # A task runs in a child of the process that is the run.
        pid = os.getppid()
        owner = {
            "host": platform.node(),
            "namespace": namespace(),
            "pid": pid,
            "started": started(pid),
            "user": user(),
        }
        arguments = {**self._task.args, "owner": owner}
        deadline = time.monotonic() + float(arguments.get("wait") or 0)
        while True:
            answer = self._execute_module("pooled.odoo.run_lock", module_args=arguments, task_vars=task_vars)
            if not answer.pop("kept_off", False):
                return {**result, **answer}
            if not alive(answer["owner"]):
                arguments["gone"] = answer["owner"]
                continue
            if time.monotonic() > deadline:
                return {
                    **result,
                    **answer,
                    "failed": True,
                    "msg": f"{told(answer['owner'])}. Wait until it is through. If it is not there any more, repeat with"
                    " -e pooled_odoo_take_lock=true",
                }
            time.sleep(POLL_SECONDS)
