# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Odoo instances of all hosts: which use the pooler, which are to be moved, and what stands in the way.

This module util is PRIVATE to the collection. It can have breaking changes at any time.

A fleet is a JSON document::

    instances       all, as odoo_info describes them, each with its ``host``
    untouched       nothing has moved and no interrupted run tells otherwise: what is measured now is a baseline
    hosts           {host: the lists of names below}
      instances     all instances of the host
      moved         use the pooler, and no move of them was interrupted
      to_move       the others; an interrupted move counts as none, because it has to be finished or rolled back
      interrupted   have a move, or a roll back, that was begun and never seen to end
      not_running   have a rollback token and were not found
      other_address use the pooler by another address than the one that is planned
      followers     may be led to the pooler by an alias: all but those whose job runner stays at PostgreSQL
      networks      Docker networks over which the instances reach their database
      aliases       names of PostgreSQL on these networks that were given to the pooler: ``network``, ``name``, ``poolers``
      lost_runners  moved instances whose job runner (queue_job) uses the pooler too, where it loses jobs
      users         use a pooler in any way, also one that holds a connection, or a token while it does not run
      session_users have a job runner that uses the session pooler
"""

from __future__ import annotations

import typing as t

SCHEMA = "pooled.odoo/fleet/1"
Instance = t.Mapping[str, t.Any]


class Poolers(t.NamedTuple):
    """What instances use: *alias* and *port* of the transaction poolers, the *names* of their containers, *session_alias* of the
    session pooler."""

    alias: str
    port: int
    names: t.Sequence[str]
    session_alias: str


class Found(t.NamedTuple):
    """What one host told: *instances* by odoo_info, the rest by cutover_info."""

    instances: t.Sequence[Instance]
    tokens: t.Sequence[str] = ()
    interrupted: t.Sequence[str] = ()
    aliases: t.Sequence[t.Mapping[str, t.Any]] = ()


def describe(hosts: t.Mapping[str, Found], poolers: Poolers, followers: t.Collection[str] = ()) -> dict[str, t.Any]:
    """The fleet of *hosts*. *followers*: containers beside the instances that may be led to the pooler by an alias."""
    described = {host: _of_host(found, poolers, followers) for host, found in sorted(hosts.items())}
    return {
        "schema": SCHEMA,
        "instances": [{**one, "host": host} for host in sorted(hosts) for one in hosts[host].instances],
        "untouched": not any(_behind(found, poolers) or found.tokens for found in hosts.values()),
        "hosts": described,
    }


def _of_host(found: Found, poolers: Poolers, followers: t.Collection[str]) -> dict[str, t.Any]:
    names = [one["name"] for one in found.instances]
    behind = _behind(found, poolers)
    networks = sorted({network for one in found.instances for network in one["database_networks"]})
    with_runner = [one for one in found.instances if one["job_runner"]]
    moved = [name for name in behind if name not in found.interrupted]
    return {
        "instances": names,
        "moved": moved,
        "to_move": sorted({*names, *found.interrupted} - set(moved)),
        "interrupted": sorted(found.interrupted),
        "not_running": [name for name in found.tokens if name not in names],
        "other_address": _other_address(found, poolers),
        "followers": sorted({one["name"] for one in found.instances if not one["job_runner"]} | set(followers)),
        "networks": networks,
        "aliases": [alias for alias in found.aliases if alias["network"] in networks],
        "lost_runners": sorted(
            one["name"] for one in with_runner if one["name"] in moved and one["job_runner"]["shares_address"]
        ),
        "users": sorted({one["name"] for one in found.instances if _uses(one, poolers)} | set(found.tokens)),
        "session_users": sorted(
            one["name"] for one in with_runner if one["job_runner"]["host"] == poolers.session_alias
        ),
    }


def _behind(found: Found, poolers: Poolers) -> list[str]:
    """Whose configured address leads to the poolers, and who has read it."""
    there = (poolers.alias, poolers.port)
    return [
        one["name"]
        for one in found.instances
        if not one["unread"] and ((one["address"]["host"], one["address"]["port"]) == there or _by_alias(one, poolers))
    ]


def _by_alias(instance: Instance, poolers: Poolers) -> bool:
    """Whether its own name for PostgreSQL leads to the poolers, and nowhere else."""
    return bool(instance["poolers"]) and set(instance["poolers"]) <= set(poolers.names)


def _uses(instance: Instance, poolers: Poolers) -> bool:
    # Whoever has PostgreSQL's address again and still holds connections to a pooler would lose them with it.
    holds = set(instance["connected_poolers"]) & set(poolers.names)
    return bool(instance["address"]["host"] == poolers.alias or _by_alias(instance, poolers) or holds)


def _other_address(found: Found, poolers: Poolers) -> list[str]:
    hosts = {poolers.alias, *(alias["name"] for alias in found.aliases)}
    return [
        one["name"]
        for one in found.instances
        if one["name"] in found.tokens
        and _by_alias(one, poolers)
        and not (one["address"]["host"] in hosts and one["address"]["port"] == poolers.port)
    ]
