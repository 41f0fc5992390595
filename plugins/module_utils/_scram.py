# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SCRAM-SHA-256 verifiers as PostgreSQL stores them, so that a password never travels in an SQL statement or its log.

This module util is PRIVATE to the collection. It can have breaking changes at any time.

Source: RFC 5802, and the form ``SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey`` of PostgreSQL's pg_authid.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode

ITERATIONS = 4096


def verifier(password: str, role: str) -> str:
    """The verifier of *password* for *role*, the same at every call.

    The salt comes from password and role instead of chance, so that an unchanged password is an unchanged role. A salt
    keeps equal passwords of different roles apart, which this one does. For ASCII passwords only, which need no SASLprep.
    """
    secret = password.encode("ascii")
    salt = hmac.new(secret, b"pooled.odoo salt for " + role.encode(), hashlib.sha256).digest()[:16]
    salted = hashlib.pbkdf2_hmac("sha256", secret, salt, ITERATIONS)
    client_key = hmac.new(salted, b"Client Key", hashlib.sha256).digest()
    stored_key = hashlib.sha256(client_key).digest()
    server_key = hmac.new(salted, b"Server Key", hashlib.sha256).digest()
    parts = [b64encode(part).decode() for part in (salt, stored_key, server_key)]
    return f"SCRAM-SHA-256${ITERATIONS}:{parts[0]}${parts[1]}:{parts[2]}"
