# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is known of each version of Odoo."""

from __future__ import annotations

import typing as t
from types import SimpleNamespace

import pytest

from ansible_collections.pooled.odoo.plugins.module_utils import _odoo_instance, _odoo_versions


@pytest.mark.parametrize(
    ("version", "major"),
    [("19.0", 19), ("Odoo Server 19.0-20261101", 19), ("saas~18.2", 18), ("17.0+e", 17), ("", None), (None, None)],
)
def test_major(version: str | None, major: int | None) -> None:
    assert _odoo_versions.major_of(version) == major


@pytest.mark.parametrize(("major", "listeners"), [(14, 1), (15, 3), (19, 3), (20, 3), (None, 3), (8, 1)])
def test_listeners(major: int | None, listeners: int) -> None:
    assert _odoo_versions.listeners(major, cron_threads=2) == listeners


def test_unknown_versions_get_the_careful_answer() -> None:
    assert not _odoo_versions.facts(None).graceful_reload
    assert _odoo_versions.facts(20).graceful_reload


@pytest.mark.parametrize(
    ("major", "workers", "crons", "survives"),
    [
        (14, 0, 2, True),
        (15, 0, 2, False),
        (18, 0, 2, False),
        (18, 0, 0, True),
        (18, 4, 2, True),
        (19, 0, 2, True),
        (None, 0, 2, False),
    ],
)
def test_whose_crons_outlive_a_restart_of_the_pooler(
    major: int | None, workers: int, crons: int, survives: bool
) -> None:
    found: dict[str, t.Any] = {"workers": workers, "cron_threads": crons}
    known: t.Any = SimpleNamespace(major=major)
    instance = _odoo_instance.Instance({}, found, known, known, None)
    assert _odoo_instance.survives_pooler_restart(instance) is survives
