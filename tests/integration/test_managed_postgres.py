# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A PostgreSQL as providers run it: its administrator cannot read stored passwords, so the pooler keeps those that Odoo has."""

from __future__ import annotations

import os
import stat
import typing as t
from pathlib import Path

import psycopg2
import pytest

from tests.lab.installation import Installation, works
from tests.lab.lab import LABEL, wait_until
from tests.lab.secrets import told
from tests.lab.servers import NETWORK, PASSWORD, Server
from tests.modules import ModuleFailed, run_module, sextet

# What quotes, an ini file and a userlist have to leave alone.
DOUBLE = '"'
FIRST, SECOND = "cl3rk \"1'%", "cl3rk;#2"
MANAGER = {"pooler_postgres_admin_user": "manager", "pooler_postgres_admin_password": "m4nager"}
ERP = "pooled-test-erp"


def literal(password: str) -> str:
    return "'" + password.replace("'", "''") + "'"


class Erp:
    """A stand-in for Odoo with an odoo.conf."""

    def __init__(self, client: t.Any, image: str, folder: Path, host: str) -> None:
        self.conf, self.host = folder / "odoo.conf", host
        self.set_password(FIRST)
        self.container = client.containers.run(
            image,
            name=ERP,
            detach=True,
            labels={LABEL: "test"},
            network=NETWORK,
            volumes={str(folder): {"bind": "/etc/odoo", "mode": "ro"}},
        )

    def set_password(self, password: str) -> None:
        lines = ["[options]", f"db_host = {self.host}", "db_user = clerk", f"db_password = {password}", "workers = 1"]
        self.conf.write_text("\n".join(lines) + "\n")


@pytest.fixture
def erp(client: t.Any, postgres: Server, standin: str, tmp_path: Path) -> t.Iterator[Erp]:
    postgres.run(
        "CREATE ROLE manager LOGIN CREATEROLE CREATEDB PASSWORD 'm4nager'",
        "GRANT pg_monitor TO manager",
        f"CREATE ROLE clerk LOGIN PASSWORD {literal(FIRST)}",
        "CREATE DATABASE tenant OWNER clerk",
    )
    folder = tmp_path / "odoo"
    folder.mkdir()
    erp = Erp(client, standin, folder, postgres.host)
    wait_until("it runs", 20, running, arguments(postgres, tmp_path))
    yield erp
    erp.container.remove(force=True)
    postgres.run("DROP DATABASE tenant WITH (FORCE)", "DROP ROLE clerk", "DROP ROLE manager")


def running(tried: dict[str, t.Any]) -> None:
    try:
        run_module("odoo_userlist", check=True, **tried)
    except ModuleFailed as error:
        raise ConnectionError from error


def arguments(postgres: Server, folder: Path, **changes: t.Any) -> dict[str, t.Any]:
    given = {"path": str(folder / "userlist.txt"), "roles": ["clerk"], "containers": [ERP], "login_host": postgres.host}
    return {**given, **changes}


@pytest.fixture
def installation(client: t.Any, postgres: Server, erp: Erp, tmp_path: Path) -> t.Iterator[Installation]:
    one = Installation(tmp_path / "managed", client, postgres)
    yield one
    one.run("absent", **MANAGER)
    one.remove()


def kept(installation: Installation) -> Path:
    return installation.folder / "etc" / "secrets" / "odoo_userlist.txt"


