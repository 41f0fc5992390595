# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From Odoo instances and PostgreSQL's limits to pool sizes, each with its reason.

This module util is PRIVATE to the collection. It can have breaking changes at any time.

A plan depends only on what the instances are, not on what they happened to do while they were measured, so that the same
instances always get the same configuration. What was measured decides whether the plan fits.
"""

from __future__ import annotations

import math
import typing as t

from ansible_collections.pooled.odoo.plugins.module_utils import _ini, _pool_hazards
from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError

SCHEMA = "pooled.odoo/plan/1"

# Server connections that a tenant may have without waiting for the reserve: one works, a second one (login, logging, mail)
# does not wait. Where tenants are fewer than workers, a tenant gets its share of the workers.
TENANT_POOL_SIZE = 2
# Seconds after which a waiting client may use the reserve. Two cursors of one cron wait that long at most.
RESERVE_POOL_TIMEOUT = 1
# A websocket worker takes a cursor for a dispatch now and then, two at once at most in what we measured.
GEVENT_CURSORS = 2
# In threaded mode every request is a thread; Odoo bounds them by half of db_maxconn (odoo/service/server.py). More than
# this many of one process never work at once, because Python runs one of them at a time.
MAX_BUSY_THREADS = 16
# Seconds after which a connection that nobody uses is closed. The crons of all instances together visit a tenant every few
# seconds; longer, and a second connection would hardly ever go (docs/pooling.md has the measurement).
IDLE_TIMEOUT = 3
# In the steady state each tenant keeps its first connection, about one holder in eight has a second one open somewhere, and
# two of those for short calls have not been closed yet (measured on labs of 9, 14 and 16 tenants: docs/pooling.md).
HOLDERS_FOR_A_SECOND = 8
STEADY_SHORT_CALLS = 2
# Connections to `postgres` that come and go: NOTIFY after a commit, the list of databases, the database manager.
MIN_SHORT_CALLS, MAX_SHORT_CALLS = 4, 10
# PgBouncer's own look-ups of passwords.
AUTH_POOL_SIZE = 2
# Sessions beside the job runners that the session door has room for: an upgrade needs two, a backup and a restore one each.
SESSION_SPARE = 4
# Room in PostgreSQL for an administrator, a backup and a dump beside all pools.
DIRECT_CONNECTIONS = 5
# A client is a few kilobytes in PgBouncer, a refused one is an error page, so the limit is generous.
MIN_CLIENTS = 1000
MIN_FILES = 8192

# Settings of an operator that make no sense for the session door, or that it has of its own.
TRANSACTION_POOL_ONLY = (
    "pool_mode",
    "max_user_connections",
    "max_db_connections",
    "max_user_client_connections",
    "max_db_client_connections",
    "min_pool_size",
    "server_reset_query",
)

Instance = t.Mapping[str, t.Any]


class Role(t.NamedTuple):
    """What the instances of one PostgreSQL role need together.

    ``holders`` are those that may be in a transaction at once and then want a second connection; ``runners`` the
    connections that job runners (OCA queue_job) keep, one for each instance and tenant that has the module.
    """

    name: str
    listeners: int
    workers: int
    holders: int
    clients: int
    runners: int
    tenants: frozenset[str]


def _busy(instance: Instance) -> int:
    """Requests that may be in a transaction at once."""
    if instance["workers"] > 0:
        return int(instance["workers"]) + GEVENT_CURSORS
    return min(int(instance["db_maxconn"]) // 2, MAX_BUSY_THREADS)


def _clients(instance: Instance) -> int:
    """Most connections that Odoo opens: one pool of db_maxconn a process (odoo/sql_db.py)."""
    processes = instance["workers"] + instance["cron_threads"] + 1 if instance["workers"] > 0 else 1
    return int(processes * instance["db_maxconn"])


def by_role(instances: t.Sequence[Instance]) -> list[Role]:
    roles = []
    for name in sorted({instance["db_user"] for instance in instances}):
        own = [instance for instance in instances if instance["db_user"] == name]
        roles.append(
            Role(
                name=name,
                listeners=sum(instance["listeners"] for instance in own),
                workers=sum(max(instance["workers"], 1) for instance in own),
                holders=sum(_busy(instance) + instance["cron_threads"] for instance in own),
                clients=sum(_clients(instance) for instance in own),
                runners=sum(len(instance["queue_job"]["databases"]) for instance in own if instance.get("queue_job")),
                tenants=frozenset(tenant for instance in own for tenant in instance["databases"]),
            )
        )
    return roles


def _short_calls(role: Role) -> int:
    return min(MAX_SHORT_CALLS, max(MIN_SHORT_CALLS, math.ceil(role.workers / 4)))


def _session_pool(role: Role) -> int:
    return role.listeners + _short_calls(role)


def _tenant_pool_size(role: Role) -> int:
    return max(TENANT_POOL_SIZE, math.ceil(role.workers / max(1, len(role.tenants))))


class _Figures:
    """The plan's sizes in the order in which they are shown; what the operator has set takes the place of what is planned."""

    def __init__(self, overrides: t.Mapping[str, t.Any]) -> None:
        self.overrides = overrides
        self.shown: list[dict[str, t.Any]] = []

    def add(self, name: str, planned: int, reason: str) -> t.Any:
        value: float = planned
        if name in self.overrides:
            value = _pool_hazards.number(name, self.overrides[name])
            reason = f"set by you; planned were {planned}: {reason}"
        self.shown.append({"name": name, "value": value, "planned": planned, "reason": reason})
        return value

    def has(self, name: str) -> bool:
        return any(figure["name"] == name for figure in self.shown)

    def others(self) -> dict[str, t.Any]:
        """What the operator sets beside figures: keys of PgBouncer's own section."""
        return {key: value for key, value in self.overrides.items() if "." not in key and not self.has(key)}

    def check_names(self) -> None:
        """Keys of PgBouncer have no dot, so one with a dot must be a figure."""
        for name in self.overrides:
            if "." in name and not self.has(name):
                known = ", ".join(figure["name"] for figure in self.shown if "." in figure["name"])
                raise PooledError(f"the plan has no such figure; it has {known}", name)


