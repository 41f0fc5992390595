# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every playbook as AWX runs it: by ansible-runner, from inside the execution environment of extensions/ee,
with a survey's answers and a credential's variables, against a host that is reached by SSH.

The folder that a job gets is laid out as AWX does it; its project is this repository, its inventory the one of extensions/awx.
All that a survey answers is text, which is more than AWX does: it makes numbers of what is declared as one.
"""

from __future__ import annotations

import json
import os
import subprocess
import typing as t
from pathlib import Path

import pytest
import yaml

from tests.lab.secrets import told

pytestmark = pytest.mark.road

REPO = Path(__file__).parents[2]
IMAGE = "pooled-odoo-ee:test"
# What molecule's shared inventory says.
VARIABLES: dict[str, t.Any] = yaml.safe_load((REPO / "molecule/shared/inventory/group_vars/all.yml").read_text())
(POOLER,) = VARIABLES["scenario_poolers"]
HOST, NETWORK = "pooled-molecule-host", "pooled-molecule"
# What lasts, in the inventory, as text too.
LASTING = {
    "pooled_odoo_containers": "erp1, erp2",
    "pooled_odoo_pooler_settings": '{"server_idle_timeout": "300"}',
    "pooled_odoo_second_pooler": "false",
}
ANSWERS = {
    "pooled_odoo_audit_duration": "10",
    "pooled_odoo_settle_seconds": "5",
    "pooled_odoo_min_reduction": "50",
    "pooled_odoo_min_load_ratio": "0.3",
}


class Unsafe(yaml.SafeLoader):
    """Reads Ansible's ``!unsafe`` as the text that it marks."""


Unsafe.add_constructor("!unsafe", lambda loader, node: loader.construct_scalar(t.cast(yaml.ScalarNode, node)))


def on_host(*command: str) -> str:
    done = subprocess.run(["docker", "exec", HOST, *command], capture_output=True, text=True, check=True)
    return done.stdout


def containers() -> list[str]:
    return sorted(on_host("docker", "ps", "--format", "{{.ID}} {{.Names}}").splitlines())


def pooler() -> str:
    """The pooler's id."""
    return on_host("docker", "ps", "--no-trunc", "--quiet", "--filter", f"name=^{POOLER}$").strip()


class Job:
    """What AWX would keep of a job."""

    def __init__(self, folder: Path, code: int) -> None:
        self.code = code
        names = sorted(folder.glob("artifacts/job/job_events/*.json"), key=lambda path: int(path.name.split("-")[0]))
        self.text = [path.read_text() for path in names]
        self.events: list[dict[str, t.Any]] = [json.loads(text) for text in self.text]

    @property
    def output(self) -> str:
        return "\n".join(event["stdout"] for event in self.events)

    @property
    def everything(self) -> str:
        return "\n".join(self.text) + self.output

    def changed(self) -> dict[str, int]:
        return t.cast(dict[str, int], self.events[-1]["event_data"]["changed"])

    def published(self) -> dict[str, t.Any]:
        """What the next job of a workflow gets."""
        return t.cast(dict[str, t.Any], self.events[-1]["event_data"]["artifact_data"])


def answers(playbook: str) -> dict[str, str]:
    survey = json.loads((REPO / f"extensions/awx/surveys/{playbook}.json").read_text())
    return {
        question["variable"]: ANSWERS.get(question["variable"], str(question["default"])) for question in survey["spec"]
    }


def credential() -> dict[str, str]:
    objects = yaml.load((REPO / "extensions/awx/objects.yml").read_text(), Loader=Unsafe)
    inputs = {"{{ username }}": "postgres", "{{ password }}": VARIABLES["scenario_superuser_password"]}
    injected = objects["controller_credential_types"][0]["injectors"]["extra_vars"]
    return {name: inputs[template] for name, template in injected.items()}


def inventory() -> dict[str, t.Any]:
    group: dict[str, t.Any] = {"hosts": {"erp1": {}}}
    return {
        "all": {
            "hosts": {"erp1": {"ansible_host": VARIABLES["scenario_host_address"], "ansible_user": "root"}},
            "children": {"odoo_hosts": group, "pooler_hosts": group},
            "vars": {
                "pooled_odoo_postgres_host": VARIABLES["scenario_database_address"],
                "pooled_odoo_artifacts_host": "erp1",
                **LASTING,
            },
        }
    }


Launch = t.Callable[..., Job]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The execution environment, built as its guide says; it trusts whom this machine trusts."""
    authorities = tmp_path_factory.mktemp("authorities") / "all.crt"
    authorities.write_text("".join(path.read_text() for path in Path("/usr/local/share/ca-certificates").glob("*.crt")))
    settings = {"POOLED_ODOO_CA": str(authorities)} if authorities.read_text() else {}
    command = ["env", *(f"{name}={value}" for name, value in settings.items()), "DOCKER_BUILDKIT=0"]
    subprocess.run([*command, "bash", str(REPO / "extensions/ee/build.sh"), IMAGE], check=True)
    return IMAGE


@pytest.fixture(scope="module")
def host() -> t.Iterator[None]:
    """The Docker host of molecule's scenarios, with two instances at work."""

    def molecule(*arguments: str) -> None:
        subprocess.run(["molecule", *arguments, "--scenario-name", "default"], cwd=REPO, check=True)

    molecule("reset")
    molecule("create")
    try:
        molecule("prepare", "--force")
        yield
    finally:
        molecule("destroy")


@pytest.fixture(scope="module")
def before(host: None) -> list[str]:
    return containers()


