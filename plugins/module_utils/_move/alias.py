# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Method ``alias``: the name by which the instance reaches PostgreSQL on its Docker network is given to the pooler.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import typing as t

from ansible_collections.pooled.odoo.plugins.module_utils import (
    _alias,
    _alias_record,
    _docker,
    _odoo_address,
    _odoo_control,
    _odoo_instance,
)
from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError
from ansible_collections.pooled.odoo.plugins.module_utils._move import gate
from ansible_collections.pooled.odoo.plugins.module_utils._move.base import (
    LeftAsItIs,
    Method,
    Move,
    NameOrReason,
    Outcome,
)


class Alias(Method):
    name = "alias"
    reason = "the name by which Odoo reaches PostgreSQL can be given to the pooler, and nothing of Odoo is touched"
    interruption = "none for pages; websockets reconnect"
    interrupts = False
    runner_place = None

    @staticmethod
    def against(circumstances: _odoo_address.Circumstances, parts: t.Collection[str]) -> str | None:
        if circumstances.name_is_fixed:
            return circumstances.name_is_fixed
        if "port" in parts:
            return "a name keeps its port, and the pooler listens on another one (pooled_odoo_pooler_port)"
        if circumstances.workers == 0:
            return (
                "Odoo runs threaded (workers = 0) and would keep its connections to PostgreSQL for as long as it likes; only a"
                " restart ends them"
            )
        return None

    def obstacle(self, instance: _odoo_instance.Instance, name: NameOrReason, ends: t.Sequence[gate.End]) -> str | None:
        if isinstance(name, str):
            return name
        client, params = self.context.client, self.context.params
        return (
            self._upstream(name)
            or (_alias.risk(client, name) if params["method"] == "auto" else None)
            or _alias.hindrance(client, name, instance.inspection)
            or self._others_connected(name, ends)
        )

    def _upstream(self, name: _alias.Name) -> str | None:
        if name.name != self.context.params["upstream_host"]:
            return None
        return (
            f"the pooler itself reaches PostgreSQL by the name {name.name}; with PostgreSQL's address there (upstream_host,"
            " pooled_odoo_postgres_host) this way would be open"
        )

    def _others_connected(self, name: _alias.Name, ends: t.Sequence[gate.End]) -> str | None:
        context = self.context
        others = _alias.other_clients(context.client, name, ends, [context.name, *context.params["followers"]])
        if others is None:
            context.warnings.append(
                f"this host cannot tell who else on the network {name.network} uses the name {name.name}; everybody who does"
                " is led to the pooler"
            )
            return None
        if not others:
            return None
        return (
            f"{', '.join(others)} on the network {name.network} also uses PostgreSQL and would be led to the pooler; give it"
            " another name for PostgreSQL, or list it in followers (pooled_odoo_followers) if it may go along"
        )

    def plan(self, move: Move) -> None:
        if isinstance(move.name, str):
            raise PooledError(move.name, "method")
        self.move, self.name_moved = move, move.name
        for warning in (_alias.compose_warning(move.name), _alias.risk(self.context.client, move.name)):
            if warning:
                self.context.warnings.append(warning)

    def apply(self, goal: gate.Goal) -> int:
        context, name = self.context, self.name_moved
        poolers = _alias.poolers_on(context.client, name.network, goal.host)
        for pooler in poolers.values():
            _alias.check_upstream(pooler, name.name)
        context.kept["alias"] = {
            "network": name.network,
            "name": name.name,
            "holder": name.holder and name.holder.name,
        }
        context.kept["pooler_ends"] = [[address, goal.port] for address in poolers]
        context.save()
        former = [address for address, _port in goal.old_endpoints]
        shared = bool(_alias_record.given_to(context.state_dir, [name.network], name.name))
        try:
            _alias.take(context.client, context.state_dir, name, list(poolers.values()), former)
            self._check_leads_to(set(poolers))
            _odoo_control.renew(self.move.container, context.params["timeout"])
            context.wait_for(self.move.container, goal._replace(host=name.name))
        except _docker.ERRORS as error:
            if not shared:
                raise
            raise LeftAsItIs(
                f"{error}. The name {name.name} stays with the pooler, because others were moved with it before; bring them"
                " all back with playbook pooled.odoo.rollback, or mend the cause and repeat"
            ) from error
        return 0

    def _check_leads_to(self, poolers: set[str]) -> None:
        leads = set(gate.resolves(self.move.container, self.name_moved.name))
        if leads != poolers:
            raise PooledError(
                f"{self.name_moved.name} means {', '.join(sorted(leads)) or 'nothing'} in {self.context.name} now, and not"
                f" only the pooler ({', '.join(sorted(poolers))})"
            )

    def undo(self) -> Outcome:
        """The name was given back already; only open connections are left to bring home."""
        context = self.context
        container = context.running()
        if container is None:
            return Outcome(0, False)
        _odoo_control.renew(container, context.params["timeout"])
        context.wait_for(container, context.way_back())
        return Outcome(0, True)

    def recall(
        self, instance: _odoo_instance.Instance, name: NameOrReason
    ) -> tuple[_odoo_instance.Instance, NameOrReason]:
        kept = self.context.kept.get("alias")
        if kept is None:
            return instance, name
        holder = _docker.find_or_none(self.context.client, kept["holder"])
        return _odoo_instance.with_name(instance, None), _alias.Name(kept["network"], kept["name"], holder)

    def stands(self, container: t.Any, instance: _odoo_instance.Instance) -> bool | None:
        """False where PostgreSQL's container was made anew, with its name."""
        context = self.context
        # In check mode the pooler may be about to be made.
        if not gate.resolves(container, context.params["host"]):
            return False
        try:
            poolers = _alias.poolers_on(context.client, context.kept["alias"]["network"], context.params["host"])
        except PooledError:
            return False
        return set(poolers) == set(gate.resolves(container, instance.address.host))

    def place(self, instance: _odoo_instance.Instance) -> str:
        return f"what the name {instance.address.host} means on its network"
