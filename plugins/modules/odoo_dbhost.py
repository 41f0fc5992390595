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
    connections go to the new address and no longer to the old one. If that does not happen, everything is put back.
  - Keeps a rollback token from which O(state=reverted) restores the very bytes of odoo.conf, or the very container, that
    were there.
extends_documentation_fragment:
  - pooled.odoo._attributes
  - pooled.odoo._docker
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
      - Database host for the job runner of OCA queue_job, if the instance starts one. A transaction pool cannot serve it, so
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

import os
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pooled.odoo.plugins.module_utils import (
    _alias,
    _compose,
    _compose_file,
    _cutover,
    _docker,
    _files,
    _moves,
    _odoo_address,
    _odoo_conf,
    _odoo_instance,
    _queue_job,
)
from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError

KEYS = {"host": "db_host", "port": "db_port"}


class Choice(t.NamedTuple):
    """The method to use, and the less disruptive ones that are not open."""

    method: _odoo_address.Method
    passed_over: list[_odoo_address.Method]


def choose_method(instance: _odoo_instance.Instance, moves: t.Collection[str], asked: str) -> Choice:
    """Raises PooledError with the reason against each method when none is open. Pure."""
    methods = _odoo_address.methods(instance.circumstances, moves)
    candidates = [method for method in methods if asked in ("auto", method.name)]
    for position, method in enumerate(candidates):
        if method.open:
            return Choice(method, candidates[:position])
    reasons = "; ".join(f"{method.name}: {method.reason}" for method in candidates)
    raise PooledError(f"{instance.name} cannot be moved this way ({reasons})", "method")


class Job(t.NamedTuple):
    """What one move is to do. *moves* are the parts of the address that change; *runner* is the address that the job runner
    gets, if any; *name* what the database's name is on the instance's networks, or why it cannot be moved."""

    container: t.Any
    instance: _odoo_instance.Instance
    moves: t.Mapping[str, str]
    runner: _queue_job.Address | None
    method: str
    name: _alias.Name | str


