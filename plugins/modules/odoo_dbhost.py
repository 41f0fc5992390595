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
      - V(restart) edits odoo.conf on the host and restarts the container.
      - V(recreate) creates the same container with another environment or command. The old one is kept, stopped, for the
        way back, under the same name with C(-pooled-before) behind it.
    type: str
    choices: [auto, reload, restart, recreate]
    default: auto
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
  - The pooled.odoo developers
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
interruption:
  description: What users notice of this method.
  returned: when something changed
  type: str
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
  description: Milliseconds from the stop of the old container until the new one was seen to work. 0 for V(reload).
  returned: when something changed, outside check mode
  type: int
duration_ms:
  description: Milliseconds from the first change until the instance was seen to work at its new address.
  returned: when something changed, outside check mode
  type: int
token:
  description: Path of the rollback token on the target; null when there is none.
  returned: success
  type: str
"""

import time
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pooled.odoo.plugins.module_utils import (
    _cutover,
    _docker,
    _moves,
    _odoo_address,
    _odoo_conf,
    _odoo_instance,
)
from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError

KEYS = {"host": "db_host", "port": "db_port"}


def choose_method(instance: _odoo_instance.Instance, moves: t.Collection[str], asked: str) -> _odoo_address.Method:
    """The method to use; raises PooledError with the reason against each when none is open. Pure."""
    methods = _odoo_address.methods(instance.circumstances, moves)
    candidates = [method for method in methods if asked in ("auto", method.name)]
    for method in candidates:
        if method.open:
            return method
    reasons = "; ".join(f"{method.name}: {method.reason}" for method in candidates)
    raise PooledError(f"{instance.name} cannot be moved this way ({reasons})", "method")


class Target:
    """One container on its Docker host, with the record of its move."""

    def __init__(self, params: dict[str, t.Any], check_mode: bool) -> None:
        self.params = params
        self.check_mode = check_mode
        self.name: str = params["name"]
        self.client = _docker.connect(params)
        self.record = _cutover.load(params["state_dir"], self.name)
        self.warnings: list[str] = []

    def save(self) -> None:
        assert self.record is not None
        self.token = _cutover.save(self.params["state_dir"], self.record)

    def instance(self) -> tuple[t.Any, _odoo_instance.Instance]:
        container = _docker.find(self.client, self.name)
        if container.status != "running":
            raise PooledError(f"container {self.name!r} is {container.status}; start it, or leave it out", "name")
        return container, _odoo_instance.assemble(container.attrs, _docker.probe(container, {"do": "describe"}))

    # --- there --------------------------------------------------------------------------------------------------------

    def move(self) -> dict[str, t.Any]:
        interrupted = self.record is not None and self.record["phase"] == _cutover.STARTED
        if interrupted and not self.check_mode:
            self.undo_interrupted_recreate()
        container, instance = self.instance()
        host, port = self.params["host"], self.params["port"]
        moves = _odoo_address.parts_to_move(instance.address, host, port)
        if not moves and interrupted and self.record:
            # odoo.conf was edited, but nobody saw the instance use it.
            moves = {part: str(self.record["after"][part]) for part in self.record["moves"]}
        before = {"host": instance.address.host, "port": instance.address.port}
        if not moves:
            return self.unchanged(before, "the instance uses this address already")
        if not self.params["ignore_shadowed"] and not interrupted:
            _odoo_instance.check_sources_agree(instance)
        method = choose_method(instance, moves, self.params["method"])
        if interrupted and self.record:
            before = self.record["before"]
        result = {
            **described(method, before, {"host": host, "port": port}),
            "diff": difference(self.name, instance, before, host, port),
        }
        if self.check_mode:
            # The name is not asked for: an earlier task may be about to create it.
            return {**result, "token": None}
        if not _moves.resolves(container, host):
            raise PooledError(
                f"{host!r} does not resolve inside {self.name}; connect the pooler to one of its networks"
                f" ({', '.join(sorted(container.attrs['NetworkSettings']['Networks']))})",
                "host",
            )
        started = time.monotonic()
        goal = _moves.goal_for(instance, host, port, self.former_ends(instance))
        if method.name == "recreate":
            gap = self.recreate(container, instance, moves, before, goal)
        else:
            gap = self.edit_conf(container, instance, method.name, moves, before, goal)
        duration = round((time.monotonic() - started) * 1000)
        return {**result, "gap_ms": gap, "duration_ms": duration, "token": self.token}

    def former_ends(self, instance: _odoo_instance.Instance) -> list[_moves.End]:
        if self.record and self.record["phase"] == _cutover.STARTED:
            return [(address, port) for address, port in self.record["former_ends"]]
        addresses = instance.found["resolved"].get(instance.address.host, [])
        return [(address, instance.address.port) for address in addresses]

    def begin(
        self,
        instance: _odoo_instance.Instance,
        method: str,
        moves: t.Mapping[str, str],
        before: dict[str, t.Any],
        goal: _moves.Goal,
    ) -> None:
        """Writes the record before anything is changed. One that an interrupted run left keeps what it remembers."""
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
                "container_id": instance.inspection["Id"],
            }

    def finish(self) -> None:
        assert self.record is not None
        self.record["phase"] = _cutover.MOVED
        self.save()

    def edit_conf(
        self,
        container: t.Any,
        instance: _odoo_instance.Instance,
        method: str,
        moves: t.Mapping[str, str],
        before: dict[str, t.Any],
        goal: _moves.Goal,
    ) -> int:
        assert instance.conf is not None
        mount = instance.conf
        content = _moves.read_conf(mount)
        edited = _odoo_conf.edit(_moves.text_of(content), {KEYS[part]: value for part, value in moves.items()})
        after = _moves.bytes_of(edited)
        self.begin(instance, method, moves, before, goal)
        assert self.record is not None
        if "file" not in self.record:
            self.record["file"] = _cutover.remember_file(mount.host_path, content, after, mount.single_file)
        self.save()
        started = time.monotonic()
        try:
            if content != after:
                _moves.write_conf(mount.host_path, after, mount.single_file)
            _moves.apply_conf(container, method, instance.found["pid"], instance.found["python"])
            _moves.wait_for(container, goal, self.params["timeout"])
        except _docker.ERRORS as error:
            self.put_back(error)
        self.finish()
        return 0 if method == "reload" else round((time.monotonic() - started) * 1000)

    def put_back(self, error: BaseException) -> t.NoReturn:
        """After a failed move: everything as it was, and the reason."""
        try:
            self.revert()
        except _docker.ERRORS as second:
            raise PooledError(
                f"{error}. Putting it back failed too: {second}. The rollback token is kept; repeat with state=reverted"
            ) from error
        raise PooledError(f"{error}. It was put back and works at its former address again") from error

    def recreate(
        self,
        container: t.Any,
        instance: _odoo_instance.Instance,
        moves: t.Mapping[str, str],
        before: dict[str, t.Any],
        goal: _moves.Goal,
    ) -> int:
        inspection = dict(container.attrs)
        if inspection["HostConfig"].get("AutoRemove"):
            raise PooledError(
                f"container {self.name} was started with --rm, so it would vanish with its data when it stops;"
                " start it without --rm first",
                "name",
            )
        self.begin(instance, "recreate", moves, before, goal)
        assert self.record is not None
        self.record["inspection"] = inspection
        self.record["restart_policy"] = inspection["HostConfig"]["RestartPolicy"]
        self.save()
        incoming = None
        try:
            variables, arguments = replacements(instance, moves)
            incoming = _moves.create_like(self.client, inspection, _moves.new_name(self.name), variables, arguments)
            gap = _moves.swap(container, incoming, goal, self.params["timeout"])
            _moves.park(container, self.name)
            incoming.rename(self.name)
        except _docker.ERRORS as error:
            self.undo_interrupted_recreate()
            raise PooledError(f"{error}. The former container runs again") from error
        self.finish()
        return gap

    def undo_interrupted_recreate(self) -> None:
        """From wherever a recreation stopped: the former container under its own name, running; the new one gone."""
        if self.record is None or self.record["method"] != "recreate" or self.record["phase"] != _cutover.STARTED:
            return
        former = _docker.find_or_none(self.client, self.record["container_id"])
        if former is None:
            raise PooledError(f"the former container of {self.name} is gone; repeat with state=reverted")
        for name in (_moves.new_name(self.name), self.name):
            other = _docker.find_or_none(self.client, name)
            if other is not None and other.id != former.id:
                other.remove(force=True)
        _moves.unpark(former, self.name, self.record["restart_policy"])
        former.start()
        _cutover.drop(self.params["state_dir"], self.name)
        self.record = None

    # --- and back -----------------------------------------------------------------------------------------------------

    def revert_if_moved(self) -> dict[str, t.Any]:
        if self.record is None:
            return self.unchanged(None, "there is no rollback token, so it was not moved")
        before, after = self.record["after"], self.record["before"]
        method = self.record["method"]
        result = {
            "changed": True,
            "method": method,
            "reason": f"it was moved by {method}",
            "interruption": _odoo_address.INTERRUPTION[method],
            "before": before,
            "after": after,
            "token": None,
            "diff": {"before": address_text(self.name, before), "after": address_text(self.name, after)},
        }
        if not self.check_mode:
            started = time.monotonic()
            result["gap_ms"] = self.revert()
            result["duration_ms"] = round((time.monotonic() - started) * 1000)
        return result

    def revert(self) -> int:
        assert self.record is not None
        gap = self.revert_container() if self.record["method"] == "recreate" else self.revert_conf()
        _cutover.drop(self.params["state_dir"], self.name)
        self.record = None
        return gap

    def way_back(self, container: t.Any, instance: _odoo_instance.Instance) -> _moves.Goal:
        assert self.record is not None
        after, before = self.record["after"], self.record["before"]
        pooler = [(address, after["port"]) for address in _moves.resolves(container, after["host"])]
        return _moves.goal_for(instance, before["host"], before["port"], pooler)

    def revert_conf(self) -> int:
        assert self.record is not None
        keys = [KEYS[part] for part in self.record["moves"]]
        container = _docker.find(self.client, self.name)
        warning = _moves.restore_file(self.record["file"], keys)
        if warning:
            self.warnings.append(warning)
        if container.status != "running":
            self.warnings.append(f"{self.name} is {container.status}; it will use its former address when it starts")
            return 0
        started = time.monotonic()
        found = _docker.probe(container, {"do": "describe"})
        if not found["odoo"]:
            # It died of the move; a start is what it needs.
            container.restart(timeout=_moves.STOP_TIMEOUT)
            return round((time.monotonic() - started) * 1000)
        instance = _odoo_instance.assemble(container.attrs, found)
        goal = self.way_back(container, instance)
        _moves.apply_conf(container, self.record["method"], found["pid"], found["python"])
        _moves.wait_for(container, goal, self.params["timeout"])
        return 0 if self.record["method"] == "reload" else round((time.monotonic() - started) * 1000)

    def revert_container(self) -> int:
        assert self.record is not None
        if self.record["phase"] == _cutover.STARTED:
            self.undo_interrupted_recreate()
            return 0
        container, instance = self.instance()
        goal = self.way_back(container, instance)
        former = _docker.find_or_none(self.client, self.record["container_id"])
        if former is None:
            self.warnings.append(f"the former container of {self.name} was removed; it was created anew from the token")
            former = _moves.create_like(self.client, self.record["inspection"], _moves.former_name(self.name), {}, {})
        gap = _moves.swap(container, former, goal, self.params["timeout"])
        container.remove(force=True)
        _moves.unpark(former, self.name, self.record["restart_policy"])
        return gap

    def unchanged(self, address: dict[str, t.Any] | None, reason: str) -> dict[str, t.Any]:
        token = _cutover.path_of(self.params["state_dir"], self.name) if self.record else None
        return {"changed": False, "method": None, "reason": reason, "before": address, "after": address, "token": token}


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
        "before": before,
        "after": after,
    }


def address_text(name: str, address: t.Mapping[str, t.Any]) -> str:
    return f"{name}: database {address['host']}:{address['port']}\n"


def difference(
    name: str, instance: _odoo_instance.Instance, before: dict[str, t.Any], host: str, port: int
) -> dict[str, str]:
    where = str(instance.address.host_source.kind)
    place = instance.conf.host_path if where == "file" and instance.conf else where
    return {
        "before": address_text(name, before),
        "after": address_text(name, {"host": host, "port": port}),
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
            "method": {"type": "str", "choices": ["auto", "reload", "restart", "recreate"], "default": "auto"},
            "ignore_shadowed": {"type": "bool", "default": False},
            "timeout": {"type": "int", "default": 180},
            "state_dir": {"type": "path", "default": "/var/lib/pooled-odoo/cutover"},
        },
        required_if=[("state", "moved", ["host"])],
        supports_check_mode=True,
    )
    try:
        target = Target(module.params, module.check_mode)
        result = target.move() if module.params["state"] == "moved" else target.revert_if_moved()
    except _docker.ERRORS as error:
        module.fail_json(msg=str(error))
    for warning in target.warnings:
        module.warn(warning)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
