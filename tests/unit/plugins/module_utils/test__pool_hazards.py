# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an operator may set, and what the plan refuses to hand to PgBouncer."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.pooled.odoo.plugins.module_utils import _pool_plan
from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError
from ansible_collections.pooled.odoo.plugins.module_utils._pool_budget import Others

LIMITS = {"max_connections": 100, "reserved": 3}
# One container: 3 listeners, 6 that may come and 4 short calls; 4 workers, 2 websocket cursors and 2 crons, which are three deep:
# 8 holders keep 10 connections while each waits for one more, so 11 is the least.
ERP = {
    "name": "erp1",
    "db_user": "odoo",
    "workers": 4,
    "cron_threads": 2,
    "listeners": 3,
    "db_maxconn": 64,
    "databases": ["tenant1", "tenant2"],
}


def plan(overrides: dict[str, t.Any], force: bool = False, **options: t.Any) -> dict[str, t.Any]:
    return _pool_plan.make([ERP], LIMITS, Others(5, {}), "lookup", overrides, force, **options)


def figure(made: dict[str, t.Any], name: str) -> dict[str, t.Any]:
    return next(figure for figure in made["figures"] if figure["name"] == name)


REFUSED = [
    ({"postgres.pool_size": 3}, "not enough for the 3 listeners of odoo"),
    ({"default_pool_size": 2, "reserve_pool_size": 8}, "10 are fewer than 11: 8 holders of odoo could all wait"),
    ({"reserve_pool_timeout": 0}, "2 are fewer than 11"),
    ({"odoo.max_user_connections": 23}, "23 are fewer than 24 (session pool 13, 11 for 8"),
    ({"odoo.max_user_connections": 0}, "0 is no limit"),
    ({"max_db_connections": 12}, "12 are fewer than the 13 of the plan"),
    ({"default_pool_size": 0, "reserve_pool_size": 20}, "0 makes each first query wait"),
    ({"disable_pqexec": True}, "psycopg2 speaks no other"),
    ({"max_packet_size": 65536}, "does not get through"),
    ({"max_client_conn": 18}, "18 are fewer than the 19 that busy workers and crons open"),
    ({"max_db_client_connections": 10}, "10 are fewer than the 19"),
    ({"pool_mode": "session"}, "each of Odoo's idle connections a connection of PostgreSQL"),
    ({"pool_mode": "statement"}, "refuses transactions"),
    ({"server_reset_query_always": False}, 'relation "res_users" does not exist'),
    ({"server_reset_query": "RESET ALL"}, "only DISCARD ALL"),
    ({"query_wait_timeout": 0}, "lets a page wait for ever"),
    ({"query_wait_timeout": 1, "reserve_pool_timeout": 2}, "1 s end before the reserve opens after 2 s"),
    ({"query_timeout": 60}, "ends long reports"),
    ({"idle_transaction_timeout": 5}, "ends crons"),
    ({"transaction_timeout": 60}, "ends long reports"),
    ({"client_idle_timeout": 600}, "ends the listeners of chat"),
]


@pytest.mark.parametrize(("overrides", "reason"), REFUSED)
def test_what_can_break_odoo_is_refused_unless_forced(overrides: dict[str, t.Any], reason: str) -> None:
    with pytest.raises(PooledError) as caught:
        plan(overrides)
    assert reason in str(caught.value)
    assert "pooled_odoo_force_settings=true" in str(caught.value)
    made = plan(overrides, force=True)
    assert any(reason in warning for warning in made["warnings"])


WARNED = [
    ({"postgres.pool_size": 5}, "5 leave 2 beside the listeners of odoo, 10 were planned"),
    ({"max_client_conn": 100}, "100 are fewer than the 448 that all Odoo processes may open"),
    ({"query_wait_timeout": 120}, "not below Odoo's limit_time_real"),
    ({"server_idle_timeout": 0}, "0 keeps connections that nobody uses"),
    ({"server_idle_timeout": 600}, "600 keeps connections that nobody uses"),
    ({"server_login_retry": 15}, "refused for up to 15 s"),
    ({"min_pool_size": 1}, "keeps connections to each tenant"),
]


