# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.pooled.odoo.plugins.module_utils import _pool_budget
from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError
from ansible_collections.pooled.odoo.plugins.module_utils._pool_budget import Others

LIMITS = {"max_connections": 500, "reserved": 3}


def figures(number: int) -> dict[str, float]:
    return {"peak": number, "mean": float(number)}


def audit(**roles: dict[str, int]) -> dict[str, t.Any]:
    """Connections by role and client."""
    return {
        "by_role": {role: figures(sum(clients.values())) for role, clients in roles.items()},
        "by_role_and_client": {
            role: {client: figures(number) for client, number in clients.items()} for role, clients in roles.items()
        },
    }


ERP = {
    "name": "erp1",
    "db_user": "odoo",
    "addresses": ["172.29.0.5"],
    "address": {"port": 5432, "resolved": ["10.0.0.9"]},
    "connections": [
        {"address": "10.0.0.9", "port": 5432, "count": 60},
        {"address": "10.0.0.9", "port": 80, "count": 9},
    ],
}
MOVED = {
    **ERP,
    "address": {"port": 5432, "resolved": ["172.29.0.6"]},
    "connections": [{"address": "172.29.0.6", "port": 5432, "count": 120}],
}
JOBS = {"job_runner": {"host": "db", "port": None}, "queue_job": {"databases": ["one", "two"]}}
RUNNER = {**MOVED, **JOBS, "connections": [*MOVED["connections"], {"address": "10.0.0.9", "port": 5432, "count": 2}]}
AT_THE_DOOR = {
    **MOVED,
    **JOBS,
    "connections": [*MOVED["connections"], {"address": "172.29.0.7", "port": 5432, "count": 2}],
}
POOLER = [{"addresses": ["172.29.0.6", "172.30.0.6"], "connections": 40}]

CASES: list[tuple[dict[str, t.Any], list[dict[str, t.Any]], list[dict[str, t.Any]], Others]] = [
    # Only what will be pooled.
    (audit(odoo={"172.29.0.5": 60}), [ERP], [], Others(0, {})),
    # Another role; the look-up role is part of the plan.
    (audit(odoo={"172.29.0.5": 60}, bi={"10.1.1.1": 7}, lookup={"172.29.0.6": 2}), [ERP], POOLER, Others(7, {})),
    # The same role from elsewhere: a tool with Odoo's password, an instance of another host.
    (audit(odoo={"172.29.0.5": 60, "10.1.1.1": 420}), [ERP], [], Others(0, {"10.1.1.1": 420})),
    # The pooler holds what the plan gives it.
    (audit(odoo={"172.29.0.5": 0, "172.29.0.6": 40, "10.1.1.1": 4}), [ERP], POOLER, Others(0, {"10.1.1.1": 4})),
    # Behind masquerading the host's address stands for the instance; what is more than it holds is somebody else's.
    (audit(odoo={"10.0.0.2": 60}), [ERP], [], Others(0, {})),
    (audit(odoo={"10.0.0.2": 95}), [ERP], [], Others(0, {"10.0.0.2": 35})),
    (audit(odoo={"10.0.0.2": 100}), [ERP], POOLER, Others(0, {})),
    # Moved: its 120 connections are clients of the pooler, and hide nobody's at PostgreSQL.
    (audit(odoo={"172.29.0.6": 40, "10.0.0.7": 100}), [MOVED], POOLER, Others(0, {"10.0.0.7": 100})),
    # A runner goes to PostgreSQL by itself, a connection for each database.
    (audit(odoo={"10.0.0.2": 42}), [RUNNER], [{"addresses": ["172.29.0.6"], "connections": 40}], Others(0, {})),
    # What it holds at the session pooler are clients there.
    (
        audit(odoo={"10.0.0.2": 42}),
        [AT_THE_DOOR],
        [*POOLER, {"addresses": ["172.29.0.7"], "connections": 2}],
        Others(0, {}),
    ),
    # An audit of before.
    ({"by_role": {"odoo": figures(60), "bi": figures(3)}}, [ERP], [], Others(3, {})),
]


@pytest.mark.parametrize(("measured", "instances", "poolers", "wanted"), CASES)
def test_who_else_is_there(
    measured: dict[str, t.Any], instances: list[dict[str, t.Any]], poolers: list[dict[str, t.Any]], wanted: Others
) -> None:
    assert _pool_budget.others(measured, instances, {"lookup"}, poolers) == wanted


def test_the_message_says_who_holds_what() -> None:
    with pytest.raises(PooledError) as caught:
        _pool_budget.check(LIMITS, Others(7, {"10.1.1.1": 420}), 80)
    assert "of 500 are left 65 (3 reserved; 7 used by other roles; as Odoo's own roles 420 from 10.1.1.1" in str(
        caught.value
    )
    assert "Raise max_connections to at least 515" in str(caught.value)
    _pool_budget.check(LIMITS, Others(7, {"10.1.1.1": 420}), 65)


def test_behind_masquerading_nobody_is_a_stranger_beside_a_pooler_that_tells_nothing() -> None:
    """Its own connections would be counted twice, and a deploy that repairs it be refused."""
    measured = {"by_role": {}, "by_role_and_client": {"odoo": {"10.0.0.9": {"peak": 40, "mean": 40.0}}}}
    silent = [{"addresses": ["172.20.0.9"], "connections": None}]
    found = _pool_budget.others(measured, [{"db_user": "odoo", "addresses": []}], {"lookup"}, silent)
    assert (found.total, found.untold) == (0, ["10.0.0.9"])
    # Where one of them is seen by its own address, nothing stands in another's place.
    both = {"by_role": {}, "by_role_and_client": {"odoo": {"172.29.0.5": figures(30), "10.9.9.9": figures(300)}}}
    assert _pool_budget.others(both, [ERP], {"lookup"}, silent) == Others(0, {"10.9.9.9": 300})
    seen = [{"addresses": ["10.0.0.9"], "connections": None}]
    assert _pool_budget.others(measured, [{"db_user": "odoo", "addresses": []}], {"lookup"}, seen).untold == ()