def make(
    instances: t.Sequence[Instance],
    limits: t.Mapping[str, t.Any],
    other_connections: int,
    auth_user: str,
    overrides: t.Mapping[str, t.Any] | None = None,
    force: bool = False,
    session_door: bool = False,
    poolers: int = 1,
) -> dict[str, t.Any]:
    """The plan, a JSON document.

    *instances*: as ``odoo_info`` lists them, with ``databases``. *limits*: ``max_connections`` and ``reserved`` of
    PostgreSQL, and what roles and databases may have of their own (``by_role``, ``by_database``). *other_connections*: the
    most that roles other than Odoo's had while measured. *overrides*: figures by the names under which the plan shows them,
    and other keys of PgBouncer's own section. *session_door*: plan a second listener in session mode too. *poolers*: how many
    PgBouncers share the clients; each needs room for all of them, because it may be the only one left.

    Raises PooledError when PostgreSQL cannot give what the plan needs at its worst, and, unless *force*, when an override
    can hang or break Odoo.
    """
    overrides = overrides or {}
    _check_instances(instances)
    roles = by_role(instances)
    figures = _Figures(overrides)
    most_holders = max(role.holders for role in roles)
    planned_session_pool = max(_session_pool(role) for role in roles)
    session_pool = figures.add(
        "postgres.pool_size",
        planned_session_pool,
        f"{max(role.listeners for role in roles)} listeners (crons and bus) hold one each for ever, and"
        f" {max(_short_calls(role) for role in roles)} short calls (notifications, lists of databases) may come at once; too"
        " few and the whole ERP hangs",
    )
    pool_size = figures.add(
        "default_pool_size",
        max(_tenant_pool_size(role) for role in roles),
        "a tenant's share of the workers, and two at least; more would only keep idle connections",
    )
    figures.add(
        "reserve_pool_size",
        max(0, most_holders + 1 - pool_size),
        f"{most_holders} workers, crons and websocket cursors may each hold one connection of a tenant and want a"
        " second; with one more than that they cannot deadlock",
    )
    figures.add("reserve_pool_timeout", RESERVE_POOL_TIMEOUT, "the longest that a nested cursor waits for the reserve")
    clients = figures.add(
        "max_client_conn",
        max(MIN_CLIENTS, math.ceil(sum(role.clients for role in roles) / 100) * 100),
        "what all Odoo processes may open (db_maxconn each); refused is an error page",
    )
    figures.add("query_wait_timeout", 30, "below Odoo's limit_time_real of 120, so that the error tells the reason")
    figures.add(
        "server_idle_timeout",
        IDLE_TIMEOUT,
        "crons visit each tenant every few seconds; longer, and second connections would never go",
    )
    figures.add(
        "server_lifetime", 3600, "bounds what a backend's caches of a tenant's tables can grow to; listeners stay"
    )
    figures.add("server_login_retry", 1, "a tenant that was just created must not be refused for 15 s")
    figures.add(
        "server_reset_query_always",
        1,
        "what one client sets (search_path by a backup, lock_timeout by an upgrade) must not reach another",
    )
    # PgBouncer's caps count like a pool's limit, so a lower one could let all holders wait for each other.
    caps = {
        role.name: figures.add(
            f"{role.name}.max_user_connections",
            _session_pool(role) + session_pool - planned_session_pool + role.holders + 1,
            f"its session pool, {role.holders} holders of one connection each, and one more, so that somebody always gets a"
            " second; the total never passes it",
        )
        for role in roles
    }
    settings: dict[str, t.Any] = {
        "pool_mode": "transaction",
        "max_user_connections": max(caps.values()),
        **{figure["name"]: figure["value"] for figure in figures.shown if "." not in figure["name"]},
        **figures.others(),
    }
    door = _session_door(roles, figures, auth_user) if session_door else None
    needs = [
        _pool_hazards.Need(
            role.name,
            role.listeners,
            _session_pool(role),
            role.holders,
            role.clients,
            caps[role.name],
            role.runners,
            door["caps"][role.name] if door else None,
        )
        for role in roles
    ]
    warnings = _pool_hazards.check(session_pool, settings, needs, force)
    # Without the door job runners go to PostgreSQL directly.
    beside = door["worst_case"] if door else sum(role.runners for role in roles)
    worst_case = poolers * (sum(caps.values()) + AUTH_POOL_SIZE) + beside
    figures.check_names()
    budget = _budget(limits, other_connections, worst_case)
    sessions = {role.name: door["caps"][role.name] if door else role.runners for role in roles}
    most = {role.name: poolers * caps[role.name] + sessions[role.name] for role in roles}
    _check_own_limits(limits, most, roles)
    return {
        "schema": SCHEMA,
        "settings": settings,
        # Every role finds its listeners' pool at this size; caps are per role.
        "postgres_pool_size": session_pool,
        "roles": [role.name for role in roles],
        "auth_user": auth_user,
        "users": _users(caps, auth_user),
        "figures": figures.shown,
        "session_door": door,
        "budget": budget,
        "predicted": {"steady": _steady(roles, poolers), "worst_case": worst_case},
        "file_limit": _file_limit(clients + worst_case),
        "warnings": warnings + _warnings(instances, budget["available"], worst_case),
    }


