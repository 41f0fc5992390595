# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the probe decides without a container; what it sees in one is tested on real Odoo (tests/e2e)."""

from __future__ import annotations

import pytest

from ansible_collections.pooled.odoo.plugins.module_utils import _odoo_probe

SCRIPTS = [
    (["/usr/bin/python3", "/usr/bin/odoo", "--workers=2"], 1),
    (["python3.12", "-u", "/odoo/odoo-bin"], 2),
    (["/usr/bin/odoo"], 0),
    (["odoo-bin", "server"], 0),
    (["python3", "/usr/bin/odoo", "gevent"], None),
    (["python3", "/usr/bin/odoo", "shell"], None),
    (["su", "odoo", "-c", "odoo"], None),
    (["sudo", "-u", "odoo", "odoo"], None),
    (["tini", "/entrypoint.sh", "odoo"], None),
    (["bash", "/entrypoint.sh", "odoo"], None),
    (["sh", "-c", "odoo --db_host db"], None),
    ([""], None),
]


@pytest.mark.parametrize(("argv", "position"), SCRIPTS)
def test_server_script(argv: list[str], position: int | None) -> None:
    assert _odoo_probe.server_script(argv) == position


def test_master_is_the_one_that_the_others_descend_from() -> None:
    processes = [{"pid": 1, "ppid": 0}, {"pid": 12, "ppid": 1}, {"pid": 13, "ppid": 12}]
    assert _odoo_probe.master(processes) == processes[0]
    assert _odoo_probe.master([]) is None


@pytest.mark.parametrize(
    ("argv", "value"),
    [
        (["odoo", "-c", "/a"], "/a"),
        (["odoo", "-c/a"], "/a"),
        (["odoo", "--config=/a", "-c", "/b"], "/b"),
        (["odoo", "--config"], None),
        (["odoo"], None),
    ],
)
def test_flag(argv: list[str], value: str | None) -> None:
    assert _odoo_probe.flag(argv, "--config", "-c") == value


@pytest.mark.parametrize(
    ("digits", "width", "address"),
    [
        ("0A4D1DAC", 8, "172.29.77.10"),
        ("0000000000000000FFFF00000A4D1DAC", 32, "172.29.77.10"),
        ("00000000000000000000000001000000", 32, "::1"),
    ],
)
def test_addresses_of_the_kernel(digits: str, width: int, address: str) -> None:
    assert _odoo_probe.readable_address(digits, width) == address


def test_only_the_address_leaves_the_container() -> None:
    argv = ["odoo", "--db_password", "s3cret", "--db_host", "db", "--db_port=5432", "-w", "0ther"]
    assert _odoo_probe.database_arguments(argv) == ["--db_host=db", "--db_port=5432"]
