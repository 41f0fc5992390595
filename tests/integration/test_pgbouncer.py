# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""pgbouncer_config, pgbouncer_info and pgbouncer_admin against real PgBouncers of two versions."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import struct
import threading
import time
import typing as t
from pathlib import Path

import psycopg2
import pytest

from ansible_collections.pooled.odoo.plugins.module_utils import _login, _odoo_probe, _settings
from ansible_collections.pooled.odoo.plugins.module_utils._pgbouncer_options import SETTINGS
from tests.lab import pools
from tests.lab.servers import PASSWORD, UID, Pooler, Server, configuration
from tests.modules import ModuleFailed, run_module, sextet


def snapshot(folder: Path) -> dict[str, t.Any]:
    found = {}
    for path in folder.iterdir():
        status = path.stat()
        found[path.name] = (path.read_bytes(), status.st_mode, status.st_uid, status.st_gid)
    return found


def test_config_present(pooler: Pooler, version: str) -> None:
    first = configuration(pooler, version, "db")
    then = configuration(pooler, version, "db", settings={"max_client_conn": 500})
    results = sextet("pgbouncer_config", first, then, lambda: snapshot(pooler.config))
    assert sorted(snapshot(pooler.config)) == [".pending", "pg_hba.conf", "pgbouncer.ini", "userlist.txt"]
    for path in pooler.config.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert path.stat().st_uid == UID
    changed = results[-1]
    assert changed["changes"] == [
        {
            "file": "pgbouncer.ini",
            "section": "pgbouncer",
            "key": "max_client_conn",
            "before": None,
            "after": "500",
            "effect": "reload",
        }
    ]
    # Nobody has started PgBouncer with the first configuration yet.
    assert changed["pending"] == "restart"
    assert not [secret for secret in ("b0ss", PASSWORD) if any(secret in str(result["diff"]) for result in results)]


def test_config_absent(pooler: Pooler, version: str) -> None:
    run_module("pgbouncer_config", **configuration(pooler, version, "db"))
    gone = {"path": str(pooler.config), "state": "absent"}
    for check, changed in ((True, True), (False, True), (True, False), (False, False)):
        assert run_module("pgbouncer_config", check=check, **gone)["changed"] is changed
    assert snapshot(pooler.config) == {}


def test_config_foreign_ownership_is_mended(pooler: Pooler, version: str) -> None:
    arguments = configuration(pooler, version, "db")
    run_module("pgbouncer_config", **arguments)
    (pooler.config / "userlist.txt").chmod(0o644)
    assert run_module("pgbouncer_config", **arguments)["changed"] is True
    assert stat.S_IMODE((pooler.config / "userlist.txt").stat().st_mode) == 0o600