class Target:
    """One container on its Docker host, with the record of its move."""

    def __init__(self, params: dict[str, t.Any], check_mode: bool) -> None:
        self.params = params
        self.check_mode = check_mode
        self.name: str = params["name"]
        self.client = _docker.connect(params)
        self.lock = None if check_mode else _cutover.lock(params["state_dir"], self.name)
        self.record = _cutover.load(params["state_dir"], self.name)
        # The record of an instance with the same odoo.conf, which was edited for that one's sake.
        self.leader: _cutover.Record | None = None
        self.warnings: list[str] = []
        if not check_mode:
            for name in _alias.mend(self.client, params["state_dir"]):
                self.warnings.append(f"an interrupted run had left {name} off its network; it is back")

    @property
    def kept(self) -> _cutover.Record:
        """The record, where a move has begun for sure."""
        if self.record is None:
            raise PooledError(f"there is no record of a move of {self.name}")
        return self.record

    @property
    def interrupted(self) -> bool:
        return self.record is not None and self.kept["phase"] == _cutover.STARTED

    @property
    def pooler_ends(self) -> list[_moves.End]:
        return [(end[0], end[1]) for end in self.kept["pooler_ends"]]

    def save(self) -> str:
        return _cutover.save(self.params["state_dir"], self.kept)

    def instance(self) -> tuple[t.Any, _odoo_instance.Instance, _alias.Name | str]:
        container = _docker.find(self.client, self.name)
        _docker.check_runs(container, "name")
        instance, name = _moves.look_at(self.client, container)
        if self.record is not None and "alias" in self.kept:
            # An interrupted run may have moved the name already.
            holder = _docker.find_or_none(self.client, self.kept["alias"]["holder"])
            name = _alias.Name(self.kept["alias"]["network"], self.kept["alias"]["name"], holder)
            instance = _odoo_instance.with_name(instance, None)
        return container, instance, name

    # --- there --------------------------------------------------------------------------------------------------------

    def move(self) -> dict[str, t.Any]:
        host, port = self.params["host"], self.params["port"]
        if self.record is not None and self.kept["phase"] == _cutover.RETURNING:
            raise PooledError(
                f"the way back of {self.name} was interrupted; bring it back with state=reverted first (playbooks do)"
            )
        if self.interrupted:
            if self.kept["after"] != {"host": host, "port": port}:
                raise PooledError(
                    f"a move of {self.name} to {self.kept['after']['host']}:{self.kept['after']['port']} was"
                    " interrupted; repeat that one, or bring it back with state=reverted, before another"
                )
            if not self.check_mode:
                self.undo_interrupted_recreate()
                self.finish_interrupted_compose()
        if self.file_was_put_back():
            # So it is moved once more.
            self.kept["phase"] = _cutover.STARTED
        container, instance, name = self.instance()
        if self.moved_by_alias(container, instance):
            return self.unchanged(self.kept["before"], "the instance reaches the pooler by its own name for PostgreSQL")
        instance, name = self.as_it_runs(container, instance, name)
        moves = _odoo_address.parts_to_move(instance.address, host, port)
        before = {"host": instance.address.host, "port": instance.address.port}
        if self.interrupted:
            # odoo.conf may be edited already, but nobody saw the instance use it.
            moves = {part: str(self.kept["after"][part]) for part in self.kept["moves"]}
            before = self.kept["before"]
        if not moves:
            # It may have got a job runner since it was moved.
            self.check_runner(instance)
            self.check_used(instance, host, port)
            return self.unchanged(before, "the instance uses this address already")
        self.check_not_moved_before()
        _odoo_instance.check_movable(instance)
        _odoo_instance.check_replica(instance)
        if not self.params["ignore_shadowed"] and not self.interrupted and self.leader is None:
            _odoo_instance.check_sources_agree(instance)
        choice = self.choose(instance, moves, name)
        method = choice.method
        runner = None if method.name == "alias" else self.runner_address(instance, before, method.name)
        result = {
            **described(method, before, {"host": host, "port": port}),
            "passed_over": [{"name": passed.name, "reason": passed.reason} for passed in choice.passed_over],
            "job_runner": runner and runner._asdict(),
            "diff": difference(self.name, instance, before, host, port, runner, method.name),
        }
        work = WORK[method.name](self, Job(container, instance, moves, runner, method.name, name))
        if self.check_mode:
            # The name is not asked for: an earlier task may be about to create it.
            return {**result, "token": None}
        arrived = _moves.resolves(container, host)
        if not arrived:
            raise PooledError(
                f"{host!r} does not resolve inside {self.name}; connect the pooler to one of its networks"
                f" ({', '.join(sorted(container.attrs['NetworkSettings']['Networks']))})",
                "host",
            )
        staying = self.runner_connections(container, instance, runner)
        goal = _moves.goal_for(instance, host, port, self.former_ends(instance), staying)
        self.begin(method.name, moves, before, goal, instance, arrived, runner)
        started = time.monotonic()
        gap = work.carry_out(goal)
        self.kept["phase"] = _cutover.MOVED
        token = self.save()
        duration = round((time.monotonic() - started) * 1000)
        return {**result, "gap_ms": gap, "duration_ms": duration, "token": token}

    def choose(self, instance: _odoo_instance.Instance, moves: t.Collection[str], name: _alias.Name | str) -> Choice:
        """The method, where a name that is chosen can be moved for sure."""
        if self.interrupted:
            return choose_method(instance, moves, self.kept["method"])
        choice = choose_method(instance, moves, self.params["method"])
        if choice.method.name != "alias" or isinstance(name, str):
            return choice
        hindrance = (
            self.upstream(name)
            or (_alias.risk(self.client, name) if self.params["method"] == "auto" else None)
            or _alias.hindrance(self.client, name, instance.inspection)
            or self.others_connected(instance, name)
        )
        return choose_method(_odoo_instance.with_name(instance, hindrance), moves, self.params["method"])

    def upstream(self, name: _alias.Name) -> str | None:
        if name.name != self.params["upstream_host"]:
            return None
        return (
            f"the pooler itself reaches PostgreSQL by the name {name.name}; with PostgreSQL's address there (upstream_host,"
            " pooled_odoo_postgres_host) this way would be open"
        )

    def others_connected(self, instance: _odoo_instance.Instance, name: _alias.Name) -> str | None:
        others = _alias.strangers(self.client, name, self.former_ends(instance), [self.name, *self.params["followers"]])
        if others is None:
            self.warnings.append(
                f"this host cannot tell who else on the network {name.network} uses the name {name.name}; everybody who does"
                " is led to the pooler"
            )
            return None
        if others:
            return (
                f"{', '.join(others)} on the network {name.network} also uses PostgreSQL and would be led to the pooler; give"
                f" it another name for PostgreSQL, or list it in followers (pooled_odoo_followers) if it may go along"
            )
        return None

    def moved_by_alias(self, container: t.Any, instance: _odoo_instance.Instance) -> bool:
        """Whether an earlier run has given the instance's name to the pooler and it still leads there."""
        if self.record is None or self.kept["phase"] != _cutover.MOVED or self.kept["method"] != "alias":
            return False
        if self.kept["after"] != {"host": self.params["host"], "port": self.params["port"]}:
            return False
        # In check mode the pooler may be about to be made.
        if _moves.resolves(container, self.params["host"]) and self.name_leads_to_poolers(container, instance):
            return True
        # Somebody has made PostgreSQL's container anew, with its name; so it is moved once more.
        self.kept["phase"] = _cutover.STARTED
        return False

    def name_leads_to_poolers(self, container: t.Any, instance: _odoo_instance.Instance) -> bool:
        try:
            poolers = _alias.poolers_on(self.client, self.kept["alias"]["network"], self.params["host"])
        except PooledError:
            return False
        return set(poolers) == set(_moves.resolves(container, instance.address.host))

    def file_was_put_back(self) -> bool:
        """Whether the odoo.conf by which it was moved says the address of before again, also because another instance, which
        shares it, was brought back."""
        if self.record is None or self.kept["phase"] != _cutover.MOVED or "file" not in self.kept:
            return False
        if self.kept["after"] != {"host": self.params["host"], "port": self.params["port"]}:
            return False
        now, before = _moves.content_of(self.kept["file"]) or b"", _cutover.file_before(self.kept["file"])
        says, said = (_odoo_conf.read(_moves.text_of(content)) for content in (now, before))
        return all(says.get(KEYS[part]) == said.get(KEYS[part]) for part in self.kept["moves"])

    def as_it_runs(
        self, container: t.Any, instance: _odoo_instance.Instance, name: _alias.Name | str
    ) -> tuple[_odoo_instance.Instance, _alias.Name | str]:
        """The instance with the address that it has read from its odoo.conf, where that was edited since to move another instance
        which shares it; else as it is."""
        if self.record is not None or instance.conf is None:
            return instance, name
        record = _cutover.by_same_file(self.params["state_dir"], self.name, instance.conf.host_path)
        if record is None or record["after"] != {"host": self.params["host"], "port": self.params["port"]}:
            return instance, name
        if self.connected(instance):
            return instance, name
        said = _odoo_conf.read(_moves.text_of(_cutover.file_before(record["file"])))
        conf = {key: value for key, value in instance.found["conf"].items() if key not in KEYS.values()}
        conf.update({key: said[key] for key in KEYS.values() if key in said})
        running, its_name = _moves.understand(self.client, container, {**instance.found, "conf": conf})
        if running.address.host_source.kind != "file":
            return instance, name
        self.leader = record
        return running, its_name

    def connected(self, instance: _odoo_instance.Instance) -> bool:
        """Whether the running Odoo has connections to the address that it is to have."""
        host, port = self.params["host"], self.params["port"]
        arrived = {(address, port) for address in instance.found["resolved"].get(host, [])}
        return bool(arrived & {(end["address"], end["port"]) for end in instance.found["connections"]})

    def runner_address(
        self, instance: _odoo_instance.Instance, before: t.Mapping[str, t.Any], method: str
    ) -> _queue_job.Address | None:
        """What the move has to tell the instance's job runner, if it has one."""
        if self.interrupted or self.leader is not None:
            kept = (self.leader or self.kept).get("job_runner")
            return kept and _queue_job.Address(**kept)
        # The name that Odoo had for PostgreSQL may mean the pooler by now, for another instance's sake.
        networks = instance.inspection["NetworkSettings"]["Networks"]
        given = _alias.former_addresses(self.params["state_dir"], networks, before["host"])
        own = _queue_job.Address(given[0] if given else before["host"], before["port"])
        wanted = own
        if self.params["runner_host"]:
            wanted = _queue_job.Address(self.params["runner_host"], self.params["runner_port"])
        pooler = _queue_job.Address(self.params["host"], self.params["port"])
        runner = instance.found["job_runner"]
        may_set = method == "recreate" or bool(runner and runner["reads_conf"])
        try:
            return _queue_job.address_to_set(runner, instance.found["db_user"], own, pooler, wanted, may_set)
        except PooledError as error:
            raise PooledError(f"{self.name} cannot be moved: {error}") from error

    def check_runner(self, instance: _odoo_instance.Instance) -> None:
        pooler = _queue_job.Address(self.params["host"], self.params["port"])
        if _queue_job.is_lost(instance.found["job_runner"], pooler):
            self.warnings.append(
                f"{self.name} starts a job runner (queue_job) that uses the"
                " transaction pool, where it loses jobs and runs others twice; bring the instance back (state=reverted) and"
                " move it again"
            )

    def runner_connections(
        self,
        container: t.Any,
        instance: _odoo_instance.Instance,
        runner: _queue_job.Address | None,
    ) -> int:
        """Connections to the former address that are right after the move: the job runner's, one for each of its tenants."""
        own = instance.found["job_runner"]
        if own is None:
            return 0
        # By address, because it may have another name for the same server.
        host = runner.host if runner else own["host"]
        ends = {end[0] for end in self.former_ends(instance)}
        if not ends & set(_moves.resolves(container, host)):
            return 0
        address = {"host": instance.address.host, "port": instance.address.port}
        answer = _docker.probe(container, {"do": "databases", "queue_job": True, **address}, instance.found["python"])
        return len(answer["queue_job"])

    def check_used(self, instance: _odoo_instance.Instance, host: str, port: int) -> None:
        """What is configured counts only if the running Odoo has read it."""
        goal = _moves.goal_for(instance, host, port, [], 0)
        if goal.expect_connection and instance.found["connections"] and not self.connected(instance):
            raise PooledError(
                f"{self.name} is configured for {host}:{port}, but the running Odoo does not use it: the configuration was"
                " changed without a restart. Restart the container, then run this again",
                "name",
            )

    def check_not_moved_before(self) -> None:
        if self.record is not None and self.kept["phase"] == _cutover.MOVED:
            after = self.kept["after"]
            path = _cutover.path_of(self.params["state_dir"], self.name)
            raise PooledError(
                f"{self.name} was moved to {after['host']}:{after['port']} before and uses another address now. Bring it"
                f" back first with state=reverted; or, if it was set up anew since, remove its rollback token {path}"
            )

    def former_ends(self, instance: _odoo_instance.Instance) -> list[_moves.End]:
        if self.interrupted or self.leader is not None:
            return [tuple(end) for end in (self.leader or self.kept)["former_ends"]]
        host, networks = instance.address.host, instance.inspection["NetworkSettings"]["Networks"]
        # Another instance may have been moved by this very name.
        before = _alias.former_addresses(self.params["state_dir"], networks, host)
        addresses = before or instance.found["resolved"].get(host, [])
        return [(address, instance.address.port) for address in addresses]

    def begin(
        self,
        method: str,
        moves: t.Mapping[str, str],
        before: dict[str, t.Any],
        goal: _moves.Goal,
        instance: _odoo_instance.Instance,
        arrived: t.Sequence[str],
        runner: _queue_job.Address | None,
    ) -> None:
        """Begins the record, which is written before anything is changed. One that an interrupted run left stays."""
        if self.record is None:
            self.record = {
                "schema": _cutover.SCHEMA,
                "phase": _cutover.STARTED,
                "name": self.name,
                "method": method,
                "moves": sorted(moves),
                "before": before,
                "after": {"host": goal.host, "port": goal.port},
                "former_ends": [list(end) for end in goal.leave],
                "health_path": goal.health_path,
                "expect_connection": goal.expect_connection,
                "job_runner": runner and runner._asdict(),
                "container_id": instance.inspection["Id"],
                "networks": sorted(instance.inspection["NetworkSettings"]["Networks"]),
            }
        # The pooler may have been made anew since.
        self.kept["pooler_ends"] = [[address, goal.port] for address in arrived]

    def put_back(self, error: BaseException) -> t.NoReturn:
        """After a failed move: everything as it was, and the reason."""
        try:
            _gap, works = self.revert()
        except _docker.ERRORS as second:
            raise PooledError(
                f"{error}. Putting it back failed too: {second}. The rollback token is kept; repeat with state=reverted"
            ) from error
        outcome = "works at its former address again" if works else "will use its former address when it runs again"
        raise PooledError(f"{error}. It was put back and {outcome}") from error

    def undo_interrupted_recreate(self) -> None:
        """From wherever a recreation stopped: the former container under its own name, running; the new one gone."""
        if not self.interrupted or self.kept["method"] != "recreate":
            return
        former = _docker.find_or_none(self.client, self.kept["container_id"])
        if former is None:
            raise PooledError(
                f"the former container of {self.name} was removed while its move was unfinished; repeat with state=reverted"
            )
        self.remove_own_container()
        self.check_name_is_free(former)
        if self.kept.get("stopping"):
            # Docker may still be at it; started before that has ended, it would stop all the same.
            former.stop(timeout=_moves.STOP_TIMEOUT)
        _moves.unpark(former, self.name, self.kept["restart_policy"])
        former.start()
        _moves.wait_for(former, self.way_back(), self.params["timeout"])
        _cutover.drop(self.params["state_dir"], self.name)
        self.record = None

    def finish_interrupted_compose(self) -> None:
        """Where a run died while Compose exchanged the container there may be none; Compose makes what its files say."""
        if not self.interrupted or self.kept["method"] != "compose":
            return
        container = _docker.find_or_none(self.client, self.name)
        if container is None or container.status != "running":
            service = _compose.Service(**self.kept["compose"]["service"])
            _compose.Compose(service, self.params["compose_command"]).up(self.lock)

    def remove_own_container(self) -> None:
        """Removes the container that this move made, and no other."""
        if "new_id" in self.kept:
            made = _docker.find_or_none(self.client, self.kept["new_id"])
            if made is not None:
                made.remove(force=True)
            return
        # Between its creation and the note of its id a run has died.
        unnoted = _moves.wait_for_creation(self.client, _moves.new_name(self.name))
        if unnoted is not None and unnoted.status == "created":
            unnoted.remove()

    def check_name_is_free(self, former: t.Any | None) -> None:
        holder = _docker.find_or_none(self.client, self.name)
        own = {former.id if former else None, self.kept.get("new_id")}
        if holder is not None and holder.id not in own:
            path = _cutover.path_of(self.params["state_dir"], self.name)
            raise PooledError(
                f"{self.name} is a container now that this module did not make, so it is left alone. Remove it to bring the"
                f" former one back, or remove the rollback token {path}"
            )

    # --- and back -----------------------------------------------------------------------------------------------------

    def revert_if_moved(self) -> dict[str, t.Any]:
        if self.record is None:
            return self.unchanged(None, "there is no rollback token, so it was not moved")
        before, after = self.kept["after"], self.kept["before"]
        method = self.kept["method"]
        result = {
            "changed": True,
            "method": method,
            "reason": f"it was moved by {method}",
            "interruption": _odoo_address.INTERRUPTION[method],
            "interrupts": method in _odoo_address.INTERRUPTING,
            "before": before,
            "after": after,
            "token": None,
            "diff": {"before": address_text(self.name, before), "after": address_text(self.name, after)},
        }
        if not self.check_mode:
            started = time.monotonic()
            result["gap_ms"], _works = self.revert()
            result["duration_ms"] = round((time.monotonic() - started) * 1000)
        return result

    def revert(self) -> tuple[int, bool]:
        """Milliseconds without an instance, and whether it was seen to work at its former address. The record goes only
        when nothing of the move is left."""
        if not self.interrupted:
            self.kept["phase"] = _cutover.RETURNING
            self.save()
        self.give_name_back()
        ways = {"recreate": self.revert_container, "alias": self.revert_alias, "compose": self.revert_compose}
        reverted = ways.get(self.kept["method"], self.revert_conf)()
        _cutover.drop(self.params["state_dir"], self.name)
        self.record = None
        return reverted

    def give_name_back(self) -> None:
        """The name to which the instance goes back must mean PostgreSQL again, whichever instance it was given away with."""
        for record in _alias.load_all(self.params["state_dir"]):
            own = self.kept.get("networks", [])
            if record["name"] == self.kept["before"]["host"] and record["network"] in own:
                given = _alias.give_back(self.client, self.params["state_dir"], record["network"], record["name"])
                fixed = given and _alias.left_fixed(given)
                if fixed:
                    self.warnings.append(fixed)

    def running(self) -> t.Any | None:
        """The instance on its way back. Where it was lost meanwhile there is a warning, and nothing to wait for."""
        container = _docker.find_or_none(self.client, self.name) and _docker.find(self.client, self.name)
        if container is not None and container.status == "paused":
            # When it goes on it goes on as it was, with the pooler's address.
            _docker.check_runs(container, "name")
        if container is not None and container.status == "running":
            return container
        state = "gone" if container is None else container.status
        self.warnings.append(f"{self.name} is {state}; it will use its former address when it runs again")
        return None

    def revert_alias(self) -> tuple[int, bool]:
        """Behind :meth:`give_name_back` only open connections are left to bring home."""
        container = self.running()
        if container is None:
            return 0, False
        _moves.renew(container, self.params["timeout"])
        _moves.wait_for(container, self.way_back(), self.params["timeout"])
        return 0, True

    def revert_compose(self) -> tuple[int, bool]:
        kept = self.kept["compose"]
        service = _compose.Service(**kept["service"])
        compose = _compose.Compose(service, self.params["compose_command"])
        for entry in kept["files"]:
            content = _files.read(entry["path"])
            if content is None:
                # Whose it was is not known any more, and a password may be in it.
                private = _files.Attributes(os.geteuid(), os.getegid(), 0o600)
                _files.replace(entry["path"], _cutover.file_before(entry), private)
                self.warnings.append(f"{entry['path']} was gone; it is there again, for root alone")
            elif _cutover.is_ours(entry, content):
                _compose.write(entry["path"], _cutover.file_before(entry))
            elif content != _cutover.file_before(entry):
                self.warnings.append(
                    f"{entry['path']} was changed after the cutover, so only the database's address was put back in it"
                )
                former = _compose_file.set_variables(compose.project(), service.service, kept["former"])
                for path, text in former.items():
                    _compose.write(path, _moves.bytes_of(text))
        started = time.monotonic()
        compose.up(self.lock)
        container = _docker.find(self.client, self.name)
        _moves.wait_for(container, self.way_back(), self.params["timeout"])
        return round((time.monotonic() - started) * 1000), True

    def way_back(self) -> _moves.Goal:
        """From the record alone, because there may be no instance left to ask."""
        before = self.kept["before"]
        # A pooler that came later counts too.
        after = self.kept["after"]
        later = [(address, after["port"]) for address in _alias.poolers(self.client, after["host"])]
        leave = tuple(sorted({*self.pooler_ends, *later}))
        return _moves.Goal(
            before["host"], before["port"], leave, 0, self.kept["health_path"], self.kept["expect_connection"]
        )

    def revert_conf(self) -> tuple[int, bool]:
        keys = {_odoo_conf.OPTIONS: [KEYS[part] for part in self.kept["moves"]]}
        if self.kept.get("job_runner"):
            keys[_queue_job.SECTION] = list(_queue_job.KEYS.values())
        warning = _moves.restore_file(self.kept["file"], keys)
        if warning:
            self.warnings.append(warning)
        container = self.running()
        if container is None:
            return 0, False
        started = time.monotonic()
        found = _docker.probe(container, {"do": "describe"})
        # If Odoo died of the move, a start is what it needs.
        method = self.kept["method"] if found["odoo"] else "restart"
        _moves.apply_conf(container, method, found.get("pid"), found.get("python"))
        _moves.wait_for(container, self.way_back(), self.params["timeout"])
        return 0 if method == "reload" else round((time.monotonic() - started) * 1000), True

    def revert_container(self) -> tuple[int, bool]:
        former = _docker.find_or_none(self.client, self.kept["container_id"])
        if self.interrupted and former is not None:
            self.undo_interrupted_recreate()
            return 0, True
        self.check_name_is_free(former)
        current = _docker.find_or_none(self.client, self.kept.get("new_id"))
        if former is None:
            self.warnings.append(f"the former container of {self.name} was removed; it was created anew from the token")
            former = self.created_anew()
        goal = self.way_back()
        if current is not None and current.status == "running":
            gap = _moves.swap(current, former, goal, self.params["timeout"])
            current.remove(force=True)
            _moves.unpark(former, self.name, self.kept["restart_policy"])
            return gap, True
        # What runs now is broken or gone, so there is nothing to go back to; the former one is started in any case.
        if current is not None:
            current.remove(force=True)
        _moves.unpark(former, self.name, self.kept["restart_policy"])
        started = time.monotonic()
        former.start()
        _moves.wait_for(former, goal, self.params["timeout"])
        return round((time.monotonic() - started) * 1000), True

    def created_anew(self) -> t.Any:
        """The former container, from the token; it is noted, so that a repetition finds it."""
        name = _moves.former_name(self.name)
        # Docker creates it also for a run that is killed before it can note that.
        unnoted = _docker.find_or_none(self.client, name)
        if unnoted is not None and unnoted.status == "created":
            unnoted.remove()
        former = _moves.create_like(self.client, self.kept["inspection"], name, {}, {})
        self.kept["container_id"] = former.id
        self.save()
        return former

    def unchanged(self, address: dict[str, t.Any] | None, reason: str) -> dict[str, t.Any]:
        token = _cutover.path_of(self.params["state_dir"], self.name) if self.record else None
        return {"changed": False, "method": None, "reason": reason, "before": address, "after": address, "token": token}


