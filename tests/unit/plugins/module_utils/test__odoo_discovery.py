# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.pooled.odoo.plugins.module_utils import _odoo_discovery

# Unit, its line, whether it makes the container erp1.
UNITS = [
    ("erp.service", "ExecStart=/usr/bin/docker run --rm --name erp1 -p 8069:8069 odoo:17", True),
    ("erp.service", "ExecStart=docker run \\\n  -p 8069:8069 \\\n# why\n  --name=erp1 odoo:17", True),
    ("erp.service", 'ExecStart=docker run --name "erp1" odoo:17', True),
    ("erp.service", "ExecStart=/bin/sh -c 'docker run --name=erp1 odoo:17'", True),
    ("erp.service", "ExecStartPre=docker create --name erp1 odoo:17", True),
    ("erp1.service", "ExecStart=docker run --name %N odoo:17", True),
    ("erp1.service", "ExecStart=docker run --name %p odoo:17", True),
    ("erp@.service", "ExecStart=docker run --name erp%i odoo:17", True),
    ("erp@1.service", "ExecStart=docker run --name erp%i odoo:17", True),
    ("erp@2.service", "ExecStart=docker run --name erp%i odoo:17", False),
    ("erp2.service", "ExecStart=docker run --name %p odoo:17", False),
    ("erp.service", "ExecStart=/usr/bin/docker run --name erp12 odoo:17", False),
    # It starts what is there.
    ("erp.service", "ExecStart=/usr/bin/docker start -a erp1", False),
    ("erp.service", "Description=docker run --name erp1", False),
    ("erp.service", "#ExecStart=docker run --name erp1", False),
]


@pytest.mark.parametrize(("unit", "line", "found"), UNITS)
def test_a_unit_that_runs_the_container_is_known(tmp_path: Path, unit: str, line: str, found: bool) -> None:
    (tmp_path / unit).write_text(f"[Service]\n{line}\nRestart=always\n")
    assert _odoo_discovery.unit_of("erp1", [str(tmp_path)]) == (unit if found else None)


def test_a_drop_in_is_read_too(tmp_path: Path) -> None:
    (tmp_path / "erp.service").write_text("[Service]\nRestart=always\n")
    (tmp_path / "erp.service.d").mkdir()
    (tmp_path / "erp.service.d" / "run.conf").write_text("[Service]\nExecStart=docker run --name erp1 odoo:17\n")
    assert _odoo_discovery.unit_of("erp1", [str(tmp_path)]) == "erp.service"
