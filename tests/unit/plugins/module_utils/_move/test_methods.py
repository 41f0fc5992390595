# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which methods are open to an instance."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.pooled.odoo.plugins.module_utils import _odoo_address
from ansible_collections.pooled.odoo.plugins.module_utils._move import methods
from ansible_collections.pooled.odoo.plugins.module_utils._odoo_address import Circumstances, Evidence

# The image's own entrypoint.
ENTRYPOINT = ("/entrypoint.sh", "odoo")


def resolve(family: str = "official", major: int | None = 19, **given: t.Any) -> _odoo_address.Address:
    evidence = {"argv": (), "command": ENTRYPOINT, "environment": {}, "conf": {}, **given}
    return _odoo_address.resolve(Evidence(family, major, **evidence))


def circumstances(found: _odoo_address.Address, **changes: t.Any) -> Circumstances:
    values = {"family": "official", "major": 19, "workers": 4, "conf_on_host": True, "managed_by": None, **changes}
    return Circumstances(address=found, **values)


FROM_FILE: dict[str, t.Any] = {"conf": {"db_host": "db"}}
FROM_ENVIRONMENT: dict[str, t.Any] = {"argv": ("--db_host=db",), "environment": {"HOST": "db"}}
OLD_ENTRYPOINT: dict[str, t.Any] = {"argv": ("--db_host=db",), "conf": {"db_host": "db"}}
BY_SCRIPT: dict[str, t.Any] = {"family": "unknown", "argv": ("--db_host=db",), "command": ("/run.sh",)}
BY_COMMAND: dict[str, t.Any] = {**BY_SCRIPT, "command": ("odoo", "--db_host=db")}

METHODS: list[tuple[str, dict[str, t.Any], dict[str, t.Any], list[str]]] = [
    ("odoo.conf, 19, workers", FROM_FILE, {}, ["reload", "restart"]),
    ("threaded: SIGHUP can end it", FROM_FILE, {"workers": 0}, ["restart"]),
    ("18 closes its port on SIGHUP", FROM_FILE, {"major": 18}, ["restart"]),
    ("unknown version", FROM_FILE, {"major": None}, ["restart"]),
    ("argument of the entrypoint survives a reload", OLD_ENTRYPOINT, {}, ["restart"]),
    ("odoo.conf inside the image", FROM_FILE, {"conf_on_host": False}, []),
    ("environment", FROM_ENVIRONMENT, {}, ["recreate"]),
    ("environment, owned by Compose", FROM_ENVIRONMENT, {"managed_by": "Compose project erp"}, []),
    ("environment, the name can move", FROM_ENVIRONMENT, {"name_is_fixed": None}, ["alias", "recreate"]),
    ("both, what stands in odoo.conf first", FROM_FILE, {"name_is_fixed": None}, ["reload", "alias", "restart"]),
    ("an argument does not mind a name that moves", BY_SCRIPT, {"family": "unknown", "name_is_fixed": None}, ["alias"]),
    ("threaded: it would keep its connections", FROM_ENVIRONMENT, {"name_is_fixed": None, "workers": 0}, ["recreate"]),
    (
        "environment, in Compose files",
        FROM_ENVIRONMENT,
        {"managed_by": "Compose project erp", "no_compose_files": None},
        ["compose"],
    ),
    ("an argument of a service's command", BY_COMMAND, {"family": "unknown", "no_compose_files": None}, ["recreate"]),
    ("a script in the image passes it", BY_SCRIPT, {"family": "unknown"}, []),
    (
        "the port beside the host in odoo.conf",
        {**OLD_ENTRYPOINT, "major": 17},
        {"major": 17, "parts": ["host", "port"]},
        ["restart"],
    ),
    (
        "the host beside the port in odoo.conf",
        {"major": 17, "argv": ("--db_host=db", "--db_port=6000"), "conf": {"db_port": "6000"}},
        {"major": 17, "parts": ["host", "port"]},
        ["restart"],
    ),
    (
        "a script passes what DB_HOST says",
        {**BY_SCRIPT, "environment": {"DB_HOST": "db"}},
        {"family": "unknown"},
        ["recreate"],
    ),
    (
        "a script whose variable for the port nobody knows",
        {**BY_SCRIPT, "environment": {"DB_HOST": "db"}},
        {"family": "unknown", "parts": ["host", "port"]},
        [],
    ),
    (
        "generated odoo.conf",
        {"family": "camptocamp", **FROM_FILE, "environment": {"DB_HOST": "db"}},
        {"family": "camptocamp"},
        ["recreate"],
    ),
    (
        "generated from elsewhere",
        {"family": "doodba", **FROM_FILE, "environment": {"PGHOST": "x"}},
        {"family": "doodba"},
        [],
    ),
]


@pytest.mark.parametrize(("given", "changes", "open_ones"), [m[1:] for m in METHODS], ids=[m[0] for m in METHODS])
def test_methods(given: dict[str, t.Any], changes: dict[str, t.Any], open_ones: list[str]) -> None:
    parts = changes.get("parts", ["host"])
    others = {key: value for key, value in changes.items() if key != "parts"}
    found = methods.ways(circumstances(resolve(**given), **others), parts)
    assert [way.name for way in found if way.open] == open_ones
    assert all(way.reason and way.interruption for way in found)


def test_a_port_from_elsewhere_closes_the_reload() -> None:
    given: dict[str, t.Any] = {"conf": {"db_host": "db"}, "argv": ("--db_port=5432",), "environment": {"PORT": "5432"}}
    state = circumstances(resolve(**given))
    assert methods.ways(state, ["host"])[0].open
    assert [way.name for way in methods.ways(state, ["host", "port"]) if way.open] == ["restart"]


def test_a_name_keeps_its_port() -> None:
    state = circumstances(resolve(**FROM_ENVIRONMENT), name_is_fixed=None)
    alias = {way.name: way for way in methods.ways(state, ["host", "port"])}["alias"]
    assert (alias.open, "pooled_odoo_pooler_port" in alias.reason) == (False, True)
