# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError
from ansible_collections.pooled.odoo.plugins.module_utils._role_passwords import Choice, choose


def takes(*passwords: str) -> t.Callable[[str], str | None]:
    return lambda password: None if password in passwords else "password authentication failed"


@pytest.mark.parametrize(
    ("of_instances", "kept", "expected"),
    [
        ({"erp1": "new", "erp2": "new"}, None, Choice("new", ["erp1", "erp2"], [], False)),
        ({"erp1": "new"}, "new", Choice("new", ["erp1"], [], False)),
        # Changed in PostgreSQL and in one instance of two.
        ({"erp1": "new", "erp2": "old"}, "old", Choice("new", ["erp1"], ["erp2"], True)),
        # Nobody runs, and it still works.
        ({}, "new", Choice("new", [], [], False)),
        # Changed in the instance first.
        ({"erp1": "next"}, "new", Choice("new", [], ["erp1"], False)),
    ],
)
def test_what_postgresql_takes_is_chosen(of_instances: dict[str, str], kept: str | None, expected: Choice) -> None:
    assert choose("odoo", of_instances, kept, takes("new")) == expected


def test_each_password_is_tried_once() -> None:
    tried: list[str] = []

    def refusal(password: str) -> str | None:
        tried.append(password)
        return None

    choose("odoo", {"erp1": "one", "erp2": "one"}, "one", refusal)
    assert tried == ["one"]


@pytest.mark.parametrize(
    ("of_instances", "kept", "accepted", "words"),
    [
        ({}, None, (), "no instance that runs here tells the password of role odoo"),
        (
            {"erp1": "s3cr3t-old"},
            "s3cr3t-older",
            (),
            "that of erp1, the one that the pooler has): password authentication failed",
        ),
        ({"erp1": "s3cr3t-1", "erp2": "s3cr3t-2"}, None, ("s3cr3t-1", "s3cr3t-2"), "give erp1, erp2 the same"),
    ],
)
def test_what_cannot_be_chosen_is_told_without_a_password(
    of_instances: dict[str, str], kept: str | None, accepted: tuple[str, ...], words: str
) -> None:
    with pytest.raises(PooledError) as caught:
        choose("odoo", of_instances, kept, takes(*accepted))
    told = str(caught.value)
    assert words in told
    assert "s3cr3t" not in told