class Edit:
    """A move by an edited odoo.conf. Creating it reads and edits in memory, so that what cannot work shows at once."""

    def __init__(self, target: Target, job: Job) -> None:
        if job.instance.conf is None:
            raise PooledError(f"{target.name} has no odoo.conf on this host", "method")
        self.target, self.job = target, job
        self.mount = job.instance.conf
        self.place = _moves.real_path(job.instance.inspection, self.mount)
        self.content = _moves.read_conf(self.place)
        edited = _odoo_conf.edit(_moves.text_of(self.content), {KEYS[part]: value for part, value in job.moves.items()})
        if job.runner:
            edited = _odoo_conf.edit(edited, _queue_job.values(job.runner, _queue_job.KEYS), _queue_job.SECTION)
        self.edited = _moves.bytes_of(edited)

    def carry_out(self, goal: _moves.Goal) -> int:
        target, mount = self.target, self.mount
        if target.leader is not None:
            target.kept["file"] = target.leader["file"]
        if "file" not in target.kept:
            target.kept["file"] = _cutover.remember_file(
                mount.host_path, self.content, self.edited, mount.single_file, self.place
            )
        target.save()
        started = time.monotonic()
        try:
            if self.content != self.edited:
                _moves.write_conf(self.place, self.edited, mount.single_file)
            found = self.job.instance.found
            _moves.apply_conf(self.job.container, self.job.method, found["pid"], found["python"])
            _moves.wait_for(self.job.container, goal, target.params["timeout"])
        except _docker.ERRORS as error:
            target.put_back(error)
        return 0 if self.job.method == "reload" else round((time.monotonic() - started) * 1000)


