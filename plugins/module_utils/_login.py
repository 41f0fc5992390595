# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Connections to PostgreSQL and to PgBouncer's admin console for modules, over psycopg2.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import socket
import struct
import time
import traceback
import typing as t

from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError

PSYCOPG2_ERROR: str | None
try:
    import psycopg2
    import psycopg2.extensions
except ImportError:
    PSYCOPG2_ERROR = traceback.format_exc()
else:
    PSYCOPG2_ERROR = None

MISSING_PSYCOPG2 = (
    "psycopg2 is missing on this host; install python3-psycopg2 (Debian) or psycopg2-binary (PyPI) for the Python that "
    "Ansible uses there, or let the collection's playbooks do it with pooled_odoo_install_requirements=true"
)


class TimedOut(PooledError):
    """Something took longer than it was allowed to."""


class CannotTell(PooledError):
    """PostgreSQL could not be asked, so nothing is known of what was to be asked."""


Row = t.Dict[str, t.Any]


def argument_spec() -> dict[str, t.Any]:
    return {
        "login_host": {"type": "str", "required": True},
        "login_port": {"type": "int", "default": 5432},
        "login_user": {"type": "str", "required": True},
        "login_password": {"type": "str", "no_log": True},
        "login_password_file": {"type": "path", "no_log": False},
        "ssl_mode": {
            "type": "str",
            "choices": ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"],
            "default": "prefer",
        },
        "ca_cert": {"type": "path"},
        "connect_timeout": {"type": "int", "default": 10},
    }


def _password(params: t.Mapping[str, t.Any]) -> str | None:
    path = params.get("login_password_file")
    if params.get("login_password") or not path:
        return params.get("login_password")
    try:
        with open(path, encoding="utf-8") as handle:
            password = handle.read().strip()
    except FileNotFoundError as error:
        raise PooledError(
            f"{path} does not exist, so there is no pooler here; run playbook pooled.odoo.deploy first",
            "login_password_file",
        ) from error
    except OSError as error:
        raise PooledError(
            f"{path} cannot be read ({error.strerror}); may this user (become)?", "login_password_file"
        ) from error
    except ValueError:
        password = ""
    # What a loss of power leaves of a file is empty, or zeros.
    if not password.isprintable() or not password:
        raise PooledError(f"{path} has no password in it; remove it and run playbook deploy", "login_password_file")
    return password


def connect(params: t.Mapping[str, t.Any], dbname: str, asynchronous: bool = False) -> t.Any:
    """A psycopg2 connection with the options of :func:`argument_spec`; raises PooledError with what to look at."""
    if PSYCOPG2_ERROR:
        raise PooledError(MISSING_PSYCOPG2)
    try:
        connection = psycopg2.connect(**_arguments(params, dbname), async_=asynchronous)
        if asynchronous:
            wait(connection, params["connect_timeout"], "the connection")
    except psycopg2.Error as error:
        raise PooledError(
            f"cannot connect to {params['login_host']}:{params['login_port']}, database {dbname}, as"
            f" {params['login_user']}: {str(error).strip()}; check login_host, login_port, login_user and login_password",
        ) from error
    return connection


def _arguments(params: t.Mapping[str, t.Any], dbname: str) -> dict[str, t.Any]:
    """What psycopg2 is given; what is None is left to libpq."""
    arguments = {
        "host": params["login_host"],
        "port": params["login_port"],
        "user": params["login_user"],
        "password": _password(params),
        "sslmode": params["ssl_mode"],
        "sslrootcert": params["ca_cert"],
        "connect_timeout": params["connect_timeout"],
        "application_name": "pooled.odoo",
        "dbname": dbname,
    }
    return {key: value for key, value in arguments.items() if value is not None}


# What PostgreSQL says when it knows the role and its password, and has no connection left for it (InitializeSessionUserId in
# miscinit.c, which comes behind the authentication).
_ROLE_IS_FULL = "too many connections for role"
# Nothing about the password: PostgreSQL is full or not ready (postmaster.c, proc.c, postinit.c), or it is not to be reached like
# this (libpq's fe-connect.c and fe-secure-openssl.c, auth.c).
_CANNOT_TELL = re.compile(
    r"sorry, too many clients|remaining connection slots|database system is|not yet accepting|server closed the connection|"
    r"timeout|timed out|Connection refused|No route to host|unreachable|could not translate|could not connect|pg_hba\.conf|SSL|"
    r"certificate",
    re.IGNORECASE,
)


def refusal(params: t.Mapping[str, t.Any], dbname: str) -> str | None:
    """Why PostgreSQL does not take this password, in its words; None where it takes it. Raises CannotTell where it cannot be
    asked."""
    if PSYCOPG2_ERROR:
        raise CannotTell(MISSING_PSYCOPG2)
    try:
        psycopg2.connect(**_arguments(params, dbname)).close()
    except psycopg2.Error as error:
        told = " ".join(str(error).split())
        if _ROLE_IS_FULL in told:
            return None
        # libpq may have tried a second time without TLS, and says both.
        if "password authentication failed" not in told and _CANNOT_TELL.search(told):
            raise CannotTell(
                f"whether PostgreSQL takes the password of role {params['login_user']} cannot be told: {told}; repeat when it can"
                " be reached and has a connection left"
            ) from error
        return told
    except ValueError:
        return "no password can have the character NUL in it"
    return None


def wait(connection: t.Any, timeout: float, what: str) -> None:
    """Lets an asynchronous *connection* finish what it does; raises PooledError after *timeout* seconds."""
    deadline = time.monotonic() + timeout
    while True:
        state = connection.poll()
        if state == psycopg2.extensions.POLL_OK:
            return
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimedOut(f"{what} did not finish within {timeout:g} s")
        wanted = [connection.fileno()]
        reading = state == psycopg2.extensions.POLL_READ
        select.select(wanted if reading else [], [] if reading else wanted, [], left)


class AdminConsole:
    """PgBouncer's admin console. It speaks only the simple query protocol and knows no transactions, so the connection
    is an asynchronous one, on which psycopg2 begins none, and every command has a time limit."""

    def __init__(self, params: t.Mapping[str, t.Any]) -> None:
        self._connection = connect(params, "pgbouncer", asynchronous=True)
        self._timeout = params["connect_timeout"]

    def __enter__(self) -> AdminConsole:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._connection.close()

    def run(self, command: str, timeout: float | None = None) -> list[Row]:
        """The rows of ``SHOW …``, as dicts; an empty list for other commands. Raises PooledError with PgBouncer's words."""
        cursor = self._connection.cursor()
        try:
            cursor.execute(command)
            wait(self._connection, timeout or self._timeout, command)
            if cursor.description is None:
                return []
            columns = [column.name for column in cursor.description]
            return [dict(zip(columns, values)) for values in cursor.fetchall()]
        except psycopg2.Error as error:
            raise PooledError(f"PgBouncer refused {command}: {str(error).strip()}") from error

    def process(self) -> tuple[int, float] | None:
        """Start (kernel ticks since boot) and seconds of processor time of the PgBouncer at the other end of a Unix socket; None
        over a network, or where its process cannot be seen from here."""
        with contextlib.suppress(OSError, ValueError, IndexError):
            end = socket.socket(fileno=os.dup(self._connection.fileno()))
            with contextlib.closing(end):
                if end.family != socket.AF_UNIX:
                    return None
                pid, _uid, _gid = struct.unpack("3i", end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
            with open(f"/proc/{pid}/stat") as handle:
                fields = handle.read().rpartition(")")[2].split()
            # proc(5): utime and stime are fields 14 and 15, starttime 22; the name is the second.
            return int(fields[19]), (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        return None