def test_config_refuses_a_planted_link(pooler: Pooler, version: str, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("precious")
    (pooler.config / "pgbouncer.ini").symlink_to(tmp_path / "precious")
    with pytest.raises(ModuleFailed, match="is a symbolic link"):
        run_module("pgbouncer_config", **configuration(pooler, version, "db"))
    assert (tmp_path / "precious").read_text() == "precious"


def test_config_bad_input_writes_nothing(pooler: Pooler, version: str) -> None:
    for changes, message in (
        ({"settings": {"pool_modus": "session"}}, "did you mean pool_mode"),
        ({"settings": {"max_client_conn": "1\n[databases]"}}, "holds a newline"),
        ({"databases": [{"name": "pgbouncer"}]}, "own admin console"),
        ({"server_connection_limit": 5}, "server_connection_limit allows 5"),
        ({"path": "/nonexistent"}, "is not a directory"),
        ({"owner": "nobody-of-that-name"}, "unknown account"),
    ):
        with pytest.raises(ModuleFailed, match=message):
            run_module("pgbouncer_config", **configuration(pooler, version, "db", **changes))
    assert snapshot(pooler.config) == {}


def test_the_catalogue_says_what_the_server_says(pooler: Pooler, version: str, postgres: Server) -> None:
    """Every key of this version is known, no other is, and RELOAD applies what the catalogue says."""
    run_module("pgbouncer_config", **configuration(pooler, version, postgres.host))
    pooler.start()
    running = run_module("pgbouncer_info", gather=["config"], **pooler.console)["config"]
    wanted = _settings.parse_version(version)
    known = {
        key
        for key, option in SETTINGS.items()
        if (option.since is None or _settings.parse_version(option.since) <= wanted)
        and (option.until is None or wanted[:2] <= _settings.parse_version(option.until)[:2])
    }
    # Compiled out of Debian's package, or shown only where the platform has it.
    optional = {"auth_ldap_options", "syslog_ident", "service_name", "dns_zone_check_period", "resolv_conf"}
    assert set(running) - known == set()
    assert known - set(running) <= optional
    wrong = {key for key in known & set(running) if SETTINGS[key].reloadable is not running[key]["changeable"]}
    # `user` and such are read-only for other reasons; conffile can be changed in the running server.
    assert wrong == set()


NASTY = [
    "it's",
    'quo"te',
    "two words",
    "50%",
    "société",
    "a=b",
    "semi;colon",
    "#hash",
    "[bracket]",
    "back\\slash",
    "-dash",
]


def test_names_as_they_come(pooler: Pooler, version: str, postgres: Server) -> None:
    """Databases of any name are reached through the wildcard, as users of any name with passwords of any kind."""
    for name in NASTY:
        quoted, literal = ('"' + name.replace('"', '""') + '"', "'" + name.replace("'", "''") + "'")
        postgres.run(f"DROP DATABASE IF EXISTS {quoted}", f"CREATE DATABASE {quoted}")
        if not postgres.run(f"SELECT 1 FROM pg_roles WHERE rolname = {literal}"):
            postgres.run(f"CREATE ROLE {quoted} LOGIN")
        postgres.run(f"ALTER ROLE {quoted} PASSWORD 'pw ' || {literal}".replace("'pw ' || '", "'pw "))
    userlist = [{"name": name, "password": f"pw {name}"} for name in NASTY]
    userlist += [{"name": "boss", "password": "b0ss"}]
    run_module("pgbouncer_config", **configuration(pooler, version, postgres.host, userlist=userlist))
    pooler.start()
    for name in NASTY:
        connection = psycopg2.connect(host=pooler.host, dbname=name, user=name, password=f"pw {name}")
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_database(), current_user")
            assert cursor.fetchone() == (name, name)
        connection.close()


PLAIN = ["erp", "ERP-2.0_x", "1st"]


def test_explicit_entries(pooler: Pooler, version: str, postgres: Server) -> None:
    entries = [{"name": name, "host": postgres.host, "dbname": NASTY[0], "password": "it's"} for name in PLAIN]
    users = [{"name": name, "max_user_connections": 5} for name in PLAIN]
    run_module("pgbouncer_config", **configuration(pooler, version, postgres.host, databases=entries, users=users))
    pooler.start()
    shown = run_module("pgbouncer_info", gather=["databases"], **pooler.console)["databases"]
    assert {row["name"]: row["database"] for row in shown if row["name"] != "pgbouncer"} == dict.fromkeys(
        PLAIN, NASTY[0]
    )


def test_reload_applies_and_forgets(pooler: Pooler, version: str, postgres: Server) -> None:
    run_module("pgbouncer_config", **configuration(pooler, version, postgres.host))
    pooler.start()
    reload = {**pooler.console, "command": "reload", "config_path": str(pooler.config)}
    run_module("pgbouncer_admin", **reload)
    assert not (pooler.config / ".pending").exists()

    changed = run_module(
        "pgbouncer_config", **configuration(pooler, version, postgres.host, settings={"max_client_conn": 321})
    )
    assert changed["pending"] == "reload"
    # An interrupted run: the next one finds nothing to write, but knows what is due.
    again = run_module(
        "pgbouncer_config", **configuration(pooler, version, postgres.host, settings={"max_client_conn": 321})
    )
    assert (again["changed"], again["pending"]) == (False, "reload")

    assert run_module("pgbouncer_admin", check=True, **reload)["commands"] == ["RELOAD"]
    assert (pooler.config / ".pending").exists()
    run_module("pgbouncer_admin", **reload)
    config = run_module("pgbouncer_info", **pooler.console)["config"]
    assert config["max_client_conn"]["value"] == "321"
    assert not (pooler.config / ".pending").exists()


def test_reload_cannot_pretend_to_be_a_restart(pooler: Pooler, version: str, postgres: Server) -> None:
    run_module("pgbouncer_config", **configuration(pooler, version, postgres.host))
    pooler.start()
    changes = {"settings": {"listen_backlog": 64}}
    done = run_module("pgbouncer_config", **configuration(pooler, version, postgres.host, **changes))
    assert done["pending"] == "restart"
    with pytest.raises(ModuleFailed, match="uses the new listen_backlog only after a restart"):
        run_module("pgbouncer_admin", command="reload", config_path=str(pooler.config), **pooler.console)
    assert (pooler.config / ".pending").read_text() == "restart\n"


def test_pause_and_resume(pooler: Pooler, version: str, postgres: Server) -> None:
    run_module("pgbouncer_config", **configuration(pooler, version, postgres.host))
    pooler.start()

    def paused() -> bool:
        with _login.AdminConsole({**LOGIN_DEFAULTS, **pooler.console}) as console:
            return {row["key"]: row["value"] for row in console.run("SHOW STATE")}["paused"] == "yes"

    pause, resume = ({**pooler.console, "command": command} for command in ("pause", "resume"))
    sextet("pgbouncer_admin", pause, resume, paused)
    assert not paused()
    assert run_module("pgbouncer_admin", **resume)["changed"] is False


LOGIN_DEFAULTS = {"login_port": 5432, "ssl_mode": "prefer", "ca_cert": None, "connect_timeout": 10}


def test_a_paused_client_waits_and_succeeds(pooler: Pooler, version: str, postgres: Server) -> None:
    run_module("pgbouncer_config", **configuration(pooler, version, postgres.host))
    pooler.start()
    connection = psycopg2.connect(host=pooler.host, dbname="postgres", user="postgres", password=PASSWORD)
    connection.autocommit = True
    run_module("pgbouncer_admin", command="pause", **pooler.console)
    answers: list[float] = []

    def ask() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        answers.append(time.monotonic())

    waiting = threading.Thread(target=ask)
    waiting.start()
    waiting.join(1)
    assert waiting.is_alive()
    resumed = time.monotonic()
    run_module("pgbouncer_admin", command="resume", **pooler.console)
    waiting.join(10)
    assert answers
    assert answers[0] >= resumed
    connection.close()


def test_a_pause_that_takes_too_long_is_taken_back(pooler: Pooler, version: str, postgres: Server) -> None:
    run_module("pgbouncer_config", **configuration(pooler, version, postgres.host))
    pooler.start()
    busy = psycopg2.connect(host=pooler.host, dbname="postgres", user="postgres", password=PASSWORD)
    with busy.cursor() as cursor:
        cursor.execute("SELECT 1")
    with pytest.raises(ModuleFailed, match="taken back, clients go on"):
        run_module("pgbouncer_admin", command="pause", timeout=2, **pooler.console)
    other = psycopg2.connect(host=pooler.host, dbname="postgres", user="postgres", password=PASSWORD)
    with other.cursor() as cursor:
        cursor.execute("SELECT 1")
    other.close()
    busy.close()


def test_console_errors_say_what_to_do(pooler: Pooler, version: str, postgres: Server) -> None:
    run_module("pgbouncer_config", **configuration(pooler, version, postgres.host))
    pooler.start()
    wrong = {**pooler.console, "login_password": "wrong"}
    with pytest.raises(ModuleFailed, match="check login_host, login_port, login_user and login_password") as caught:
        run_module("pgbouncer_info", **wrong)
    assert "wrong" not in str(caught.value).replace("wrong password", "")
    with pytest.raises(ModuleFailed, match="remove database"):
        run_module("pgbouncer_admin", command="reload", database="postgres", **pooler.console)
    with pytest.raises(ModuleFailed, match="cannot connect to"):
        run_module("pgbouncer_info", **{**pooler.console, "login_host": os.devnull})


def connect(pooler: Pooler, dbname: str) -> t.Any:
    connection = psycopg2.connect(host=pooler.host, dbname=dbname, user="postgres", password=PASSWORD)
    connection.autocommit = True
    return connection


def test_a_pause_beside_listeners(pooler: Pooler, version: str, postgres: Server) -> None:
    """A listener would keep PAUSE from its end for ever. Here transactions end, everybody else waits, nobody is lost."""
    databases = [
        {"name": "postgres", "host": postgres.host, "pool_mode": "session"},
        {"name": "*", "host": postgres.host},
    ]
    run_module("pgbouncer_config", **configuration(pooler, version, postgres.host, databases=databases))
    pooler.start()
    arguments = {**pooler.console, "wait_for": "transactions", "settings": {"query_wait_timeout": 77}}
    listener, worker, notifier = (connect(pooler, name) for name in ("postgres", "template1", "postgres"))
    with contextlib.closing(listener), contextlib.closing(worker), contextlib.closing(notifier):
        listener.cursor().execute("LISTEN here")
        cursor = worker.cursor()
        cursor.execute("BEGIN")
        with pytest.raises(ModuleFailed, match="transactions on template1 did not end within 1 s; taken back"):
            run_module("pgbouncer_admin", command="pause", timeout=1, **arguments)
        cursor.execute("COMMIT")
        assert run_module("pgbouncer_admin", command="pause", **arguments)["commands"] == ["PAUSE"]
        assert run_module("pgbouncer_admin", command="pause", **arguments)["changed"] is False
        waiting = threading.Thread(target=cursor.execute, args=("SELECT 2",))
        waiting.start()
        waiting.join(1)
        assert waiting.is_alive()
        with _login.AdminConsole({**LOGIN_DEFAULTS, **pooler.console}) as console:
            assert {row["key"]: row["value"] for row in console.run("SHOW CONFIG")}["query_wait_timeout"] == "77"
        run_module("pgbouncer_admin", command="resume", **pooler.console)
        waiting.join(10)
        assert not waiting.is_alive()
        notifier.cursor().execute("NOTIFY here")
        listener.cursor().execute("SELECT 1")
        assert [notify.channel for notify in listener.notifies] == ["here"]


BAD_SETTINGS: list[tuple[dict[str, t.Any], str]] = [
    ({"query_wait_timout": 1}, "settings.query_wait_timout: PgBouncer has no such setting"),
    ({"listen_port": 1}, "settings.listen_port: only a restart changes it"),
    ({"query_wait_timeout": "soon"}, "settings.query_wait_timeout"),
]


@pytest.mark.parametrize(("settings", "message"), BAD_SETTINGS)
def test_a_pause_refuses_settings_that_cannot_be(
    pooler: Pooler, version: str, postgres: Server, settings: dict[str, t.Any], message: str
) -> None:
    run_module("pgbouncer_config", **configuration(pooler, version, postgres.host))
    pooler.start()
    with pytest.raises(ModuleFailed) as caught:
        run_module("pgbouncer_admin", command="pause", settings=settings, **pooler.console)
    assert message in str(caught.value)


def shown(pooler: Pooler) -> list[str]:
    return [row["name"] for row in run_module("pgbouncer_info", gather=["databases"], **pooler.console)["databases"]]


def until_hidden(pooler: Pooler, name: str) -> None:
    deadline = time.monotonic() + 30
    while name in shown(pooler):
        assert time.monotonic() < deadline, f"PgBouncer still shows {name}"
        time.sleep(0.2)


def test_reconnect_forgets_a_database_that_is_gone(pooler: Pooler, version: str, postgres: Server) -> None:
    """PgBouncer hides a database of the wildcard as soon as nobody is connected, and lets clients log in to it all the same."""
    name = "gone"
    postgres.run(f"DROP DATABASE IF EXISTS {name}", f"CREATE DATABASE {name}")
    run_module("pgbouncer_config", **configuration(pooler, version, postgres.host, settings={"server_idle_timeout": 1}))
    pooler.start()
    with contextlib.closing(connect(pooler, name)) as connection:
        connection.cursor().execute("SELECT 1")
    until_hidden(pooler, name)
    postgres.run(f"DROP DATABASE {name}")
    connect(pooler, name).close()
    until_hidden(pooler, name)
    arguments = {"command": "reconnect", "database": name, **pooler.console}
    for check in (True, False):
        result = run_module("pgbouncer_admin", check=check, **arguments)
        assert result["commands"] == ['RECONNECT "gone"']
        assert "serves nobody on 'gone'" in str(result["warnings"])
    with pytest.raises(psycopg2.OperationalError, match='"gone" does not exist'):
        connect(pooler, name)


def test_without_a_wildcard_an_unknown_database_is_refused(pooler: Pooler, version: str, postgres: Server) -> None:
    entries = [{"name": "postgres", "host": postgres.host}]
    run_module("pgbouncer_config", **configuration(pooler, version, postgres.host, databases=entries))
    pooler.start()
    console = {**pooler.console, "database": "nowhere"}
    with pytest.raises(ModuleFailed, match='refused PAUSE "nowhere": no such database'):
        run_module("pgbouncer_admin", command="pause", **console)
    # Nothing is paused, so there is nothing to end.
    assert run_module("pgbouncer_admin", command="resume", **console)["commands"] == []


def test_a_hidden_database_that_is_paused_can_be_resumed(pooler: Pooler, version: str, postgres: Server) -> None:
    """Nobody is connected, so PgBouncer does not show it; who comes would wait."""
    run_module("pgbouncer_config", **configuration(pooler, version, postgres.host))
    pooler.start()
    console = {**pooler.console, "database": "template1"}
    assert run_module("pgbouncer_admin", command="pause", **console)["changed"] is True
    until_hidden(pooler, "template1")
    assert run_module("pgbouncer_admin", command="resume", **console)["commands"] == ['RESUME "template1"']
    with contextlib.closing(connect(pooler, "template1")) as connection:
        connection.cursor().execute("SELECT 1")
    assert run_module("pgbouncer_admin", command="resume", **console)["commands"] == []


class Odoo:
    """What the probe logs in with."""

    def connect(self, dbname: str, host: str, port: int) -> t.Any:
        return psycopg2.connect(host=host, port=port, dbname=dbname, user="postgres", password=PASSWORD)


def test_the_probe_tells_a_pgbouncer_from_postgresql(pooler: Pooler, version: str, postgres: Server) -> None:
    run_module("pgbouncer_config", **configuration(pooler, version, postgres.host))
    pooler.start()
    assert _odoo_probe.answers_as_pgbouncer(Odoo(), (pooler.host, 5432)) is True
    assert _odoo_probe.answers_as_pgbouncer(Odoo(), (postgres.host, 5432)) is False


def test_nobody_can_stop_it_before_a_log_in(pooler: Pooler, version: str, postgres: Server) -> None:
    """CVE-2026-107349: a start with an option that has no name, against what the role writes for a plan."""
    given = pools.configuration(pools.planned([pools.instance()]), pooler.config, version, postgres.host, PASSWORD)
    run_module("pgbouncer_config", **given)
    pooler.start()
    body = struct.pack("!i", 3 << 16) + b"user\0odoo\0database\0tenant\0options\0-c=\0\0"
    with socket.create_connection((pooler.host, 5432), 5) as attacker:
        attacker.sendall(struct.pack("!i", len(body) + 4) + body)
        time.sleep(1)
        # It would spin for ever.
        with contextlib.closing(postgres_through(pooler)) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT 1")


def postgres_through(pooler: Pooler) -> t.Any:
    return psycopg2.connect(host=pooler.host, user="postgres", password=PASSWORD, dbname="postgres", connect_timeout=10)
