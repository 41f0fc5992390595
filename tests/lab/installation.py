# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An installation of the role pooler with files of its own, as on a Docker host of its own."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
import typing as t
from pathlib import Path

import psycopg2

from tests.lab.servers import NETWORK, PASSWORD, Server, address_of

PLAYBOOK = """
- hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - ansible.builtin.include_role: {name: pooled.odoo.pooler}
      vars:
        pooler_plan: "{{ plan.poolers[0] }}"
        plan: "{{ [erp] | pooled.odoo.pool_plan(audit=audit, auth_user=pooler_auth_user | default('pooled_odoo_auth')) }}"
        erp: {name: erp, db_user: clerk, workers: 2, cron_threads: 1, listeners: 2, db_maxconn: 16, databases: [tenant]}
        audit: {by_role: {}, limits: {max_connections: 400, reserved: 3}}
"""

RENEW = """
- hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - ansible.builtin.include_role: {name: pooled.odoo.poolers, tasks_from: passwords}
"""


def run_playbook(path: Path, text: str, *options: str, **variables: t.Any) -> tuple[int, str]:
    """Runs the playbook *text*, from *path*, on this machine; its exit code and what it printed."""
    path.write_text(text)
    given = {"ansible_python_interpreter": os.environ.get("PYTHON", "{{ ansible_playbook_python }}"), **variables}
    command = ["ansible-playbook", str(path), "-e", json.dumps(given), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    print(done.stdout, done.stderr)
    return done.returncode, done.stdout


class Installation:
    """A pooler of its own, with its own secrets, as on another Docker host."""

    def __init__(self, folder: Path, client: t.Any, postgres: Server) -> None:
        self.name, self.folder, self.client, self.postgres = f"pooled-test-{folder.name}", folder, client, postgres
        folder.mkdir()

    def run(self, state: str, *options: str, **settings: t.Any) -> tuple[int, str]:
        variables = {
            "pooler_state": state,
            "pooler_name": self.name,
            "pooler_alias": self.name,
            "pooler_networks": [NETWORK],
            "pooler_config_dir": str(self.folder / "etc"),
            "pooler_socket_dir": str(self.folder / "socket"),
            "pooler_postgres_host": self.postgres.host,
            "pooler_postgres_admin_password": PASSWORD,
            **settings,
        }
        return run_playbook(self.folder / "play.yml", PLAYBOOK, *options, **variables)

    def renew(self) -> tuple[int, str]:
        """What playbook passwords does."""
        variables = {
            "poolers_renew_passwords": True,
            "poolers_members": [
                {
                    "name": self.name,
                    "pool_mode": "transaction",
                    "wanted": True,
                    "alias": self.name,
                    "further_aliases": [],
                    "peer_id": 0,
                    "peers": [],
                    "config_dir": str(self.folder / "etc"),
                    "socket_dir": str(self.folder / "socket"),
                    "auth_user": "pooled_odoo_auth",
                    "auth_schema": "pooled_odoo",
                    "plan": {},
                }
            ],
            "poolers_postgres": {"host": self.postgres.host, "port": 5432, "ssl_mode": "prefer", "ca_cert": ""},
        }
        return run_playbook(self.folder / "renew.yml", RENEW, "--diff", "-vvv", **variables)

    def log_in(self, user: str = "clerk", password: str = "cl3rk") -> str:
        """As a new client, whose password PgBouncer has to look up."""
        host = address_of(self.client.containers.get(self.name))
        with contextlib.closing(
            psycopg2.connect(host=host, dbname="tenant", user=user, password=password, connect_timeout=20)
        ) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT current_user")
            return str(cursor.fetchall()[0][0])

    def forget(self) -> None:
        """Passwords that PgBouncer has looked up before are asked for again."""
        self.client.containers.get(self.name).restart(timeout=1)

    def remove(self) -> None:
        with contextlib.suppress(Exception):
            self.client.containers.get(self.name).remove(force=True)


def works(installation: Installation, password: str = "cl3rk") -> None:
    installation.forget()
    for attempt in range(30):
        try:
            assert installation.log_in(password=password) == "clerk"
            return
        except psycopg2.OperationalError:
            if attempt == 29:
                raise
            time.sleep(0.5)
