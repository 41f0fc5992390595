# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: pgbouncer_holes
short_description: Tell the known security holes of a PgBouncer
version_added: 0.2.0
description:
  - Compares the version of PgBouncer, and of Debian's package of it, with those that have the fixes that this collection knows.
positional: _input
options:
  _input:
    description: Version of PgBouncer, such as V(1.24.1).
    type: str
    required: true
  package:
    description:
      - Version of Debian's package, such as V(1.24.1-1+deb13u2). Empty for another build, of whose fixes nothing is known.
    type: str
    default: ""
author:
  - The pooled.odoo developers (@pooled-odoo)
"""

EXAMPLES = r"""
- name: Tell what an upgrade would close
  ansible.builtin.debug:
    msg: "{{ '1.24.1' | pooled.odoo.pgbouncer_holes('1.24.1-1') }}"
"""

RETURN = r"""
_value:
  description: The holes, in words; empty where none is known.
  type: list
  elements: str
"""

import typing as t

from ansible_collections.pooled.odoo.plugins.module_utils import _pgbouncer_fixes


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"pgbouncer_holes": _pgbouncer_fixes.open_holes}
