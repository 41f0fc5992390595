# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What settings of the pools would hang, deadlock or break Odoo.

This module util is PRIVATE to the collection. It can have breaking changes at any time.

The plan's own figures pass all of it; it is there for what an operator sets instead. Most rules were first seen as faults
on real Odoo 19: a session pool without room for the listeners stops every page, a limit below what holders nest lets
cursors wait for each other until query_wait_timeout, a backup's search_path reaches users without a reset.
"""

from __future__ import annotations

import typing as t

from ansible_collections.pooled.odoo.plugins.module_utils import _settings
from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError
from ansible_collections.pooled.odoo.plugins.module_utils._pgbouncer_options import SETTINGS, Option

# Odoo's limit_time_real (odoo/tools/config.py): a worker is killed after that, and the user never learns why.
LIMIT_TIME_REAL = 120
# Beyond this, connections that nobody uses outlive the minute between two visits of the crons.
LONG_IDLE = 60
LONG_LOGIN_RETRY = 5
# Odoo sends an attachment that it keeps in the database, and reads a cached asset, in one packet.
SMALLEST_PACKET = 128 * 1024 * 1024

# Timeouts that end what Odoo does all day, and whom each of them hits.
FATAL_TIMEOUTS = {
    "query_timeout": "long reports and upgrades",
    "transaction_timeout": "long reports, imports and crons",
    "idle_transaction_timeout": "crons, which hold a row lock while their job works",
    "client_idle_timeout": "the listeners of chat and crons, which wait for ever",
}


class Need(t.NamedTuple):
    """What one role needs: numbers of connections. ``least`` is the limit below which its holders can deadlock, ``cap`` what it
    would get, 0 for no limit; ``session_cap`` the same at the session pooler, None without one."""

    role: str
    listeners: int
    session_pool: int
    holders: int
    least: int
    clients: int
    cap: float
    runners: int
    session_cap: float | None


class Hazard(t.NamedTuple):
    """``fatal`` means that it can hang, deadlock or break Odoo."""

    name: str
    text: str
    fatal: bool = True


def number(name: str, value: t.Any) -> float:
    """*value* for the figure *name*: by the rules of PgBouncer's key of that name, else a whole number, 0 or more. Raises
    PooledError."""
    text = _settings.normalise_value(SETTINGS.get(name, Option("integer", low=0)), value, name)
    return int(text) if text.isdigit() else float(text)


def check(session_pool: float, settings: t.Mapping[str, t.Any], needs: t.Sequence[Need], force: bool) -> list[str]:
    """The hazards as warnings. Raises PooledError when one of them is fatal, unless *force*."""
    hazards = find(session_pool, settings, needs)
    fatal = [hazard for hazard in hazards if hazard.fatal]
    if fatal and not force:
        reasons = "; ".join(f"{hazard.name}: {hazard.text}" for hazard in fatal)
        raise PooledError(
            f"refused, because it can hang or break Odoo: {reasons}. Leave it to the plan, or insist with"
            " pooled_odoo_force_settings=true"
        )
    return [f"{hazard.name}: {hazard.text}" for hazard in hazards]


def find(session_pool: float, settings: t.Mapping[str, t.Any], needs: t.Sequence[Need]) -> list[Hazard]:
    """All hazards, in the order in which they would hurt. *settings*: of PgBouncer's own section; what is missing has
    PgBouncer's default. Pure."""
    values = _Values(settings)
    return [*_sessions(session_pool, needs), *_sizes(values, session_pool, needs), *_modes(values), *_waits(values)]


class _Values:
    def __init__(self, settings: t.Mapping[str, t.Any]) -> None:
        self.settings = settings

    def text(self, key: str) -> str:
        option = SETTINGS[key]
        if key not in self.settings:
            return option.default or ""
        return _settings.normalise_value(option, self.settings[key], key)

    def amount(self, key: str) -> float:
        return float(self.text(key) or 0)


def _sessions(session_pool: float, needs: t.Sequence[Need]) -> t.Iterator[Hazard]:
    for need in needs:
        if session_pool <= need.listeners:
            yield Hazard(
                "postgres.pool_size",
                f"{session_pool:g} are not enough for the {need.listeners} listeners of {need.role} and a single short call;"
                " no page would answer",
            )
        elif session_pool < need.session_pool:
            yield Hazard(
                "postgres.pool_size",
                f"{session_pool:g} leave {session_pool - need.listeners:g} beside the listeners of {need.role},"
                f" {need.session_pool - need.listeners} were planned for short calls and for instances that are reloaded; pages"
                " will wait for each other",
                fatal=False,
            )