class Renaming:
    """A move by the name under which the instance reaches PostgreSQL."""

    def __init__(self, target: Target, job: Job) -> None:
        if isinstance(job.name, str):
            raise PooledError(job.name, "method")
        self.target, self.job, self.name = target, job, job.name
        for warning in (_alias.passing(job.name), _alias.risk(target.client, job.name)):
            if warning:
                target.warnings.append(warning)

    def carry_out(self, goal: _moves.Goal) -> int:
        target, name = self.target, self.name
        poolers = _alias.poolers_on(target.client, name.network, goal.host)
        for pooler in poolers.values():
            _alias.check_upstream(pooler, name.name)
        target.kept["alias"] = {
            "network": name.network,
            "name": name.name,
            "holder": name.holder and name.holder.name,
        }
        target.kept["pooler_ends"] = [[address, goal.port] for address in poolers]
        target.save()
        former = [address for address, _port in goal.leave]
        taken = _alias.take(target.client, target.params["state_dir"], name, list(poolers.values()), former)
        try:
            self.check_leads_there()
            _moves.renew(self.job.container, target.params["timeout"])
            _moves.wait_for(self.job.container, goal._replace(host=name.name), target.params["timeout"])
        except _docker.ERRORS as error:
            if taken:
                target.put_back(error)
            raise PooledError(
                f"{error}. The name {name.name} stays with the pooler, because others were moved with it before; bring them"
                " all back with playbook pooled.odoo.rollback, or mend the cause and repeat"
            ) from error
        return 0

    def check_leads_there(self) -> None:
        arrived = {address for address, _port in self.target.pooler_ends}
        leads = set(_moves.resolves(self.job.container, self.name.name))
        if leads != arrived:
            raise PooledError(
                f"{self.name.name} means {', '.join(sorted(leads)) or 'nothing'} in {self.target.name} now, and not only the"
                f" pooler ({', '.join(sorted(arrived))})"
            )


