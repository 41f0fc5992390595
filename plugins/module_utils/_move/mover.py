# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Moves an instance to another database address, or back, whatever the method and whatever an earlier run has left.

This module util is PRIVATE to the collection. It can have breaking changes at any time.

A record in ``phase`` STARTED was begun and never seen to work: the same move is repeated, any other refused. MOVED: nothing to
do, unless it was undone since (:meth:`Method.stands`), then it is repeated. RETURNING: only the rollback is open.
"""

from __future__ import annotations

import time
import typing as t

from ansible_collections.pooled.odoo.plugins.module_utils import (
    _alias,
    _alias_record,
    _docker,
    _odoo_address,
    _odoo_discovery,
    _odoo_instance,
    _queue_job,
)
from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError
from ansible_collections.pooled.odoo.plugins.module_utils._move import conf, gate, journal
from ansible_collections.pooled.odoo.plugins.module_utils._move.base import (
    Context,
    LeftAsItIs,
    Method,
    Move,
    NameOrReason,
    Outcome,
)
from ansible_collections.pooled.odoo.plugins.module_utils._move.methods import METHODS, Way, ways


class Choice(t.NamedTuple):
    """The method to use, and the less disruptive ones that are not open."""

    method: Way
    passed_over: list[Way]


class Mover:
    def __init__(self, context: Context) -> None:
        self.context = context
        self.target = {"host": context.params["host"], "port": context.params["port"]}
        # The record that tells what was there before: of the same move, which is repeated, or of another instance with the same
        # odoo.conf.
        self.prior: journal.Record | None = None

    # --- there --------------------------------------------------------------------------------------------------------

    def move(self) -> dict[str, t.Any]:
        context, host, port = self.context, self.target["host"], self.target["port"]
        self._check_no_other_move()
        if context.phase == journal.STARTED and not context.check_mode:
            self._method().recover()
        container = _docker.find(context.client, context.name)
        _docker.check_runs(container, "name")
        instance, name = self._look_at(container)
        if self._stands(container, instance):
            return self._unchanged(
                context.kept["before"], "the instance reaches the pooler by its own name for PostgreSQL"
            )
        instance, name = self._find_prior(container, instance, name)
        repeats = self.prior is not None and self.prior is context.record
        if repeats:
            # odoo.conf may be edited already, but nobody saw the instance use it.
            parts = {part: str(self.target[part]) for part in context.kept["moves"]}
            before = context.kept["before"]
        else:
            parts = _odoo_address.parts_to_move(instance.address, host, port)
            before = {"host": instance.address.host, "port": instance.address.port}
        if not parts:
            self._check_in_use(instance)
            return self._unchanged(before, "the instance uses this address already")
        self._check_movable(instance)
        choice = self._choose(instance, parts, name)
        method = METHODS[choice.method.name](context)
        runner = self._runner_address(instance, before, method)
        method.plan(Move(container, instance, parts, runner, name))
        result = {
            **described(choice.method, before, self.target),
            "passed_over": [{"name": passed.name, "reason": passed.reason} for passed in choice.passed_over],
            "job_runner": runner and runner._asdict(),
            "diff": difference(context.name, method.place(instance), before, self.target, runner),
        }
        if context.check_mode:
            # The name is not asked for: an earlier task may be about to create it.
            return {**result, "token": None}
        arrived = self._check_resolves(container)
        allowed_old = self._runner_connections(container, instance, runner)
        goal = gate.goal_for(instance, host, port, self._former_ends(instance), allowed_old)
        if context.record is None:
            context.record = new_record(context.name, method.name, parts, before, self.target, goal, instance, runner)
        context.kept["phase"] = journal.STARTED
        # The pooler may have been made anew since.
        context.kept["pooler_ends"] = [[address, port] for address in arrived]
        started = time.monotonic()
        try:
            gap = method.apply(goal)
        except LeftAsItIs:
            raise
        except _docker.ERRORS as error:
            self._take_back(error)
        context.kept["phase"] = journal.MOVED
        token = context.save()
        duration = round((time.monotonic() - started) * 1000)
        return {**result, "gap_ms": gap, "duration_ms": duration, "token": token}

    def _method(self) -> Method:
        """That of the record."""
        return METHODS[self.context.kept["method"]](self.context)

    def _check_no_other_move(self) -> None:
        context = self.context
        if context.phase == journal.RETURNING:
            raise PooledError(
                f"a rollback of {context.name} was interrupted; run this with state=reverted first, or playbook"
                " pooled.odoo.deploy, which does so"
            )
        if context.phase == journal.STARTED and context.kept["after"] != self.target:
            raise PooledError(
                f"a move of {context.name} to {context.kept['after']['host']}:{context.kept['after']['port']} was"
                " interrupted; repeat that one, or bring it back with state=reverted, before another"
            )

    def _look_at(self, container: t.Any) -> tuple[_odoo_instance.Instance, NameOrReason]:
        instance, name = _odoo_discovery.look_at(
            self.context.client, container, self.context.params["address_variables"]
        )
        return self._method().recall(instance, name) if self.context.record else (instance, name)

    def _stands(self, container: t.Any, instance: _odoo_instance.Instance) -> bool:
        """Whether an earlier run's move is seen to stand; remembers where one was undone since, so that it is made once more."""
        context = self.context
        if context.phase == journal.STARTED:
            self.prior = context.record
        if context.phase != journal.MOVED or context.kept["after"] != self.target:
            return False
        stands = self._method().stands(container, instance)
        if stands is False:
            self.prior = context.record
        return bool(stands)

    def _find_prior(
        self, container: t.Any, instance: _odoo_instance.Instance, name: NameOrReason
    ) -> tuple[_odoo_instance.Instance, NameOrReason]:
        """The instance as it runs, where its odoo.conf was edited for another one's sake."""
        shared = conf.shared_record(self.context, instance) if self.context.record is None else None
        if shared is None or self._connected(instance):
            return instance, name
        running = conf.as_it_runs(self.context, container, instance, name, shared)
        if running is None:
            return instance, name
        self.prior = shared
        return running

    def _connected(self, instance: _odoo_instance.Instance) -> bool:
        """Whether the running Odoo has connections to the address that it is to have."""
        host, port = self.target["host"], self.target["port"]
        arrived = {(address, port) for address in instance.found["resolved"].get(host, [])}
        return bool(arrived & {(end["address"], end["port"]) for end in instance.found["connections"]})

    def _check_in_use(self, instance: _odoo_instance.Instance) -> None:
        """What is configured counts only if the running Odoo has read it."""
        name, host, port = self.context.name, self.target["host"], self.target["port"]
        # It may have got a job runner since it was moved.
        if _queue_job.is_lost(instance.found["job_runner"], _queue_job.Address(host, port)):
            self.context.warnings.append(
                f"{name} starts a job runner (queue_job) that uses the transaction pooler, where it loses jobs and runs others"
                " twice; bring the instance back (state=reverted) and move it again"
            )
        goal = gate.goal_for(instance, host, port, [], 0)
        if goal.expect_connection and instance.found["connections"] and not self._connected(instance):
            raise PooledError(
                f"{name} is configured for {host}:{port}, but the running Odoo does not use it: the configuration was"
                " changed without a restart. Restart the container, then run this again",
                "name",
            )

    def _check_movable(self, instance: _odoo_instance.Instance) -> None:
        context = self.context
        if context.phase == journal.MOVED and self.prior is None:
            after = context.kept["after"]
            raise PooledError(
                f"{context.name} was moved to {after['host']}:{after['port']} before and uses another address now. Bring it"
                f" back first with state=reverted; or, if it was set up anew since, remove its rollback token {context.token}"
            )
        _odoo_instance.check_movable(instance)
        _odoo_instance.check_replica(instance)
        if not context.params["ignore_shadowed"] and self.prior is None:
            _odoo_instance.check_sources_agree(instance)

    def _choose(self, instance: _odoo_instance.Instance, parts: t.Collection[str], name: NameOrReason) -> Choice:
        """The first method that is open. What costs a look at the host is asked only of that one."""
        repeats = self.prior is not None and self.prior is self.context.record
        asked = self.context.kept["method"] if repeats else self.context.params["method"]
        passed_over: list[Way] = []
        for method in ways(instance.circumstances, parts):
            if asked not in ("auto", method.name):
                continue
            obstacle = None if method.open else method.reason
            if method.open and not repeats:
                obstacle = METHODS[method.name](self.context).obstacle(instance, name, self._former_ends(instance))
            if obstacle is None:
                return Choice(method, passed_over)
            passed_over.append(method._replace(open=False, reason=obstacle))
        reasons = "; ".join(f"{method.name}: {method.reason}" for method in passed_over)
        raise PooledError(f"no method can move {instance.name} ({reasons})", "method")

    def _runner_address(
        self, instance: _odoo_instance.Instance, before: t.Mapping[str, t.Any], method: Method
    ) -> _queue_job.Address | None:
        """What the move has to tell the instance's job runner, if it has one."""
        if method.runner_place is None:
            return None
        if self.prior is not None:
            kept = self.prior.get("job_runner")
            return _queue_job.Address(**kept) if kept else None
        params = self.context.params
        # The name that Odoo had for PostgreSQL may mean the pooler by now, for another instance's sake.
        networks = instance.inspection["NetworkSettings"]["Networks"]
        given = _alias_record.former_addresses(self.context.state_dir, networks, before["host"])
        own = _queue_job.Address(given[0] if given else before["host"], before["port"])
        wanted = own
        if params["runner_host"]:
            wanted = _queue_job.Address(params["runner_host"], params["runner_port"])
        runner = instance.found["job_runner"]
        may_set = method.runner_place == "environment" or bool(runner and runner["reads_conf"])
        try:
            return _queue_job.address_to_set(
                runner, instance.found["db_user"], own, _queue_job.Address(**self.target), wanted, may_set
            )
        except PooledError as error:
            raise PooledError(f"{self.context.name} cannot be moved: {error}") from error

    def _runner_connections(
        self, container: t.Any, instance: _odoo_instance.Instance, runner: _queue_job.Address | None
    ) -> int:
        """Connections to the former address that are right after the move: the job runner's, one for each of its tenants."""
        own = instance.found["job_runner"]
        if own is None:
            return 0
        # By address, because it may have another name for the same server.
        host = runner.host if runner else own["host"]
        ends = {end[0] for end in self._former_ends(instance)}
        if not ends & set(gate.resolves(container, host)):
            return 0
        address = {"host": instance.address.host, "port": instance.address.port}
        answer = _docker.probe(container, {"do": "databases", "queue_job": True, **address}, instance.found["python"])
        return len(answer["queue_job"])

    def _former_ends(self, instance: _odoo_instance.Instance) -> list[gate.End]:
        if self.prior is not None:
            return [(end[0], end[1]) for end in self.prior["former_ends"]]
        host, networks = instance.address.host, instance.inspection["NetworkSettings"]["Networks"]
        # Another instance may have been moved by this very name.
        before = _alias_record.former_addresses(self.context.state_dir, networks, host)
        addresses = before or instance.found["resolved"].get(host, [])
        return [(address, instance.address.port) for address in addresses]

    def _check_resolves(self, container: t.Any) -> list[str]:
        host = self.target["host"]
        arrived = gate.resolves(container, host)
        if not arrived:
            raise PooledError(
                f"{host!r} does not resolve inside {self.context.name}; connect the pooler to one of its networks"
                f" ({', '.join(sorted(container.attrs['NetworkSettings']['Networks']))})",
                "host",
            )
        return arrived

    def _take_back(self, error: BaseException) -> t.NoReturn:
        """After a failed move: everything as it was, and the reason. Before the record was written nothing was changed."""
        if not self.context.saved:
            raise error
        try:
            # A name that was given away for others' sake stays theirs.
            outcome = self._revert(names="alias" in self.context.kept)
        except _docker.ERRORS as second:
            raise PooledError(
                f"{error}. Putting it back failed too: {second}. The rollback token is kept; repeat with state=reverted"
            ) from error
        then = (
            "works at its former address again" if outcome.works else "will use its former address when it runs again"
        )
        raise PooledError(f"{error}. It was rolled back and {then}") from error

    # --- and back -----------------------------------------------------------------------------------------------------

    def revert(self) -> dict[str, t.Any]:
        context = self.context
        if context.record is None:
            return self._unchanged(None, "there is no rollback token, so it was not moved")
        before, after, method = context.kept["after"], context.kept["before"], context.kept["method"]
        result = {
            "changed": True,
            "method": method,
            "reason": f"it was moved by {method}",
            "interruption": METHODS[method].interruption,
            "interrupts": METHODS[method].interrupts,
            "before": before,
            "after": after,
            "token": None,
            "diff": {"before": address_text(context.name, before), "after": address_text(context.name, after)},
        }
        if not context.check_mode:
            started = time.monotonic()
            result["gap_ms"] = self._revert().gap_ms
            result["duration_ms"] = round((time.monotonic() - started) * 1000)
        return result

    def _revert(self, names: bool = True) -> Outcome:
        """The record goes only when nothing of the move is left. *names*: also the name of PostgreSQL, if it was given away."""
        context = self.context
        if context.phase == journal.MOVED:
            context.kept["phase"] = journal.RETURNING
            context.save()
        if names:
            self._give_name_back()
        outcome = self._method().undo()
        context.forget()
        return outcome

    def _give_name_back(self) -> None:
        """The name to which the instance goes back must mean PostgreSQL again, whichever instance it was given away with."""
        context = self.context
        own = context.kept.get("networks", [])
        for record in _alias_record.load_all(context.state_dir):
            if record["name"] == context.kept["before"]["host"] and record["network"] in own:
                given = _alias.give_back(context.client, context.state_dir, record["network"], record["name"])
                fixed = given and _alias.left_fixed(given)
                if fixed:
                    context.warnings.append(fixed)

    def _unchanged(self, address: dict[str, t.Any] | None, reason: str) -> dict[str, t.Any]:
        token = self.context.token if self.context.record else None
        return {"changed": False, "method": None, "reason": reason, "before": address, "after": address, "token": token}


