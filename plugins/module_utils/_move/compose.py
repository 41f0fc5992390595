# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Method ``compose``: the value is edited in the files of the container's Compose project, and Compose brings the service up.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import time
import typing as t

from ansible_collections.pooled.odoo.plugins.module_utils import (
    _compose,
    _compose_file,
    _compose_project,
    _docker,
    _files,
    _odoo_address,
    _queue_job,
)
from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError
from ansible_collections.pooled.odoo.plugins.module_utils._move import containers, gate, journal
from ansible_collections.pooled.odoo.plugins.module_utils._move.base import (
    Method,
    Move,
    Outcome,
    against_environment,
    against_script,
    replacements,
)


class Compose(Method):
    name = "compose"
    reason = "the address is in the files of its Compose project"
    interruption = containers.INTERRUPTION
    interrupts = True
    runner_place = "environment"

    @staticmethod
    def against(circumstances: _odoo_address.Circumstances, parts: t.Collection[str]) -> str | None:
        if circumstances.no_compose_files:
            return circumstances.no_compose_files
        passed = against_script(circumstances, parts)
        if passed:
            return passed
        for source in _odoo_address.sources(circumstances, parts):
            if source.kind == "argument":
                return f"{source.name} stands in the service's command; change it there and run docker compose up -d"
        return against_environment(circumstances, parts)

    def plan(self, move: Move) -> None:
        service = _compose.service_of(move.instance.inspection)
        if service is None:
            raise PooledError(f"{self.context.name} was not made by Compose", "method")
        self.service = service
        self.replicas = _docker.replicas(self.context.client, service.project, service.service)
        self.compose = _compose.Compose(service, self.context.params["compose_command"], self.replicas)
        self.project = self.compose.project()
        self.variables, arguments = replacements(move.instance, move.parts)
        for argument in sorted(arguments):
            self.context.warnings.append(
                f"{argument} in the command of the service {service.service} still says the former address; it does not count"
                " there, but change it too"
            )
        if move.runner:
            self.variables.update(_queue_job.values(move.runner, _queue_job.VARIABLES))
        self.following = sorted(self._following())
        self.edited = _compose_file.set_variables(self.project, service.service, self.variables, self.following)
        for told in _compose_file.composite(self.project, service.service, self.variables) if self.edited else []:
            self.context.warnings.append(f"{told} is put together from other values and was exchanged as a whole")
        if self.context.record is None and not self._written_by_us():
            self.compose.check_unchanged()
        self.before = self.compose.meaning()
        known = {*self.following, service.service, *self._running_services()}
        for other in _compose.same_elsewhere(self.before, service.service, self.variables):
            if other not in known:
                self.context.warnings.append(
                    f"the service {other} of project {service.project}, which does not run, has the same address and keeps it"
                )
        if self.edited and self.compose.can_foresee(self.edited, self.project):
            self._check(self.compose.meaning(self.edited))

    def _check(self, after: dict[str, t.Any]) -> None:
        _compose.check_effect(self.before, after, {self.service.service, *self.following}, self.variables)
        _compose.check_arrival(after, self.service.service, self.variables)

    def _following(self) -> set[str]:
        """Services of the same project that may go along."""
        found = (_docker.find_or_none(self.context.client, name) for name in self.context.params["followers"])
        services = (_compose.service_of(container.attrs) for container in found if container is not None)
        return {service.service for service in services if service and service.project == self.service.project}

    def _running_services(self) -> set[str]:
        """Services of the same project that run: each that is an Odoo is moved by itself."""
        filters = {"label": f"{_compose.LABEL}project={self.service.project}"}
        running = self.context.client.containers.list(filters=filters, ignore_removed=True)
        return {container.labels.get(_compose.LABEL + "service", "") for container in running}

    def apply(self, goal: gate.Goal) -> int:
        context = self.context
        if "compose" not in context.kept:
            context.kept["compose"] = self._memory()
        context.save()
        started = time.monotonic()
        for path, text in sorted(self.edited.items()):
            _compose.write(path, _files.bytes_of(text))
        self._check(self.compose.meaning())
        self.compose.rehearse()
        self.compose.up(context.lock)
        for name in self.replicas:
            context.wait_for(_docker.find(context.client, name), goal)
        return round((time.monotonic() - started) * 1000)

    def undo(self) -> Outcome:
        context, kept = self.context, self.context.kept["compose"]
        compose = self._compose_on_record()
        for entry in kept["files"]:
            content = _compose.read(entry["path"])
            if content is None:
                # Whose it was is not known any more, and a password may be in it.
                private = _files.private()
                _files.replace(entry["path"], journal.file_before(entry), private)
                context.warnings.append(f"{entry['path']} was gone; it is there again, for root alone")
            elif journal.is_ours(entry, content):
                _compose.write(entry["path"], journal.file_before(entry))
            elif content != journal.file_before(entry):
                context.warnings.append(
                    f"{entry['path']} was changed after the cutover, so only the database's address was restored in it"
                )
                former = _compose_file.set_variables(
                    compose.project(), compose.service.service, kept["former"], kept.get("together", [])
                )
                for path, text in former.items():
                    _compose.write(path, _files.bytes_of(text))
        started = time.monotonic()
        # Somebody may have edited the files, or scaled another way, since the service was moved. What has died of it is its own.
        service = compose.service
        every = _docker.replicas(context.client, service.project, service.service, stopped=True)
        compose.rehearse([*every, *kept.get("replicas", [])])
        compose.up(context.lock)
        for name in compose.replicas:
            context.wait_for(_docker.find(context.client, name), context.way_back())
        return Outcome(round((time.monotonic() - started) * 1000), True)

    def recover(self) -> None:
        """Where a run died while Compose exchanged the container there may be none; Compose makes what its files say."""
        container = _docker.find_or_none(self.context.client, self.context.name)
        if container is None or container.status != "running":
            self._compose_on_record().up(self.context.lock)

    def _compose_on_record(self) -> _compose.Compose:
        kept = self.context.kept["compose"]
        service = _compose.Service(**kept["service"])
        # As many as there are by now; before 0.2.0 a service with several containers could not be moved.
        running = _docker.replicas(self.context.client, service.project, service.service)
        replicas = running or kept.get("replicas", [self.context.name])
        return _compose.Compose(service, self.context.params["compose_command"], replicas)

    def _memory(self) -> journal.Compose:
        """What the rollback needs: the files as they were, and the values by themselves in case somebody else edits the files
        meanwhile."""
        files = [
            journal.remember_file(path, _compose.read(path) or b"", _files.bytes_of(text), False)
            for path, text in sorted(self.edited.items())
        ]
        former = {}
        for name in self.variables:
            place = _compose_file.find(self.project, self.service.service, name)
            former[name] = place.value if place else None
        if not files:
            # A value that several services share was changed with the first of them.
            for record in self._records_of_files():
                files, former = record["compose"]["files"], record["compose"]["former"]
        return {
            "service": self.service._asdict(),
            "replicas": self.replicas,
            "together": self.following,
            "former": former,
            "files": files,
        }

    def _written_by_us(self) -> bool:
        """Whether another instance's move has changed these files last, so that Compose finds them changed."""
        entries = [entry for record in self._records_of_files() for entry in record["compose"]["files"]]
        return any(journal.is_ours(entry, _compose.read(entry["path"]) or b"") for entry in entries)

    def _records_of_files(self) -> list[journal.Record]:
        """Moves of other instances by the same project's files that these files still show."""
        paths = _compose_project.all_files(self.project)
        found = []
        for record in journal.all_records(self.context.state_dir):
            entries = record.get("compose", {}).get("files", [])
            if any(entry["path"] in paths for entry in entries) and record["name"] != self.context.name:
                found.append(record)
        return found
