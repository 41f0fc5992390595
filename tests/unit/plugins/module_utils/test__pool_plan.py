# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.pooled.odoo.plugins.module_utils import _pool_plan
from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError
from ansible_collections.pooled.odoo.plugins.module_utils._pool_budget import Others

LIMITS = {"max_connections": 800, "reserved": 3}
TENANTS = [f"tenant{number:02d}" for number in range(16)]


def instance(name: str = "erp1", **changes: t.Any) -> dict[str, t.Any]:
    return {
        "name": name,
        "db_user": "odoo",
        "workers": 4,
        "cron_threads": 2,
        "listeners": 3,
        "db_maxconn": 64,
        "databases": TENANTS,
        **changes,
    }


def plan(
    instances: list[dict[str, t.Any]], limits: dict[str, t.Any] | None = None, others: int = 5, **options: t.Any
) -> dict[str, t.Any]:
    return _pool_plan.make(instances, limits or LIMITS, Others(others, {}), "lookup", **options)


def test_the_reference_lab() -> None:
    """Eight containers with four workers, two crons and sixteen tenants."""
    made = plan([instance(f"erp{number}") for number in range(8)])
    # Listeners, those of two more instances, short calls.
    assert made["poolers"][0]["postgres_pool_size"] == 24 + 6 + 8
    assert made["poolers"][0]["settings"]["default_pool_size"] == 2
    # Workers, websocket dispatches, crons two deep, one more, and one to spare for each cron.
    wanted = 8 * (4 + 2 + 2 * 2) + 1 + 8 * 2
    assert made["poolers"][0]["settings"]["reserve_pool_size"] == wanted - 2
    assert made["poolers"][0]["settings"]["max_user_connections"] == 38 + wanted
    assert made["predicted"]["worst_case"] == 38 + wanted + 2
    assert made["poolers"][0]["settings"]["max_client_conn"] == 3600
    assert made["poolers"][0]["file_limit"] == 8192
    assert made["poolers"][0]["memory_limit_mb"] == 1024
    assert made["warnings"] == []


def test_each_of_two_poolers_has_room_for_everybody() -> None:
    instances = [instance(f"erp{number}") for number in range(8)]
    one, two = (plan(instances, poolers=number) for number in (1, 2))
    assert two["poolers"][0]["settings"] == one["poolers"][0]["settings"]
    assert two["predicted"]["worst_case"] == 2 * one["predicted"]["worst_case"]
    assert two["predicted"]["steady"] == one["predicted"]["steady"] + len(TENANTS)
    with pytest.raises(PooledError, match="max_connections is too small"):
        plan(instances, {**LIMITS, "max_connections": 250}, poolers=2)


# Containers, workers, tenants; connections on the labs of these sizes, on average (docs/sizing.md).
MEASURED = [(2, 2, 9, 16.2), (4, 4, 14, 31.3), (8, 4, 16, 46.3)]


@pytest.mark.parametrize(("containers", "workers", "tenants", "mean"), MEASURED)
def test_the_steady_state_is_what_was_measured(containers: int, workers: int, tenants: int, mean: float) -> None:
    instances = [instance(f"erp{number}", workers=workers, databases=TENANTS[:tenants]) for number in range(containers)]
    assert plan(instances)["predicted"]["steady"] == pytest.approx(mean, rel=0.2)


@pytest.mark.parametrize("tenants", [16, 100, 500, 2000])
def test_the_steady_state_is_never_above_the_worst_case(tenants: int) -> None:
    predicted = plan([instance(databases=[str(number) for number in range(tenants)])])["predicted"]
    assert predicted["steady"] <= predicted["worst_case"]


@pytest.mark.parametrize(("tenants", "size"), [(0, 32), (1, 32), (4, 8), (15, 3), (16, 2), (100, 2)])
def test_few_tenants_share_the_workers(tenants: int, size: int) -> None:
    """Who works in the only tenant must not wait for the reserve; and pool and reserve together stay what they are."""
    databases = [str(number) for number in range(tenants)]
    settings = plan([instance(f"erp{number}", databases=databases) for number in range(8)])["poolers"][0]["settings"]
    assert settings["default_pool_size"] == size
    assert settings["default_pool_size"] + settings["reserve_pool_size"] == 8 * (4 + 2 + 2 * 2 + 2) + 1


def test_threads_get_at_once_what_they_may_need() -> None:
    """One that waits blocks every cursor of its process (odoo/sql_db.py, ConnectionPool.borrow is locked)."""
    settings = plan([instance(workers=0)])["poolers"][0]["settings"]
    assert settings["default_pool_size"] >= 61
    bounded = plan([instance(workers=0, max_http_threads=10), instance("erp2")])["poolers"][0]["settings"]
    assert bounded["default_pool_size"] == 10 + 2 * 2 + 2


def test_threads_that_nobody_bounds_are_fitted_into_what_postgresql_has() -> None:
    instances = [instance("erp1", workers=0), instance("erp2", workers=0)]
    made = plan(instances, {"max_connections": 100, "reserved": 3})
    assert made["predicted"]["worst_case"] <= made["budget"]["available"]
    assert any("ODOO_MAX_HTTP_THREADS=24" in warning for warning in made["warnings"])
    # Another measurement of the others makes no other plan at once.
    assert (
        plan(instances, {"max_connections": 100, "reserved": 3}, others=6)["poolers"][0]["settings"]
        == made["poolers"][0]["settings"]
    )
    with pytest.raises(PooledError, match="max_connections is too small"):
        plan(instances, {"max_connections": 40, "reserved": 3})
    # Those that Odoo bounds are not.
    with pytest.raises(PooledError, match="or ODOO_MAX_HTTP_THREADS"):
        plan([{**one, "max_http_threads": 61} for one in instances], {"max_connections": 100, "reserved": 3})


