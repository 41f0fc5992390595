# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A container's TCP connections as the kernel tells them, read from the host's side.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import typing as t

from ansible_collections.pooled.odoo.plugins.module_utils import _odoo_probe


def connections_of(container: t.Any) -> set[tuple[str, int]] | None:
    """Far ends of the container's established TCP connections, read from the host's side; None where this host cannot tell."""
    lines = tables_of(container)
    return None if lines is None else established(lines)


def tables_of(container: t.Any) -> list[str] | None:
    lines = []
    # Java and others speak IPv4 through sockets of IPv6.
    for table in ("tcp", "tcp6"):
        try:
            with open(f"/proc/{container.attrs['State']['Pid']}/net/{table}") as handle:
                lines += handle.readlines()[1:]
        except OSError:
            if table == "tcp":
                return None
    return lines


def established(lines: t.Iterable[str]) -> set[tuple[str, int]]:
    """The far ends in lines of the kernel's tables of TCP connections. Pure."""
    ends = set()
    for line in lines:
        _slot, _own, far, state = line.split()[:4]
        if state == "01":
            digits, port = far.split(":")
            ends.add((_odoo_probe.readable_address(digits, len(digits)), int(port, 16)))
    return ends


def listening(lines: t.Iterable[str]) -> set[int]:
    """The ports that are listened on in lines of the kernel's tables of TCP connections. Pure."""
    rows = [line.split()[:4] for line in lines]
    return {int(own.split(":")[1], 16) for _slot, own, _far, state in rows if state == "0A"}
