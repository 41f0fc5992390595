# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.pooled.odoo.plugins.filter.given import given_dict, given_list, mistyped

LISTS: list[tuple[t.Any, list[str]]] = [
    ([], []),
    (["erp1", "erp2"], ["erp1", "erp2"]),
    ("", []),
    ("erp1", ["erp1"]),
    ("erp1,erp2", ["erp1", "erp2"]),
    (" erp1 , erp2 ,", ["erp1", "erp2"]),
    ("erp1\nerp2\n", ["erp1", "erp2"]),
    ('["erp1", "erp2"]', ["erp1", "erp2"]),
    ("[erp1, erp2]", ["erp1", "erp2"]),
    ([1, "two"], ["1", "two"]),
]


@pytest.mark.parametrize(("value", "wanted"), LISTS)
def test_lists(value: t.Any, wanted: list[str]) -> None:
    assert given_list(value, "pooled_odoo_containers") == wanted


DICTIONARIES: list[tuple[t.Any, dict[str, t.Any]]] = [
    ({}, {}),
    ("", {}),
    ({"default_pool_size": 4}, {"default_pool_size": 4}),
    ('{"default_pool_size": 4}', {"default_pool_size": 4}),
    ("default_pool_size: 4\nodoo.max_user_connections: 50", {"default_pool_size": 4, "odoo.max_user_connections": 50}),
]


@pytest.mark.parametrize(("value", "wanted"), DICTIONARIES)
def test_dictionaries(value: t.Any, wanted: dict[str, t.Any]) -> None:
    assert given_dict(value, "pooled_odoo_pooler_settings") == wanted


@pytest.mark.parametrize("value", [{"a": 1}, 7, None, [["erp1"]], [{"name": "erp1"}], [None], "[erp1"])
def test_what_is_no_list_is_named(value: t.Any) -> None:
    with pytest.raises(AnsibleFilterError, match="pooled_odoo_containers is no"):
        given_list(value, "pooled_odoo_containers")


@pytest.mark.parametrize("value", [["a"], 7, None, "just words", "{a: [}"])
def test_what_is_no_dictionary_is_named(value: t.Any) -> None:
    with pytest.raises(AnsibleFilterError, match="pooled_odoo_pooler_settings is no"):
        given_dict(value, "pooled_odoo_pooler_settings")


def test_what_was_meant_is_told() -> None:
    known = ["pooled_odoo_method", "pooled_odoo_metric", "pooled_odoo_min_reduction"]
    assert mistyped(["pooled_odoo_min_reducton", "pooled_odoo_nonsense"], known) == [
        "pooled_odoo_min_reducton (did you mean pooled_odoo_min_reduction?)",
        "pooled_odoo_nonsense",
    ]