def _check_instances(instances: t.Sequence[Instance]) -> None:
    if not instances:
        raise PooledError("there is no Odoo instance to plan for")
    for instance in instances:
        if not instance.get("db_user"):
            raise PooledError(
                f"the role of {instance['name']} is unknown; set db_user in its odoo.conf or its environment"
            )


def _session_door(roles: t.Sequence[Role], figures: _Figures, auth_user: str) -> dict[str, t.Any]:
    """The second listener, in session mode: a connection there is a connection to PostgreSQL for as long as it lasts."""
    own_auth_user = f"{auth_user}_session"
    caps = {
        role.name: figures.add(
            f"session.{role.name}.max_user_connections",
            role.runners + SESSION_SPARE,
            f"session door: {role.runners} job runners' connections, and {SESSION_SPARE} for an upgrade, a backup and a"
            " restore",
        )
        for role in roles
    }
    return {
        "settings": {
            # TLS, keepalives and the like are for both.
            **{key: value for key, value in figures.others().items() if key not in TRANSACTION_POOL_ONLY},
            "pool_mode": "session",
            "default_pool_size": max(caps.values()),
            "max_user_connections": max(caps.values()),
            # Whoever finds it full shall wait in a queue and be told, not be refused.
            "max_client_conn": MIN_CLIENTS,
            "query_wait_timeout": 30,
            "server_idle_timeout": IDLE_TIMEOUT,
            "server_login_retry": 1,
        },
        "postgres_pool_size": max(caps.values()),
        "roles": [role.name for role in roles],
        "auth_user": own_auth_user,
        "caps": caps,
        "users": _users(caps, own_auth_user),
        "worst_case": sum(caps.values()) + AUTH_POOL_SIZE,
        "file_limit": _file_limit(MIN_CLIENTS + sum(caps.values())),
    }