@pytest.mark.parametrize(
    ("rate", "poolers", "told"), [(72, 1, False), (600, 1, True), (600, 2, False), (1500, 2, True)]
)
def test_one_process_can_be_too_little(rate: float, poolers: int, told: bool) -> None:
    made = plan([instance()], poolers=poolers, transactions_per_second=rate)
    assert any("of the one processor" in warning for warning in made["warnings"]) is told
    assert made["poolers"][0]["settings"] == plan([instance()])["poolers"][0]["settings"]


def test_a_replica_is_told_of() -> None:
    made = plan([instance(replica={"host": "standby", "port": 5432})])
    assert any("erp1 reads from a replica at standby:5432" in warning for warning in made["warnings"])


INSTANCES = [
    [instance()],
    [instance(workers=0)],
    [instance(workers=0, db_maxconn=4)],
    [instance(workers=0, max_http_threads=4)],
    [instance(cron_threads=0, listeners=1)],
    [instance("a", workers=16), instance("b", workers=1)],
    [instance("a", db_user="one"), instance("b", db_user="two", workers=8)],
    [instance(queue_job={"databases": ["tenant01"]})],
]


@pytest.mark.parametrize("instances", INSTANCES)
def test_rules_that_no_plan_may_break(instances: list[dict[str, t.Any]]) -> None:
    made = plan(instances)
    caps = {user["name"]: user["max_user_connections"] for user in made["poolers"][0]["users"]}
    for role in _pool_plan.by_role(instances):
        # Listeners never starve, nor do short calls when two more instances listen.
        assert (
            made["poolers"][0]["postgres_pool_size"]
            >= role.listeners + role.spare_listeners + _pool_plan.MIN_SHORT_CALLS
        )
        # Nested cursors never deadlock, neither at the pool nor at the cap.
        pool = made["poolers"][0]["settings"]["default_pool_size"] + made["poolers"][0]["settings"]["reserve_pool_size"]
        assert pool >= role.least
        assert caps[role.name] >= made["poolers"][0]["postgres_pool_size"] * (len(caps) == 2) + role.least
    # The total is the caps' sum.
    runners = sum(len(one["queue_job"]["databases"]) for one in instances if "queue_job" in one)
    assert made["predicted"]["worst_case"] == sum(caps.values()) + runners
    assert made["predicted"]["steady"] <= made["predicted"]["worst_case"]
    assert all(figure["reason"] for figure in made["figures"])


def test_the_same_instances_get_the_same_plan_whatever_was_measured() -> None:
    quiet, busy = plan([instance()], others=0), plan([instance()], others=300)
    assert quiet["poolers"][0]["settings"] == busy["poolers"][0]["settings"]
    assert quiet["poolers"][0]["users"] == busy["poolers"][0]["users"]


# One instance: a session pool of 3 + 6 + 4 and 13 for its tenants, and two for look-ups of passwords.
CAP = 13 + 13


def test_too_small_a_server() -> None:
    with pytest.raises(PooledError, match=f"Raise max_connections to at least {CAP + 2 + 18}, lower workers"):
        plan([instance()], {"max_connections": 20, "reserved": 3}, others=10)


def test_limits_of_single_roles_and_databases() -> None:
    limits = {**LIMITS, "by_role": {"odoo": CAP - 1, "other": 1}, "by_database": {}}
    with pytest.raises(
        PooledError, match=f"role odoo has CONNECTION LIMIT {CAP - 1} in PostgreSQL, and at worst its pools need {CAP}"
    ):
        plan([instance()], limits)
    limits = {**LIMITS, "by_role": {}, "by_database": {"tenant03": 10, "other": 1}}
    with pytest.raises(PooledError, match="database tenant03 has CONNECTION LIMIT 10 .* its 8 holders can .* than 11"):
        plan([instance()], limits)
    for need, changes in (
        (15, {}),
        # Each of two has a pool of its own, and the session pooler looks passwords up too.
        (2 * 15, {"poolers": 2}),
        (15 + 2, {"session_pooler": True}),
        (15 + 10, {"overrides": {"postgres.pool_size": 13 + 10}}),
    ):
        limits = {**LIMITS, "by_database": {"postgres": need - 1}}
        message = f"database postgres has CONNECTION LIMIT {need - 1} .* need {need} there"
        with pytest.raises(PooledError, match=message):
            plan([instance()], limits, **changes)
        plan([instance()], {**LIMITS, "by_database": {"postgres": need}}, **changes)
    with_runner = instance(queue_job={"databases": ["tenant01"]})
    with pytest.raises(PooledError, match=f"need {CAP + 4 + 1}"):
        plan([with_runner], {**LIMITS, "by_role": {"odoo": CAP}})
    enough = {**LIMITS, "by_role": {"odoo": CAP, "other": 1}, "by_database": {"tenant03": 11}}
    assert plan([instance()], enough)["predicted"] == plan([instance()])["predicted"]


def test_a_tight_server_is_warned_of() -> None:
    assert "little room" in plan([instance()], {"max_connections": 43, "reserved": 3}, others=5)["warnings"][0]


def test_nothing_to_plan_for() -> None:
    with pytest.raises(PooledError, match="no Odoo instance"):
        plan([])


def test_a_tenant_that_is_called_like_the_console() -> None:
    with pytest.raises(PooledError, match="erp1 serves a database pgbouncer, .* give it another name"):
        plan([instance(databases=["pgbouncer", "tenant01"])])


def test_unknown_role() -> None:
    with pytest.raises(PooledError, match="the role of erp1 is unknown"):
        plan([instance(db_user=None)])
