# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""odoo_dbhost on real services of a real Compose project: only the value changes in its files, and everything comes back."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.pooled.odoo.plugins.module_utils import _compose
from tests.lab.compose import COMMAND, SERVICES, ComposeProject
from tests.lab.instances import POOLED, ends, kill_in_the_middle
from tests.lab.lab import DATABASE_ADDRESS, Lab
from tests.modules import ModuleFailed, run_module

# What changes in which file for each service.
EDITS = {
    "mapping": ("compose.yaml", b"HOST:   'db'     # PostgreSQL", b"HOST:   'pooled-odoo'     # PostgreSQL"),
    "listed": ("compose.yaml", b'- "HOST=db"', b'- "HOST=pooled-odoo"'),
    "by-file": ("odoo.env", b"export HOST=db   #", b"export HOST=pooled-odoo   #"),
    "by-variable": (".env", b'DB_HOST="db"', b'DB_HOST="pooled-odoo"'),
}


@pytest.fixture(scope="module")
def project(lab: Lab, pooler: str) -> t.Iterator[ComposeProject]:
    project = ComposeProject(lab)
    project.up()
    yield project
    project.down()


def there(project: ComposeProject, service: str, state_dir: str) -> dict[str, t.Any]:
    return {
        "name": project.container(service),
        "host": POOLED,
        "method": "compose",
        "compose_command": COMMAND,
        "state_dir": state_dir,
    }


@pytest.mark.parametrize("service", SERVICES)
def test_there_and_back(project: ComposeProject, pooler: str, state_dir: str, service: str) -> None:
    """Check, real, again for both states; back, every byte and every setting is as it was."""
    files, containers = project.files(), project.containers()
    arguments = there(project, service, state_dir)
    back = {**arguments, "state": "reverted"}
    name, before, after = EDITS[service]

    predicted = run_module("odoo_dbhost", True, **arguments)
    assert (predicted["changed"], predicted["method"]) == (True, "compose")
    assert (project.files(), project.containers()) == (files, containers)

    done = run_module("odoo_dbhost", **arguments)
    print(f"{service}: {done['gap_ms']} ms")
    assert project.files() == {**files, name: files[name].replace(before, after)}
    assert ends(project.container(service)) == {pooler}
    others = {other: found for other, found in project.containers().items() if other != service}
    assert others == {other: found for other, found in containers.items() if other != service}

    for check in (True, False):
        assert run_module("odoo_dbhost", check, **arguments)["changed"] is False
    assert run_module("odoo_dbhost", True, **back)["changed"] is True
    assert run_module("odoo_dbhost", **back)["changed"] is True
    assert project.files() == files
    assert _compose.differences(containers, project.containers()) == []
    assert ends(project.container(service)) == {DATABASE_ADDRESS}
    assert run_module("odoo_dbhost", **back)["changed"] is False


def test_two_services_one_file(project: ComposeProject, pooler: str, state_dir: str) -> None:
    """The second finds the file changed by the first; each comes back by itself, in any order."""
    files, containers = project.files(), project.containers()
    pair = ("mapping", "listed")
    for service in pair:
        run_module("odoo_dbhost", **there(project, service, state_dir))
    for service in pair:
        run_module("odoo_dbhost", **{**there(project, service, state_dir), "state": "reverted"})
    assert project.files() == files
    assert _compose.differences(containers, project.containers()) == []


def test_what_somebody_wrote_behind_an_interrupted_move_stays(
    project: ComposeProject, pooler: str, state_dir: str
) -> None:
    files, containers = project.files(), project.containers()
    path, note = project.directory / "compose.yaml", b"# mended by hand\n"
    arguments = there(project, "mapping", state_dir)
    # Then it asks Compose what that means, and has not begun to bring the service up.
    kill_in_the_middle(arguments, path, 0, POOLED.encode())
    path.write_bytes(path.read_bytes() + note)
    back = run_module("odoo_dbhost", **{**arguments, "state": "reverted"})
    assert "only the database's address was restored" in str(back["warnings"])
    assert project.files() == {**files, "compose.yaml": files["compose.yaml"] + note}
    path.write_bytes(files["compose.yaml"])
    assert _compose.differences(containers, project.containers()) == []
    assert ends(project.container("mapping")) == {DATABASE_ADDRESS}


def test_a_changed_file_is_not_applied_in_passing(project: ComposeProject, state_dir: str) -> None:
    path = project.directory / "compose.yaml"
    content = path.read_bytes()
    path.write_bytes(content.replace(b"--workers=2", b"--workers=3"))
    try:
        with pytest.raises(ModuleFailed, match="were changed since pooled-lab-erp-mapping-1 was created from them"):
            run_module("odoo_dbhost", **there(project, "mapping", state_dir))
    finally:
        path.write_bytes(content)


def test_a_value_that_others_share_is_not_changed_in_passing(project: ComposeProject, state_dir: str) -> None:
    """Somebody else's service reads the same variable file."""
    path = project.directory / "compose.yaml"
    content = path.read_bytes()
    # On the project's own network: a new one would be a change by itself.
    other = b"services:\n  backup:\n    image: pooled-lab-odoo:19\n    networks: [lab]\n    environment: {PGHOST: $DB_HOST}\n"
    path.write_bytes(content.replace(b"services:\n", other))
    files = project.files()
    try:
        with pytest.raises(ModuleFailed, match="services.backup.environment.PGHOST would change too"):
            run_module("odoo_dbhost", **there(project, "by-variable", state_dir))
        assert project.files() == files
    finally:
        path.write_bytes(content)


def test_a_missing_compose_is_named(project: ComposeProject, state_dir: str) -> None:
    with pytest.raises(ModuleFailed, match="compose_command: no-such-program does not run"):
        run_module("odoo_dbhost", **{**there(project, "mapping", state_dir), "compose_command": ["no-such-program"]})