def test_userlist(erp: Erp, postgres: Server, tmp_path: Path) -> None:
    """The usual sextet; the change is one of the password, in PostgreSQL and in odoo.conf."""
    path = tmp_path / "userlist.txt"

    def state() -> tuple[bytes, int] | None:
        return (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) if path.exists() else None

    given = arguments(postgres, tmp_path)
    results = sextet("odoo_userlist", {**given, "roles": ["clerk"]}, {**given, "roles": []}, state)
    assert results[1]["roles"] == [{"name": "clerk", "instances": [ERP], "restart": [], "outdated": [], "stale": False}]
    assert results[1]["diff"] == {"before": "", "after": "clerk: ********\n"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600

    run_module("odoo_userlist", **given)
    postgres.run(f"ALTER ROLE clerk PASSWORD {literal(SECOND)}")
    with pytest.raises(ModuleFailed, match=f"that of {ERP}, the one that the pooler has"):
        run_module("odoo_userlist", **given)
    erp.set_password(SECOND)
    changed = run_module("odoo_userlist", **given)
    assert (changed["changed"], changed["roles"][0]["stale"]) == (True, True)
    # It is a process that has read odoo.conf before.
    assert run_module("odoo_userlist", **given)["roles"][0]["instances"] == [ERP]
    assert changed["diff"]["after"] == "clerk: ******** (changed)\n"
    assert path.read_text() == f'"clerk" "{SECOND}"\n'
    # Nobody runs, and what is kept still works.
    erp.container.stop(timeout=1)
    left = run_module("odoo_userlist", **given)
    assert left["changed"] is False
    assert "is exited" in str(left["warnings"])
    # Nor does anybody have the new one yet but the administrator.
    postgres.run(f"ALTER ROLE clerk PASSWORD {literal(FIRST)}")
    renewed = run_module("odoo_userlist", **{**given, "role_passwords": {"clerk": FIRST}})
    assert path.read_text() == f'"clerk" "{FIRST.replace(DOUBLE, 2 * DOUBLE)}"\n'
    shown = str(results) + str(changed) + str(left) + str(renewed)
    assert told(shown, {"the first": FIRST, "the second": SECOND}) == []


def test_what_is_no_fault_of_the_password(erp: Erp, postgres: Server, tmp_path: Path) -> None:
    given = arguments(postgres, tmp_path)
    run_module("odoo_userlist", **given)
    before = (tmp_path / "userlist.txt").read_bytes()
    with pytest.raises(
        ModuleFailed, match="whether PostgreSQL takes the password of role clerk cannot be told: .*refused"
    ):
        run_module("odoo_userlist", **{**given, "login_port": 1})
    # A role that has no connection left has said its password right.
    postgres.run("ALTER ROLE clerk CONNECTION LIMIT 0")
    assert run_module("odoo_userlist", **given)["changed"] is False
    postgres.run("ALTER ROLE clerk CONNECTION LIMIT -1")
    with pytest.raises(ModuleFailed, match="no password can have the character NUL in it"):
        run_module(
            "odoo_userlist",
            **{**given, "containers": [], "role_passwords": {"clerk": "a\0"}, "path": f"{tmp_path}/new"},
        )
    assert (tmp_path / "userlist.txt").read_bytes() == before


def test_a_role_without_a_password_keeps_no_other_out(erp: Erp, postgres: Server, tmp_path: Path) -> None:
    """Several companies' roles; one of them has forgotten its own."""
    path = tmp_path / "userlist.txt"
    path.write_text('"clerk" "former"\n"ghost" "b00"\n')
    given = {**arguments(postgres, tmp_path), "reported_as": {"role_passwords": "pooled_odoo_role_passwords"}}
    with pytest.raises(ModuleFailed, match="no password of role ghost .* or give it in pooled_odoo_role_passwords"):
        run_module("odoo_userlist", **{**given, "roles": ["clerk", "ghost"]})
    assert "former" in path.read_text()
    renewed = run_module("odoo_userlist", **{key: value for key, value in given.items() if key != "roles"})
    assert [one["name"] for one in renewed["roles"]] == ["clerk"]
    assert [one["name"] for one in renewed["refused"]] == ["ghost"]
    assert '"ghost" "b00"' in path.read_text()
    assert "former" not in path.read_text()


def test_a_pooler_without_a_superuser(installation: Installation, erp: Erp, postgres: Server) -> None:
    code, output = installation.run("present", pooler_auth="lookup", pooler_containers=[ERP], **MANAGER)
    assert code != 0
    assert "let the pooler keep the passwords that Odoo has (pooled_odoo_auth: passwords)" in output
    assert not installation.folder.joinpath("etc").exists()

    # auto, which is the default.
    code, first = installation.run("present", "-vvv", pooler_containers=[ERP], **MANAGER)
    assert code == 0
    works(installation, FIRST)
    for path in (kept(installation), installation.folder / "etc/pgbouncer/userlist.txt"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert kept(installation).stat().st_uid == os.geteuid()
    assert postgres.run("SELECT count(*) FROM pg_roles WHERE rolname LIKE 'pooled%'") == [(0,)]
    assert "changed=0" in installation.run("present", pooler_containers=[ERP], **MANAGER)[1]

    postgres.run(f"ALTER ROLE clerk PASSWORD {literal(SECOND)}")
    before = kept(installation).read_bytes()
    code, refused = installation.run("present", pooler_containers=[ERP], **MANAGER)
    assert code != 0
    assert "put the new one into odoo.conf" in refused
    assert kept(installation).read_bytes() == before
    erp.set_password(SECOND)
    # Only the password, by RELOAD, as the playbook does it.
    code, renewed = installation.renew()
    assert code == 0
    assert installation.log_in(password=SECOND) == "clerk"
    assert "changed=0" in installation.renew()[1]
    postgres.run(f"ALTER ROLE clerk PASSWORD {literal(FIRST)}")
    erp.set_password(FIRST)
    assert installation.renew()[0] == 0
    postgres.run(f"ALTER ROLE clerk PASSWORD {literal(SECOND)}")
    erp.set_password(SECOND)
    code, foreseen = installation.run("present", "--check", "--diff", "-vvv", pooler_containers=[ERP], **MANAGER)
    assert code == 0
    assert "clerk: ******** (changed)" in foreseen
    code, changed = installation.run("present", "-vvv", pooler_containers=[ERP], **MANAGER)
    assert code == 0
    # By RELOAD: the pooler was not started anew.
    assert installation.log_in(password=SECOND) == "clerk"
    with pytest.raises(psycopg2.OperationalError):
        installation.log_in(password=FIRST)
    for output in (first, refused, renewed, foreseen, changed):
        assert told(output, {"the first": FIRST, "the second": SECOND}) == []


# CI has the time for what is used every day.
@pytest.mark.long
def test_a_superuser_comes_and_goes(installation: Installation, erp: Erp) -> None:
    """Nothing is kept any more, until there is none again."""
    superuser = {"pooler_postgres_admin_password": PASSWORD}
    assert installation.run("present", pooler_containers=[ERP], **MANAGER)[0] == 0
    assert installation.run("present", **superuser)[0] == 0
    assert not kept(installation).exists()
    # Whoever was in the userlist is looked up now.
    assert installation.log_in(password=FIRST) == "clerk"
    assert "clerk" not in installation.folder.joinpath("etc/pgbouncer/userlist.txt").read_text()
    assert installation.run("absent", **superuser)[0] == 0
    assert installation.run("present", pooler_containers=[ERP], **MANAGER)[0] == 0
    works(installation, FIRST)
    assert installation.run("absent", **MANAGER)[0] == 0
    assert not installation.folder.joinpath("etc").exists()
