# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looks for secrets in what Ansible has told."""

from __future__ import annotations

import base64
import json
import shlex
import typing as t
import urllib.parse


def spellings(secret: str) -> set[str]:
    """How *secret* may stand in an output: as it is; in JSON, in JSON's own strings and once more in those; as Python, a shell or
    an address writes it; and encoded, as ``slurp`` returns a file, whatever stands before it there."""
    found = {
        secret,
        repr(secret)[1:-1],
        shlex.quote(secret),
        urllib.parse.quote(secret),
        urllib.parse.quote_plus(secret),
    }
    for ascii_only in (True, False):
        written = secret
        for _depth in range(3):
            written = json.dumps(written, ensure_ascii=ascii_only)[1:-1]
            found.add(written)
    for before in range(3):
        # Without the characters that hold bits of what stands before or behind it.
        encoded = base64.b64encode(b"\0" * before + secret.encode()).decode().rstrip("=")
        found.add(encoded[(before * 8 + 5) // 6 : -1])
    return found


def told(output: str, secrets: t.Mapping[str, str]) -> list[str]:
    """The names of those of *secrets* that are in *output* in any spelling."""
    return [name for name, secret in secrets.items() if any(spelling in output for spelling in spellings(secret))]
