# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""extensions/awx/apply.yml asks the modules of awx.awx for what they know, and for what belongs together."""

from __future__ import annotations

import json
import os
import subprocess
import typing as t
from pathlib import Path

import pytest

REPO = Path(__file__).parents[2]
SETTINGS: dict[str, t.Any] = {
    "pooled_odoo_awx_host": "erp1.example.com",
    "pooled_odoo_awx_postgres_host": "db.example.com",
    "pooled_odoo_awx_admin_password": "s3cret-of-the-administrator",
    "pooled_odoo_awx_settings": {"pooled_odoo_second_pooler": True},
    "pooled_odoo_awx_notification": {
        "name": "erp on call",
        "notification_type": "webhook",
        "notification_configuration": {"url": "https://chat.example.com/t0ken", "http_method": "POST"},
    },
}


def apply(collections: Path, settings: dict[str, t.Any]) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join([str(collections), os.environ.get("ANSIBLE_COLLECTIONS_PATH", "")])
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": paths,
        "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
        "CONTROLLER_HOST": "https://awx.example.com",
    }
    command = [
        "ansible-playbook",
        str(REPO / "extensions/awx/apply.yml"),
        "-i",
        "localhost,",
        "-e",
        json.dumps(settings),
    ]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def done(collections: Path) -> subprocess.CompletedProcess[str]:
    return apply(collections, SETTINGS)


@pytest.fixture(scope="module")
def asked(done: subprocess.CompletedProcess[str]) -> dict[str, list[dict[str, t.Any]]]:
    """What each module was asked for, as its own specification understood it."""
    report = json.loads(done.stdout[done.stdout.index("{") :])
    found: dict[str, list[dict[str, t.Any]]] = {}
    for task in report["plays"][0]["tasks"]:
        result = task["hosts"]["localhost"]
        assert not result.get("failed"), (task["task"]["name"], result)
        action = result.get("action", "").removeprefix("awx.awx.")
        for one in result.get("results", []):
            found.setdefault(action, []).append(one.get("asked", {}))
    assert done.returncode == 0
    return found


def names(asked: dict[str, list[dict[str, t.Any]]], module: str) -> list[str]:
    return [one["name"] for one in asked[module]]


def test_every_playbook_has_a_template(asked: dict[str, list[dict[str, t.Any]]]) -> None:
    playbooks = {f"playbooks/{path.name}" for path in (REPO / "playbooks").glob("*.yml")}
    assert {one["playbook"] for one in asked["job_template"]} == playbooks - {"playbooks/check_inventory.yml"}


def test_templates_name_what_there_is(asked: dict[str, list[dict[str, t.Any]]]) -> None:
    for template in asked["job_template"]:
        assert template["project"] in names(asked, "project")
        assert template["inventory"] in names(asked, "inventory")
        assert template["execution_environment"] in names(asked, "execution_environment")
        assert template["credentials"] == ["erp-hosts", "pooled.odoo PostgreSQL"]
        assert template["allow_simultaneous"] is False
        assert template["notification_templates_error"] == ["erp on call"]


def test_surveys_ask_for_variables_that_exist(asked: dict[str, list[dict[str, t.Any]]]) -> None:
    kinds = {"text", "textarea", "integer", "float", "multiplechoice"}
    for template in asked["job_template"]:
        survey = template["survey_spec"]
        assert survey["spec"], template["name"]
        for question in survey["spec"]:
            assert question["variable"].startswith("pooled_odoo_")
            assert question["type"] in kinds
            assert question["type"] != "multiplechoice" or question["default"] in question["choices"]


def test_the_workflow_goes_back_when_it_fails(asked: dict[str, list[dict[str, t.Any]]]) -> None:
    (workflow,) = asked["workflow_job_template"]
    nodes = {node["identifier"]: node for node in workflow["workflow_nodes"]}
    after = {
        name: {
            how: [one["identifier"] for one in (node.get("related") or {}).get(how) or []]
            for how in ("success_nodes", "failure_nodes")
        }
        for name, node in nodes.items()
    }
    assert after["audit"] == {"success_nodes": ["approval"], "failure_nodes": []}
    assert after["approval"] == {"success_nodes": ["deploy"], "failure_nodes": []}
    assert after["deploy"] == {"success_nodes": ["verify"], "failure_nodes": ["back"]}
    assert after["verify"] == {"success_nodes": [], "failure_nodes": ["back"]}
    assert after["back"] == {"success_nodes": ["rollback"], "failure_nodes": []}
    templates = {
        node["unified_job_template"]["name"] for name, node in nodes.items() if name not in ("approval", "back")
    }
    assert templates <= set(names(asked, "job_template"))
    assert nodes["approval"]["unified_job_template"]["type"] == "workflow_approval"


def test_both_groups_hold_the_host_and_the_inventory_what_lasts(asked: dict[str, list[dict[str, t.Any]]]) -> None:
    assert {one["name"]: one["hosts"] for one in asked["group"]} == {
        "odoo_hosts": ["erp1.example.com"],
        "pooler_hosts": ["erp1.example.com"],
    }
    assert asked["inventory"][0]["variables"] == {
        "pooled_odoo_postgres_host": "db.example.com",
        "pooled_odoo_artifacts_host": "erp1.example.com",
        "pooled_odoo_second_pooler": True,
    }


def test_the_password_goes_into_the_credential_alone(
    done: subprocess.CompletedProcess[str], asked: dict[str, t.Any]
) -> None:
    (kind,) = asked["credential_type"]
    # AWX fills these in; Ansible must not.
    assert kind["injectors"]["extra_vars"]["pooled_odoo_postgres_admin_password"] == "{{ password }}"
    assert SETTINGS["pooled_odoo_awx_admin_password"] not in json.dumps(asked)
    assert SETTINGS["pooled_odoo_awx_admin_password"] not in done.stdout + done.stderr
    assert "t0ken" not in done.stdout + done.stderr


def test_what_is_not_given_is_named(collections: Path) -> None:
    done = apply(collections, {"pooled_odoo_awx_host": "erp1"})
    assert done.returncode == 2
    assert "Set pooled_odoo_awx_postgres_host, pooled_odoo_awx_admin_password; see settings.yml" in done.stdout