class ComposeEdit:
    """A move by the files of the container's Compose project. Creating it reads, edits in memory and asks Compose what that
    would mean."""

    def __init__(self, target: Target, job: Job) -> None:
        service = _compose.service_of(job.instance.inspection)
        if service is None:
            raise PooledError(f"{target.name} was not made by Compose", "method")
        self.target, self.job, self.service = target, job, service
        self.compose = _compose.Compose(service, target.params["compose_command"])
        self.project = self.compose.project()
        self.variables, _arguments = replacements(job.instance, job.moves)
        if job.runner:
            self.variables.update(_queue_job.values(job.runner, _queue_job.VARIABLES))
        self.edited = _compose_file.set_variables(self.project, service.service, self.variables)
        if not target.interrupted and not self.written_by_us():
            self.compose.check_unchanged()
        self.before = self.compose.meaning()
        if self.edited and self.compose.can_foresee(self.edited):
            self.check(self.compose.meaning(self.edited))

    def check(self, after: dict[str, t.Any]) -> None:
        _compose.check_effect(self.before, after, {self.service.service, *self.following()}, self.variables)
        _compose.check_arrival(after, self.service.service, self.variables)

    def following(self) -> set[str]:
        """Services of the same project that may go along."""
        found = (_docker.find_or_none(self.target.client, name) for name in self.target.params["followers"])
        services = (_compose.service_of(container.attrs) for container in found if container is not None)
        return {service.service for service in services if service and service.project == self.service.project}

    def written_by_us(self) -> bool:
        """Whether another instance's move has changed these files last, so that Compose finds them changed."""
        entries = [entry for record in self.records_of_files() for entry in record["compose"]["files"]]
        return any(_cutover.is_ours(entry, _files.read(entry["path"]) or b"") for entry in entries)

    def carry_out(self, goal: _moves.Goal) -> int:
        target = self.target
        if "compose" not in target.kept:
            target.kept["compose"] = self.memory()
        target.save()
        started = time.monotonic()
        try:
            for path, text in sorted(self.edited.items()):
                _compose.write(path, _moves.bytes_of(text))
            self.check(self.compose.meaning())
            self.compose.up(target.lock)
            _moves.wait_for(_docker.find(target.client, target.name), goal, target.params["timeout"])
        except _docker.ERRORS as error:
            target.put_back(error)
        return round((time.monotonic() - started) * 1000)

    def memory(self) -> dict[str, t.Any]:
        """What the way back needs: the files as they were, and the values by themselves in case somebody else edits the files
        meanwhile."""
        files = [
            _cutover.remember_file(path, _files.read(path) or b"", _moves.bytes_of(text), False)
            for path, text in sorted(self.edited.items())
        ]
        former = {}
        for name in self.variables:
            place = _compose_file.find(self.project, self.service.service, name)
            former[name] = place.value if place else None
        if not files:
            # A value that several services share was changed with the first of them.
            for record in self.records_of_files():
                files, former = record["compose"]["files"], record["compose"]["former"]
        return {"service": self.service._asdict(), "former": former, "files": files}

    def records_of_files(self) -> list[_cutover.Record]:
        """Moves of other instances by the same project's files that these files still show."""
        paths = {*self.service.compose_files, *self.service.variable_files}
        found = []
        for record in _cutover.all_records(self.target.params["state_dir"]):
            entries = record.get("compose", {}).get("files", [])
            if any(entry["path"] in paths for entry in entries) and record["name"] != self.target.name:
                found.append(record)
        return found


