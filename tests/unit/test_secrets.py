# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the tests call "no secret is in the output" finds one that is."""

from __future__ import annotations

import base64
import json
import shlex
import typing as t
import urllib.parse

import pytest

from tests.lab.secrets import told

SECRET = "m0lecule 'clérk\" %"

SPELLINGS: list[t.Callable[[str], str]] = [
    str,
    repr,
    json.dumps,
    lambda secret: json.dumps(json.dumps({"password": secret})),
    lambda secret: json.dumps({"module_stdout": json.dumps({"msg": json.dumps(secret)})}),
    lambda secret: json.dumps(secret, ensure_ascii=False),
    shlex.quote,
    urllib.parse.quote,
    lambda secret: base64.b64encode(secret.encode()).decode(),
    lambda secret: base64.b64encode(f"a:{secret}\n".encode()).decode(),
    lambda secret: base64.b64encode(f"user:{secret} and more".encode()).decode(),
]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_secret_is_found_however_it_is_written(spelling: t.Callable[[str], str]) -> None:
    secrets = {"the password": SECRET, "another": "never told"}
    assert told(f"ok: [erp1] => {spelling(SECRET)}\nok", secrets) == ["the password"]


def test_nothing_is_found_where_nothing_is() -> None:
    assert told("ok: [erp1] => the clerk has a password", {"the password": SECRET}) == []
