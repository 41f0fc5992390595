# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state machine without Docker: every phase that a run can find, and every way in which the method can end."""

from __future__ import annotations

import typing as t
from pathlib import Path
from types import SimpleNamespace

import pytest

from ansible_collections.pooled.odoo.plugins.module_utils import (
    _alias,
    _docker,
    _odoo_discovery,
    _odoo_instance,
)
from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError
from ansible_collections.pooled.odoo.plugins.module_utils._move import base, gate, journal, methods, mover

ADDRESSES = {"db": ["10.0.0.1"], "pooled": ["10.0.0.2"]}
INSPECTION = {
    "Id": "abc",
    "Name": "/erp1",
    "Config": {"Env": [], "Cmd": ["odoo"], "Entrypoint": ["/entrypoint.sh"], "Image": "odoo", "Labels": {}},
    "HostConfig": {"NetworkMode": "erp"},
    "NetworkSettings": {"Networks": {"erp": {"IPAddress": "10.0.0.5"}}},
    "Mounts": [{"Type": "bind", "Source": "/host/odoo.conf", "Destination": "/etc/odoo/odoo.conf"}],
    "State": {"StartedAt": ""},
}
OPTIONS = {
    "name": "erp1",
    "host": "pooled",
    "port": 5432,
    "method": "auto",
    "ignore_shadowed": False,
    "address_variables": {},
    "runner_host": None,
    "runner_port": 5432,
    "timeout": 1,
    "followers": [],
    "upstream_host": None,
    "compose_command": [],
}


def found(host: str) -> dict[str, t.Any]:
    """What the probe tells of an instance that uses *host*."""
    return {
        "argv": [],
        "version": "19.0",
        "workers": 2,
        "cron_threads": 2,
        "conf": {"db_host": host, "db_port": "5432"},
        "conf_path": "/etc/odoo/odoo.conf",
        "resolved": ADDRESSES,
        "connections": [{"address": ADDRESSES[host][0], "port": 5432, "count": 3}],
        "job_runner": None,
        "db_user": "odoo",
        "replica": None,
        "python": "python3",
        "pid": 7,
        "http": None,
        "db_maxconn": 64,
    }


def record(phase: str, host: str = "pooled") -> journal.Record:
    return {
        "schema": journal.SCHEMA,
        "phase": phase,
        "name": "erp1",
        "method": "reload",
        "moves": ["host"],
        "before": {"host": "db", "port": 5432},
        "after": {"host": host, "port": 5432},
        "former_ends": [["10.0.0.1", 5432]],
        "health_path": "/",
        "expect_connection": True,
        "job_runner": None,
        "container_id": "abc",
        "networks": ["erp"],
        "pooler_ends": [],
    }


class Fake(base.Method):
    """Notes what is asked of it, and fails where a case says so."""

    name = "reload"
    reason = "it is a fake"
    interruption = "none"
    interrupts = False
    runner_place = "conf"
    calls: t.ClassVar[list[str]] = []
    fails_at: t.ClassVar[tuple[str, ...]] = ()
    standing: t.ClassVar[bool | None] = None

    @staticmethod
    def against(circumstances: t.Any, parts: t.Collection[str]) -> str | None:
        return None

    def _do(self, what: str) -> None:
        self.calls.append(what)
        if what in self.fails_at:
            raise PooledError(f"{what} failed")

    def recover(self) -> None:
        self._do("recover")

    def plan(self, move: base.Move) -> None:
        self._do("plan")

    def apply(self, goal: gate.Goal) -> int:
        # Before its first change, as every method.
        if "save" not in self.fails_at:
            self.context.save()
        self._do("apply")
        return 0

    def undo(self) -> base.Outcome:
        self._do("undo")
        return base.Outcome(0, True)

    def stands(self, container: t.Any, instance: _odoo_instance.Instance) -> bool | None:
        return self.standing


class Case(t.NamedTuple):
    """*says*: whether something changed, or what the error says. *phase*: of the record afterwards, None for no record."""

    state: str
    host: str
    before: journal.Record | None
    says: bool | str
    phase: str | None
    calls: list[str]
    fails_at: tuple[str, ...] = ()
    standing: bool | None = None
    check: bool = False


