# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The marker of a restart that is due."""

from __future__ import annotations

import os
from pathlib import Path

from ansible_collections.pooled.odoo.plugins.module_utils import _files, _pending


def test_pending_marker(tmp_path: Path) -> None:
    assert _pending.read(str(tmp_path)) == "none"
    _pending.remember(str(tmp_path), "reload", _files.Attributes(os.geteuid(), os.getegid(), 0o600))
    assert _pending.read(str(tmp_path)) == "reload"
    (tmp_path / ".pending").write_text("?")
    assert _pending.read(str(tmp_path)) == "restart"
    _pending.clear(str(tmp_path))
    _pending.clear(str(tmp_path))
    assert _pending.read(str(tmp_path)) == "none"
