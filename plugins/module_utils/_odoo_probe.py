# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs inside an Odoo container and tells what is true there, as one JSON document on standard output.

This module util is PRIVATE to the collection. It can have breaking changes at any time.

Its source is handed to the container's own Python (3.7 or newer), so it imports nothing but the standard library and,
for the parts that need the database, the psycopg2 that Odoo itself uses. It logs in with the credentials that the
running Odoo has, which therefore never leave the container.

    python3 -c SOURCE '{"do": "describe"}'
"""

from __future__ import annotations

import configparser
import http.client
import json
import os
import re
import select
import shutil
import socket
import subprocess
import sys
import threading
import time

CONF_KEYS = (
    "db_host", "db_port", "db_user", "db_name", "dbfilter", "workers", "max_cron_threads", "db_maxconn",
    "http_port", "xmlrpc_port", "http_interface", "list_db",
)  # fmt: skip
UNSET = ("False", "None", "")
STATE_ESTABLISHED = "01"
# A chat message or a cron trigger is there within milliseconds; five seconds is a pool that does not deliver.
NOTIFY_TIMEOUT = 5
CONNECT_TIMEOUT = 10


def odoo_processes():
    """The processes that run an Odoo server, as ``[{pid, ppid, argv}]``, parents first."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/cmdline", "rb") as handle:
                argv = handle.read().decode("utf-8", "replace").rstrip("\0").split("\0")
            with open(f"/proc/{entry}/stat") as handle:
                ppid = int(handle.read().rpartition(")")[2].split()[1])
        except (OSError, IndexError, ValueError):
            continue
        if server_script(argv) is not None:
            found.append({"pid": int(entry), "ppid": ppid, "argv": argv})
    return sorted(found, key=lambda process: process["pid"])


def server_script(argv):
    """The position of Odoo's script in *argv*, or None for another program, or for Odoo's helpers (shell, gevent)."""
    for position, word in enumerate(argv[:3]):
        if os.path.basename(word) in ("odoo", "odoo-bin", "odoo.py", "openerp-server"):
            rest = argv[position + 1 :]
            return None if rest and rest[0] in ("gevent", "shell", "scaffold", "populate", "neutralize") else position
    return None


def master(processes):
    """The process that the others descend from; after a reload the old server may still live beneath the new one."""
    pids = {process["pid"] for process in processes}
    roots = [process for process in processes if process["ppid"] not in pids]
    return roots[0] if roots else None


def flag(argv, *names):
    value = None
    for index, word in enumerate(argv):
        for name in names:
            if word == name and index + 1 < len(argv):
                value = argv[index + 1]
            elif name.startswith("--") and word.startswith(name + "="):
                value = word.partition("=")[2]
    return value


def conf_path(argv, environment):
    named = flag(argv, "--config", "-c") or environment.get("ODOO_RC") or environment.get("OPENERP_SERVER")
    if named:
        return named
    home = os.path.expanduser("~")
    for path in (home + "/.odoorc", home + "/.openerp_serverrc", "/etc/odoo/odoo.conf"):
        if os.path.exists(path):
            return path
    return None


def read_conf(path):
    parser = configparser.RawConfigParser()
    try:
        parser.read([path] if path else [])
        return {key: value for key, value in parser.items("options") if value not in UNSET}
    except configparser.Error:
        return {}


