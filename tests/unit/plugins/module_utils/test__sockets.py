# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The kernel's tables of TCP connections, as text."""

from __future__ import annotations

from ansible_collections.pooled.odoo.plugins.module_utils import _sockets


def test_connections_are_read_from_the_kernels_tables() -> None:
    """As the kernel writes them: established over IPv4, over IPv6 to IPv4, over IPv6; one that only listens."""
    lines = [
        "   0: 0B4D1DAC:9C40 024D1DAC:1538 01 00000000:00000000 00:00000000 00000000  101        0 1 1 0 20 4 0 10 -1",
        "   1: 0000000000000000FFFF00000C4D1DAC:9C42 0000000000000000FFFF0000024D1DAC:1538 01 00000000:00000000 00:0 0 101 0 1",
        "   2: 00000000000000000000000001000000:9C44 B80D0120000000000000000001000000:1538 01 00000000:00000000 00:0 0 101 0 1",
        "   3: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  101        0 1 1 0 100 0 0 10 0",
    ]
    assert _sockets.established(lines[:1]) == {("172.29.77.2", 5432)}
    assert _sockets.established(lines) == {("172.29.77.2", 5432), ("2001:db8::1", 5432)}
    assert 5432 in _sockets.listening(["  1: 00000000:1538 00000000:0000 0A 0 0"])
    assert 5432 not in _sockets.listening(lines[:1])
