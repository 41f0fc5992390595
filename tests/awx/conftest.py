# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The real modules of awx.awx, which PyPI's package ansible brought until version 13."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

# The last with awx.awx (24.6.1) in it.
ANSIBLE = "12.3.0"

# Instead of asking a controller, a module tells its arguments; what it makes of them is Ansible's own.
TELLS = '''

class ControllerAPIModule(AnsibleModule):
    """A module that checks its arguments by its specification, and answers them."""

    def __init__(self, argument_spec, direct_params=None, error_callback=None, warn_callback=None, **kwargs):
        full = dict(ControllerModule.AUTH_ARGSPEC, **argument_spec)
        super().__init__(argument_spec=full, **kwargs)
        self.exit_json(changed=False, asked={name: value for name, value in self.params.items() if name in argument_spec})
'''


@pytest.fixture(scope="session")
def collections() -> Path:
    """A folder of collections with awx.awx, whose modules tell what they were asked for."""
    folder = Path(os.environ["POOLED_ODOO_HOME"]) / "awx"
    modules = folder / "ansible_collections" / "awx" / "awx"
    if not modules.exists():
        folder.mkdir(parents=True, exist_ok=True)
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder)]
        subprocess.run([*pip, f"ansible=={ANSIBLE}"], check=True)
        (wheel,) = folder.glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            names = [name for name in archive.namelist() if name.startswith("ansible_collections/awx/awx/")]
            archive.extractall(folder / "new", names)
        wheel.unlink()
        shutil.move(folder / "new" / "ansible_collections", folder)
        (folder / "new").rmdir()
    utils = modules / "plugins" / "module_utils" / "controller_api.py"
    if TELLS not in utils.read_text():
        utils.write_text(utils.read_text() + TELLS)
    return folder
