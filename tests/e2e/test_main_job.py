# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The whole road on real Odoo, with users at work: there, again, proven, and back."""

from __future__ import annotations

import contextlib
import json
import stat
import time
import typing as t
from pathlib import Path

import ansible_runner
import pytest

from tests.lab.instances import pooler_address
from tests.lab.lab import DATABASE_ADDRESS, NETWORK, ODOO_PASSWORD, POOLER, POSTGRES_IMAGE, Lab
from tests.lab.load import Traffic, errors, moment, phases
from tests.lab.play import QUICK, UNPROVEN, Play
from tests.lab.secrets import told

# What a neighbour on the same network has in its environment.
CANARY = "c4nary-in-a-neighbours-environment"

pytestmark = pytest.mark.road

Run = t.Callable[..., Play]


@contextlib.contextmanager
def canary(lab: Lab) -> t.Iterator[None]:
    """A neighbour that has it in its environment."""
    neighbour = lab.run(
        POSTGRES_IMAGE,
        "pooled-lab-neighbour",
        entrypoint=["sleep", "3600"],
        network=NETWORK,
        environment={"TOKEN": CANARY},
    )
    try:
        yield
    finally:
        neighbour.remove(force=True)


def secrets_in(lab: Lab, output: str) -> list[str]:
    """Which of the lab's secrets are in *output*."""
    folder = lab.directory / "pooler" / "secrets"
    made = {name: (folder / name).read_text() for name in ("auth_password", "admin_password")}
    known = {"canary": CANARY, "password of Odoo": ODOO_PASSWORD, "password of the administrator": lab.admin_password}
    return told(output, {**known, **made})


@pytest.fixture(scope="module")
def before(lab: Lab, traffic: Traffic) -> dict[str, t.Any]:
    return lab.state()


def test_audit_measures_and_plans(lab: Lab, play: Run, before: dict[str, t.Any], artifacts: Path) -> None:
    done = play("audit")
    assert done.code == 0
    assert done.recap["changed"] == 0, done.changed_tasks()
    assert json.loads((artifacts / "audit.json").read_text())["connections"]["peak"] > 20
    assert json.loads((artifacts / "plan.json").read_text())["warnings"] == []
    assert lab.state() == before


def test_check_mode_shows_changes_and_makes_none(lab: Lab, play: Run, before: dict[str, t.Any]) -> None:
    done = play("deploy", "--check", "--diff")
    assert done.code == 0
    assert done.recap["changed"] > 0
    assert "+pooled-lab-odoo1: database pooled-odoo:5432" in done.output
    assert lab.state() == before
    assert not (lab.directory / "pooler").exists()
    assert not (lab.directory / "state").exists()


def test_deploy_reduces_connections_and_fails_no_request(
    lab: Lab, play: Run, before: dict[str, t.Any], traffic: Traffic, artifacts: Path
) -> None:
    with canary(lab):
        done = play("deploy", "-vvv")
    assert done.code == 0
    assert secrets_in(lab, done.output + done.warnings) == []
    verdict = json.loads((artifacts / "verdict.json").read_text())
    assert verdict["verdict"] == "passed"
    assert verdict["reduction_percent"] >= 30
    during = phases(traffic.records(), artifacts)["during"]
    assert len(during) > 40
    assert errors(during) == {}
    methods = {i["name"]: i["method"] for i in json.loads((artifacts / "cutover.json").read_text())["instances"]}
    assert methods == {"pooled-lab-odoo1": "reload", "pooled-lab-odoo2": "alias"}


def test_all_connections_come_from_the_pooler(lab: Lab) -> None:
    assert lab.client_addresses() == [pooler_address(lab)]


def test_the_documents_of_the_road_are_complete_and_private(artifacts: Path, lab: Lab) -> None:
    names = ["baseline", "plan", "pooler", "preflight", "cutover", "current", "verdict"]
    for name in names:
        path = artifacts / f"{name}.json"
        document = json.loads(path.read_text())
        assert document["schema"].startswith("pooled.odoo/")
        assert moment(document["created_at"]) <= time.time()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert lab.admin_password not in path.read_text()


