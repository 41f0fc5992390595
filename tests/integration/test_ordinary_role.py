# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A superuser of a real PostgreSQL becomes an ordinary owner by the statements that audit tells: the cluster's first role, as in
the official image with POSTGRES_USER, and another one."""

from __future__ import annotations

import typing as t
from pathlib import Path

import psycopg2
import pytest

from ansible_collections.pooled.odoo.plugins.module_utils._ordinary_role import Superuser, statements
from tests.lab.installation import run_playbook
from tests.lab.lab import LABEL, POSTGRES_IMAGE, wait_until
from tests.lab.servers import NETWORK, PASSWORD, Server, address_of

PLAYBOOK = f"""
- hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - ansible.builtin.include_tasks: {Path(__file__).parents[2] / "playbooks/tasks/superusers.yml"}
"""

# What Odoo's modules make, as whoever they log in as.
OBJECTS = (
    "CREATE EXTENSION pg_trgm",
    "CREATE TABLE res_partner (id serial PRIMARY KEY, name varchar)",
    "CREATE TABLE detached (id integer)",
    "CREATE TABLE identified (id integer GENERATED ALWAYS AS IDENTITY)",
    "CREATE TABLE parted (id integer) PARTITION BY RANGE (id)",
    "CREATE TABLE part PARTITION OF parted DEFAULT",
    "CREATE AGGREGATE total (integer) (SFUNC = int4pl, STYPE = integer)",
    "CREATE DOMAIN positive AS integer CHECK (value > 0)",
    "CREATE SEQUENCE ir_sequence_001",
    "CREATE VIEW report AS SELECT name FROM res_partner",
    "CREATE MATERIALIZED VIEW slow_report AS SELECT name FROM res_partner",
    "CREATE TYPE mood AS ENUM ('calm')",
    "CREATE TYPE pair AS (a integer, b integer)",
    "CREATE FUNCTION one(integer) RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    'CREATE SCHEMA "another Schema"',
    'CREATE TABLE "another Schema"."A b" (id serial)',
)
# Extensions stay whose they are.
NOT_HANDED_OVER = """
SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' AND pg_get_userbyid(relowner) <> 'odoo'
"""


class Cluster:
    def __init__(self, container: t.Any) -> None:
        self.container, self.host = container, address_of(container)

    def run(self, statement: str, user: str, dbname: str = "postgres") -> list[tuple[t.Any, ...]]:
        connection = psycopg2.connect(host=self.host, dbname=dbname, user=user, password=PASSWORD, connect_timeout=5)
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def psql(self, script: str) -> None:
        command = [
            "psql",
            "-h",
            self.host,
            "-U",
            "boss",
            "-d",
            "postgres",
            "-v",
            "ON_ERROR_STOP=1",
            "-f",
            "/tmp/script.sql",
        ]
        write = ["bash", "-c", "cat >/tmp/script.sql <<'OF SCRIPT'\n" + script + "\nOF SCRIPT"]
        assert self.container.exec_run(write).exit_code == 0
        code, output = self.container.exec_run(command, environment={"PGPASSWORD": PASSWORD})
        assert code == 0, output.decode()


@pytest.fixture(params=["odoo", "postgres"], ids=["the first role", "another superuser"])
def cluster(
    request: pytest.FixtureRequest, client: t.Any, postgres: t.Any, tmp_path_factory: pytest.TempPathFactory
) -> t.Iterator[Cluster]:
    first: str = request.param
    secrets: Path = tmp_path_factory.mktemp("secrets")
    (secrets / "postgres_password").write_text(PASSWORD)
    for path in (secrets, *secrets.parents[:2]):
        path.chmod(0o755)
    container = client.containers.run(
        POSTGRES_IMAGE,
        ["-c", "fsync=off"],
        detach=True,
        labels={LABEL: "test"},
        network=NETWORK,
        environment={"LAB_FIRST_ROLE": first},
        volumes={str(secrets): {"bind": "/run/secrets", "mode": "ro"}},
    )
    cluster = Cluster(container)
    wait_until("PostgreSQL accepts connections", 60, cluster.run, "SELECT 1", first)
    cluster.run(f"CREATE ROLE boss SUPERUSER LOGIN PASSWORD '{PASSWORD}'", first)
    if first != "odoo":
        cluster.run(f"CREATE ROLE odoo SUPERUSER LOGIN PASSWORD '{PASSWORD}'", first)
    yield cluster
    container.remove(force=True, v=True)


@pytest.mark.parametrize("superusers", [["captain", "captain's"], []])
def test_audit_writes_how_superusers_become_ordinary(postgres: Server, tmp_path: Path, superusers: list[str]) -> None:
    roles = ["captain", "captain's", "clerk"]
    postgres.run(*(f'CREATE ROLE "{role}" {"SUPERUSER" if role in superusers else ""}' for role in roles))
    fleet = {"instances": [{"name": role, "db_user": role, "databases": ["tenant"]} for role in roles]}
    try:
        code, printed = run_playbook(
            tmp_path / "play.yml",
            PLAYBOOK,
            __pooled_odoo_fleet=fleet,
            pooled_odoo_postgres_admin_host=postgres.host,
            pooled_odoo_postgres_port=5432,
            pooled_odoo_postgres_admin_user="postgres",
            pooled_odoo_postgres_admin_password=PASSWORD,
            pooled_odoo_postgres_ssl_mode="prefer",
            pooled_odoo_postgres_ca_cert="",
            pooled_odoo_artifacts_host="localhost",
            pooled_odoo_artifacts_dir=str(tmp_path),
        )
    finally:
        postgres.run(*(f'DROP ROLE "{role}"' for role in roles))
    assert code == 0
    assert ("is a superuser of PostgreSQL" in printed) == bool(superusers)
    files = {f"superuser-{role.replace(chr(39), '_')}.sql": f'"{role}"' for role in superusers}
    assert sorted(path.name for path in tmp_path.glob("*.sql")) == sorted(files)
    for name, quoted in files.items():
        assert quoted in (tmp_path / name).read_text()


# CI has the time for what is used every day.
@pytest.mark.long
def test_it_becomes_an_ordinary_owner(cluster: Cluster) -> None:
    for name in ("tenant1", "Tenant 2"):
        cluster.run(f'CREATE DATABASE "{name}"', "odoo")
        for statement in OBJECTS:
            cluster.run(statement, "odoo", name)
    # As if somebody had restored it as the administrator.
    cluster.run('ALTER DATABASE "Tenant 2" OWNER TO boss', "boss")
    cluster.run("ALTER TABLE detached OWNER TO boss", "boss", "Tenant 2")
    ((oid,),) = cluster.run("SELECT oid::int FROM pg_roles WHERE rolname = 'odoo'", "boss")
    owners = {"tenant1": "odoo", "Tenant 2": "boss"}
    script = "\n".join(statements(Superuser("odoo", oid, ["tenant1"], owners)))
    cluster.psql(script.replace("'…'", f"'{PASSWORD}'"))
    assert cluster.run("SELECT rolsuper, rolcreatedb FROM pg_roles WHERE rolname = 'odoo'", "odoo") == [(False, True)]
    for name in ("tenant1", "Tenant 2"):
        assert cluster.run(NOT_HANDED_OVER, "boss", name) == []
        # As an upgrade of a module does.
        cluster.run("ALTER TABLE res_partner ADD COLUMN city varchar", "odoo", name)
        cluster.run("INSERT INTO res_partner (name) VALUES ('one')", "odoo", name)
        cluster.run("CREATE OR REPLACE FUNCTION one(integer) RETURNS integer LANGUAGE sql AS 'SELECT 2'", "odoo", name)
        cluster.run("ALTER TYPE mood ADD VALUE 'tense'", "odoo", name)
        cluster.run("REFRESH MATERIALIZED VIEW slow_report", "odoo", name)
        cluster.run("CREATE INDEX ON res_partner USING gin (name gin_trgm_ops)", "odoo", name)
        cluster.run('DROP SCHEMA "another Schema" CASCADE', "odoo", name)
    cluster.run("CREATE DATABASE tenant3 TEMPLATE tenant1", "odoo")
    # A second run finds nothing to do and fails at nothing.
    cluster.psql("\n".join(statements(Superuser("odoo", 16384, [], {"tenant1": "odoo"}))))
