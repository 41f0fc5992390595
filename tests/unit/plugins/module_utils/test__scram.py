# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SCRAM verifiers."""

from __future__ import annotations

from ansible_collections.pooled.odoo.plugins.module_utils import _scram


def test_scram_verifier_of_rfc_7677_shape() -> None:
    one = _scram.verifier("pencil", "user")
    assert one.startswith("SCRAM-SHA-256$4096:")
    assert _scram.verifier("pencil", "user") == one
    assert _scram.verifier("pencil", "other") != one
    assert "pencil" not in one
