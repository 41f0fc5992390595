# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
import typing as t

import pytest

from ansible_collections.pooled.odoo.plugins.module_utils import _pgbouncer_config as pgbouncer
from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError

V = (1, 24, 1)
HBA = [{"type": "host", "database": ["all"], "user": ["odoo"], "address": "all", "method": "scram-sha-256"}]
GOOD: dict[str, t.Any] = {
    "settings": {
        "auth_type": "hba",
        "auth_file": "/etc/pgbouncer/userlist.txt",
        "auth_user": "lookup",
        "auth_query": "SELECT 1",
        "max_user_connections": 30,
        "default_pool_size": 5,
    },
    "databases": [{"name": "postgres", "host": "db", "pool_size": 10}, {"name": "*", "host": "db"}],
    "users": [{"name": "lookup", "max_user_connections": 2}],
    "userlist": [{"name": "lookup", "password": "s3cret"}],
    "hba": HBA,
}


def build(**changes: t.Any) -> pgbouncer.Config:
    return pgbouncer.build({**copy.deepcopy(GOOD), **changes}, V)


def with_settings(**changes: t.Any) -> dict[str, t.Any]:
    settings = {**GOOD["settings"], **changes}
    return {"settings": {key: value for key, value in settings.items() if value is not None}}


BAD = [
    (with_settings(auth_user=None), "settings.auth_query: auth_query runs as auth_user"),
    ({"userlist": []}, "settings.auth_user: 'lookup' has no entry in userlist"),
    ({"hba": []}, "settings.auth_type: auth_type hba needs rules"),
    (with_settings(auth_type="md5"), "hba: hba rules count only with auth_type hba"),
    (with_settings(client_tls_key_file="/k"), "settings.client_tls_cert_file: key and certificate come together"),
    (with_settings(server_tls_sslmode="verify-full"), "settings.server_tls_ca_file: verifying needs"),
    (with_settings(client_tls_sslmode="require"), "settings.client_tls_key_file: TLS for clients needs a key"),
    (with_settings(min_pool_size=6), "settings.min_pool_size: 6 is more than default_pool_size, 5"),
    (with_settings(track_extra_parameters="search_path"), "CVE-2025-12819"),
    ({"databases": [{"name": "pgbouncer"}]}, "databases[0].name: this name is PgBouncer's own admin console"),
    ({"databases": [{"name": "two words"}]}, "databases[0].name: 'two words' cannot be named in pgbouncer.ini"),
    ({"users": [{"name": "société"}]}, "users[0].name: 'société' cannot be named in pgbouncer.ini"),
    ({"databases": [{"name": "*", "dbname": "erp"}]}, "databases[0].dbname: a wildcard entry with dbname"),
    ({"databases": [{"name": "a"}, {"name": "a"}]}, "databases[1].name: database 'a' is listed twice"),
    ({"databases": [{"name": "a", "min_pool_size": 9}]}, "databases[0].min_pool_size"),
    ({"databases": [{"name": "a\nb"}]}, "databases[0].name: holds a newline"),
    ({"databases": [{"name": "a", "pool_mode": "x"}]}, "databases[0].pool_mode: 'x' is not one of"),
    ({"users": [{"name": "a", "transaction_timeout": 1}]}, "users[0].transaction_timeout"),
    ({"peers": [{"id": 0}]}, "peers[0].id: a peer's id is a whole number from 1 on"),
    ({"server_connection_limit": 31}, "the pools can open 32 server connections (lookup 2 + odoo 30)"),
]


@pytest.mark.parametrize(("changes", "message"), BAD)
def test_what_is_refused(changes: dict[str, t.Any], message: str) -> None:
    with pytest.raises(PooledError) as caught:
        build(**changes)
    assert message in str(caught.value)


def test_a_version_that_loses_keys_is_refused() -> None:
    params = copy.deepcopy(GOOD)
    with pytest.raises(PooledError, match="version: PgBouncer 1.25.0 refuses log-ins with SCRAM"):
        pgbouncer.build(params, (1, 25, 0))
    pgbouncer.build(params, (1, 25, 1))
    pgbouncer.build({**params, "fixes_backported": True}, (1, 25, 0))


def test_the_good_one_is_good() -> None:
    config = build(server_connection_limit=32)
    assert pgbouncer.server_connection_bound(config) == (32, "lookup 2 + odoo 30")


NO_CAP = {"max_user_connections": None}

BOUNDS = [
    # Explicit databases only: the pools' sizes with their reserves.
    ({"databases": [{"name": "a", "pool_size": 3, "reserve_pool_size": 4}]}, {}, 9),
    # A user's own sizes win, its reserve too.
    ({"databases": [{"name": "a"}], "users": [{"name": "odoo", "pool_size": 5, "reserve_pool_size": 50}]}, NO_CAP, 60),
    # The wildcard alone has no bound but the cap.
    ({}, NO_CAP, None),
    # Where anybody may log in, nothing can be summed.
    ({"hba": [{**HBA[0], "user": ["all"]}]}, {}, None),
]


