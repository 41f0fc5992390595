# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs a module of the collection for real, in this process: its main() with these arguments, and what it answers."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import typing as t

from ansible.module_utils import basic

try:
    from ansible.module_utils.testing import patch_module_args
except ImportError:  # before ansible-core 2.19

    @contextlib.contextmanager
    def patch_module_args(module_args: dict[str, t.Any] | None = None) -> t.Iterator[None]:
        given, basic._ANSIBLE_ARGS = basic._ANSIBLE_ARGS, json.dumps({"ANSIBLE_MODULE_ARGS": module_args}).encode()
        try:
            yield
        finally:
            basic._ANSIBLE_ARGS = given


class ModuleFailed(Exception):
    """The module called fail_json; ``result`` is what it said."""

    def __init__(self, result: dict[str, t.Any]) -> None:
        self.result = result
        super().__init__(result["msg"])


def run_module(module_name: str, /, check: bool = False, **arguments: t.Any) -> dict[str, t.Any]:
    module = importlib.import_module(f"ansible_collections.pooled.odoo.plugins.modules.{module_name}")
    output = io.StringIO()
    given = {**arguments, "_ansible_check_mode": check, "_ansible_diff": True}
    with patch_module_args(given), contextlib.redirect_stdout(output), contextlib.suppress(SystemExit):
        module.main()
    result: dict[str, t.Any] = json.loads(output.getvalue().strip().splitlines()[-1])
    if result.get("failed"):
        raise ModuleFailed(result)
    return result


def sextet(
    name: str, first: dict[str, t.Any], then: dict[str, t.Any], state: t.Callable[[], t.Any]
) -> list[dict[str, t.Any]]:
    """Check, real, again (check and real), changed (check and real); *state* reads what the module is responsible for.

    Asserts what every module promises: check mode predicts and changes nothing, the second run changes nothing.
    """
    results = []
    for arguments, changes in ((first, True), (first, False), (then, True)):
        before = state()
        predicted = run_module(name, check=True, **arguments)
        assert state() == before, "check mode changed something"
        done = run_module(name, **arguments)
        assert predicted["changed"] is changes
        assert done["changed"] is changes
        assert (state() != before) is changes
        results += [predicted, done]
    return results