def test_no_secret_is_readable_outside(lab: Lab) -> None:
    """Neither docker inspect nor the process list nor a file that others may read tells a password."""
    secrets = [
        (lab.directory / "pooler" / "secrets" / name).read_text() for name in ("auth_password", "admin_password")
    ]
    secrets.append(lab.admin_password)
    pooler = lab.client.containers.get(POOLER)
    shown = json.dumps(pooler.attrs) + json.dumps(pooler.top())
    assert not [secret for secret in secrets if secret in shown]
    for path in (lab.directory / "pooler").glob("**/*"):
        if path.is_file():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    for path in (lab.directory / "state").glob("**/*.json"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_the_pooler_is_locked_down(lab: Lab) -> None:
    attributes = lab.client.containers.get(POOLER).attrs
    host = attributes["HostConfig"]
    assert host["ReadonlyRootfs"] is True
    assert host["CapDrop"] == ["ALL"]
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert not host["PortBindings"]
    assert attributes["Config"]["User"] == "6432:6432"
    assert attributes["State"]["Health"]["Status"] == "healthy"


def test_again_changes_nothing_and_awx_keeps_no_secret(lab: Lab, artifacts: Path, tmp_path: Path) -> None:
    """AWX keeps the whole result of each task, at any verbosity, as ansible-runner hands it on."""
    settings = {**QUICK, "pooled_odoo_artifacts_dir": str(artifacts)}
    with canary(lab):
        job = ansible_runner.run(
            private_data_dir=str(tmp_path),
            playbook="pooled.odoo.deploy",
            inventory=str(lab.inventory),
            extravars=settings,
            quiet=True,
        )
    events = [json.dumps(event) for event in job.events]
    print(*(event["stdout"] for event in job.events), sep="\n")
    assert (job.status, job.stats["changed"]) == ("successful", {})
    assert len(events) > 100
    assert secrets_in(lab, "\n".join(events)) == []


def test_another_address_of_the_pooler_is_refused(play: Run, lab: Lab) -> None:
    """It would be there and nowhere else, and whoever uses the former one would have no database."""
    for settings in ({"pooled_odoo_pooler_alias": "elsewhere"}, {"pooled_odoo_pooler_port": 6432}):
        done = play("deploy", **settings)
        assert done.code != 0
        assert "use the pooler by another address than" in done.output
        assert done.recap["changed"] == 0, done.changed_tasks()
    assert lab.client_addresses() == [lab.address(POOLER)]


def test_a_later_deploy_that_fails_leaves_earlier_ones_alone(play: Run, lab: Lab) -> None:
    """One instance uses the pooler by PostgreSQL's name, which must stay with the pooler."""
    done = play("deploy", **UNPROVEN, pooled_odoo_pooler_image="pooled-odoo-pgbouncer:nowhere")
    assert done.code != 0
    assert "The pooler stays for pooled-lab-odoo1, pooled-lab-odoo2" in done.output
    assert lab.execute("pooled-lab-odoo2", "getent", "ahostsv4", "db").split()[0] == lab.address(POOLER)
    assert lab.client_addresses() == [lab.address(POOLER)]
    again = play("deploy", **UNPROVEN)
    assert (again.code, again.recap["changed"]) == (0, 0), again.changed_tasks()


def test_verify_passes(play: Run) -> None:
    assert play("verify").code == 0


def test_rollback_leaves_everything_as_it_was(lab: Lab, play: Run, before: dict[str, t.Any]) -> None:
    done = play("rollback")
    assert done.code == 0
    assert lab.state() == before
    addresses = lab.client_addresses()
    assert len(addresses) == len(lab.instances)
    assert DATABASE_ADDRESS not in addresses
    assert not (lab.directory / "pooler").exists()


def test_rollback_again_changes_nothing(play: Run) -> None:
    done = play("rollback")
    assert done.code == 0
    assert done.recap["changed"] == 0, done.changed_tasks()


def test_a_failed_proof_puts_everything_back(lab: Lab, play: Run, before: dict[str, t.Any], artifacts: Path) -> None:
    done = play("deploy", pooled_odoo_min_reduction=99.9)
    assert done.code != 0
    assert "Everything was rolled back" in done.output
    assert json.loads((artifacts / "verdict.json").read_text())["verdict"] == "failed"
    assert lab.state() == before


def test_an_unknown_variable_is_named(play: Run, lab: Lab, before: dict[str, t.Any]) -> None:
    done = play("deploy", pooled_odoo_min_reducton=71)
    assert done.code != 0
    assert "pooled_odoo_min_reducton (did you mean pooled_odoo_min_reduction?)" in done.output
    assert lab.state() == before


def test_a_wrong_password_stops_before_any_change(lab: Lab, play: Run, before: dict[str, t.Any]) -> None:
    done = play("deploy", pooled_odoo_postgres_admin_password="wrong")
    assert done.code != 0
    named = ("pooled_odoo_postgres_admin_host", "pooled_odoo_postgres_port", "pooled_odoo_postgres_admin_user")
    assert f"check {', '.join(named)} and pooled_odoo_postgres_admin_password" in done.output
    assert lab.state() == before


def test_a_taken_alias_stops_before_any_change(lab: Lab, play: Run, before: dict[str, t.Any]) -> None:
    done = play("deploy", **UNPROVEN, pooled_odoo_pooler_alias="pooled-lab-odoo2")
    assert done.code != 0
    assert "already answers to the name pooled-lab-odoo2" in done.output
    assert lab.state() == before
