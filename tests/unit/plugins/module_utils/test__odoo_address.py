# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.pooled.odoo.plugins.module_utils import _odoo_address
from ansible_collections.pooled.odoo.plugins.module_utils._odoo_address import Circumstances, Evidence

ENTRYPOINT = ("/entrypoint.sh", "odoo")


def resolve(family: str = "official", major: int | None = 19, **given: t.Any) -> _odoo_address.Address:
    evidence = {"argv": (), "command": ENTRYPOINT, "environment": {}, "conf": {}, **given}
    return _odoo_address.resolve(Evidence(family, major, **evidence))


# What the running process shows, and where that comes from. The facts: odoo_behind_pgbouncer.md, section 5.
CASES: list[tuple[str, dict[str, t.Any], tuple[str, int], tuple[str, str]]] = [
    (
        "official 19, env only",
        {"argv": ("--db_host=db", "--db_port=5432"), "environment": {"HOST": "db", "PORT": "5432"}},
        ("db", 5432),
        ("environment", "HOST"),
    ),
    (
        "official 19, odoo.conf",
        {"conf": {"db_host": "db", "db_port": "6000"}},
        ("db", 6000),
        ("file", "db_host"),
    ),
    (
        "official 19, PGHOST wins over odoo.conf",
        {"conf": {"db_host": "a"}, "environment": {"PGHOST": "b"}},
        ("b", 5432),
        ("environment", "PGHOST"),
    ),
    (
        "official 18, odoo.conf wins over PGHOST",
        {"major": 18, "conf": {"db_host": "a"}, "environment": {"PGHOST": "b"}},
        ("a", 5432),
        ("file", "db_host"),
    ),
    (
        "official until 2026-05: odoo.conf becomes an argument",
        {
            "major": 17,
            "argv": ("--db_host=a", "--db_port=5432"),
            "conf": {"db_host": "a"},
            "environment": {"HOST": "b"},
        },
        ("a", 5432),
        ("file", "db_host"),
    ),
    (
        "official, nothing said: the image's default",
        {"argv": ("--db_host=db", "--db_port=5432")},
        ("db", 5432),
        ("default", "host"),
    ),
    (
        "official, an old link",
        {"argv": ("--db_host=10.0.0.5",), "environment": {"DB_PORT_5432_TCP_ADDR": "10.0.0.5"}},
        ("10.0.0.5", 5432),
        ("environment", "DB_PORT_5432_TCP_ADDR"),
    ),
    (
        "official, --db_host in the command loses against the entrypoint's own",
        {
            "argv": ("--db_host=cmd", "--db_host=env"),
            "command": (*ENTRYPOINT, "--db_host=cmd"),
            "environment": {"HOST": "env"},
        },
        ("env", 5432),
        ("environment", "HOST"),
    ),
    (
        "no entrypoint that we know: the argument of the command",
        {"family": "unknown", "argv": ("--db_host=a",), "command": ("odoo", "--db_host=a")},
        ("a", 5432),
        ("argument", "--db_host"),
    ),
    (
        "HOST means nothing to an unknown image",
        {"family": "unknown", "environment": {"HOST": "a"}, "conf": {"db_host": "b"}},
        ("b", 5432),
        ("file", "db_host"),
    ),
    (
        "camptocamp: odoo.conf is made from DB_HOST",
        {"family": "camptocamp", "major": 17, "environment": {"DB_HOST": "a"}, "conf": {"db_host": "a"}},
        ("a", 5432),
        ("environment", "DB_HOST"),
    ),
    (
        "DB_HOST is ignored by the official image",
        {"environment": {"DB_HOST": "a"}, "argv": ("--db_host=db",)},
        ("db", 5432),
        ("default", "host"),
    ),
    (
        "doodba: PGHOST",
        {"family": "doodba", "major": 16, "environment": {"PGHOST": "a", "PGPORT": "5433"}},
        ("a", 5433),
        ("environment", "PGHOST"),
    ),
    (
        "bitnami: the kept odoo.conf, whatever the environment says",
        {"family": "bitnami", "major": 14, "environment": {"ODOO_DATABASE_HOST": "a"}, "conf": {"db_host": "b"}},
        ("b", 5432),
        ("file", "db_host"),
    ),
    (
        "host and port each for itself",
        {"argv": ("--db_host=env",), "environment": {"HOST": "env"}, "conf": {"db_port": "6000"}},
        ("env", 6000),
        ("environment", "HOST"),
    ),
]


@pytest.mark.parametrize(("given", "address", "source"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_address(given: dict[str, t.Any], address: tuple[str, int], source: tuple[str, str]) -> None:
    found = resolve(**given)
    assert (found.host, found.port) == address
    assert found.host_source[:2] == source


def test_shadowed_sources_are_told() -> None:
    found = resolve(conf={"db_host": "a"}, environment={"PGHOST": "b", "HOST": "b"})
    assert [str(source) for source in found.shadowed] == ["db_host=a (odoo.conf)"]


def test_equal_sources_are_no_conflict() -> None:
    assert resolve(conf={"db_host": "a"}, environment={"PGHOST": "a"}).shadowed == ()


@pytest.mark.parametrize(
    ("words", "value"),
    [
        (("--db_host", "a"), "a"),
        (("--db_host=a", "--db_host=b"), "b"),
        (("--db_host",), None),
        (("--db_hostname=a",), None),
        (("--db_host=",), ""),
    ],
)
def test_argument(words: tuple[str, ...], value: str | None) -> None:
    assert _odoo_address.argument(words, "db_host") == value


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
    ("generated odoo.conf", {"family": "camptocamp", **FROM_FILE}, {"family": "camptocamp"}, ["recreate"]),
]


@pytest.mark.parametrize(("given", "changes", "open_ones"), [m[1:] for m in METHODS], ids=[m[0] for m in METHODS])
def test_methods(given: dict[str, t.Any], changes: dict[str, t.Any], open_ones: list[str]) -> None:
    methods = _odoo_address.methods(circumstances(resolve(**given), **changes))
    assert [method.name for method in methods if method.open] == open_ones
    assert all(method.reason and method.interruption for method in methods)


def test_a_port_from_elsewhere_closes_the_reload() -> None:
    given: dict[str, t.Any] = {"conf": {"db_host": "db"}, "argv": ("--db_port=5432",), "environment": {"PORT": "5432"}}
    state = circumstances(resolve(**given))
    assert _odoo_address.methods(state, ["host"])[0].open
    assert not any(method.open for method in _odoo_address.methods(state, ["host", "port"]))


def test_a_name_keeps_its_port() -> None:
    state = circumstances(resolve(**FROM_ENVIRONMENT), name_is_fixed=None)
    alias = {method.name: method for method in _odoo_address.methods(state, ["host", "port"])}["alias"]
    assert (alias.open, "pooled_odoo_pooler_port" in alias.reason) == (False, True)


def test_parts_to_move() -> None:
    found = resolve(**FROM_FILE)
    assert _odoo_address.parts_to_move(found, "pooled", 5432) == {"host": "pooled"}
    assert _odoo_address.parts_to_move(found, "pooled", 6432) == {"host": "pooled", "port": "6432"}
    assert _odoo_address.parts_to_move(found, "db", 5432) == {}
