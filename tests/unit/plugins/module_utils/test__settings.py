# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError
from ansible_collections.pooled.odoo.plugins.module_utils._pgbouncer_options import DATABASE_KEYS, SETTINGS
from ansible_collections.pooled.odoo.plugins.module_utils._settings import check_keys, check_name, parse_version

NEWEST = (1, 26, 1)

GOOD = [
    ({"max_client_conn": 2000}, {"max_client_conn": "2000"}),
    ({"max_client_conn": "2000"}, {"max_client_conn": "2000"}),
    ({"server_reset_query_always": True}, {"server_reset_query_always": "1"}),
    ({"server_reset_query_always": "no"}, {"server_reset_query_always": "0"}),
    ({"server_idle_timeout": 0.5}, {"server_idle_timeout": "0.5"}),
    ({"server_idle_timeout": 60.0}, {"server_idle_timeout": "60"}),
    ({"pool_mode": "transaction"}, {"pool_mode": "transaction"}),
    ({"unix_socket_mode": "700"}, {"unix_socket_mode": "0700"}),
    ({"listen_addr": "*"}, {"listen_addr": "*"}),
    ({"auth_dbname": "geld & güter"}, {"auth_dbname": "geld & güter"}),
    # PgBouncer would read it as octal.
    ({"max_client_conn": "0100"}, {"max_client_conn": "100"}),
    ({"server_idle_timeout": "010.5"}, {"server_idle_timeout": "10.5"}),
    ({}, {}),
]


@pytest.mark.parametrize(("given", "wanted"), GOOD)
def test_good_values(given: dict[str, t.Any], wanted: dict[str, str]) -> None:
    assert check_keys(SETTINGS, given, NEWEST, "settings") == wanted


BAD = [
    (
        {"max_client_con": 1},
        NEWEST,
        "settings.max_client_con: PgBouncer has no such key; did you mean max_client_conn?",
    ),
    ({"zzz": 1}, NEWEST, "settings.zzz: PgBouncer has no such key"),
    ({"max_client_conn": "many"}, NEWEST, "settings.max_client_conn: 'many' is not a whole number"),
    ({"max_client_conn": True}, NEWEST, "settings.max_client_conn: True is not a whole number"),
    ({"max_client_conn": 0}, NEWEST, "settings.max_client_conn: 0 is below the smallest allowed value, 1"),
    ({"max_client_conn": "٣"}, NEWEST, "settings.max_client_conn: '٣' is not a whole number"),
    ({"listen_port": 70000}, NEWEST, "settings.listen_port: 70000 is above the largest allowed value, 65535"),
    ({"server_idle_timeout": "60s"}, NEWEST, "'60s' is not a number of seconds without a unit"),
    ({"server_idle_timeout": -1}, NEWEST, "-1 is below the smallest allowed value, 0"),
    ({"pool_mode": "sesion"}, NEWEST, "'sesion' is not one of session, transaction, statement"),
    ({"so_reuseport": "maybe"}, NEWEST, "'maybe' is not a boolean; write true or false"),
    ({"listen_addr": "*\nadmin_users = evil"}, NEWEST, "settings.listen_addr: holds a newline"),
    ({"listen_addr": "a\0b"}, NEWEST, "settings.listen_addr: holds a NUL byte"),
    ({"listen_addr": " *"}, NEWEST, "begins or ends with white space"),
    ({"listen_addr": None}, NEWEST, "has no value; remove the key"),
    ({"listen_addr": ["*"]}, NEWEST, "must be a single value, not a list"),
    ({"unix_socket_mode": 448}, NEWEST, "'448' is not a file mode"),
    ({"transaction_timeout": 5}, (1, 24, 1), "PgBouncer knows this key from 1.25 on, the target is 1.24.1"),
    ({"suspend_timeout": 5}, NEWEST, "PgBouncer knew this key until 1.25, the target is 1.26.1; remove it"),
    ({"pool_idle_timeout": 5}, (1, 25, 2), "PgBouncer knows this key from 1.26 on"),
]


@pytest.mark.parametrize(("given", "version", "message"), BAD)
def test_bad_values(given: dict[str, t.Any], version: tuple[int, int, int], message: str) -> None:
    with pytest.raises(PooledError) as caught:
        check_keys(SETTINGS, given, version, "settings")
    assert message in str(caught.value)


def test_database_keys_by_version() -> None:
    with pytest.raises(PooledError, match="from 1.24 on"):
        check_keys(DATABASE_KEYS, {"reserve_pool_size": 5}, (1, 23, 1), "databases[0]")
    assert check_keys(DATABASE_KEYS, {"reserve_pool": 5}, (1, 15, 0), "databases[0]") == {"reserve_pool": "5"}


@pytest.mark.parametrize(
    ("text", "version"),
    [("1.24.1", (1, 24, 1)), ("1.26", (1, 26, 0)), ("PgBouncer 1.25.2\nlibevent 2.1.12-stable", (1, 25, 2))],
)
def test_version(text: str, version: tuple[int, int, int]) -> None:
    assert parse_version(text) == version


def test_bad_version() -> None:
    with pytest.raises(PooledError, match="write it like 1.24.1"):
        parse_version("latest")


@pytest.mark.parametrize("name", ["", None, 5, "a" * 64, "é" * 32, "a\nb", "a\0b"])
def test_bad_names(name: t.Any) -> None:
    with pytest.raises(PooledError):
        check_name(name, "databases[0].name", "database")


@pytest.mark.parametrize("name", ["erp", 'it"s', "mit Leerzeichen", "50%", "société", "é" * 31, "*"])
def test_good_names(name: str) -> None:
    assert check_name(name, "databases[0].name", "database") == name


def test_every_default_is_a_value_of_its_own_kind() -> None:
    """A typo in the catalogue would show here."""
    for key, option in SETTINGS.items():
        version = parse_version(option.until) if option.until else NEWEST
        if option.default:
            assert check_keys(SETTINGS, {key: option.default}, version, "settings")
