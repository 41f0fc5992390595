# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every method of moving an instance has in common.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import abc
import typing as t

from ansible_collections.pooled.odoo.plugins.module_utils import (
    _alias,
    _docker,
    _odoo_address,
    _odoo_instance,
    _queue_job,
)
from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError
from ansible_collections.pooled.odoo.plugins.module_utils._move import gate, journal

CONF_KEYS = {"host": "db_host", "port": "db_port"}
# What a network says of the database's name: whose it is, or why it cannot be moved.
NameOrReason = t.Union[_alias.Name, str]


class Move(t.NamedTuple):
    """What one move is to do. *parts* are the parts of the address that change; *runner* is the address that the job runner
    gets, if any."""

    container: t.Any
    instance: _odoo_instance.Instance
    parts: t.Mapping[str, str]
    runner: _queue_job.Address | None
    name: NameOrReason


class Outcome(t.NamedTuple):
    """Of a rollback: milliseconds without an instance, and whether it was seen to work at its former address."""

    gap_ms: int
    works: bool


class LeftAsItIs(PooledError):
    """A move failed and must not be taken back, because others depend on what it found."""


class Context:
    """One container on its Docker host, the record of its move, and what the user asked for."""

    def __init__(self, params: t.Mapping[str, t.Any], check_mode: bool) -> None:
        self.params = params
        self.check_mode = check_mode
        self.name: str = params["name"]
        self.state_dir: str = params["state_dir"]
        self.client = _docker.connect(params)
        self.lock = None if check_mode else journal.lock(self.state_dir, self.name)
        self.record = journal.load(self.state_dir, self.name)
        # Whether this run has written the record, and so may have changed something.
        self.saved = False
        self.warnings: list[str] = []

    @property
    def kept(self) -> journal.Record:
        """The record, where a move has begun for sure."""
        if self.record is None:
            raise PooledError(f"there is no record of a move of {self.name}")
        return self.record

    @property
    def phase(self) -> str | None:
        return self.record["phase"] if self.record else None

    @property
    def token(self) -> str:
        return journal.path_of(self.state_dir, self.name)

    def save(self) -> str:
        self.saved = True
        return journal.save(self.state_dir, self.kept)

    def forget(self) -> None:
        journal.drop(self.state_dir, self.name)
        self.record = None

    def wait_for(self, container: t.Any, goal: gate.Goal) -> None:
        gate.wait_for(container, goal, self.params["timeout"])

    def way_back(self) -> gate.Goal:
        """From the record alone, because there may be no instance left to ask."""
        kept = self.kept
        # A pooler that came later counts too.
        later = [(address, kept["after"]["port"]) for address in _alias.poolers(self.client, kept["after"]["host"])]
        leave = tuple(sorted({*((end[0], end[1]) for end in kept["pooler_ends"]), *later}))
        before = kept["before"]
        return gate.Goal(before["host"], before["port"], leave, 0, kept["health_path"], kept["expect_connection"])

    def running(self) -> t.Any | None:
        """The instance during its rollback. Where it was lost meanwhile there is a warning, and nothing to wait for."""
        container = _docker.find_or_none(self.client, self.name) and _docker.find(self.client, self.name)
        if container is not None and container.status == "paused":
            # When it goes on it goes on as it was, with the pooler's address.
            _docker.check_runs(container, "name")
        if container is not None and container.status == "running":
            return container
        state = "gone" if container is None else container.status
        self.warnings.append(f"{self.name} is {state}; it will use its former address when it runs again")
        return None


