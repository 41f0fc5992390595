# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How modules log in to PostgreSQL or to PgBouncer. This fragment is PRIVATE to the collection."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
requirements:
  - psycopg2 2.9 or newer on the host where the module runs (C(python3-psycopg2) in Debian, C(psycopg2-binary) on PyPI)
options:
  login_host:
    description:
      - Host name or address of the server, or the directory of its Unix socket.
    type: str
    required: true
  login_port:
    description:
      - Port of the server.
    type: int
    default: 5432
  login_user:
    description:
      - User to log in as.
    type: str
    required: true
  login_password:
    description:
      - Password of O(login_user).
    type: str
  login_password_file:
    description:
      - File on the target that holds the password, for a password that should not travel. Not read where O(login_password) is
        set.
    type: path
  ssl_mode:
    description:
      - How far TLS is insisted on, as in libpq.
    type: str
    choices: [disable, allow, prefer, require, verify-ca, verify-full]
    default: prefer
  ca_cert:
    description:
      - File with the certificates of the authorities that are trusted, for O(ssl_mode=verify-ca) and O(ssl_mode=verify-full).
    type: path
  connect_timeout:
    description:
      - Seconds to wait for a connection. A server that is down should be told soon, and a busy one has ten seconds.
    type: int
    default: 10
"""
