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

from ansible_collections.pooled.odoo.plugins.module_utils import (
    _holders,
    _ini,
    _pool_budget,
    _pool_hazards,
    _pooler_load,
)
from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError

SCHEMA = "pooled.odoo/plan/3"

# Connections that a tenant may have at once, before the reserve: a few for a page, its log-in and a cron, so that evenly used
# tenants do not collect more than they need.
TENANT_POOL_SIZE = 2
# Seconds that a client waits before its tenant takes from the reserve, which has room for all holders. A tenant that is really
# busy has what it needs within that time and keeps it while it is busy; with a second in its place a hot tenant had half of the
# throughput of direct connections, because no single wait ever reached it (docs/sizing.md has the measurement).
RESERVE_POOL_TIMEOUT = 0.01
# Seconds after which a connection that nobody uses is closed. The crons of all instances together visit a tenant every few
# seconds; longer, and a second connection would hardly ever go (docs/sizing.md has the measurement).
IDLE_TIMEOUT = 3
# In the steady state each tenant keeps its first connection, about one holder in eight has a second one open somewhere, and
# two of those for short calls have not been closed yet (measured on labs of 9, 14 and 16 tenants: docs/sizing.md).
HOLDERS_FOR_A_SECOND = 8
STEADY_SHORT_CALLS = 2
# Connections to `postgres` that come and go: NOTIFY after a commit, the list of databases, the database manager.
MIN_SHORT_CALLS, MAX_SHORT_CALLS = 4, 10
# Instances whose listeners may be there twice: one that is reloaded listens with its old and its new server for a moment, and
# one more may have come since the pools were planned.
SPARE_INSTANCES = 2
# The database that is PgBouncer's admin console.
CONSOLE = "pgbouncer"
# PgBouncer's own look-ups of passwords.
AUTH_POOL_SIZE = 2
# Sessions beside the job runners that the session pooler has room for: an upgrade needs two, a backup and a restore one each.
SESSION_SPARE = 4
# A client is a few kilobytes in PgBouncer, a refused one is an error page, so the limit is generous.
MIN_CLIENTS = 1000
MIN_FILES = 8192
# What a transaction of Odoo takes of PgBouncer's one processor, in seconds, measured on the largest lab (72 transactions/s took
# 6.5 %, with DISCARD ALL behind each).
CPU_OF_A_TRANSACTION = 0.001
# What PgBouncer takes for a connection, and for itself. An idle client without TLS takes 1.4 kB (tests/bench/bench_pools.py), its
# buffers 4 kB while it works, and OpenSSL some 40 kB.
MEMORY_PER_CONNECTION_KB = 64
MEMORY_BASE_MB = 64
MIN_MEMORY_MB = 256
# Seconds that a client may take to log in. A client that never does holds a place of max_client_conn for as long; Odoo logs in
# within milliseconds, and its own log-in may have to wait for a password look-up through a busy PostgreSQL.
LOGIN_TIMEOUT = 10

# Settings of an operator that make no sense for the session pooler, or that it has of its own.
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
    """What the instances of one PostgreSQL role need together, in connections.

    ``listeners`` are there for ever, ``spare_listeners`` may be for a while. ``wanted`` is what the pools of the role's tenants
    may have, ``least`` the limit below which holders can deadlock (see ``_holders``). ``runners``: the connections that job
    runners (OCA queue_job) keep, one for each instance and tenant that has the module.
    """

    name: str
    instances: tuple[Instance, ...]
    listeners: int
    spare_listeners: int
    workers: int
    holders: int
    least: int
    wanted: int
    clients: int
    runners: int
    tenants: frozenset[str]

    @property
    def short_calls(self) -> int:
        return min(MAX_SHORT_CALLS, max(MIN_SHORT_CALLS, math.ceil(self.workers / 4)))

    @property
    def session_pool(self) -> int:
        return self.listeners + self.spare_listeners + self.short_calls


