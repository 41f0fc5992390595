# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Things that are written in two places and must agree."""

from __future__ import annotations

import ast
import re
import typing as t
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir())


def load(path: Path) -> t.Any:
    return yaml.safe_load(path.read_text())


@pytest.mark.parametrize("role", ROLES)
def test_argument_specs_equal_defaults(role: str) -> None:
    folder = ROOT / "roles" / role
    entry_points = load(folder / "meta" / "argument_specs.yml")["argument_specs"].values()
    options = [pair for entry_point in entry_points for pair in entry_point["options"].items()]
    with_default = {name: spec["default"] for name, spec in options if "default" in spec}
    assert with_default == load(folder / "defaults" / "main.yml")


@pytest.mark.parametrize("role", ROLES)
def test_what_has_no_default_is_required(role: str) -> None:
    options = load(ROOT / "roles" / role / "meta" / "argument_specs.yml")["argument_specs"]["main"]["options"]
    for name, spec in options.items():
        assert ("default" in spec) != spec.get("required", False), name


def test_every_module_is_in_the_action_group() -> None:
    modules = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("*.py"))
    assert load(ROOT / "meta" / "runtime.yml")["action_groups"]["pooled"] == modules


# What may run on a host has its Python; the probe has that of Odoo's container.
OLDEST = {"_odoo_probe.py": (3, 7)}


@pytest.mark.parametrize(
    "path", [*ROOT.glob("plugins/modules/*.py"), *ROOT.glob("plugins/module_utils/**/*.py")], ids=lambda path: path.name
)
def test_the_oldest_python_can_read_it(path: Path) -> None:
    ast.parse(path.read_text(), feature_version=OLDEST.get(path.name, (3, 8)))


def test_messages_name_variables_that_there_are() -> None:
    options = load(ROOT / "roles" / "pooled_odoo" / "meta" / "argument_specs.yml")["argument_specs"]["main"]["options"]
    names = load(ROOT / "roles" / "pooled_odoo" / "vars" / "main.yml")["__pooled_odoo_reported_as"]
    assert set(names.values()) <= set(options)
    documented = (
        "".join(
            (ROOT / "plugins" / "modules" / f"{module}.py").read_text()
            for module in load(ROOT / "meta" / "runtime.yml")["action_groups"]["reported"]
        )
        + (ROOT / "plugins" / "doc_fragments" / "_login.py").read_text()
    )
    documented += (ROOT / "plugins" / "doc_fragments" / "_odoo.py").read_text()
    assert [name for name in names if f"\n  {name}:\n" not in documented] == []


def test_every_playbook_names_the_users_variables() -> None:
    for path in (ROOT / "playbooks").glob("*.yml"):
        for play in load(path):
            if "roles" in play:
                assert list(play["module_defaults"]) == ["group/pooled.odoo.reported"], path.name


def tasks(found: t.Any) -> t.Iterator[dict[str, t.Any]]:
    """All tasks of a file of tasks or of plays, those in blocks too."""
    for task in found if isinstance(found, list) else []:
        yield task
        for section in ("block", "rescue", "always", "tasks", "pre_tasks", "post_tasks"):
            yield from tasks(task.get(section))


def test_no_variable_is_a_fact_elsewhere() -> None:
    """A registered result or a fact wins over the variables of roles, plays and tasks, wherever it was set: such a variable
    would have the value of another file from the second time on."""
    facts: dict[str, str] = {}
    variables: list[tuple[str, str]] = []
    for path in sorted([*ROOT.glob("roles/*/tasks/*.yml"), *ROOT.glob("playbooks/**/*.yml")]):
        for task in tasks(load(path)):
            here = f"{path.relative_to(ROOT)}: {task.get('name')}"
            names = [task["register"]] if "register" in task else []
            names += [name for name in task.get("ansible.builtin.set_fact") or {} if name != "cacheable"]
            facts.update(dict.fromkeys(names, here))
            variables += [(name, here) for name in task.get("vars") or {}]
    for path in ROOT.glob("roles/*/*/main.yml"):
        if path.parent.name in ("vars", "defaults"):
            variables += [(name, str(path.relative_to(ROOT))) for name in load(path)]
    assert facts, "nothing was read"
    assert [f"{name} of {here} ({facts[name]})" for name, here in variables if name in facts] == []


def test_no_template_names_a_file_that_imports_others() -> None:
    """Until ansible-core 2.18 the run ends with a parser's error where that template needs a host's variables."""
    # Files of the users.
    theirs = ["{{ item }}", "{{ cutover_before_interruption }}", "{{ cutover_after_interruption }}"]
    for path in [*ROOT.glob("roles/*/tasks/*.yml"), *ROOT.glob("playbooks/**/*.yml")]:
        for task in tasks(load(path)):
            included = task.get("ansible.builtin.include_tasks", "")
            name = included["file"] if isinstance(included, dict) else included
            if "{{" in name and name not in theirs:
                named = [other for other in path.parent.glob("*.yml") if f"'{other.name}'" in name]
                assert named, f"{path}: {name}"
                assert [str(other) for other in named if "import_tasks" in other.read_text()] == [], path


def step(name: str) -> str:
    """The body of a step of bin/test."""
    script = (ROOT / "bin/test").read_text()
    found = re.search(rf"^{name}\(\) \{{ (.*) \}}$", script, re.MULTILINE)
    found = found or re.search(rf"^{name}\(\) \{{\n(.*?)^\}}", script, re.MULTILINE | re.DOTALL)
    assert found, name
    return found.group(1)


def test_every_test_is_run_by_a_step() -> None:
    names = ("unit", "awx", "integration", "e2e", "long", "faults", "ee", "versions", "main_job")
    words = " ".join(step(name) for name in names).replace(";", " ").split()
    ran = tuple(word for word in words if word.startswith("tests/"))
    for path in ROOT.glob("tests/**/test_*.py"):
        name = str(path.relative_to(ROOT))
        assert name.startswith((*ran, "tests/bench/")), name
    marked = tuple(re.findall(r"-m long (\S+)", step("long")))
    files = [*ROOT.glob("tests/integration/test_*.py"), *ROOT.glob("tests/e2e/**/test_*.py")]
    long = [str(path.relative_to(ROOT)) for path in files if "pytest.mark.long" in path.read_text()]
    assert long
    assert [name for name in long if not name.startswith(marked)] == []


def test_the_changelog_names_every_plugin() -> None:
    released = load(ROOT / "changelogs/changelog.yaml")["releases"]
    assert load(ROOT / "galaxy.yml")["version"] in released
    told: set[str] = set()
    for release in released.values():
        told.update(plugin["name"] for plugin in release.get("modules", []))
        told.update(plugin["name"] for plugin in release.get("plugins", {}).get("filter", []))
    there = {path.stem for path in [*ROOT.glob("plugins/modules/*.py"), *ROOT.glob("plugins/filter/*.yml")]}
    for path in ROOT.glob("plugins/filter/*.py"):
        there.update(re.findall(r'^DOCUMENTATION = r"""\nname: (\w+)$', path.read_text(), re.MULTILINE))
    assert there == told
