# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.pooled.odoo.plugins.module_utils import _odoo_address
from ansible_collections.pooled.odoo.plugins.module_utils._odoo_address import Evidence

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
        "official, its entrypoint replaced: nothing says it",
        {"command": ("odoo",)},
        ("", 5432),
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
        "official: an argument of the command that nothing is appended to, as since 2026-05, counts before odoo.conf",
        {"argv": ("--db_host=db",), "command": (*ENTRYPOINT, "--db_host=db"), "conf": {"db_host": "db"}},
        ("db", 5432),
        ("argument", "--db_host"),
    ),
    (
        "official: Odoo reads another file (-c) than the entrypoint asks, which so takes HOST",
        {
            "argv": ("--db_host=pg", "--db_port=5432"),
            "environment": {"HOST": "pg"},
            "conf": {"db_host": "pg", "db_port": "5432"},
            "entry_conf": {},
        },
        ("pg", 5432),
        ("environment", "HOST"),
    ),
    (
        "official: the file that the entrypoint asks counts, though Odoo reads another",
        {"major": 17, "argv": ("--db_host=pg",), "conf": {"db_host": "other"}, "entry_conf": {"db_host": "pg"}},
        ("pg", 5432),
        ("file", "db_host"),
    ),
    (
        "db_port = False: the line is where a port belongs",
        {"family": "unknown", "conf": {"db_host": "pg"}, "unset": ("db_port",)},
        ("pg", 5432),
        ("file", "db_host"),
    ),
    (
        "a start script of the image's own makes odoo.conf from DB_HOST",
        {
            "conf": {"db_host": "pg"},
            "environment": {"DB_HOST": "pg", "DB_PORT": "5432", "ODOO_RC": "/run/odoo.conf"},
            "conf_is_young": True,
        },
        ("pg", 5432),
        ("environment", "DB_HOST"),
    ),
    (
        "the same, named by the user",
        {
            "conf": {"db_host": "pg"},
            "environment": {"MY_HOST": "pg", "MY_PORT": "6000"},
            "variables": {"host": "MY_HOST", "port": "MY_PORT"},
        },
        ("pg", 6000),
        ("environment", "MY_HOST"),
    ),
    (
        "what the user names counts only where it is",
        {"conf": {"db_host": "pg"}, "variables": {"host": "MY_HOST"}},
        ("pg", 5432),
        ("file", "db_host"),
    ),
    (
        "a script of the image's own passes what it takes from DB_HOST",
        {
            "family": "unknown",
            "argv": ("--db_host=pg", "--db_port=5432"),
            "command": ("/run.sh",),
            "environment": {"DB_HOST": "pg"},
        },
        ("pg", 5432),
        ("environment", "DB_HOST"),
    ),
    (
        "an entrypoint of its own around the official one",
        {
            "family": "unknown",
            "argv": ("--db_host=db",),
            "command": ("/usr/local/bin/acme-entrypoint.sh", "odoo"),
            "environment": {"HOST": "db"},
        },
        ("db", 5432),
        ("environment", "HOST"),
    ),
    (
        "two variables explain it: none is guessed",
        {
            "family": "unknown",
            "argv": ("--db_host=pg",),
            "command": ("/run.sh",),
            "environment": {"DB_HOST": "pg", "POSTGRES_HOST": "pg"},
        },
        ("pg", 5432),
        ("argument", "--db_host"),
    ),
    (
        "a wrapper exports PGHOST, which the container does not have",
        {"family": "unknown", "exported": {"PGHOST": "pg"}},
        ("pg", 5432),
        ("environment", "PGHOST"),
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


def test_parts_to_move() -> None:
    found = resolve(conf={"db_host": "db"})
    assert _odoo_address.parts_to_move(found, "pooled", 5432) == {"host": "pooled"}
    assert _odoo_address.parts_to_move(found, "pooled", 6432) == {"host": "pooled", "port": "6432"}
    assert _odoo_address.parts_to_move(found, "db", 5432) == {}


@pytest.mark.parametrize(
    ("environment", "names"),
    [
        ({"DB_HOST": "pg", "SMTP_HOST": "pg", "HOSTNAME": "pg"}, ["DB_HOST"]),
        ({"ODOO_DATABASE_HOST": "pg"}, ["ODOO_DATABASE_HOST"]),
        ({"POSTGRESQL_ADDR": "pg", "PGHOST": "pg"}, ["PGHOST", "POSTGRESQL_ADDR"]),
        ({"DB_HOST": "other", "REDIS_HOST": "pg", "PROXY_ADDR": "pg"}, []),
        # What only sounds like it, or is another tool's.
        ({"LDAP_SERVER": "pg", "SERVER": "pg", "UPGRADE_SERVER": "pg", "MYSQL_HOST": "pg", "HTTP_HOST": "pg"}, []),
        ({"HOST": "pg", "BACKUP_DB_HOST": "pg", "DB_REPLICA_HOST": "pg"}, ["HOST"]),
        ({"HOST": "pg", "DB_HOST": "pg"}, ["DB_HOST", "HOST"]),
    ],
)
def test_what_explains_a_host(environment: dict[str, str], names: list[str]) -> None:
    assert sorted(_odoo_address.explaining(environment, "pg")) == names


SCRIPT = ("/start.sh", "odoo")
PASSED = ("--db_host=pg", "--db_port=5432")
# What runs, where its host is found, the variable that is offered for the port.
DOUBTFUL: list[tuple[str, dict[str, t.Any], tuple[str, str], str | None]] = [
    (
        "PORT is the web's",
        {"family": "unknown", "argv": PASSED, "command": SCRIPT, "environment": {"HOST": "pg", "PORT": "8069"}},
        ("environment", "HOST"),
        None,
    ),
    (
        "PORT is the database's",
        {"family": "unknown", "argv": PASSED, "command": SCRIPT, "environment": {"HOST": "pg", "PORT": "5432"}},
        ("environment", "HOST"),
        "PORT",
    ),
    (
        "the official image, whose PORT is a link's",
        {"argv": PASSED, "environment": {"HOST": "pg", "PORT": "tcp://10.0.0.1:5432"}},
        ("environment", "HOST"),
        None,
    ),
    (
        "an entrypoint around the official one that takes DB_HOST",
        {"argv": PASSED, "command": ("/my-entrypoint.sh", "odoo"), "environment": {"DB_HOST": "pg"}},
        ("environment", "DB_HOST"),
        None,
    ),
    (
        "the same from a secret",
        {"argv": PASSED, "command": ("/my-entrypoint.sh", "odoo")},
        ("argument", "--db_host"),
        None,
    ),
    (
        "doodba with a conf.d of its own",
        {
            "family": "doodba",
            "environment": {"PGHOST": "db", "PGPORT": "5432"},
            "conf": {"db_host": "pg", "db_port": "5432"},
        },
        ("file", "db_host"),
        "PGPORT",
    ),
    (
        "an image that only looks like camptocamp's",
        {"family": "camptocamp", "major": 17, "conf": {"db_host": "pg"}},
        ("file", "db_host"),
        "PGPORT",
    ),
    (
        "a variable that the user names and that holds something else",
        {"conf": {"db_host": "pg"}, "environment": {"DB_HOST": "x"}, "variables": {"host": "DB_HOST"}},
        ("file", "db_host"),
        "PORT",
    ),
]


@pytest.mark.parametrize(
    ("given", "source", "port"), [case[1:] for case in DOUBTFUL], ids=[case[0] for case in DOUBTFUL]
)
def test_what_does_not_explain_it_is_not_taken(
    given: dict[str, t.Any], source: tuple[str, str], port: str | None
) -> None:
    found = resolve(**given)
    assert (found.host, found.port) == ("pg", 5432)
    assert found.host_source[:2] == source
    assert found.variables.get("port") == port


def test_a_generated_file_has_the_last_word() -> None:
    found = resolve(
        "unknown", conf={"db_host": "db", "db_port": "5433"}, environment={"DB_HOST": "db"}, conf_is_young=True
    )
    assert (found.host, found.port, found.generated) == ("db", 5433, True)
    assert found.port_source[:2] == ("file", "db_port")


def test_a_file_that_is_as_young_as_the_container_is_generated() -> None:
    """But the official image's is the operator's, unless a variable that it does not know holds the very host."""
    young: dict[str, t.Any] = {"conf": {"db_host": "pg"}, "conf_is_young": True}
    assert resolve(**young).generated is False
    assert resolve(**young, environment={"HOST": "pg"}).generated is False
    assert resolve(**young, environment={"DB_HOST": "elsewhere"}).generated is False
    assert resolve(**young, environment={"DB_HOST": "pg"}).generated is True
    assert resolve("unknown", **young).generated is True


def test_what_a_line_in_odoo_conf_would_decide() -> None:
    """The official image up to 18 asks odoo.conf first for each part; from 19 on a PGHOST counts before."""
    found = resolve(major=17, argv=("--db_host=pg", "--db_port=5432"), conf={"db_host": "pg"})
    assert found.port_source[:2] == ("default", "port")
    assert found.conf_wins == {"host", "port"}
    assert resolve(environment={"PGHOST": "pg"}).conf_wins == {"port"}
    assert resolve(major=18, environment={"PGHOST": "pg"}).conf_wins == {"host", "port"}
    assert resolve(argv=("--db_host=pg",), environment={"HOST": "pg"}, entry_conf={}).conf_wins == frozenset()


def test_sources_that_say_the_same_are_known() -> None:
    found = resolve(
        argv=("--db_host=pg", "--db_host=pg"), command=(*ENTRYPOINT, "--db_host=pg"), environment={"HOST": "pg"}
    )
    assert found.host_source[:2] == ("environment", "HOST")
    assert [(part, source.kind) for part, source in found.equal] == [("host", "argument")]
