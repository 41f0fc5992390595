# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What PostgreSQL can give to the pools: its limits less what everybody else keeps.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import typing as t

from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError

# Room in PostgreSQL for an administrator, a backup and a dump beside all pools.
DIRECT_CONNECTIONS = 5


class Others(t.NamedTuple):
    """Connections that stay beside the pools: of other roles, and of Odoo's roles from clients that are not pooled, by their
    address."""

    other_roles: int
    not_pooled: dict[str, int]
    # Clients by address that may be poolers which cannot be asked what they hold; in none of the sums.
    untold: t.Sequence[str] = ()

    @property
    def total(self) -> int:
        return self.other_roles + sum(self.not_pooled.values())


def others(
    audit: t.Mapping[str, t.Any],
    instances: t.Sequence[t.Mapping[str, t.Any]],
    own_roles: t.Collection[str],
    poolers: t.Sequence[t.Mapping[str, t.Any]],
) -> Others:
    """Who else is there, by an *audit* of ``pg_conn_audit``.

    *instances*: those that are, or will be, pooled, as ``odoo_info`` describes them. *own_roles*: the poolers' look-up roles.
    *poolers*: ``addresses`` and server ``connections`` of each of this collection's poolers, None where it cannot be asked.

    Behind masquerading PostgreSQL sees the Docker host in place of its containers. What the instances and poolers that it
    does not see by their own address are known to hold is then taken off what it sees from addresses that are nobody's. That
    is an estimate: the two are not counted at the same moment. Where one of them is seen by its own address, a pooler that
    tells nothing hides nothing.
    """
    odoo_roles = {instance["db_user"] for instance in instances}
    other_roles = sum(
        figures["peak"]
        for role, figures in audit["by_role"].items()
        if role not in odoo_roles and role not in own_roles
    )
    per_client: dict[str, dict[str, float]] = {}
    for role, clients in audit.get("by_role_and_client", {}).items():
        if role not in odoo_roles:
            continue
        for client, figures in clients.items():
            found = per_client.setdefault(client, {"peak": 0, "mean": 0})
            found["peak"] += figures["peak"]
            found["mean"] += figures["mean"]
    # What an instance holds at a pooler are clients there, and no connections of PostgreSQL.
    behind = {address for pooler in poolers for address in pooler["addresses"]}
    pooled = [*poolers, *({"addresses": i.get("addresses", []), "connections": _held(i, behind)} for i in instances)]
    known = {address for one in pooled for address in one["addresses"]}
    unseen = [one["connections"] for one in pooled if not set(one["addresses"]) & set(per_client)]
    masqueraded = not known & set(per_client)
    if masqueraded and None in unseen:
        return Others(int(other_roles), {}, sorted(set(per_client) - known))
    hidden = sum(connections or 0 for connections in unseen)
    not_pooled = {}
    for client in sorted(set(per_client) - known):
        # A peak of a minute is compared with what the instances held at one moment, so the mean is the fairer one.
        held = int(per_client[client]["peak"] if hidden == 0 else per_client[client]["mean"])
        left = max(0, held - hidden)
        hidden -= held - left
        if left:
            not_pooled[client] = left
    return Others(int(other_roles), not_pooled)


def _held(instance: t.Mapping[str, t.Any], poolers: t.Collection[str]) -> int:
    """Connections of *instance* to its database address, as it sees them itself; none where that is one of *poolers*. Its job
    runner may have another address, and one connection for each of its databases."""
    address, runner = instance.get("address") or {}, instance.get("job_runner") or {}
    direct = [end for end in instance.get("connections", []) if end["address"] not in poolers]
    resolved = address.get("resolved", [])
    own = sum(end["count"] for end in direct if end["port"] == address.get("port") and end["address"] in resolved)
    port = int(runner.get("port") or address.get("port") or 0)
    others = sum(end["count"] for end in direct if end["port"] == port and end["address"] not in resolved)
    runners = len((instance.get("queue_job") or {}).get("databases", [])) if runner.get("host") else 0
    return own + min(others, runners)


def available(limits: t.Mapping[str, t.Any], beside: Others) -> int:
    """The connections that all pools together may have."""
    return int(limits["max_connections"]) - int(limits["reserved"]) - beside.total - DIRECT_CONNECTIONS


def describe(limits: t.Mapping[str, t.Any], beside: Others) -> dict[str, t.Any]:
    return {
        "max_connections": limits["max_connections"],
        "reserved": limits["reserved"],
        "others": beside.total,
        "other_roles": beside.other_roles,
        "not_pooled": beside.not_pooled,
        "administration": DIRECT_CONNECTIONS,
        "available": available(limits, beside),
    }


def check(limits: t.Mapping[str, t.Any], beside: Others, worst_case: int) -> None:
    """Raises PooledError where PostgreSQL cannot give *worst_case*."""
    left = available(limits, beside)
    if worst_case <= left:
        return
    maximum = limits["max_connections"]
    words = [f"{limits['reserved']} reserved", f"{beside.other_roles} used by other roles"]
    if beside.not_pooled:
        words.append(
            "as Odoo's own roles "
            + ", ".join(f"{count} from {client}" for client, count in beside.not_pooled.items())
            + ", which is no instance that is moved"
        )
    words.append(f"{DIRECT_CONNECTIONS} for administration")
    raise PooledError(
        f"max_connections is too small for the plan: at worst the pools need {worst_case}, and of {maximum} are left {left}"
        f" ({'; '.join(words)}). Raise max_connections to at least {maximum + worst_case - left}, lower workers,"
        " max_cron_threads or ODOO_MAX_HTTP_THREADS of Odoo, or have others hold fewer"
    )


def check_role(limits: t.Mapping[str, t.Any], role: str, most: int) -> None:
    """Raises PooledError where *role* may not have *most*, by whatever way. What its limit refuses PgBouncer tells Odoo as a
    failed log-in."""
    limit = limits.get("by_role", {}).get(role)
    if limit is not None and limit < most:
        raise PooledError(
            f"role {role} has CONNECTION LIMIT {limit} in PostgreSQL, and at worst its pools need {most}; raise it"
            f" (ALTER ROLE … CONNECTION LIMIT {most}), or take it away (-1): the pools have limits of their own"
        )


def check_database(limits: t.Mapping[str, t.Any], database: str, least: int, why: str) -> None:
    """Raises PooledError where *database* may not have *least* connections, which *why* explains."""
    limit = limits.get("by_database", {}).get(database)
    if limit is not None and limit < least:
        raise PooledError(
            f"database {database} has CONNECTION LIMIT {limit} in PostgreSQL, and {why} {least} there; raise it"
            f" (ALTER DATABASE … CONNECTION LIMIT {least}), or take it away (-1)"
        )
