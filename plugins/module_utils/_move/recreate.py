# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Method ``recreate``: the same container with another environment or command takes the place of the old one, which is kept.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import time
import typing as t

from ansible_collections.pooled.odoo.plugins.module_utils import (
    _container,
    _docker,
    _odoo_address,
    _odoo_control,
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


class Recreate(Method):
    name = "recreate"
    reason = "the address is part of the container's configuration"
    interruption = containers.INTERRUPTION
    interrupts = True
    runner_place = "environment"

    @staticmethod
    def against(circumstances: _odoo_address.Circumstances, parts: t.Collection[str]) -> str | None:
        if circumstances.managed_by:
            return (
                f"{circumstances.managed_by} owns this container and would bring the old address back; change the address there"
                " and apply it"
            )
        return against_script(circumstances, parts) or against_environment(circumstances, parts)

    def plan(self, move: Move) -> None:
        name, self.container = self.context.name, move.container
        self.variables, self.arguments = replacements(move.instance, move.parts)
        if move.runner:
            self.variables.update(_queue_job.values(move.runner, _queue_job.VARIABLES))
        if move.container.attrs["HostConfig"].get("AutoRemove"):
            raise PooledError(
                f"container {name} was started with --rm, so it would vanish with its data when it stops; start it without"
                " --rm first",
                "name",
            )
        priorities = [
            network for network, asked in _container.endpoints(move.container.attrs).items() if "GwPriority" in asked
        ]
        if priorities and not _docker.speaks(self.context.client, "1.48"):
            raise PooledError(
                f"{name} has a gateway priority on the network {priorities[0]} (gw_priority), which Docker's Python SDK cannot"
                " ask for by API 1.48, so a new container would not have it; move it by another method",
                "method",
            )
        for taken in (containers.new_name(name), containers.former_name(name)):
            if self.context.record is None and _docker.find_or_none(self.context.client, taken):
                raise PooledError(f"there is a container {taken} already; remove or rename it", "name")

    def apply(self, goal: gate.Goal) -> int:
        context = self.context
        inspection = dict(self.container.attrs)
        context.kept["inspection"] = inspection
        context.kept["restart_policy"] = inspection["HostConfig"]["RestartPolicy"]
        context.save()
        try:
            incoming = containers.create_like(
                context.client, inspection, containers.new_name(context.name), self.variables, self.arguments
            )
            context.kept["new_id"] = incoming.id
            context.save()
            gap = containers.swap(self.container, incoming, goal, context.params["timeout"], self._note_stop)
            containers.park(self.container, context.name)
            incoming.rename(context.name)
        except _docker.ERRORS:
            # This very run has waited for the stop, so there is none under way.
            context.kept["stopping"] = False
            raise
        return gap

    def _note_stop(self) -> None:
        self.context.kept["stopping"] = True
        self.context.save()

    def recover(self) -> None:
        """The former container under its own name, running; the new one gone."""
        former = self._former()
        if former is None:
            raise PooledError(
                f"the former container of {self.context.name} was removed while its move was unfinished; repeat with"
                " state=reverted"
            )
        self._bring_back(former)
        self.context.forget()

    def undo(self) -> Outcome:
        context, kept = self.context, self.context.kept
        former = self._former()
        if context.phase == journal.STARTED and former is not None:
            self._bring_back(former)
            return Outcome(0, True)
        self._check_name_is_free(former)
        current = _docker.find_or_none(context.client, kept.get("new_id"))
        if former is None:
            context.warnings.append(
                f"the former container of {context.name} was removed; it was created anew from the token"
            )
            former = self._created_anew()
        goal = context.way_back()
        if current is not None and current.status == "running":
            gap = containers.swap(current, former, goal, context.params["timeout"])
            current.remove(force=True)
            containers.unpark(former, context.name, kept["restart_policy"])
            return Outcome(gap, True)
        # What runs now is broken or gone, so there is nothing to go back to; the former one is started in any case.
        if current is not None:
            current.remove(force=True)
        containers.unpark(former, context.name, kept["restart_policy"])
        started = time.monotonic()
        former.start()
        context.wait_for(former, goal)
        return Outcome(round((time.monotonic() - started) * 1000), True)

    def _former(self) -> t.Any | None:
        return _docker.find_or_none(self.context.client, self.context.kept["container_id"])

    def _bring_back(self, former: t.Any) -> None:
        context, kept = self.context, self.context.kept
        self._remove_own_container()
        self._check_name_is_free(former)
        if kept.get("stopping"):
            # Docker may still be at it; started before that has ended, it would stop all the same.
            former.stop(timeout=_odoo_control.STOP_TIMEOUT)
        containers.unpark(former, context.name, kept["restart_policy"])
        former.start()
        context.wait_for(former, context.way_back())

    def _remove_own_container(self) -> None:
        """Removes the container that this move made, and no other."""
        context = self.context
        if "new_id" in context.kept:
            made = _docker.find_or_none(context.client, context.kept["new_id"])
            if made is not None:
                made.remove(force=True)
            return
        # Between its creation and the note of its id a run has died.
        unnoted = containers.wait_for_creation(context.client, containers.new_name(context.name))
        if unnoted is not None and unnoted.status == "created":
            unnoted.remove()

    def _check_name_is_free(self, former: t.Any | None) -> None:
        context = self.context
        holder = _docker.find_or_none(context.client, context.name)
        own = {former.id if former else None, context.kept.get("new_id")}
        if holder is not None and holder.id not in own:
            raise PooledError(
                f"{context.name} is a container now that this module did not make, so it is left alone. Remove it to bring"
                f" the former one back, or remove the rollback token {context.token}"
            )

    def _created_anew(self) -> t.Any:
        """The former container, from the token; it is noted, so that a repetition finds it."""
        context = self.context
        name = containers.former_name(context.name)
        # Docker creates it also for a run that is killed before it can note that.
        unnoted = _docker.find_or_none(context.client, name)
        if unnoted is not None and unnoted.status == "created":
            unnoted.remove()
        former = containers.create_like(context.client, context.kept["inspection"], name, {}, {})
        context.kept["container_id"] = former.id
        context.save()
        return former
