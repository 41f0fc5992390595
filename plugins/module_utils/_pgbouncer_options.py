# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every key that PgBouncer's configuration knows: type, default, range, first version, and whether RELOAD applies it.

This module util is PRIVATE to the collection. It can have breaking changes at any time.

Read from PgBouncer's source, 1.15 to 1.25.2, and from ``SHOW CONFIG`` of a running 1.26.1. Defaults are those of the
newest version. A running server has the last word: the column ``changeable`` of its ``SHOW CONFIG`` says what RELOAD
applies.
"""

from __future__ import annotations

import typing as t


class Option(t.NamedTuple):
    """One configuration key.

    ``kind`` is one of ``string``, ``name`` (of a database), ``integer``, ``boolean`` (written 0 or 1), ``seconds``
    (a decimal number), ``octal`` and ``enum``. ``since`` is the first minor version that knows the key, or None for
    1.15 and older; ``until`` is the last one. ``low`` and ``high`` bound numbers, both inclusive.
    """

    kind: str
    default: str | None = None
    reloadable: bool = True
    since: str | None = None
    until: str | None = None
    choices: tuple[str, ...] = ()
    low: int | None = None
    high: int | None = None


# Versions that fix a vulnerability an exposed pooler should not have. A distribution may carry the same fixes under an
# older number (Debian's 1.24.1 does), so this table warns and does not refuse.
SECURITY_FIXES: dict[str, tuple[str, ...]] = {
    "1.24.1": ("CVE-2025-2291",),
    "1.25.1": ("CVE-2025-12819",),
    "1.25.2": ("CVE-2026-6664", "CVE-2026-6665", "CVE-2026-6666", "CVE-2026-6667"),
    "1.26.1": ("CVE-2026-107348", "CVE-2026-107349", "CVE-2026-107350"),
}

POOL_MODES = ("session", "transaction", "statement")

SETTINGS: dict[str, Option] = {
    "admin_users": Option("string", "", True),
    "application_name_add_host": Option("boolean", "0", True),
    "auth_dbname": Option("name", None, True, since="1.19"),
    "auth_file": Option("string", None, True),
    "auth_hba_file": Option("string", "", True),
    "auth_ident_file": Option("string", None, True, since="1.23"),
    "auth_ldap_options": Option("string", None, True, since="1.25"),
    "auth_query": Option(
        "string",
        "SELECT rolname, CASE WHEN rolvaliduntil < now() THEN NULL ELSE rolpassword END"
        " FROM pg_authid WHERE rolname=$1 AND rolcanlogin",
        True,
    ),
    "auth_type": Option(
        "enum", "md5", True, choices=("any", "trust", "plain", "md5", "cert", "hba", "ldap", "pam", "scram-sha-256")
    ),
    "auth_user": Option("string", None, True),
    "autodb_idle_timeout": Option("seconds", "3600", True, low=0),
    "cancel_wait_timeout": Option("seconds", "10", True, since="1.19", low=0),
    "client_idle_timeout": Option("seconds", "0", True, low=0),
    "client_login_timeout": Option("seconds", "60", True, low=0),
    "client_tls13_ciphers": Option("string", None, True, since="1.25"),
    "client_tls_ca_file": Option("string", "", True),
    "client_tls_cert_file": Option("string", "", True),
    "client_tls_ciphers": Option("string", "default", True),
    "client_tls_dheparams": Option("string", "auto", True),
    "client_tls_ecdhcurve": Option("string", "auto", True),
    "client_tls_key_file": Option("string", "", True),
    "client_tls_protocols": Option("string", "secure", True),
    "client_tls_sslmode": Option(
        "enum", "disable", True, choices=("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
    ),
    "conffile": Option("string", None, True),
    "default_pool_size": Option("integer", "20", True, low=0),
    "disable_pqexec": Option("boolean", "0", False),
    "dns_max_ttl": Option("seconds", "15", True, low=0),
    "dns_nxdomain_ttl": Option("seconds", "15", True, low=0),
    "dns_zone_check_period": Option("seconds", "0", True, low=0),
    "idle_transaction_timeout": Option("seconds", "0", True, low=0),
    "ignore_startup_parameters": Option("string", "", True),
    "job_name": Option("string", "pgbouncer", False),
    "listen_addr": Option("string", "", False),
    "listen_backlog": Option("integer", "128", False, low=1),
    "listen_port": Option("integer", "6432", False, low=0, high=65535),
    "log_connections": Option("boolean", "1", True),
    "log_disconnections": Option("boolean", "1", True),
    "log_pooler_errors": Option("boolean", "1", True),
    "log_stats": Option("boolean", "1", True),
    "logfile": Option("string", "", True),
    "login_notify_message": Option("string", None, True, since="1.26"),
    "max_client_conn": Option("integer", "100", True, low=1),
    "max_db_client_connections": Option("integer", "0", True, since="1.24", low=0),
    "max_db_connections": Option("integer", "0", True, low=0),
    "max_packet_size": Option("integer", "2147483647", True, low=0),
    "max_prepared_statements": Option("integer", "200", True, since="1.21", low=0),
    "max_user_client_connections": Option("integer", "0", True, since="1.24", low=0),
    "max_user_connections": Option("integer", "0", True, low=0),
    "min_pool_size": Option("integer", "0", True, low=0),
    "peer_id": Option("integer", "0", True, since="1.19", low=0, high=16383),
    "pidfile": Option("string", "", False),
    "pkt_buf": Option("integer", "4096", False, low=512),
    "pool_idle_timeout": Option("seconds", "0", True, since="1.26", low=0),
    "pool_mode": Option("enum", "session", True, choices=("session", "transaction", "statement")),
    "query_timeout": Option("seconds", "0", True, low=0),
    "query_wait_notify": Option("integer", "5", True, since="1.25", low=0),
    "query_wait_timeout": Option("seconds", "120", True, low=0),
    "reserve_pool_size": Option("integer", "0", True, low=0),
    "reserve_pool_timeout": Option("seconds", "5", True, low=0),
    "resolv_conf": Option("string", "", False),
    "sbuf_loopcnt": Option("integer", "5", True, low=0),
    "scram_iterations": Option("integer", "4096", True, since="1.25", low=1),
    "server_check_delay": Option("seconds", "30", True, low=0),
    "server_check_query": Option("string", "<empty>", True),
    "server_connect_timeout": Option("seconds", "15", True, low=0),
    "server_fast_close": Option("boolean", "0", True),
    "server_idle_timeout": Option("seconds", "600", True, low=0),
    "server_lifetime": Option("seconds", "3600", True, low=0),
    "server_login_retry": Option("seconds", "15", True, low=0),
    "server_reset_query": Option("string", "DISCARD ALL", True),
    "server_reset_query_always": Option("boolean", "0", True),
    "server_round_robin": Option("boolean", "0", True),
    "server_tls13_ciphers": Option("string", None, True, since="1.25"),
    "server_tls_ca_file": Option("string", "", True),
    "server_tls_cert_file": Option("string", "", True),
    "server_tls_ciphers": Option("string", "default", True),
    "server_tls_key_file": Option("string", "", True),
    "server_tls_protocols": Option("string", "secure", True),
    "server_tls_sslmode": Option(
        "enum", "prefer", True, choices=("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
    ),
    "service_name": Option("string", None, False),
    "so_reuseport": Option("boolean", "0", False),
    "stats_period": Option("integer", "60", True, low=1),
    "stats_users": Option("string", "", True),
    "suspend_timeout": Option("seconds", "10", True, until="1.25", low=0),
    "syslog": Option("boolean", "0", True),
    "syslog_facility": Option("string", "daemon", True),
    "syslog_ident": Option("string", "pgbouncer", True),
    "tcp_defer_accept": Option("integer", "1", True, low=0),
    "tcp_keepalive": Option("boolean", "1", True),
    "tcp_keepcnt": Option("integer", "0", True, low=0),
    "tcp_keepidle": Option("integer", "0", True, low=0),
    "tcp_keepintvl": Option("integer", "0", True, low=0),
    "tcp_socket_buffer": Option("integer", "0", True, low=0),
    "tcp_user_timeout": Option("integer", "0", True, low=0),
    "track_extra_parameters": Option("string", "IntervalStyle", False, since="1.20"),
    "transaction_timeout": Option("seconds", "0", True, since="1.25", low=0),
    "unix_socket_dir": Option("string", "/tmp", False),
    "unix_socket_group": Option("string", "", False),
    "unix_socket_mode": Option("octal", "0777", False),
    "user": Option("string", None, False),
    "verbose": Option("integer", None, True, low=0),
}

DATABASE_KEYS: dict[str, Option] = {
    "application_name": Option("string"),
    "auth_dbname": Option("name", since="1.19"),
    "auth_query": Option("string", since="1.22"),
    "auth_user": Option("string"),
    "client_encoding": Option("string"),
    "connect_query": Option("string"),
    "datestyle": Option("string"),
    "dbname": Option("name"),
    "host": Option("string"),
    "load_balance_hosts": Option("enum", since="1.24", choices=("disable", "round-robin")),
    "max_db_client_connections": Option("integer", since="1.24", low=0),
    "max_db_connections": Option("integer", low=0),
    "min_pool_size": Option("integer", since="1.16", low=0),
    "password": Option("string"),
    "pool_mode": Option("enum", choices=POOL_MODES),
    "pool_size": Option("integer", low=0),
    "port": Option("integer", low=1, high=65535),
    "reserve_pool": Option("integer", low=0),
    "reserve_pool_size": Option("integer", since="1.24", low=0),
    "server_lifetime": Option("seconds", since="1.23", low=0),
    "timezone": Option("string"),
    "user": Option("string"),
}

USER_KEYS: dict[str, Option] = {
    "client_idle_timeout": Option("seconds", since="1.24", low=0),
    "idle_transaction_timeout": Option("seconds", since="1.24", low=0),
    "max_user_client_connections": Option("integer", since="1.24", low=0),
    "max_user_connections": Option("integer", low=0),
    "pool_mode": Option("enum", choices=POOL_MODES),
    "pool_size": Option("integer", since="1.23", low=0),
    "query_timeout": Option("seconds", since="1.24", low=0),
    "reserve_pool_size": Option("integer", since="1.24", low=0),
    "transaction_timeout": Option("seconds", since="1.25", low=0),
}

PEER_KEYS: dict[str, Option] = {
    "host": Option("string", since="1.19"),
    "pool_size": Option("integer", since="1.19", low=1),
    "port": Option("integer", since="1.19", low=1, high=65535),
}
