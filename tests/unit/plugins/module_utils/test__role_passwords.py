# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError
from ansible_collections.pooled.odoo.plugins.module_utils._role_passwords import Choice, Known, choose


def takes(*passwords: str) -> t.Callable[[str], str | None]:
    return lambda password: None if password in passwords else "password authentication failed"


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        (Known({"erp1": ["new"], "erp2": ["new"]}), Choice("new", ["erp1", "erp2"], [], [], False)),
        (Known({"erp1": ["new"]}, kept="new"), Choice("new", ["erp1"], [], [], False)),
        # Changed in PostgreSQL and in one instance of two.
        (Known({"erp1": ["new"], "erp2": ["old"]}, kept="old"), Choice("new", ["erp1"], [], ["erp2"], True)),
        # In odoo.conf, but the process has the former one among its arguments.
        (Known({"erp1": ["old", "new"]}, kept="old"), Choice("new", [], ["erp1"], [], True)),
        # Nobody runs: what is kept still works, or the new one was given.
        (Known({}, kept="new"), Choice("new", [], [], [], False)),
        (Known({}, given="new", kept="old"), Choice("new", [], [], [], True)),
        # Changed in the instance first.
        (Known({"erp1": ["next"]}, kept="new"), Choice("new", [], [], ["erp1"], False)),
    ],
)
def test_what_postgresql_takes_is_chosen(known: Known, expected: Choice) -> None:
    assert choose("odoo", known, takes("new")) == expected


def test_where_anything_is_taken_what_all_instances_have_counts() -> None:
    known = Known({"erp1": ["new"], "erp2": ["new"]}, kept="old")
    assert choose("odoo", known, takes("new", "old")).password == "new"


def test_each_password_is_tried_once() -> None:
    tried: list[str] = []

    def refusal(password: str) -> str | None:
        tried.append(password)
        return None

    choose("odoo", Known({"erp1": ["one", "one"]}, given="one", kept="one"), refusal)
    assert tried == ["one"]


@pytest.mark.parametrize(
    ("known", "accepted", "words"),
    [
        (Known({}), (), "no instance that runs here tells the password of role odoo"),
        (
            Known({"erp1": ["s3cr3t-old"]}, kept="s3cr3t-older"),
            (),
            "that of erp1, the one that the pooler has): password authentication failed",
        ),
        (Known({}, given="s3cr3t-typo"), (), "(the one that was given)"),
        (Known({"erp1": ["s3cr3t-1"], "erp2": ["s3cr3t-2"]}), ("s3cr3t-1", "s3cr3t-2"), "give erp1, erp2 the same"),
    ],
)
def test_what_cannot_be_chosen_is_told_without_a_password(known: Known, accepted: tuple[str, ...], words: str) -> None:
    with pytest.raises(PooledError) as caught:
        choose("odoo", known, takes(*accepted))
    assert words in str(caught.value)
    assert "s3cr3t" not in str(caught.value)