@pytest.mark.parametrize(("overrides", "warning"), WARNED)
def test_what_is_only_unwise_is_warned_of(overrides: dict[str, t.Any], warning: str) -> None:
    assert [warning in text for text in plan(overrides)["warnings"]] == [True]


def test_the_plan_itself_has_no_hazard() -> None:
    assert plan({})["warnings"] == []


def test_an_override_is_used_and_shown_beside_what_was_planned() -> None:
    made = plan({"default_pool_size": 4, "tcp_keepidle": 60})
    assert made["poolers"][0]["settings"]["default_pool_size"] == 4
    assert made["poolers"][0]["settings"]["tcp_keepidle"] == 60
    assert (figure(made, "default_pool_size")["value"], figure(made, "default_pool_size")["planned"]) == (4, 2)
    assert figure(made, "default_pool_size")["reason"].startswith("set by you; planned were 2: ")
    # What follows from it follows: four and nine are the thirteen that were planned.
    assert made["poolers"][0]["settings"]["reserve_pool_size"] == 9


def test_a_larger_session_pool_raises_the_cap() -> None:
    made = plan({"postgres.pool_size": 20})
    assert made["poolers"][0]["postgres_pool_size"] == 20
    assert figure(made, "odoo.max_user_connections")["value"] == 20 + 13
    assert made["predicted"]["worst_case"] == 33 + 2


BAD = [
    ({"default_pool_size": "many"}, "default_pool_size: 'many' is not a whole number"),
    ({"default_pool_size": -1}, "default_pool_size: -1 is below"),
    ({"odo.max_user_connections": 50}, "no such figure; it has postgres.pool_size, odoo.max_user_connections"),
]


@pytest.mark.parametrize(("overrides", "message"), BAD)
def test_bad_overrides_are_named(overrides: dict[str, t.Any], message: str) -> None:
    with pytest.raises(PooledError) as caught:
        plan(overrides, force=True)
    assert message in str(caught.value)


@pytest.mark.parametrize(("cap", "reason"), [(2, "2 are not more than the 2 that job runners"), (0, "0 is no limit")])
def test_the_session_pooler_needs_room_beside_its_runners(cap: int, reason: str) -> None:
    with_runner = {**ERP, "queue_job": {"databases": ["tenant1", "tenant2"]}}
    settings = {"session.odoo.max_user_connections": cap}
    with pytest.raises(PooledError, match=reason):
        _pool_plan.make([with_runner], LIMITS, Others(5, {}), "lookup", settings, session_pooler=True)


def test_settings_that_are_no_figures_hold_for_both_kinds() -> None:
    made = plan({"client_tls_sslmode": "require", "max_db_connections": 50}, session_pooler=True)
    assert (
        made["poolers"][0]["settings"]["client_tls_sslmode"]
        == made["poolers"][-1]["settings"]["client_tls_sslmode"]
        == "require"
    )
    assert "max_db_connections" not in made["poolers"][-1]["settings"]


def test_the_session_pooler_has_room_for_runners_and_counts_in_the_budget() -> None:
    with_runner = {**ERP, "queue_job": {"databases": ["tenant1", "tenant2"]}}
    made = _pool_plan.make([with_runner], LIMITS, Others(5, {}), "lookup", session_pooler=True)
    session = made["poolers"][-1]
    assert session["settings"]["pool_mode"] == "session"
    # The role makes it a container with the same limits as the others.
    assert {"file_limit", "memory_limit_mb", "users", "roles", "settings"} <= session.keys() & made["poolers"][0].keys()
    assert session["users"][0] == {"name": "odoo", "max_user_connections": 2 + 4}
    # Its workers run jobs, three deep.
    assert made["predicted"]["worst_case"] == plan({})["predicted"]["worst_case"] + 4 + 6 + 2
    assert [pooler["auth_user"] for pooler in plan({})["poolers"]] == ["lookup", "lookup_2"]
