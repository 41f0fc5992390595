# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: scram_verifier
short_description: Compute the SCRAM-SHA-256 verifier of a generated password
version_added: 0.1.0
description:
  - Returns what PostgreSQL stores for a password, so that the password itself stays out of SQL statements and server logs.
  - The same password and role always give the same verifier. Meant for long generated ASCII passwords.
positional: _input
options:
  _input:
    description: The password, ASCII only.
    type: str
    required: true
  role:
    description: The role that it is for.
    type: str
    required: true
author:
  - The pooled.odoo developers (@pooled-odoo)
"""

EXAMPLES = r"""
- name: Create a role
  community.postgresql.postgresql_user:
    name: pooler
    password: "{{ generated_password | pooled.odoo.scram_verifier(role='pooler') }}"
"""

RETURN = r"""
_value:
  description: The verifier, as it stands in C(pg_authid.rolpassword).
  type: str
"""

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.pooled.odoo.plugins.module_utils import _scram


def scram_verifier(password: str, role: str) -> str:
    try:
        return _scram.verifier(password, role)
    except UnicodeEncodeError:
        raise AnsibleFilterError("scram_verifier: the password must consist of ASCII characters") from None


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"scram_verifier": scram_verifier}