def _users(caps: t.Mapping[str, int], auth_user: str) -> list[dict[str, t.Any]]:
    return [
        # A role whose name pgbouncer.ini cannot express has the global cap, which is the highest.
        *({"name": name, "max_user_connections": cap} for name, cap in caps.items() if _ini.can_name(name)),
        {"name": auth_user, "max_user_connections": AUTH_POOL_SIZE, "pool_size": AUTH_POOL_SIZE},
    ]


def _budget(limits: t.Mapping[str, t.Any], others: int, worst_case: int) -> dict[str, int]:
    """What PostgreSQL can give; raises PooledError where that is less than *worst_case*."""
    maximum, reserved = limits["max_connections"], limits["reserved"]
    available = maximum - reserved - others - DIRECT_CONNECTIONS
    if worst_case > available:
        raise PooledError(
            f"max_connections is too small for the plan: at worst the pools need {worst_case}, and of {maximum} are left"
            f" {available} ({reserved} reserved, {others} used by others, {DIRECT_CONNECTIONS} for administration); raise"
            f" max_connections to at least {maximum + worst_case - available}, or lower workers or max_cron_threads of Odoo"
        )
    return {
        "max_connections": maximum,
        "reserved": reserved,
        "others": others,
        "administration": DIRECT_CONNECTIONS,
        "available": available,
    }


def _check_own_limits(limits: t.Mapping[str, t.Any], caps: t.Mapping[str, int], roles: t.Sequence[Role]) -> None:
    """Roles and databases may have a limit of their own. What it refuses PgBouncer tells Odoo as a failed log-in. *caps*:
    the most that each role may have, by whatever way."""
    for role, limit in limits.get("by_role", {}).items():
        if role in caps and limit < caps[role]:
            raise PooledError(
                f"role {role} has CONNECTION LIMIT {limit} in PostgreSQL, and at worst its pools need {caps[role]}; raise it"
                f" (ALTER ROLE … CONNECTION LIMIT {caps[role]}), or take it away (-1): the pools have limits of their own"
            )
    for database, limit in limits.get("by_database", {}).items():
        if database == "postgres":
            needed = sum(_session_pool(role) for role in roles) + 2 * AUTH_POOL_SIZE
            if limit < needed:
                raise PooledError(
                    f"database postgres has CONNECTION LIMIT {limit} in PostgreSQL, and crons, bus and short calls need"
                    f" {needed} there; raise it (ALTER DATABASE … CONNECTION LIMIT {needed}), or take it away (-1)"
                )
        holders = sum(role.holders for role in roles if database in role.tenants)
        if holders and limit < holders + 1:
            raise PooledError(
                f"database {database} has CONNECTION LIMIT {limit} in PostgreSQL, and its {holders} holders can deadlock on"
                f" fewer than {holders + 1}; raise it (ALTER DATABASE … CONNECTION LIMIT {holders + 1}), or take it away (-1)"
            )


def _file_limit(connections: int) -> int:
    """One for each client and server connection and some for itself; in large steps, because another limit is another
    container, and a new worker or two should not be."""
    return int(max(MIN_FILES, 2 ** math.ceil(math.log2(connections + 100))))


def _steady(roles: t.Sequence[Role], poolers: int) -> int:
    kept = sum(role.listeners + role.runners + poolers * len(role.tenants) for role in roles)
    seconds = sum(min(len(role.tenants), role.holders / HOLDERS_FOR_A_SECOND) for role in roles)
    return kept + STEADY_SHORT_CALLS + math.ceil(seconds)


def _warnings(instances: t.Sequence[Instance], available: int, worst_case: int) -> list[str]:
    warnings = []
    if worst_case > 0.8 * available:
        warnings.append(
            f"at worst the pools take {worst_case} of the {available} connections that PostgreSQL can give them;"
            " there is little room for more workers"
        )
    for instance in instances:
        if not instance["databases"]:
            warnings.append(
                f"{instance['name']} serves no database yet; plan again when it does (run deploy once more)"
            )
    return warnings