def by_role(instances: t.Sequence[Instance], most_threads: int | None = None) -> list[Role]:
    """The roles of *instances*. *most_threads*: see :func:`_threads_that_fit`."""
    roles = []
    for name in sorted({instance["db_user"] for instance in instances}):
        own = tuple(instance for instance in instances if instance["db_user"] == name)
        roles.append(
            Role(
                name=name,
                instances=own,
                listeners=sum(instance["listeners"] for instance in own),
                spare_listeners=SPARE_INSTANCES * max(instance["listeners"] for instance in own),
                workers=sum(max(instance["workers"], 1) for instance in own),
                holders=sum(_holders.count(instance, most_threads) for instance in own),
                least=_holders.least(own, most_threads),
                wanted=_holders.wanted(own, most_threads),
                clients=sum(_holders.clients(instance) for instance in own),
                runners=sum(len(instance["queue_job"]["databases"]) for instance in own if instance.get("queue_job")),
                tenants=frozenset(tenant for instance in own for tenant in instance["databases"]),
            )
        )
    return roles


class _Figures:
    """The plan's sizes in the order in which they are shown; what the operator has set takes the place of what is planned."""

    def __init__(self, overrides: t.Mapping[str, t.Any]) -> None:
        self.overrides = overrides
        self.shown: list[dict[str, t.Any]] = []

    def add(self, name: str, planned: float, reason: str) -> t.Any:
        value = planned
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
    beside: _pool_budget.Others,
    auth_user: str,
    overrides: t.Mapping[str, t.Any] | None = None,
    force: bool = False,
    session_pooler: bool = False,
    poolers: int = 1,
    transactions_per_second: float = 0,
) -> dict[str, t.Any]:
    """The plan, a JSON document. Its ``poolers`` are what each PgBouncer shall be configured with: two transaction
    poolers (:func:`auth_users`), then the session pooler if there shall be one, each told by its ``auth_user``.

    *instances*: as ``odoo_info`` lists them, with ``databases``. *limits*: ``max_connections`` and ``reserved`` of
    PostgreSQL, and what roles and databases may have of their own (``by_role``, ``by_database``). *beside*: the connections
    that stay beside the pools. *overrides*: figures by the names under which the plan shows them, and other keys of
    PgBouncer's own section. *session_pooler*: plan a second listener in session mode too. *poolers*: how many PgBouncers share
    the clients; each needs room for all of them, because it may be the only one left. *transactions_per_second*: what clients
    were seen to do; no size depends on it.

    Raises PooledError when PostgreSQL cannot give what the plan needs at its worst, and, unless *force*, when an override
    can hang or break Odoo.
    """
    _check_instances(instances)
    arguments = (auth_user, overrides or {}, session_pooler, poolers)
    left = _pool_budget.available(limits, beside)
    sizes = _sizes(instances, *arguments)
    threads = None
    if sizes.worst_case > left and any(_holders.threads_unbounded(instance) for instance in instances):
        threads = _threads_that_fit(instances, left, *arguments)
        sizes = _sizes(instances, *arguments, most_threads=threads)
    warnings = _pool_hazards.check(sizes.session_pool, sizes.settings, sizes.needs, force)
    sizes.figures.check_names()
    _pool_budget.check(limits, beside, sizes.worst_case)
    _check_own_limits(limits, sizes, poolers, threads)
    return {
        "schema": SCHEMA,
        "roles": [role.name for role in sizes.roles],
        "poolers": [
            *(_transaction_pooler(sizes, name) for name in auth_users(auth_user)),
            *([sizes.session_pooler] if sizes.session_pooler else []),
        ],
        "figures": sizes.figures.shown,
        "budget": _pool_budget.describe(limits, beside),
        "predicted": {
            "steady": min(_steady(sizes.roles, poolers), sizes.worst_case),
            "worst_case": sizes.worst_case,
            "cpu_share": round(transactions_per_second * CPU_OF_A_TRANSACTION / poolers, 3),
        },
        "warnings": [
            *warnings,
            *_warnings(instances, sizes, left, threads),
            *_untold(beside.untold),
            *_busy(transactions_per_second, poolers),
        ],
    }