class Recreation:
    """A move by a new container in the place of the old one."""

    def __init__(self, target: Target, job: Job) -> None:
        container, runner = job.container, job.runner
        self.target, self.container = target, container
        self.variables, self.arguments = replacements(job.instance, job.moves)
        if runner:
            self.variables.update(_queue_job.values(runner, _queue_job.VARIABLES))
        if container.attrs["HostConfig"].get("AutoRemove"):
            raise PooledError(
                f"container {target.name} was started with --rm, so it would vanish with its data when it stops;"
                " start it without --rm first",
                "name",
            )
        for taken in (_moves.new_name(target.name), _moves.former_name(target.name)):
            if not target.interrupted and _docker.find_or_none(target.client, taken):
                raise PooledError(f"there is a container {taken} already; remove or rename it", "name")

    def carry_out(self, goal: _moves.Goal) -> int:
        target = self.target
        inspection = dict(self.container.attrs)
        target.kept["inspection"] = inspection
        target.kept["restart_policy"] = inspection["HostConfig"]["RestartPolicy"]
        target.save()
        try:
            incoming = _moves.create_like(
                target.client, inspection, _moves.new_name(target.name), self.variables, self.arguments
            )
            target.kept["new_id"] = incoming.id
            target.save()
            gap = _moves.swap(self.container, incoming, goal, target.params["timeout"], self.note_stop)
            _moves.park(self.container, target.name)
            incoming.rename(target.name)
        except _docker.ERRORS as error:
            # This very run has waited for the stop, so there is none under way.
            target.kept["stopping"] = False
            target.undo_interrupted_recreate()
            raise PooledError(f"{error}. The former container runs again") from error
        return gap

    def note_stop(self) -> None:
        self.target.kept["stopping"] = True
        self.target.save()