def environment_of(pid):
    """The environment of the running process where it may be read; it can differ from the container's."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as handle:
            pairs = handle.read().decode("utf-8", "surrogateescape").split("\0")
        return dict(pair.split("=", 1) for pair in pairs if "=" in pair)
    except OSError:
        return dict(os.environ)


def connections():
    """Established TCP connections of this network namespace, ``[{address, port, count}]`` by far end."""
    counts = {}
    for name, width in (("tcp", 8), ("tcp6", 32)):
        try:
            with open("/proc/net/" + name) as handle:
                lines = handle.readlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == STATE_ESTABLISHED:
                address, port = fields[2].split(":")
                end = (readable_address(address, width), int(port, 16))
                counts[end] = counts.get(end, 0) + 1
    return [{"address": end[0], "port": end[1], "count": counts[end]} for end in sorted(counts)]


def readable_address(digits, width):
    """The kernel's hexadecimal, in words of the machine's byte order, as text; IPv4 mapped into IPv6 as IPv4."""
    words = [bytes.fromhex(digits[start : start + 8]) for start in range(0, width, 8)]
    raw = b"".join(word[::-1] if sys.byteorder == "little" else word for word in words)
    if width == 8:
        return socket.inet_ntop(socket.AF_INET, raw)
    if raw.startswith(b"\0" * 10 + b"\xff\xff"):
        return socket.inet_ntop(socket.AF_INET, raw[12:])
    return socket.inet_ntop(socket.AF_INET6, raw)


def resolve(host):
    try:
        return sorted({entry[4][0] for entry in socket.getaddrinfo(host, None, 0, socket.SOCK_STREAM)})
    except OSError:
        return []


def ask_http(conf, argv, path):
    """Asks the instance for *path*; ``{"status": code}`` or ``{"error": why}``."""
    port = (
        flag(argv, "--http-port", "--xmlrpc-port", "-p") or conf.get("http_port") or conf.get("xmlrpc_port") or "8069"
    )
    interface = flag(argv, "--http-interface") or conf.get("http_interface") or "127.0.0.1"
    if interface == "0.0.0.0":
        interface = "127.0.0.1"
    connection = http.client.HTTPConnection(interface, int(port), timeout=15)
    try:
        connection.request("GET", path)
        return {"port": int(port), "status": connection.getresponse().status}
    except (OSError, http.client.HTTPException) as error:
        return {"port": int(port), "error": str(error) or type(error).__name__}
    finally:
        connection.close()


def version_of(process, environment):
    if environment.get("ODOO_VERSION"):
        return environment["ODOO_VERSION"]
    position = server_script(process["argv"])
    command = process["argv"][: position + 1] + ["--version"]
    try:
        return subprocess.run(command, stdout=subprocess.PIPE, timeout=30).stdout.decode().strip() or None
    except (OSError, subprocess.SubprocessError):
        return None


class Instance:
    """The running Odoo: its process, configuration and credentials."""

    def __init__(self):
        self.process = master(odoo_processes())
        if self.process is None:
            return
        self.argv = self.process["argv"]
        self.environment = environment_of(self.process["pid"])
        self.version = version_of(self.process, self.environment)
        self.conf_path = conf_path(self.argv, self.environment)
        self.conf = read_conf(self.conf_path)

    def setting(self, key, *flags):
        return flag(self.argv, *flags) or self.conf.get(key)

    def credential(self, key, variable):
        """As Odoo finds it: arguments, PG* (Odoo 19), odoo.conf; what is left to libpq is left to it here too."""
        given = flag(self.argv, "--" + key)
        if given:
            return given
        major = re.search(r"\d+", self.version or "")
        order = [self.environment.get(variable), self.conf.get(key)]
        if major and int(major.group()) < 19:
            order.reverse()
        return next((value for value in order if value), None)

    def connect(self, dbname, host, port):
        import psycopg2

        arguments = {
            "dbname": dbname,
            "host": host,
            "port": port,
            "user": self.credential("db_user", "PGUSER"),
            "password": self.credential("db_password", "PGPASSWORD"),
            "sslmode": self.setting("db_sslmode", "--db_sslmode"),
            "connect_timeout": CONNECT_TIMEOUT,
        }
        return psycopg2.connect(**{key: value for key, value in arguments.items() if value is not None})


def describe(request):
    instance = Instance()
    if instance.process is None:
        return {"odoo": False}
    conf, argv = instance.conf, instance.argv
    workers = instance.setting("workers", "--workers") or "0"
    crons = instance.setting("max_cron_threads", "--max-cron-threads") or "2"
    return {
        "odoo": True,
        "pid": instance.process["pid"],
        # Arguments may hold a password, so only what says where the database is leaves the container.
        "argv": database_arguments(argv),
        # After a reload argv[0] is a bare name.
        "python": (argv[0] if argv[0].startswith("/") else shutil.which(argv[0])) or sys.executable,
        "version": instance.version,
        "conf_path": instance.conf_path and os.path.realpath(instance.conf_path),
        "conf": {key: conf[key] for key in CONF_KEYS if key in conf},
        "workers": int(workers),
        "cron_threads": int(crons),
        "db_maxconn": int(instance.setting("db_maxconn", "--db_maxconn") or "64"),
        "db_user": instance.credential("db_user", "PGUSER"),
        "db_name": flag(argv, "--database", "-d") or conf.get("db_name"),
        "http": ask_http(conf, argv, request.get("http_path", "/web/health")),
        "connections": connections(),
        "resolved": {host: resolve(host) for host in named_hosts(instance)},
    }


def named_hosts(instance):
    """Every host that some source names as the database's; which of them counts is decided outside."""
    variables = ("HOST", "PGHOST", "DB_HOST", "DB_PORT_5432_TCP_ADDR")
    hosts = [instance.setting("db_host", "--db_host")] + [instance.environment.get(name) for name in variables]
    return sorted({host for host in hosts if host})