@pytest.fixture
def launch(image: str, host: None, tmp_path: Path) -> Launch:
    """Runs a playbook as a job, in a container that is gone afterwards."""

    def run(playbook: str, *options: str) -> Job:
        folder = tmp_path / playbook
        folder.mkdir()
        for name in ("env", "inventory"):
            (folder / name).mkdir()
        key = Path(VARIABLES["scenario_folder"]) / "key"
        (folder / "env/ssh_key").write_text(key.read_text())
        (folder / "env/extravars").write_text(json.dumps({**answers(playbook), **credential()}))
        (folder / "env/envvars").write_text(json.dumps({"ANSIBLE_HOST_KEY_CHECKING": "False"}))
        (folder / "env/cmdline").write_text(" ".join(["--become", "--diff", "-vvv", *options]))
        (folder / "inventory/hosts.json").write_text(json.dumps(inventory()))
        for path in (folder / "env").iterdir():
            path.chmod(0o600)
        # Of any user, but for root, and root's group, as AWX starts it.
        user = os.getuid() or 1000
        for path in [folder, *folder.rglob("*")]:
            os.chown(path, user, -1)
        command = ["docker", "run", "--rm", f"--user={user}:0", f"--network={NETWORK}", f"--volume={folder}:/runner"]
        command += [f"--volume={REPO}:/runner/project:ro", "--workdir=/runner/project", image]
        done = subprocess.run(
            [*command, "ansible-runner", "run", "/runner", "--ident", "job", "-p", f"playbooks/{playbook}.yml"],
            capture_output=True,
            text=True,
            check=False,
        )
        print(done.stdout[-20000:], done.stderr)
        return Job(folder, done.returncode)

    return run


def secrets() -> dict[str, str]:
    """What nobody may find in a job's events, by what it is."""
    made = on_host("sh", "-c", "for file in /etc/pooled-odoo/secrets/*_password; do cat $file; echo; done 2>/dev/null")
    return {
        "password of Odoo": VARIABLES["scenario_password"],
        "password of the administrator": VARIABLES["scenario_superuser_password"],
        **{f"password {number} of the pooler": line for number, line in enumerate(made.split())},
    }


def test_the_image_has_the_playbooks(image: str) -> None:
    """Under the collection's name, where no project brings them."""
    inventory_file = '{"all": {"children": {"odoo_hosts": {}, "pooler_hosts": {}}}}'
    script = (
        f"echo '{inventory_file}' >/tmp/inventory.json && ansible-playbook pooled.odoo.audit -i /tmp/inventory.json"
    )
    done = subprocess.run(
        ["docker", "run", "--rm", image, "sh", "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "odoo_hosts" in done.stdout + done.stderr
    assert "Assert that the groups odoo_hosts and pooler_hosts have hosts" in done.stdout


def test_audit_publishes_what_an_approval_asks_for(launch: Launch, before: list[str]) -> None:
    job = launch("audit")
    assert job.code == 0
    assert told(job.everything, secrets()) == []
    audit = job.published()["pooled_odoo_audit"]
    assert audit["instances"] == ["erp1", "erp2"]
    assert audit["peak"] >= 60
    assert containers() == before


def test_deploy_passes(launch: Launch, before: list[str]) -> None:
    job = launch("deploy")
    assert job.code == 0
    assert len(secrets()) == 4  # both of the pooler too
    assert told(job.everything, secrets()) == []
    assert job.published()["pooled_odoo_verdict"]["verdict"] == "passed"
    assert "server_idle_timeout = 300" in on_host("cat", "/etc/pooled-odoo/pgbouncer/pgbouncer.ini")


def test_deploy_again_changes_nothing(launch: Launch) -> None:
    job = launch("deploy")
    assert (job.code, job.changed()) == (0, {})


def test_verify_passes(launch: Launch) -> None:
    job = launch("verify")
    assert job.code == 0
    assert told(job.everything, secrets()) == []
    assert job.published()["pooled_odoo_verdict"]["verdict"] == "passed"
    # It is another container than that of deploy, so the host has kept the documents.
    assert {"baseline.json", "plan.json", "cutover.json", "verdict.json"} <= set(
        on_host("ls", "/var/lib/pooled-odoo-artifacts").split()
    )


def test_a_wrong_answer_is_refused_by_its_name(launch: Launch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ANSWERS, "pooled_odoo_audit_duration", "a minute")
    job = launch("verify")
    assert job.code != 0
    assert "pooled_odoo_audit_duration" in job.output
    assert "a minute" in job.output


def test_retune_cuts_nobody(launch: Launch) -> None:
    job = launch("retune")
    assert job.code == 0
    assert told(job.everything, secrets()) == []
    assert "listeners are still there." in job.output


def test_upgrade_replaces_the_pooler(launch: Launch) -> None:
    former = pooler()
    job = launch("upgrade")
    assert job.code == 0
    assert told(job.everything, secrets()) == []
    assert pooler() not in ("", former)


def test_pause_holds_and_resume_lets_go(launch: Launch) -> None:
    paused = launch("pause")
    assert paused.code == 0
    assert "Requests wait since" in paused.output
    resumed = launch("resume")
    assert resumed.code == 0
    assert told(paused.everything + resumed.everything, secrets()) == []
    log = on_host("sh", "-c", f"docker logs {POOLER} 2>&1")
    assert -1 < log.rfind("PAUSE command issued") < log.rfind("RESUME command issued")


def test_rollback_leaves_what_was_there(launch: Launch, before: list[str]) -> None:
    known = secrets()
    job = launch("rollback")
    assert job.code == 0
    assert told(job.everything, known) == []
    assert containers() == before


def test_remove_leaves_nothing(launch: Launch, before: list[str]) -> None:
    job = launch("remove")
    assert job.code == 0
    assert "Nothing of it is left on erp1 and in PostgreSQL." in job.output
    assert on_host("docker", "images", "--quiet", "pooled-odoo-pgbouncer") == ""
    assert containers() == before