def auth_users(auth_user: str) -> list[str]:
    """The role as which each transaction pooler looks up passwords: one for each, so that any of them can be removed without the
    others. The second is there if it is wanted, and while the first is made anew."""
    return [auth_user, f"{auth_user}_2"]


def session_auth_user(auth_user: str) -> str:
    return f"{auth_user}_session"


class _Sizes(t.NamedTuple):
    """The plan before it is held against what PostgreSQL can give. ``sessions``: connections of each role beside the
    transaction poolers."""

    roles: list[Role]
    figures: _Figures
    session_pool: t.Any
    settings: dict[str, t.Any]
    caps: dict[str, t.Any]
    session_pooler: dict[str, t.Any] | None
    sessions: dict[str, t.Any]
    needs: list[_pool_hazards.Need]
    worst_case: int


def _sizes(
    instances: t.Sequence[Instance],
    auth_user: str,
    overrides: t.Mapping[str, t.Any],
    session_pooler: bool,
    poolers: int,
    most_threads: int | None = None,
) -> _Sizes:
    roles = by_role(instances, most_threads)
    figures = _Figures(overrides)
    planned_session_pool = max(role.session_pool for role in roles)
    session_pool = figures.add(
        "postgres.pool_size",
        planned_session_pool,
        f"{max(role.listeners for role in roles)} listeners (crons and bus) hold one each for ever,"
        f" {max(role.spare_listeners for role in roles)} more may come (an instance that is reloaded, a new one), and"
        f" {max(role.short_calls for role in roles)} short calls (notifications, lists of databases) at once; too few and the"
        " whole ERP hangs",
    )
    _tenant_pools(figures, roles)
    figures.add(
        "max_client_conn",
        max(MIN_CLIENTS, math.ceil(sum(role.clients for role in roles) / 100) * 100),
        "what all Odoo processes may open (db_maxconn each); refused is an error page",
    )
    _timeouts(figures)
    # PgBouncer's caps count like a pool's limit, so a lower one could let all holders wait for each other.
    caps = {
        role.name: figures.add(
            f"{role.name}.max_user_connections",
            role.session_pool + session_pool - planned_session_pool + role.wanted,
            f"its session pool, and {role.wanted} for the tenants of its {role.holders} holders together, so that somebody"
            " always gets on; the total never passes it, and idle connections of other tenants make room",
        )
        for role in roles
    }
    settings: dict[str, t.Any] = {
        "pool_mode": "transaction",
        "max_user_connections": max(caps.values()),
        **{figure["name"]: figure["value"] for figure in figures.shown if "." not in figure["name"]},
        **figures.others(),
    }
    session = _session_pooler(roles, figures, auth_user) if session_pooler else None
    sessions = {role.name: session["caps"][role.name] if session else role.runners for role in roles}
    needs = [
        _pool_hazards.Need(
            role.name,
            role.listeners,
            role.session_pool,
            role.holders,
            role.least,
            role.clients,
            caps[role.name],
            role.runners,
            session["caps"][role.name] if session else None,
        )
        for role in roles
    ]
    # Without a session pooler job runners go to PostgreSQL directly.
    beside = session["worst_case"] if session else sum(role.runners for role in roles)
    worst_case = poolers * (sum(caps.values()) + AUTH_POOL_SIZE) + beside
    return _Sizes(roles, figures, session_pool, settings, caps, session, sessions, needs, worst_case)


def _tenant_pools(figures: _Figures, roles: t.Sequence[Role]) -> None:
    most = max(role.wanted for role in roles)
    holders = max(role.holders for role in roles)
    threaded = max(
        (_holders.wanted([i for i in role.instances if _holders.is_threaded(i)]) - 1 for role in roles), default=0
    )
    share = max(math.ceil(role.workers / max(1, len(role.tenants))) for role in roles)
    pool_size = figures.add(
        "default_pool_size",
        min(most, max(TENANT_POOL_SIZE, share, threaded)),
        "threads of one process wait for each other while one of them waits for a connection, so they get all at once"
        if threaded
        else "a tenant's share of the workers, and two at least; what more it needs comes from the reserve at once",
    )
    figures.add(
        "reserve_pool_size",
        max(0, most - pool_size),
        f"{holders} holders (workers, threads, crons, websockets) may each keep a connection of a tenant and want one more,"
        " crons two; with so many they cannot deadlock, and each cron has one to spare",
    )
    figures.add(
        "reserve_pool_timeout",
        RESERVE_POOL_TIMEOUT,
        "seconds that a busy tenant or a nested cursor waits for a connection of the reserve",
    )