def database_arguments(argv):
    kept = []
    for name in ("--db_host", "--db_port"):
        for index, word in enumerate(argv):
            if word == name and index + 1 < len(argv):
                kept.append(f"{name}={argv[index + 1]}")
            elif word.startswith(name + "="):
                kept.append(word)
    return kept


def watch(request):
    """What decides whether a move is through: does it answer, and where do its connections go?"""
    instance = Instance()
    if instance.process is None:
        return {"odoo": False}
    return {
        "odoo": True,
        "pid": instance.process["pid"],
        "argv": database_arguments(instance.argv),
        "http": ask_http(instance.conf, instance.argv, request.get("http_path", "/web/health")),
        "connections": connections(),
        "resolved": {host: resolve(host) for host in request.get("resolve", [])},
    }


TENANTS = """
    SELECT datname FROM pg_database
    WHERE datdba = (SELECT usesysid FROM pg_user WHERE usename = current_user)
      AND NOT datistemplate AND datallowconn AND datname <> 'postgres' ORDER BY datname
"""


def tenants(instance, host, port):
    """The databases that this instance serves: those it names, else those that its role owns (odoo/service/db.py)."""
    connection = instance.connect("postgres", host, port)
    try:
        with connection.cursor() as cursor:
            cursor.execute(TENANTS)
            owned = [row[0] for row in cursor.fetchall()]
    finally:
        connection.close()
    named = flag(instance.argv, "--database", "-d") or instance.conf.get("db_name")
    wanted = re.split(r"\s*,\s*", named) if named else owned
    return [name for name in wanted if name in owned]


def databases(request):
    instance = Instance()
    return {"databases": tenants(instance, request["host"], request["port"])}


class Checks:
    """Runs the checks of a preflight one after the other and keeps what each of them saw."""

    def __init__(self):
        self.results = []

    def run(self, name, function, *arguments):
        started = time.time()
        try:
            value, error = function(*arguments), None
        except Exception as caught:  # whatever it is, the operator has to see it beside the check's name
            value, error = None, str(caught).strip() or type(caught).__name__
        self.results.append(
            {"check": name, "ok": error is None, "error": error, "ms": round((time.time() - started) * 1000)}
        )
        return value


class CheckFailed(Exception):
    pass


