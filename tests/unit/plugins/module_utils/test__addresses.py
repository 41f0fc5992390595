# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fixed addresses, as far as they need no Docker."""

from __future__ import annotations

import pytest

from ansible_collections.pooled.odoo.plugins.module_utils import _addresses


@pytest.mark.parametrize(
    ("configuration", "reserved"),
    [
        ([{"Subnet": "10.1.0.0/16"}], False),
        ([{"Subnet": "10.1.0.0/16", "IPRange": "10.1.128.0/17"}], True),
        ([{"Subnet": "10.1.0.0/16", "IPRange": "10.1.0.0/17"}], False),
        ([{"Subnet": "fd00::/64"}, {"Subnet": "10.1.0.0/16", "IPRange": ""}], False),
    ],
)
def test_which_addresses_docker_gives_away(configuration: list[dict[str, str]], reserved: bool) -> None:
    assert _addresses.is_reserved("10.1.0.9", configuration) is reserved


@pytest.mark.parametrize(
    ("configuration", "taken", "address"),
    [
        ([{"Subnet": "10.1.0.0/16", "Gateway": "10.1.0.1"}], {"10.1.0.1"}, "10.1.255.254"),
        ([{"Subnet": "10.1.0.0/16"}], {"10.1.255.254", "10.1.255.253"}, "10.1.255.252"),
        ([{"Subnet": "10.1.0.0/16", "IPRange": "10.1.0.0/17"}], set(), "10.1.255.254"),
        ([{"Subnet": "10.1.0.0/16", "IPRange": "10.1.128.0/17"}], {"10.1.127.255"}, "10.1.127.254"),
        ([{"Subnet": "fd00::/64"}, {"Subnet": "10.1.0.0/24", "IPRange": ""}], set(), "10.1.0.254"),
        # Older engines took a subnet with bits of a host.
        ([{"Subnet": "10.1.0.1/16", "IPRange": "10.1.128.5/17"}], set(), "10.1.127.255"),
        ([{"Subnet": "10.1.0.0/30"}], {"10.1.0.1", "10.1.0.2"}, None),
        ([{"Subnet": "fd00::/64"}], set(), None),
        ([], set(), None),
    ],
)
def test_the_highest_address(configuration: list[dict[str, str]], taken: set[str], address: str | None) -> None:
    assert _addresses.highest(configuration, taken) == address