@pytest.mark.parametrize(("changes", "settings", "bound"), BOUNDS)
def test_bounds(changes: dict[str, t.Any], settings: dict[str, t.Any], bound: int | None) -> None:
    config = build(**{**with_settings(**settings), **changes})
    found = pgbouncer.server_connection_bound(config)[0]
    # `lookup` has pools of its own on explicit databases, capped at 2, or of 5 where nothing caps it.
    assert found == bound


def test_an_unbounded_configuration_is_refused_when_a_limit_is_given() -> None:
    with pytest.raises(PooledError, match="nothing bounds the server connections"):
        build(**with_settings(max_user_connections=None), server_connection_limit=50)


def test_render_and_parse_are_inverse() -> None:
    config = build()
    assert pgbouncer.parse(pgbouncer.render(config, "heading")) == config


def test_changes_tell_their_effect_and_hide_secrets() -> None:
    before = build()
    after = build(
        **with_settings(listen_port=5432, max_user_connections=40),
        userlist=[{"name": "lookup", "password": "0ther"}, {"name": "new", "password": "n3w"}],
    )
    changes = {change.key: change for change in pgbouncer.compare(before, after)}
    assert {key: change.effect for key, change in changes.items()} == {
        "listen_port": "restart",
        "max_user_connections": "reload",
        "lookup": "reload",
        "new": "reload",
    }
    assert pgbouncer.strongest_effect(change.effect for change in changes.values()) == "restart"
    assert changes["lookup"].before == "********"
    assert changes["lookup"].after == "******** (changed)"
    shown = str(pgbouncer.compare(before, after)) + str(pgbouncer.describe(after))
    assert not [secret for secret in ("s3cret", "0ther", "n3w") if secret in shown]


LOOKUPS: list[tuple[dict[str, t.Any], str]] = [({}, "restart"), ({"auth_user": None, "auth_query": None}, "reload")]


@pytest.mark.parametrize(("settings", "effect"), LOOKUPS)
def test_a_user_that_leaves_the_userlist_is_looked_up_behind_a_restart(settings: dict[str, t.Any], effect: str) -> None:
    lookup = {"name": "lookup", "password": "l00k"}
    before = build(userlist=[lookup, {"name": "odoo", "password": "0d00"}])
    after = build(**with_settings(**settings), userlist=[lookup])
    assert {change.key: change.effect for change in pgbouncer.compare(before, after)}["odoo"] == effect


def test_database_passwords_are_hidden() -> None:
    config = build(databases=[{"name": "a", "password": "s3cret!"}])
    assert "s3cret!" in pgbouncer.render(config, "")["pgbouncer.ini"]
    assert "s3cret!" not in str(pgbouncer.describe(config)) + str(pgbouncer.compare(pgbouncer.parse({}), config))


def test_security_warnings() -> None:
    assert len(pgbouncer.security_warnings((1, 24, 0))) == 4
    assert len(pgbouncer.security_warnings((1, 25, 1))) == 2
    assert len(pgbouncer.security_warnings((1, 25, 2))) == 1
    assert pgbouncer.security_warnings((1, 26, 1)) == []


@pytest.mark.parametrize(
    ("ignored", "version", "warned"),
    [
        ("extra_float_digits", (1, 24, 1), True),
        ("extra_float_digits, options", (1, 24, 1), False),
        ("extra_float_digits", (1, 26, 1), False),
        (None, (1, 24, 1), False),
    ],
)
def test_what_opens_a_hole_is_warned_of(ignored: str | None, version: tuple[int, int, int], warned: bool) -> None:
    config = build(**with_settings(ignore_startup_parameters=ignored))
    assert bool(pgbouncer.setting_warnings(config, version)) is warned


PLAIN = {"userlist": [{"name": "boss", "password": "b0ss"}, {"name": "odoo", "password": "0doo"}]}
STORED = {"userlist": [{"name": "boss", "password": "b0ss"}, {"name": "odoo", "password": "SCRAM-SHA-256$4096:a$b:c"}]}


@pytest.mark.parametrize(("users", "refused"), [(PLAIN, True), (STORED, False)])
def test_a_version_that_loses_keys_of_plain_passwords_is_refused(users: dict[str, t.Any], refused: bool) -> None:
    params = {**copy.deepcopy(GOOD), **with_settings(auth_user=None, auth_query=None, admin_users="boss"), **users}
    if refused:
        with pytest.raises(PooledError, match=r"PgBouncer 1\.25\.0"):
            pgbouncer.build(params, (1, 25, 0))
    else:
        pgbouncer.build(params, (1, 25, 0))
