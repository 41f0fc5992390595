# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.pooled.odoo.plugins.module_utils import _pool_plan
from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError

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
    instances: list[dict[str, t.Any]], limits: dict[str, t.Any] | None = None, others: int = 5
) -> dict[str, t.Any]:
    return _pool_plan.make(instances, limits or LIMITS, others, "lookup")


def test_the_reference_lab() -> None:
    """Eight containers with four workers, two crons and sixteen tenants."""
    made = plan([instance(f"erp{number}") for number in range(8)])
    assert made["postgres_pool_size"] == 24 + 8
    assert made["settings"]["default_pool_size"] == 2
    assert made["settings"]["reserve_pool_size"] == 8 * (4 + 2 + 2) + 1 - 2
    assert made["settings"]["max_user_connections"] == 32 + 64 + 1
    assert made["predicted"]["worst_case"] == 97 + 2
    assert made["settings"]["max_client_conn"] == 3600
    assert made["file_limit"] == 8192
    assert made["warnings"] == []


def test_each_of_two_poolers_has_room_for_everybody() -> None:
    instances = [instance(f"erp{number}") for number in range(8)]
    one, two = (_pool_plan.make(instances, LIMITS, 5, "lookup", poolers=number) for number in (1, 2))
    assert two["settings"] == one["settings"]
    assert two["predicted"]["worst_case"] == 2 * one["predicted"]["worst_case"]
    assert two["predicted"]["steady"] == one["predicted"]["steady"] + len(TENANTS)
    with pytest.raises(PooledError, match="max_connections is too small"):
        _pool_plan.make(instances, {**LIMITS, "max_connections": 150}, 5, "lookup", poolers=2)


# Containers, workers, tenants; connections on the labs of these sizes, on average (docs/pooling.md).
MEASURED = [(2, 2, 9, 16.2), (4, 4, 14, 31.3), (8, 4, 16, 46.3)]


@pytest.mark.parametrize(("containers", "workers", "tenants", "mean"), MEASURED)
def test_the_steady_state_is_what_was_measured(containers: int, workers: int, tenants: int, mean: float) -> None:
    instances = [instance(f"erp{number}", workers=workers, databases=TENANTS[:tenants]) for number in range(containers)]
    assert plan(instances)["predicted"]["steady"] == pytest.approx(mean, rel=0.2)


@pytest.mark.parametrize(("tenants", "size"), [(0, 32), (1, 32), (4, 8), (15, 3), (16, 2), (100, 2)])
def test_few_tenants_share_the_workers(tenants: int, size: int) -> None:
    """Who works in the only tenant must not wait for the reserve; and pool and reserve together stay what they are."""
    databases = [str(number) for number in range(tenants)]
    settings = plan([instance(f"erp{number}", databases=databases) for number in range(8)])["settings"]
    assert settings["default_pool_size"] == size
    assert settings["default_pool_size"] + settings["reserve_pool_size"] == 8 * (4 + 2 + 2) + 1


INSTANCES = [
    [instance()],
    [instance(workers=0)],
    [instance(workers=0, db_maxconn=4)],
    [instance(cron_threads=0, listeners=1)],
    [instance("a", workers=16), instance("b", workers=1)],
    [instance("a", db_user="one"), instance("b", db_user="two", workers=8)],
]


@pytest.mark.parametrize("instances", INSTANCES)
def test_rules_that_no_plan_may_break(instances: list[dict[str, t.Any]]) -> None:
    made = plan(instances)
    caps = {user["name"]: user["max_user_connections"] for user in made["users"]}
    for role in _pool_plan.by_role(instances):
        # Listeners never starve.
        assert made["postgres_pool_size"] >= role.listeners + _pool_plan.MIN_SHORT_CALLS
        # Nested cursors never deadlock, neither at the pool nor at the cap.
        pool = made["settings"]["default_pool_size"] + made["settings"]["reserve_pool_size"]
        assert pool >= role.holders + 1
        assert caps[role.name] >= made["postgres_pool_size"] * (len(caps) == 2) + role.holders + 1
    # The total is the caps' sum.
    assert made["predicted"]["worst_case"] == sum(caps.values())
    assert all(figure["reason"] for figure in made["figures"])


def test_the_same_instances_get_the_same_plan_whatever_was_measured() -> None:
    quiet, busy = plan([instance()], others=0), plan([instance()], others=300)
    assert quiet["settings"] == busy["settings"]
    assert quiet["users"] == busy["users"]


def test_too_small_a_server() -> None:
    with pytest.raises(PooledError, match="raise max_connections to at least 36, or lower workers"):
        plan([instance()], {"max_connections": 20, "reserved": 3}, others=10)


def test_limits_of_single_roles_and_databases() -> None:
    limits = {**LIMITS, "by_role": {"odoo": 15, "other": 1}, "by_database": {}}
    with pytest.raises(
        PooledError, match="role odoo has CONNECTION LIMIT 15 in PostgreSQL, and at worst its pools need 16"
    ):
        plan([instance()], limits)
    limits = {**LIMITS, "by_role": {}, "by_database": {"tenant03": 8, "other": 1}}
    with pytest.raises(PooledError, match="database tenant03 has CONNECTION LIMIT 8 .* its 8 holders"):
        plan([instance()], limits)
    limits = {**LIMITS, "by_database": {"postgres": 10}}
    with pytest.raises(PooledError, match="database postgres has CONNECTION LIMIT 10 .* need 11 there"):
        plan([instance()], limits)
    with_runner = instance(queue_job={"databases": ["tenant01"]})
    with pytest.raises(PooledError, match="need 17"):
        plan([with_runner], {**LIMITS, "by_role": {"odoo": 16}})
    enough = {**LIMITS, "by_role": {"odoo": 16, "other": 1}, "by_database": {"tenant03": 9}}
    assert plan([instance()], enough)["predicted"] == plan([instance()])["predicted"]


def test_a_tight_server_is_warned_of() -> None:
    assert "little room" in plan([instance()], {"max_connections": 33, "reserved": 3}, others=5)["warnings"][0]


def test_nothing_to_plan_for() -> None:
    with pytest.raises(PooledError, match="no Odoo instance"):
        plan([])


def test_unknown_role() -> None:
    with pytest.raises(PooledError, match="the role of erp1 is unknown"):
        plan([instance(db_user=None)])
