# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.pooled.odoo.plugins.module_utils import _odoo_discovery

UNITS = [
    ("ExecStart=/usr/bin/docker run --rm --name erp1 -p 8069:8069 odoo:17", True),
    ("ExecStart=docker run \\\n  -p 8069:8069 \\\n  --name=erp1 odoo:17", True),
    ("ExecStart=/usr/bin/docker run --name erp12 odoo:17", False),
    # It starts what is there.
    ("ExecStart=/usr/bin/docker start -a erp1", False),
    ("Description=docker run --name erp1", False),
]


@pytest.mark.parametrize(("line", "found"), UNITS)
def test_a_unit_that_runs_the_container_is_known(tmp_path: Path, line: str, found: bool) -> None:
    (tmp_path / "erp.service").write_text(f"[Service]\n{line}\nRestart=always\n")
    assert _odoo_discovery.unit_of("erp1", [str(tmp_path)]) == ("erp.service" if found else None)