THERE, BACK = "moved", "reverted"
STARTED, MOVED, RETURNING = journal.STARTED, journal.MOVED, journal.RETURNING
PUT_BACK = "It was rolled back and works at its former address again"
CASES = {
    "there": Case(THERE, "db", None, True, MOVED, ["plan", "apply"]),
    "there, check": Case(THERE, "db", None, True, None, ["plan"], check=True),
    "plan fails": Case(THERE, "db", None, "plan failed", None, ["plan"], ("plan",)),
    "plan fails, check": Case(THERE, "db", None, "plan failed", None, ["plan"], ("plan",), check=True),
    "apply fails": Case(THERE, "db", None, PUT_BACK, None, ["plan", "apply", "undo"], ("apply",)),
    "apply fails before the record": Case(
        THERE, "db", None, "apply failed", None, ["plan", "apply"], ("save", "apply")
    ),
    "apply and undo fail": Case(
        THERE, "db", None, "Putting it back failed too", STARTED, ["plan", "apply", "undo"], ("apply", "undo")
    ),
    "there already": Case(THERE, "pooled", record(MOVED), False, MOVED, []),
    "there already, no record": Case(THERE, "pooled", None, False, None, []),
    "there already, check": Case(THERE, "pooled", record(MOVED), False, MOVED, [], check=True),
    "undone since": Case(THERE, "db", record(MOVED), True, MOVED, ["plan", "apply"], standing=False),
    "undone since, check": Case(THERE, "db", record(MOVED), True, MOVED, ["plan"], standing=False, check=True),
    "undone since, apply fails": Case(
        THERE, "db", record(MOVED), PUT_BACK, None, ["plan", "apply", "undo"], ("apply",), standing=False
    ),
    "stands by other means": Case(THERE, "db", record(MOVED), False, MOVED, [], standing=True),
    "set up anew since": Case(THERE, "db", record(MOVED), "uses another address now", MOVED, []),
    "interrupted": Case(THERE, "pooled", record(STARTED), True, MOVED, ["recover", "plan", "apply"]),
    "interrupted, check": Case(THERE, "pooled", record(STARTED), True, STARTED, ["plan"], check=True),
    "interrupted, recover fails": Case(
        THERE, "pooled", record(STARTED), "recover failed", STARTED, ["recover"], ("recover",)
    ),
    "interrupted, apply fails": Case(
        THERE, "db", record(STARTED), PUT_BACK, None, ["recover", "plan", "apply", "undo"], ("apply",)
    ),
    "interrupted on another way": Case(THERE, "db", record(STARTED, "other"), "repeat that one", STARTED, []),
    "during a rollback": Case(THERE, "db", record(RETURNING), "of erp1 was interrupted", RETURNING, []),
    "back": Case(BACK, "pooled", record(MOVED), True, None, ["undo"]),
    "back, check": Case(BACK, "pooled", record(MOVED), True, MOVED, [], check=True),
    "back, undo fails": Case(BACK, "pooled", record(MOVED), "undo failed", RETURNING, ["undo"], ("undo",)),
    "back from halfway": Case(BACK, "pooled", record(STARTED), True, None, ["undo"]),
    "back once more": Case(BACK, "pooled", record(RETURNING), True, None, ["undo"]),
    "back from nowhere": Case(BACK, "db", None, False, None, []),
}


@pytest.fixture
def without_docker(monkeypatch: pytest.MonkeyPatch) -> None:
    container = SimpleNamespace(status="running", attrs=INSPECTION, name="erp1")
    monkeypatch.setitem(methods.METHODS, "reload", Fake)
    monkeypatch.setattr(_docker, "connect", lambda _params: None)
    monkeypatch.setattr(_docker, "find", lambda _client, _name: container)
    monkeypatch.setattr(gate, "resolves", lambda _container, host: ADDRESSES[host])
    monkeypatch.setattr(_alias, "poolers", lambda _client, _name=None: {})


@pytest.mark.usefixtures("without_docker")
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_every_phase_and_every_end(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state_dir = str(tmp_path)
    instance = _odoo_instance.assemble(INSPECTION, found(case.host))
    monkeypatch.setattr(
        _odoo_discovery, "look_at", lambda _client, _container, _variables: (instance, "it is nobody's name")
    )
    monkeypatch.setattr(Fake, "calls", [])
    monkeypatch.setattr(Fake, "fails_at", case.fails_at)
    monkeypatch.setattr(Fake, "standing", case.standing)
    if case.before:
        journal.save(state_dir, case.before)
    context = base.Context({**OPTIONS, "state_dir": state_dir}, case.check)
    run = mover.Mover(context).move if case.state == THERE else mover.Mover(context).revert
    try:
        if isinstance(case.says, str):
            with pytest.raises(PooledError, match=case.says):
                run()
        else:
            assert run()["changed"] is case.says
    finally:
        if context.lock:
            context.lock.close()
    saved = journal.load(state_dir, "erp1")
    assert (saved and saved["phase"], Fake.calls) == (case.phase, case.calls)
