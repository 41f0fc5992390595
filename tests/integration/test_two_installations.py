# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two installations of the role pooler on one PostgreSQL: neither takes, changes or removes what is the other's."""

from __future__ import annotations

import shutil
import typing as t
from pathlib import Path

import pytest

from tests.lab.installation import Installation, works
from tests.lab.servers import Server

ROLES = "SELECT rolname FROM pg_roles WHERE rolname LIKE 'pooled%' ORDER BY 1"


@pytest.fixture
def installations(client: t.Any, postgres: Server, tmp_path: Path) -> t.Iterator[tuple[Installation, Installation]]:
    postgres.run(
        "CREATE ROLE clerk LOGIN PASSWORD 'cl3rk'",
        "CREATE ROLE stranger LOGIN PASSWORD 'cl3rk'",
        "CREATE DATABASE tenant OWNER clerk",
    )
    pair = Installation(tmp_path / "a", client, postgres), Installation(tmp_path / "b", client, postgres)
    yield pair
    for one in pair:
        one.run("absent")
        one.remove()
    postgres.run("DROP DATABASE tenant WITH (FORCE)", "DROP ROLE clerk", "DROP ROLE stranger")


def test_neither_takes_what_is_the_others(installations: tuple[Installation, Installation], postgres: Server) -> None:
    a, b = installations
    assert a.run("present")[0] == 0
    works(a)
    # Somebody who is not in the plan is looked up by nobody.
    assert postgres.run("SELECT count(*) FROM pooled_odoo.get_auth('clerk')") == [(1,)]
    assert postgres.run("SELECT count(*) FROM pooled_odoo.get_auth('stranger')") == [(0,)]
    code, output = b.run("present")
    assert code != 0
    assert "Set pooled_odoo_auth_user to a name of this" in output
    assert b.run("absent")[0] == 0
    works(a)
    own = {"pooler_auth_user": "pooled_b", "pooler_auth_schema": "pooled_b"}
    assert b.run("present", **own)[0] == 0
    works(b)
    # A schema of the other one's under a role of its own is refused as well.
    code, output = b.run("present", pooler_auth_user="pooled_c", pooler_auth_schema="pooled_odoo")
    assert code != 0
    assert postgres.run(ROLES) == [("pooled_b",), ("pooled_odoo_auth",)]
    assert b.run("absent", **own)[0] == 0
    works(a)
    assert postgres.run(ROLES) == [("pooled_odoo_auth",)]
    assert a.run("absent")[0] == 0
    assert postgres.run(ROLES) == []
    assert postgres.run("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'pooled%'") == [(0,)]


# CI has the time for what is used every day.
@pytest.mark.long
def test_a_lost_directory_is_made_anew_and_everything_removed(
    installations: tuple[Installation, Installation], postgres: Server
) -> None:
    """The container still knows whose it is, so nothing has to be dropped by hand."""
    a, b = installations
    assert a.run("present")[0] == 0
    works(a)
    shutil.rmtree(a.folder / "etc")
    # One that has not even the container is a stranger, and told what a superuser may do.
    code, output = b.run("present")
    assert code != 0
    assert 'DROP ROLE "pooled_odoo_auth";' in output
    code, output = a.run("present")
    assert code == 0
    assert a.log_in() == "clerk"
    works(a)
    assert "changed=0" in a.run("present")[1]
    # As a damaged one is told to be treated.
    (a.folder / "etc" / "secrets" / "admin_password").unlink()
    assert a.run("present")[0] == 0
    works(a)
    shutil.rmtree(a.folder / "etc")
    assert a.run("absent")[0] == 0
    assert postgres.run(ROLES) == []
    assert not a.client.containers.list(all=True, filters={"name": a.name})


def test_a_schema_of_somebody_else_is_refused(
    installations: tuple[Installation, Installation], postgres: Server
) -> None:
    """Its owner could put another function there."""
    a, _b = installations
    postgres.run("CREATE SCHEMA pooled_odoo AUTHORIZATION stranger")
    try:
        code, output = a.run("present")
        assert code != 0
        assert "PostgreSQL has schema pooled_odoo" in output
        assert a.run("absent")[0] == 0
        assert postgres.run("SELECT count(*) FROM pg_namespace WHERE nspname = 'pooled_odoo'") == [(1,)]
    finally:
        postgres.run("DROP SCHEMA pooled_odoo")
