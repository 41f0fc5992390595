# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every command that a page shows is run by something, or said not to be (tests/commands.yml)."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import yaml

REPO = Path(__file__).parents[2]
LISTED: dict[str, dict[str, str]] = yaml.safe_load((REPO / "tests/commands.yml").read_text())


def pages() -> t.Iterator[Path]:
    yield from (REPO / "README.md", REPO / "CONTRIBUTING.md")
    yield from sorted(REPO.glob("docs/**/*.md"))
    yield from sorted(REPO.glob("roles/*/README.md"))


def commands(page: str) -> list[str]:
    """What its blocks for a terminal say, without comments, continued lines in one."""
    blocks = re.findall(r"^```(?:console|sh|bash|shell)\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    told = (re.sub(r"\s+", " ", re.sub(r"(^|\s)#.*", "", line)).strip() for line in lines)
    return [line for line in told if line]


def test_commands_are_found() -> None:
    page = "```console\none  two   # why\n# nothing\nthree \\\n    four\n```\n```yaml\nno: command\n```\n"
    assert commands(page) == ["one two", "three four"]


def test_every_command_is_listed_and_no_other() -> None:
    shown = {command: page.name for page in pages() for command in commands(page.read_text())}
    assert {command: page for command, page in shown.items() if command not in LISTED} == {}
    assert [command for command in LISTED if command not in shown] == []


def test_what_runs_them_is_there() -> None:
    for command, listed in LISTED.items():
        assert ("by" in listed) != ("not_run" in listed), command
        path, _separator, name = listed.get("by", "bin/test").partition("::")
        assert (REPO / path).is_file(), command
        assert not name or f"def {name}(" in (REPO / path).read_text(), command
