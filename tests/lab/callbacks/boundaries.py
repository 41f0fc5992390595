# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Numbers the boundaries between tasks, notes which of them have a change behind them, and ends the run at one of them.

``BOUNDARIES_FILE``: one line of JSON for each boundary. ``BOUNDARIES_KILL``: the number of the one at which the run is killed,
or how the name of the task behind it begins.
"""

from __future__ import annotations

import json
import os
import signal
import typing as t

from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "boundaries"

    def __init__(self) -> None:
        super().__init__()
        self.number = 0
        self.changed = False

    def v2_playbook_on_task_start(self, task: t.Any, is_conditional: bool) -> None:
        self.number += 1
        with open(os.environ["BOUNDARIES_FILE"], "a") as handle:
            line = {"number": self.number, "before": task.get_name(), "changed": self.changed}
            handle.write(json.dumps(line) + "\n")
        self.changed = False
        kill = os.environ.get("BOUNDARIES_KILL", "0")
        # Tasks of a role have its name in front.
        name = task.get_name().rpartition(" : ")[2]
        if self.number == int(kill) if kill.isdigit() else name.startswith(kill):
            os.kill(os.getpid(), signal.SIGKILL)

    def v2_runner_on_ok(self, result: t.Any) -> None:
        # What keeps a document or a token says that it changed nothing, and yet a run begins anew behind it.
        self.changed = self.changed or bool(result._result.get("changed")) or "dest" in result._result