def preflight(request):
    """Does through *host*:*port* what Odoo will do there. Every check runs under its own connections."""
    instance = Instance()
    address = (request["host"], request["port"])
    checks = Checks()
    if not checks.run("name of the pooler resolves", check_resolves, address[0]):
        return {"checks": checks.results, "databases": []}
    checks.run("login to postgres as Odoo's role", check_login, instance, address)
    if not checks.results[-1]["ok"]:
        return {"checks": checks.results, "databases": []}
    checks.run("LISTEN and NOTIFY across two connections on postgres", check_notify, instance, address)
    found = checks.run("list of tenants", lambda: tenants(instance, *address)) or []
    for name in found:
        checks.run("transaction on " + name, check_transaction, instance, address, name)
    if found:
        checks.run("two cursors at once on " + found[0], check_two_cursors, instance, address, found[0])
        checks.run("clean session state on " + found[0], check_clean_state, instance, address, found[0])
    return {"checks": checks.results, "databases": found}


def check_resolves(host):
    addresses = resolve(host)
    if not addresses:
        raise CheckFailed(f"this container cannot resolve {host!r}; are they on a common Docker network?")
    return addresses


def check_login(instance, address):
    instance.connect("postgres", *address).close()


def check_notify(instance, address):
    import psycopg2.extensions

    listener = instance.connect("postgres", *address)
    try:
        listener.set_isolation_level(psycopg2.extensions.ISOLATION_LEVEL_AUTOCOMMIT)
        channel = f"pooled_odoo_{os.getpid()}_{time.time_ns()}"
        with listener.cursor() as cursor:
            cursor.execute("LISTEN " + channel)
        notifier = instance.connect("postgres", *address)
        try:
            with notifier.cursor() as cursor:
                cursor.execute("SELECT pg_notify(%s, 'preflight')", (channel,))
            notifier.commit()
        finally:
            notifier.close()
        deadline = time.time() + NOTIFY_TIMEOUT
        while time.time() < deadline:
            if select.select([listener], [], [], deadline - time.time())[0]:
                listener.poll()
                if any(notify.channel == channel for notify in listener.notifies):
                    return
        raise CheckFailed(
            f"the notification did not arrive within {NOTIFY_TIMEOUT} s: chat and cron triggers would be dead; "
            "the pool of the database postgres must be in session mode"
        )
    finally:
        listener.close()


def check_transaction(instance, address, dbname):
    connection = instance.connect(dbname, *address)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_class")
        connection.commit()
    finally:
        connection.close()


def check_two_cursors(instance, address, dbname):
    first, second = instance.connect(dbname, *address), instance.connect(dbname, *address)
    try:
        for connection in (first, second):
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
    finally:
        first.close()
        second.close()


# Two settings that Odoo and pg_dump leave behind (odoo/modules/loading.py, pg_dump's set_config of search_path).
SESSION_STATE = "SELECT current_setting('lock_timeout'), current_setting('search_path')"


def check_clean_state(instance, address, dbname):
    """What one client sets must not reach another, also when several use the pool at once."""
    clean = session_state(instance, address, dbname)
    culprit = instance.connect(dbname, *address)
    try:
        with culprit.cursor() as cursor:
            cursor.execute("SET SESSION lock_timeout = '15s'")
            cursor.execute("SELECT set_config('search_path', '', false)")
        culprit.commit()
        seen = []
        readers = [
            threading.Thread(target=lambda: seen.append(session_state(instance, address, dbname))) for _ in range(4)
        ]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
    finally:
        culprit.close()
    if len(seen) != len(readers) or any(state != clean for state in seen):
        raise CheckFailed(
            f"settings of one client reached another (lock_timeout, search_path are {seen}, should be {clean}); "
            "set server_reset_query_always"
        )


def session_state(instance, address, dbname):
    connection = instance.connect(dbname, *address)
    try:
        with connection.cursor() as cursor:
            cursor.execute(SESSION_STATE)
            return cursor.fetchone()
    finally:
        connection.close()


ACTIONS = {"describe": describe, "watch": watch, "databases": databases, "preflight": preflight}


def main(argument):
    request = json.loads(argument)
    try:
        answer = ACTIONS[request["do"]](request)
    except Exception as error:  # the caller sees JSON or nothing
        answer = {"failed": str(error).strip() or type(error).__name__}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1])