def new_record(
    name: str,
    method: str,
    parts: t.Mapping[str, str],
    before: dict[str, t.Any],
    after: dict[str, t.Any],
    goal: gate.Goal,
    instance: _odoo_instance.Instance,
    runner: _queue_job.Address | None,
) -> journal.Record:
    return {
        "schema": journal.SCHEMA,
        "phase": journal.STARTED,
        "name": name,
        "method": method,
        "moves": sorted(parts),
        "before": before,
        "after": after,
        "former_ends": [list(end) for end in goal.old_endpoints],
        "health_path": goal.health_path,
        "expect_connection": goal.expect_connection,
        "job_runner": runner and runner._asdict(),
        "container_id": instance.inspection["Id"],
        "networks": sorted(instance.inspection["NetworkSettings"]["Networks"]),
    }


def described(method: Way, before: dict[str, t.Any], after: dict[str, t.Any]) -> dict[str, t.Any]:
    return {
        "changed": True,
        "method": method.name,
        "reason": method.reason,
        "interruption": method.interruption,
        "interrupts": METHODS[method.name].interrupts,
        "before": before,
        "after": after,
    }


def address_text(name: str, address: t.Mapping[str, t.Any]) -> str:
    return f"{name}: database {address['host']}:{address['port']}\n"


def difference(
    name: str, place: str, before: dict[str, t.Any], after: dict[str, t.Any], runner: _queue_job.Address | None
) -> dict[str, str]:
    return {
        "before": address_text(name, before),
        "after": address_text(name, after)
        + (f"{name}: job runner's database {runner.host}:{runner.port}\n" if runner else ""),
        "before_header": f"{name} ({place})",
        "after_header": f"{name} ({place})",
    }