def _timeouts(figures: _Figures) -> None:
    figures.add("query_wait_timeout", 30, "below Odoo's limit_time_real of 120, so that the error tells the reason")
    figures.add(
        "client_login_timeout",
        LOGIN_TIMEOUT,
        "a client that connects and never logs in holds a place of max_client_conn for no longer",
    )
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


def _threads_that_fit(
    instances: t.Sequence[Instance],
    left: int,
    auth_user: str,
    overrides: t.Mapping[str, t.Any],
    session_pooler: bool,
    poolers: int,
) -> int:
    """The most threads of each instance without a bound of its own for which *left* connections are enough, at least
    ``_holders.MIN_THREADS``. In steps, so that another measurement of the others does not make another plan each time."""
    most = max(_holders.most_connections(instance) or 1 for instance in instances)
    for threads in range(most - most % _holders.MIN_THREADS, _holders.MIN_THREADS, -_holders.MIN_THREADS):
        if _sizes(instances, auth_user, overrides, session_pooler, poolers, threads).worst_case <= left:
            return threads
    return _holders.MIN_THREADS


def _check_instances(instances: t.Sequence[Instance]) -> None:
    if not instances:
        raise PooledError("there is no Odoo instance to plan for")
    for instance in instances:
        if not instance.get("db_user"):
            raise PooledError(
                f"the role of {instance['name']} is unknown; set db_user in its odoo.conf or its environment"
            )
        if CONSOLE in instance["databases"]:
            raise PooledError(
                f"{instance['name']} serves a database {CONSOLE}, the name under which PgBouncer has its own console, so"
                " nobody could reach it through the pooler; give it another name (Odoo's database manager, or ALTER DATABASE"
                " … RENAME TO …)"
            )


def _transaction_pooler(sizes: _Sizes, auth_user: str) -> dict[str, t.Any]:
    return {
        "auth_user": auth_user,
        "roles": [role.name for role in sizes.roles],
        "settings": sizes.settings,
        # Every role finds its listeners' pool at this size; caps are per role.
        "postgres_pool_size": sizes.session_pool,
        "users": _users(sizes.caps, auth_user),
        "file_limit": _file_limit(sizes.settings["max_client_conn"] + sizes.worst_case),
        "memory_limit_mb": _memory_limit(sizes.settings, sizes.worst_case),
    }


