# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.pooled.odoo.plugins.filter.fleet import fleet

POOLERS: dict[str, t.Any] = {
    "alias": "pooled-odoo",
    "port": 5432,
    "names": ["pooled-odoo", "pooled-odoo-2"],
    "session_alias": "pooled-odoo-session",
}


def instance(name: str, **changes: t.Any) -> dict[str, t.Any]:
    """One that uses PostgreSQL directly."""
    return {
        "name": name,
        "address": {"host": "db", "port": 5432},
        "poolers": [],
        "connected_poolers": [],
        "unread": False,
        "database_networks": ["erp"],
        "job_runner": None,
        "survives_pooler_restart": True,
        "started_at": "2026-11-01T00:00:00Z",
        **changes,
    }


def runner(host: str | None = None, shares_address: bool = False) -> dict[str, t.Any]:
    return {"job_runner": {"host": host, "port": None, "shares_address": shares_address}}


AT_THE_POOLER = {"address": {"host": "pooled-odoo", "port": 5432}}
BY_ALIAS = {"poolers": ["pooled-odoo"]}
# What erp1 is; what cutover_info tells; what the fleet says of it, and is empty elsewhere.
CASES: dict[str, tuple[dict[str, t.Any], dict[str, t.Any], dict[str, t.Any]]] = {
    "direct": ({}, {}, {"to_move": ["erp1"]}),
    "at the pooler": (AT_THE_POOLER, {"tokens": ["erp1"]}, {"moved": ["erp1"], "users": ["erp1"]}),
    "by alias": (BY_ALIAS, {"tokens": ["erp1"]}, {"moved": ["erp1"], "users": ["erp1"], "other_address": ["erp1"]}),
    "by an alias on record": (
        BY_ALIAS,
        {"tokens": ["erp1"], "aliases": [{"network": "erp", "name": "db", "poolers": ["pooled-odoo"]}]},
        {
            "moved": ["erp1"],
            "users": ["erp1"],
            "aliases": [{"network": "erp", "name": "db", "poolers": ["pooled-odoo"]}],
        },
    ),
    "an alias elsewhere": (
        {},
        {"aliases": [{"network": "other", "name": "db", "poolers": ["pooled-odoo"]}]},
        {"to_move": ["erp1"]},
    ),
    "its alias leads to PostgreSQL too": ({"poolers": ["pooled-odoo", "db"]}, {}, {"to_move": ["erp1"]}),
    "another port": (
        {"address": {"host": "pooled-odoo", "port": 6432}},
        {},
        {"to_move": ["erp1"], "users": ["erp1"]},
    ),
    "has not read its odoo.conf": (
        {**AT_THE_POOLER, "unread": True},
        {},
        {"to_move": ["erp1"], "users": ["erp1"]},
    ),
    "interrupted": (
        AT_THE_POOLER,
        {"tokens": ["erp1"], "interrupted": ["erp1"]},
        {"to_move": ["erp1"], "users": ["erp1"], "interrupted": ["erp1"]},
    ),
    "back, and connections left": (
        {"connected_poolers": ["pooled-odoo-2"]},
        {},
        {"to_move": ["erp1"], "users": ["erp1"]},
    ),
    "another does not run": (
        {},
        {"tokens": ["erp2"]},
        {"to_move": ["erp1"], "users": ["erp2"], "not_running": ["erp2"]},
    ),
    "another was interrupted and does not run": (
        {},
        {"tokens": ["erp2"], "interrupted": ["erp2"]},
        {"to_move": ["erp1", "erp2"], "users": ["erp2"], "not_running": ["erp2"], "interrupted": ["erp2"]},
    ),
    "lost runner": (
        {**AT_THE_POOLER, **runner(shares_address=True)},
        {"tokens": ["erp1"]},
        {"moved": ["erp1"], "users": ["erp1"], "lost_runners": ["erp1"], "followers": []},
    ),
    "runner of a direct instance": (
        runner(shares_address=True),
        {},
        {"to_move": ["erp1"], "followers": []},
    ),
    "runner at the session pooler": (
        runner("pooled-odoo-session"),
        {},
        {"to_move": ["erp1"], "followers": [], "session_users": ["erp1"]},
    ),
}
EMPTY: dict[str, t.Any] = {
    "instances": ["erp1"],
    "moved": [],
    "to_move": [],
    "interrupted": [],
    "not_running": [],
    "other_address": [],
    "followers": ["erp1"],
    "networks": ["erp"],
    "aliases": [],
    "lost_runners": [],
    "users": [],
    "session_users": [],
}


@pytest.mark.parametrize(("changes", "told", "wanted"), CASES.values(), ids=CASES)
def test_one_instance(changes: dict[str, t.Any], told: dict[str, t.Any], wanted: dict[str, t.Any]) -> None:
    found = fleet({"host": {"instances": [instance("erp1", **changes)], **told}}, **POOLERS)
    assert found["hosts"]["host"] == {**EMPTY, **wanted}
    assert found["untouched"] == (not wanted.get("moved") and not told.get("tokens"))


def test_hosts_are_told_apart_and_counted_together() -> None:
    told: dict[str, dict[str, t.Any]] = {
        "b": {"instances": [instance("erp1", database_networks=["x", "erp"])], "tokens": []},
        "a": {"instances": [instance("erp1", **AT_THE_POOLER), instance("erp2")], "tokens": ["erp1"]},
    }
    found = fleet(told, **POOLERS, followers=["backup"])
    assert [(one["host"], one["name"]) for one in found["instances"]] == [("a", "erp1"), ("a", "erp2"), ("b", "erp1")]
    assert (found["hosts"]["a"]["moved"], found["hosts"]["a"]["to_move"]) == (["erp1"], ["erp2"])
    assert (found["hosts"]["b"]["moved"], found["hosts"]["b"]["to_move"]) == ([], ["erp1"])
    assert found["hosts"]["b"]["networks"] == ["erp", "x"]
    assert found["hosts"]["a"]["followers"] == ["backup", "erp1", "erp2"]
    assert found["untouched"] is False