WORK: dict[str, t.Callable[[Target, Job], t.Any]] = {
    "reload": Edit,
    "alias": Renaming,
    "compose": ComposeEdit,
    "restart": Edit,
    "recreate": Recreation,
}


def replacements(
    instance: _odoo_instance.Instance, moves: t.Mapping[str, str]
) -> tuple[dict[str, str], dict[str, str]]:
    """The environment variables and the arguments of the command that carry *moves*. Pure."""
    family = _odoo_address.FAMILIES[instance.circumstances.family]
    sources = {"host": instance.address.host_source, "port": instance.address.port_source}
    variables, arguments = {}, {}
    for part, value in moves.items():
        source = sources[part]
        if source.kind == "argument":
            arguments[source.name] = value
        elif source.kind == "environment":
            variables[source.name] = value
        else:
            variables[getattr(family, part)[0]] = value
    return variables, arguments


def described(method: _odoo_address.Method, before: dict[str, t.Any], after: dict[str, t.Any]) -> dict[str, t.Any]:
    return {
        "changed": True,
        "method": method.name,
        "reason": method.reason,
        "interruption": method.interruption,
        "interrupts": method.name in _odoo_address.INTERRUPTING,
        "before": before,
        "after": after,
    }


def address_text(name: str, address: t.Mapping[str, t.Any]) -> str:
    return f"{name}: database {address['host']}:{address['port']}\n"