def _session_pooler(roles: t.Sequence[Role], figures: _Figures, auth_user: str) -> dict[str, t.Any]:
    """The second listener, in session mode: a connection there is a connection to PostgreSQL for as long as it lasts."""
    own_auth_user = session_auth_user(auth_user)
    caps = {
        role.name: figures.add(
            f"session.{role.name}.max_user_connections",
            role.runners + SESSION_SPARE,
            f"session pooler: {role.runners} job runners' connections, and {SESSION_SPARE} for an upgrade, a backup and a"
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
        "memory_limit_mb": _memory_limit({"max_client_conn": MIN_CLIENTS}, sum(caps.values())),
    }


def _users(caps: t.Mapping[str, int], auth_user: str) -> list[dict[str, t.Any]]:
    return [
        # A role whose name pgbouncer.ini cannot express has the global cap, which is the highest.
        *({"name": name, "max_user_connections": cap} for name, cap in caps.items() if _ini.can_name(name)),
        {"name": auth_user, "max_user_connections": AUTH_POOL_SIZE, "pool_size": AUTH_POOL_SIZE},
    ]


def _check_own_limits(limits: t.Mapping[str, t.Any], sizes: _Sizes, poolers: int, most_threads: int | None) -> None:
    """Roles and databases may have a limit of their own."""
    for role in sizes.roles:
        _pool_budget.check_role(limits, role.name, poolers * sizes.caps[role.name] + sizes.sessions[role.name])
    on_postgres = sum(min(sizes.session_pool, sizes.caps[role.name]) for role in sizes.roles) + AUTH_POOL_SIZE
    most = poolers * on_postgres + (AUTH_POOL_SIZE if sizes.session_pooler else 0)
    _pool_budget.check_database(limits, "postgres", most, "at worst crons, bus and short calls need")
    for tenant in sorted({tenant for role in sizes.roles for tenant in role.tenants}):
        serving = [i for role in sizes.roles for i in role.instances if tenant in i["databases"]]
        holders = sum(_holders.count(instance, most_threads) for instance in serving)
        _pool_budget.check_database(
            limits, tenant, _holders.least(serving, most_threads), f"its {holders} holders can deadlock on fewer than"
        )


def _file_limit(connections: int) -> int:
    """One for each client and server connection and some for itself; in large steps, because another limit is another
    container, and a new worker or two should not be."""
    return int(max(MIN_FILES, 2 ** math.ceil(math.log2(connections + 100))))


def _memory_limit(settings: t.Mapping[str, t.Any], worst_case: int) -> int:
    """Megabytes for the container, in powers of two. See MEMORY_PER_CONNECTION_KB; four times that, because a limit that is
    reached ends the pooler and with it every client."""
    connections = settings["max_client_conn"] + worst_case
    needed = MEMORY_BASE_MB + 4 * connections * MEMORY_PER_CONNECTION_KB / 1024
    return int(max(MIN_MEMORY_MB, 2 ** math.ceil(math.log2(needed))))


def _steady(roles: t.Sequence[Role], poolers: int) -> int:
    kept = sum(role.listeners + role.runners + poolers * len(role.tenants) for role in roles)
    seconds = sum(min(len(role.tenants), role.holders / HOLDERS_FOR_A_SECOND) for role in roles)
    return kept + STEADY_SHORT_CALLS + math.ceil(seconds)


def _busy(transactions_per_second: float, poolers: int) -> t.Iterator[str]:
    share = transactions_per_second * CPU_OF_A_TRANSACTION / poolers
    if share > _pooler_load.BUSY:
        yield (
            f"{transactions_per_second:g} transactions per second take about {100 * share:.0f} % of the one processor that a"
            f" PgBouncer can use; {_pooler_load.REMEDY}"
        )


def _untold(clients: t.Sequence[str]) -> t.Iterator[str]:
    if clients:
        yield (
            f"connections of Odoo's roles from {', '.join(clients)} are not in the budget: PostgreSQL sees the Docker host in"
            " place of its containers, and not every pooler could be asked what it holds; plan again (retune) when it can, and"
            " keep room for whoever else uses these roles"
        )


def _warnings(instances: t.Sequence[Instance], sizes: _Sizes, available: int, most_threads: int | None) -> list[str]:
    warnings = []
    if sizes.worst_case > 0.8 * available:
        warnings.append(
            f"at worst the pools take {sizes.worst_case} of the {available} connections that PostgreSQL can give them;"
            " there is little room for more workers"
        )
    if most_threads is not None:
        names = ", ".join(sorted(i["name"] for i in instances if _holders.threads_unbounded(i)))
        warnings.append(
            f"PostgreSQL can give no more than {most_threads} threads of each of {names} a connection, and nothing bounds"
            f" these (workers = 0): more requests at once will wait for each other. Set ODOO_MAX_HTTP_THREADS={most_threads}"
            " in their environment, or raise max_connections"
        )
    for instance in instances:
        if not instance["databases"]:
            warnings.append(
                f"{instance['name']} serves no database yet; plan again when it does (run deploy once more)"
            )
        replica = instance.get("replica")
        if replica:
            warnings.append(
                f"{instance['name']} reads from a replica at {replica['host']}:{replica['port']} (db_replica_host): these"
                " connections stay as they are, go to that server and are not counted here"
            )
    return warnings