class Method(abc.ABC):
    """One way to move an instance, and back. Everything that only this way knows is in its class.

    The order of a move is ``obstacle``, ``plan``, ``apply``; of a rollback ``undo``; ``recover`` comes first where an earlier
    run was killed.
    """

    name: t.ClassVar[str]
    # Why it is the one to take where nothing stands against it.
    reason: t.ClassVar[str]
    # What users notice of it; and whether they find nobody for a while.
    interruption: t.ClassVar[str]
    interrupts: t.ClassVar[bool]
    # Where it writes the job runner's address: "environment", "conf", or nowhere.
    runner_place: t.ClassVar[str | None]

    def __init__(self, context: Context) -> None:
        self.context = context

    @staticmethod
    @abc.abstractmethod
    def against(circumstances: _odoo_address.Circumstances, parts: t.Collection[str]) -> str | None:
        """What is known of an instance that keeps this way from changing *parts* of its address; None where it is open. Pure."""

    def obstacle(self, instance: _odoo_instance.Instance, name: NameOrReason, ends: t.Sequence[gate.End]) -> str | None:
        """What only a look at the host can tell against this way; *ends* are PostgreSQL's. Nothing is changed."""
        return None

    @abc.abstractmethod
    def plan(self, move: Move) -> None:
        """Reads, and edits in memory; raises PooledError where the move cannot work. Changes nothing."""

    @abc.abstractmethod
    def apply(self, goal: gate.Goal) -> int:
        """Carries out the plan; milliseconds without an instance. Writes the record before its first change."""

    @abc.abstractmethod
    def undo(self) -> Outcome:
        """From the record alone, whatever ``apply`` has come to."""

    def recover(self) -> None:
        """From wherever a killed run stopped to where ``plan`` can begin."""
        return

    def recall(
        self, instance: _odoo_instance.Instance, name: NameOrReason
    ) -> tuple[_odoo_instance.Instance, NameOrReason]:
        """The instance as it was before this way has changed what can be seen of it."""
        return instance, name

    def stands(self, container: t.Any, instance: _odoo_instance.Instance) -> bool | None:
        """Whether what was moved is still so; None where the instance's own address tells."""
        return None

    def place(self, instance: _odoo_instance.Instance) -> str:
        """Where the address stands, for the diff."""
        kind = str(instance.address.host_source.kind)
        return instance.conf.host_path if kind == "file" and instance.conf else kind


def against_script(circumstances: _odoo_address.Circumstances, parts: t.Collection[str]) -> str | None:
    """What keeps a new container from having other *parts* of the address where a script passes them. Pure."""
    for source in _odoo_address.sources(circumstances, parts):
        if source.kind == "argument" and not source.replaceable:
            return (
                f"{source.name} is passed by a script or shell in the image, not by the container's own command, and no variable"
                " explains it; name the variables that it is made from (pooled_odoo_address_variables)"
            )
    return None


def against_environment(circumstances: _odoo_address.Circumstances, parts: t.Collection[str]) -> str | None:
    """What keeps the environment from changing *parts* of the address. Pure."""
    address = circumstances.address
    for part, source in sorted(_odoo_address.by_part(address, parts).items()):
        if source.kind == "file" and address.generated:
            return (
                f"odoo.conf gives the address ({source}) and is written anew at each start, from what is not known here; name the"
                " variables that it is made from (pooled_odoo_address_variables)"
            )
        if source.kind == "file":
            return f"odoo.conf gives the address ({source}) and wins over the environment"
        if source.kind == "environment" and not source.replaceable:
            return (
                f"{source.name} is exported by a script in the image, from what is not known here; name the variables that it"
                " takes it from (pooled_odoo_address_variables)"
            )
        if source.kind == "default" and part not in address.variables:
            return (
                f"it is not known which variable gives this image the {part}; name it (pooled_odoo_address_variables), or leave"
                f" the {part} as it is"
            )
    return None


def replacements(
    instance: _odoo_instance.Instance, parts: t.Mapping[str, str]
) -> tuple[dict[str, str], dict[str, str]]:
    """The environment variables and the arguments of the command that carry *parts*. Pure."""
    sources = _odoo_address.by_part(instance.address, parts)
    variables, arguments = {}, {}
    for part, value in parts.items():
        source = sources[part]
        if source.kind == "argument":
            arguments[source.name] = value
        elif source.kind == "environment":
            variables[source.name] = value
        else:
            variables[instance.address.variables[part]] = value
    # Other places that say the same would disagree from now on.
    for part, source in instance.address.equal:
        if part in parts and source.kind == "environment" and source.replaceable:
            variables[source.name] = parts[part]
        elif part in parts and source.kind == "argument" and source.replaceable:
            arguments[source.name] = parts[part]
    return variables, arguments