def difference(
    name: str,
    instance: _odoo_instance.Instance,
    before: dict[str, t.Any],
    host: str,
    port: int,
    runner: _queue_job.Address | None,
    method: str,
) -> dict[str, str]:
    where = str(instance.address.host_source.kind)
    place = instance.conf.host_path if where == "file" and instance.conf else where
    if method == "alias":
        place = f"what the name {instance.address.host} means on its network"
    return {
        "before": address_text(name, before),
        "after": address_text(name, {"host": host, "port": port})
        + (f"{name}: job runner's database {runner.host}:{runner.port}\n" if runner else ""),
        "before_header": f"{name} ({place})",
        "after_header": f"{name} ({place})",
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **_docker.argument_spec(),
            "name": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["moved", "reverted"], "default": "moved"},
            "host": {"type": "str"},
            "port": {"type": "int", "default": 5432},
            "method": {"type": "str", "choices": ["auto", *WORK], "default": "auto"},
            "compose_command": {"type": "list", "elements": "str", "default": ["docker", "compose"]},
            "followers": {"type": "list", "elements": "str", "default": []},
            "upstream_host": {"type": "str"},
            "runner_host": {"type": "str"},
            "runner_port": {"type": "int", "default": 5432},
            "ignore_shadowed": {"type": "bool", "default": False},
            "timeout": {"type": "int", "default": 180},
            "state_dir": {"type": "path", "default": "/var/lib/pooled-odoo/cutover"},
        },
        required_if=[("state", "moved", ["host"])],
        supports_check_mode=True,
    )
    target = None
    try:
        target = Target(module.params, module.check_mode)
        result = target.move() if module.params["state"] == "moved" else target.revert_if_moved()
    except _docker.ERRORS as error:
        warn(module, target)
        module.fail_json(msg=str(error))
    warn(module, target)
    module.exit_json(**result)


def warn(module: AnsibleModule, target: Target | None) -> None:
    for warning in target.warnings if target else []:
        module.warn(warning)


if __name__ == "__main__":
    main()
