# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The roles without the playbooks, in ways in which no playbook uses them."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from tests.lab.installation import Installation, run_playbook, works
from tests.lab.servers import NETWORK, PASSWORD, Server

# CI has the time for what is used every day.
pytestmark = pytest.mark.long

MEASURE = """
- hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - ansible.builtin.include_role: {name: pooled.odoo.audit, tasks_from: proof}
      vars:
        audit_login_host: "{{ postgres }}"
        audit_login_user: postgres
        audit_login_password: "{{ password }}"
        audit_duration: 2
        audit_interval: 0.2
        audit_attempts: 3
    - ansible.builtin.debug: {msg: "verdict {{ audit_verdict }} of {{ audit_result.window.samples }} samples"}
"""

SESSION_ONLY = """
- hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - ansible.builtin.include_role: {name: pooled.odoo.poolers}
      vars:
        poolers_members:
          - name: pooled-test-session
            pool_mode: session
            wanted: true
            alias: pooled-test-session
            further_aliases: []
            peer_id: 0
            peers: []
            config_dir: "{{ folder }}/etc"
            socket_dir: "{{ folder }}/socket"
            auth_user: pooled_odoo_auth_session
            auth_schema: pooled_odoo_session
            plan: "{{ plan.poolers | selectattr('auth_user', '==', 'pooled_odoo_auth_session') | first }}"
        plan: "{{ [erp] | pooled.odoo.pool_plan(audit=audit, auth_user='pooled_odoo_auth', session_pooler=true) }}"
        erp: {name: erp, db_user: clerk, workers: 2, cron_threads: 1, listeners: 2, db_maxconn: 16, databases: [tenant]}
        audit: {by_role: {}, limits: {max_connections: 400, reserved: 3}}
        pooler_networks: ["{{ network }}"]
        pooler_postgres_host: "{{ postgres }}"
        pooler_postgres_admin_password: "{{ password }}"
"""


@pytest.fixture
def play(postgres: Server, tmp_path: Path) -> t.Callable[..., str]:
    def run(playbook: str, **variables: t.Any) -> str:
        about = {"postgres": postgres.host, "password": PASSWORD, "network": NETWORK, "folder": str(tmp_path)}
        code, output = run_playbook(tmp_path / "play.yml", playbook, **about, **variables)
        assert code == 0
        return output

    return run


def test_a_proof_without_a_baseline_measures_once(play: t.Callable[..., str]) -> None:
    output = play(MEASURE)
    assert "verdict {} of" in output
    assert output.count("Sample the connections") == 1


def test_a_session_pooler_alone(play: t.Callable[..., str], postgres: Server, client: t.Any) -> None:
    postgres.run("CREATE ROLE clerk LOGIN PASSWORD 'cl3rk'")
    try:
        play(SESSION_ONLY, poolers_state="present")
        assert client.containers.get("pooled-test-session").attrs["State"]["Health"]["Status"] == "healthy"
        assert "changed=0" in play(SESSION_ONLY, poolers_state="present")
    finally:
        play(SESSION_ONLY, poolers_state="absent")
        postgres.run("DROP ROLE clerk")
    assert client.containers.list(all=True, filters={"name": "pooled-test-session"}) == []


def test_a_role_with_an_md5_hash(client: t.Any, postgres: Server, tmp_path: Path) -> None:
    postgres.run(
        "SET password_encryption = 'md5'",
        "CREATE ROLE clerk LOGIN PASSWORD 'cl3rk'",
        "CREATE DATABASE tenant OWNER clerk",
    )
    installation = Installation(tmp_path / "md5", client, postgres)
    try:
        code, output = installation.run("present")
        assert code != 0
        assert "or set pooled_odoo_client_auth to md5" in output
        assert installation.run("present", pooler_client_auth="md5")[0] == 0
        works(installation)
    finally:
        installation.run("absent")
        installation.remove()
        postgres.run("DROP DATABASE tenant WITH (FORCE)", "DROP ROLE clerk")