def _sizes(values: _Values, session_pool: float, needs: t.Sequence[Need]) -> t.Iterator[Hazard]:
    reserve = values.amount("reserve_pool_size") if values.amount("reserve_pool_timeout") > 0 else 0
    pool = values.amount("default_pool_size") + reserve
    if values.amount("default_pool_size") < 1:
        yield Hazard("default_pool_size", "0 makes each first query wait for the reserve")
    for need in needs:
        enough = need.least
        sessions = min(session_pool, need.session_pool)
        if pool < enough:
            yield Hazard(
                "default_pool_size + reserve_pool_size",
                f"{pool:g} are fewer than {enough}: {need.holders} holders of {need.role} could all wait for one more"
                " connection until all of them fail",
            )
        if need.cap == 0:
            yield Hazard(
                f"{need.role}.max_user_connections",
                "0 is no limit; nothing would keep the pools from taking all that PostgreSQL has",
            )
        elif need.cap < sessions + enough:
            yield Hazard(
                f"{need.role}.max_user_connections",
                f"{need.cap:g} are fewer than {sessions + enough:g} (session pool {sessions:g}, {enough} for {need.holders}"
                " holders): holders could all wait for one more connection until all of them fail",
            )
        if need.session_cap is not None and need.session_cap <= need.runners:
            yield Hazard(
                f"session.{need.role}.max_user_connections",
                f"{need.session_cap:g} are not more than the {need.runners} that job runners hold for ever"
                if need.session_cap
                else "0 is no limit; nothing would keep sessions from taking all that PostgreSQL has",
            )
    # It counts all roles together, on postgres as on a tenant.
    limit, least = values.amount("max_db_connections"), sum(need.session_pool for need in needs)
    least = max(least, sum(need.least for need in needs))
    if 0 < limit < least:
        yield Hazard("max_db_connections", f"{limit:g} are fewer than the {least} of the plan")
    yield from _client_limits(values, needs)
    if values.amount("min_pool_size") > 0:
        yield Hazard(
            "min_pool_size",
            "keeps connections to each tenant that nobody uses, which is what a pooler is to avoid",
            False,
        )


def _client_limits(values: _Values, needs: t.Sequence[Need]) -> t.Iterator[Hazard]:
    clients = sum(need.clients for need in needs)
    busy = sum(need.listeners + 2 * need.holders for need in needs)
    for key in ("max_client_conn", "max_user_client_connections", "max_db_client_connections"):
        limit = values.amount(key)
        # Only the first has no value for "without limit".
        if limit == 0 and key != "max_client_conn":
            continue
        if limit < busy:
            yield Hazard(key, f"{limit:g} are fewer than the {busy} that busy workers and crons open at once")
        elif limit < clients:
            yield Hazard(key, f"{limit:g} are fewer than the {clients} that all Odoo processes may open", fatal=False)


def _modes(values: _Values) -> t.Iterator[Hazard]:
    mode = values.text("pool_mode")
    if mode != "transaction":
        harm = {
            "session": "would give each of Odoo's idle connections a connection of PostgreSQL again",
            "statement": "refuses transactions, without which Odoo does nothing",
        }[mode]
        yield Hazard("pool_mode", f"{mode} {harm}")
    if values.text("server_reset_query_always") != "1":
        yield Hazard(
            "server_reset_query_always",
            "without it a backup's search_path reaches users, who then see errors like 'relation \"res_users\" does not"
            " exist'",
        )
    if values.text("disable_pqexec") == "1":
        yield Hazard("disable_pqexec", "refuses the simple query protocol, and psycopg2 speaks no other")
    if values.amount("max_packet_size") < SMALLEST_PACKET:
        yield Hazard("max_packet_size", f"below {SMALLEST_PACKET} an attachment or a long report does not get through")
    if "DISCARD ALL" not in values.text("server_reset_query").upper():
        yield Hazard(
            "server_reset_query",
            "only DISCARD ALL takes back all that a client can leave (settings, locks, temporary tables)",
        )


def _waits(values: _Values) -> t.Iterator[Hazard]:
    wait, reserve = values.amount("query_wait_timeout"), values.amount("reserve_pool_timeout")
    if wait == 0:
        yield Hazard("query_wait_timeout", "0 lets a page wait for ever where no connection is free")
    elif wait <= reserve:
        yield Hazard("query_wait_timeout", f"{wait:g} s end before the reserve opens after {reserve:g} s")
    elif wait >= LIMIT_TIME_REAL:
        yield Hazard(
            "query_wait_timeout",
            f"{wait:g} s are not below Odoo's limit_time_real of {LIMIT_TIME_REAL} s, which kills the worker before the error"
            " tells why",
            fatal=False,
        )
    for key, victims in FATAL_TIMEOUTS.items():
        if values.amount(key) > 0:
            yield Hazard(key, f"ends {victims}")
    idle, retry = values.amount("server_idle_timeout"), values.amount("server_login_retry")
    if idle == 0 or idle > LONG_IDLE:
        yield Hazard(
            "server_idle_timeout",
            f"{idle:g} keeps connections that nobody uses from one visit of the crons to the next",
            fatal=False,
        )
    if retry > LONG_LOGIN_RETRY:
        yield Hazard(
            "server_login_retry",
            f"a database that was just created or restored would be refused for up to {retry:g} s",
            fatal=False,
        )
