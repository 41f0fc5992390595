# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs inside an Odoo container and tells what is true there, as one JSON document on standard output.

This module util is PRIVATE to the collection. It can have breaking changes at any time.

Its source is handed to the container's own Python (3.7 or newer), so it imports nothing but the standard library and,
for the parts that need the database, the psycopg2 that Odoo itself uses. It logs in with the credentials that the
running Odoo has, which leave the container only for who asks for just them (``credentials``).

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
import signal
import socket
import subprocess
import sys
import threading
import time

CONF_KEYS = (
    "db_host", "db_port", "db_user", "db_name", "dbfilter", "workers", "max_cron_threads", "db_maxconn",
    "db_maxconn_gevent", "db_sslmode", "db_replica_host", "db_replica_port",
    "http_port", "xmlrpc_port", "http_interface", "list_db",
)  # fmt: skip
UNSET = ("False", "None", "")
STATE_ESTABLISHED = "01"
STATE_TIME_WAIT = "06"
# A chat message or a cron trigger is there within milliseconds; five seconds is a pool that does not deliver.
NOTIFY_TIMEOUT = 5
CONNECT_TIMEOUT = 10


def processes():
    """All processes that can be seen, as ``[{pid, ppid, argv}]``, parents first."""
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
        found.append({"pid": int(entry), "ppid": ppid, "argv": argv})
    return sorted(found, key=lambda process: process["pid"])


def odoo_processes():
    """Those of them that run an Odoo server."""
    return [process for process in processes() if server_script(process["argv"]) is not None]


def server_script(argv):
    """The position of Odoo's script in *argv*, or None for another program, for Odoo's other commands (shell, gevent, db, ...)
    and for a run that ends by itself (an upgrade).

    The script comes first or behind its interpreter; behind anything else (su, a shell, an init) it is only mentioned.
    """
    for position, word in enumerate(argv):
        if os.path.basename(word) in ("odoo", "odoo-bin", "odoo.py", "openerp-server"):
            rest = argv[position + 1 :]
            other = bool(rest) and not rest[0].startswith("-") and rest[0] not in ("server", "start")
            return None if other or "--stop-after-init" in rest else position
        interpreter = position == 0 and re.match(r"python[\d.]*$", os.path.basename(word))
        # Two of the interpreter's options have a word of their own behind them.
        valued = position > 1 and argv[position - 1] in ("-X", "-W")
        if not (interpreter or valued or (position > 0 and word.startswith("-"))):
            return None
    return None


def master(servers):
    """The process that the others descend from; after a reload the old server may still live beneath the new one."""
    pids = {process["pid"] for process in servers}
    roots = [process for process in servers if process["ppid"] not in pids]
    return roots[0] if roots else None


def flag(argv, *names):
    """The value of the last of *names*, as optparse reads ``--name value``, ``--name=value``, ``-n value``, ``-nvalue``."""
    value = None
    for index, word in enumerate(argv):
        for name in names:
            if word == name and index + 1 < len(argv):
                value = argv[index + 1]
            elif name.startswith("--") and word.startswith(name + "="):
                value = word.partition("=")[2]
            elif not name.startswith("--") and word.startswith(name) and len(word) > 2:
                value = word[2:]
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


def read_conf(path, section="options"):
    """The keys of *section* that have a value."""
    return {key: value for key, value in raw_conf(path, section).items() if value not in UNSET}


def raw_conf(path, section="options"):
    """The keys of *section*, as they are written; none where Odoo could not read the file either, see conf_error."""
    parser = configparser.RawConfigParser()
    try:
        parser.read([path] if path else [])
        return dict(parser.items(section)) if parser.has_section(section) else {}
    except (configparser.Error, UnicodeDecodeError):
        return {}


def conf_error(path):
    """Why the file cannot be read, in words of Python's parser, which is Odoo's; None where it can."""
    try:
        configparser.RawConfigParser().read([path] if path else [])
    except (configparser.Error, UnicodeDecodeError) as error:
        return f"{path}: {error}".replace("\n", " ")
    return None


def environment_of(pid):
    """The environment of the running process where it may be read; it can differ from the container's."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as handle:
            pairs = handle.read().decode("utf-8", "surrogateescape").split("\0")
        return dict(pair.split("=", 1) for pair in pairs if "=" in pair)
    except OSError:
        return dict(os.environ)


def sockets(states=(STATE_ESTABLISHED, STATE_TIME_WAIT)):
    """TCP sockets of this network namespace in one of *states*, as ``(own port, far address, far port)``."""
    for name, width in (("tcp", 8), ("tcp6", 32)):
        try:
            with open("/proc/net/" + name) as handle:
                lines = handle.readlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] in states:
                address, port = fields[2].split(":")
                yield int(fields[1].split(":")[1], 16), readable_address(address, width), int(port, 16)


def connections():
    """Established connections, ``[{address, port, count}]`` by far end."""
    counts = {}
    for _own, address, port in sockets((STATE_ESTABLISHED,)):
        counts[address, port] = counts.get((address, port), 0) + 1
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
    """The addresses of a name, or of a list of names, which libpq tries one after the other."""
    found = set()
    for name in host.split(","):
        try:
            found |= {entry[4][0] for entry in socket.getaddrinfo(name, None, 0, socket.SOCK_STREAM)}
        except OSError:
            continue
    return sorted(found)


def http_address(instance):
    """Interface and port of the HTTP service, or None where the instance has none (a cron-only container)."""
    if not serves_http(instance):
        return None
    port = (
        instance.setting("http_port", "--http-port", "--xmlrpc-port", "-p")
        or instance.conf.get("xmlrpc_port")
        or "8069"
    )
    interface = instance.setting("http_interface", "--http-interface") or "127.0.0.1"
    return ("127.0.0.1" if interface in ("0.0.0.0", "::") else interface, int(port))


def serves_http(instance):
    """Whether it answers at all. With workers below 0 Odoo forks no HTTP worker, though it opens the port
    (odoo/service/server.py, PreforkServer.process_spawn; its deployment guide has crons alone that way). Former names:
    odoo/tools/config.py."""
    if {"--no-http", "--no-xmlrpc"} & set(instance.argv) or int(instance.setting("workers", "--workers") or "0") < 0:
        return False
    raw = raw_conf(instance.conf_path)
    own = instance.environment.get("ODOO_HTTP_ENABLE") if instance.reads_environment else None
    return (own or raw.get("http_enable") or raw.get("xmlrpc") or "True").lower() not in (
        "false",
        "0",
        "none",
        "off",
        "no",
    )


def ask_http(instance, path):
    """Asks the instance for *path*; ``{"port", "status": code}`` or ``{"port", "error": why}``; None without HTTP.

    ``touched`` are the far ends to which a connection was opened meanwhile, be it closed again already.
    """
    address = http_address(instance)
    if address is None:
        return None
    before = set(sockets())
    answer = {"port": address[1]}
    request = threading.Thread(target=get, args=(address, path, answer))
    request.start()
    seen = set()
    while request.is_alive():
        seen.update(sockets())
        request.join(0.002)
    seen.update(sockets())
    answer["touched"] = sorted({end[1:] for end in seen - before})
    return answer


def get(address, path, answer):
    connection = http.client.HTTPConnection(address[0], address[1], timeout=15)
    try:
        connection.request("GET", path)
        answer["status"] = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        answer["error"] = str(error) or type(error).__name__
    finally:
        connection.close()


def version_of(process, environment):
    if environment.get("ODOO_VERSION"):
        return environment["ODOO_VERSION"]
    position = server_script(process["argv"])
    command = process["argv"][: position + 1] + ["--version"]
    try:
        return subprocess.run(command, stdout=subprocess.PIPE, timeout=30, check=False).stdout.decode().strip() or None
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
        self.conf_path = absolute(conf_path(self.argv, self.environment), self.process["pid"])
        self.conf = read_conf(self.conf_path)

    @property
    def major(self):
        """``19`` of ``19.0``, ``Odoo Server 19.0-20261101`` or ``saas~18.2``; None where it is not known."""
        found = re.search(r"\d+", self.version or "")
        return int(found.group()) if found else None

    @property
    def reads_environment(self):
        """Odoo 19 and newer take every option from the environment too, before odoo.conf (odoo/tools/config.py)."""
        return bool(self.major) and self.major >= 19

    def setting(self, key, *flags):
        own = self.environment.get("ODOO_" + key.upper()) if self.reads_environment else None
        return flag(self.argv, *flags) or own or self.conf.get(key)

    def credential(self, key, short, variable):
        """As Odoo finds it: arguments, PG* (Odoo 19), odoo.conf; what is left to libpq is left to it here too."""
        given = flag(self.argv, "--" + key, short)
        if given:
            return given
        order = [self.environment.get(variable), self.conf.get(key)]
        if not self.reads_environment:
            order.reverse()
        return next((value for value in order if value), None)

    @property
    def named_databases(self):
        """The databases that it is told to serve, as a list; None for all that its role owns."""
        own = self.environment.get("PGDATABASE") if self.reads_environment else None
        named = flag(self.argv, "--database", "-d") or own or self.conf.get("db_name")
        return re.split(r"\s*,\s*", named.strip()) if named else None

    def connect(self, dbname, host, port, hostaddr=None):
        """With *hostaddr* to that address, whatever the name means; a certificate is checked against the name."""
        import psycopg2

        arguments = {
            "dbname": dbname,
            "host": host,
            "hostaddr": hostaddr,
            "port": port,
            "user": self.credential("db_user", "-r", "PGUSER"),
            "password": self.credential("db_password", "-w", "PGPASSWORD"),
            "sslmode": self.setting("db_sslmode", "--db_sslmode"),
            "connect_timeout": CONNECT_TIMEOUT,
        }
        return psycopg2.connect(**{key: value for key, value in arguments.items() if value is not None})


def credentials(_request):
    """Who Odoo is to PostgreSQL: ``{"user", "passwords"}``. First the password that it runs with, then others that stand where it
    or the official image's entrypoint looks at the next start. The user is None, the list empty where only libpq finds any
    (.pgpass, a certificate)."""
    instance = Instance()
    if instance.process is None:
        raise CheckFailed("runs no Odoo server")
    environment = instance.environment
    found = [instance.credential("db_password", "-w", "PGPASSWORD"), instance.conf.get("db_password")]
    found += [environment.get(name) for name in ("PGPASSWORD", "PASSWORD")]
    try:
        with open(environment.get("PASSWORD_FILE") or os.devnull) as handle:
            found.append(handle.read().strip())
    except (OSError, UnicodeDecodeError):
        pass
    return {
        "user": instance.credential("db_user", "-r", "PGUSER"),
        "passwords": list(dict.fromkeys(password for password in found if password)),
    }


def servers_now():
    """The Odoo servers that run beside each other, by process number. A process between two of a reload is looked at again."""
    for _attempt in range(3):
        found = odoo_processes()
        pids = {process["pid"] for process in found}
        roots = [process["pid"] for process in found if process["ppid"] not in pids]
        if len(roots) < 2:
            break
        time.sleep(1)
    return roots


def describe(request):
    instance = Instance()
    if instance.process is None:
        return {"odoo": False}
    servers = servers_now()
    if len(servers) > 1:
        raise CheckFailed(
            f"{len(servers)} Odoo servers run in it (processes {', '.join(map(str, servers))}), whose connections cannot be told"
            " apart; give each a container of its own"
        )
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
        "conf_error": conf_error(instance.conf_path),
        **about_conf(instance),
        "exported": {
            name: instance.environment[name] for name in ("PGHOST", "PGPORT") if instance.environment.get(name)
        },
        "workers": int(workers),
        "cron_threads": int(crons),
        "db_maxconn": int(instance.setting("db_maxconn", "--db_maxconn") or "64"),
        "db_maxconn_gevent": number(instance.setting("db_maxconn_gevent", "--db_maxconn_gevent")),
        "max_http_threads": max_http_threads(instance, int(crons)),
        "sslmode": sslmode(instance),
        "replica": replica(instance),
        "db_user": instance.credential("db_user", "-r", "PGUSER"),
        "db_name": instance.named_databases,
        "http": ask_http(instance, request.get("http_path", "/web/health")),
        "connections": connections(),
        "resolved": {host: resolve(host) for host in named_hosts(instance)},
        "leaves_by": leaves_by(named_hosts(instance)),
        "job_runner": job_runner(instance),
    }


def about_conf(instance):
    """When odoo.conf was written last, which parts of the address it says to be unset, and the file that the official image's
    entrypoint asks ($ODOO_RC), where Odoo reads another one (-c)."""
    raw = raw_conf(instance.conf_path)
    unset = [key for key in ("db_host", "db_port") if raw.get(key) in UNSET]
    asked = instance.environment.get("ODOO_RC") or instance.environment.get("OPENERP_SERVER")
    entry = None
    if asked and os.path.realpath(asked) != os.path.realpath(instance.conf_path or ""):
        found = read_conf(asked)
        entry = {
            "path": os.path.realpath(asked),
            "conf": {key: found[key] for key in ("db_host", "db_port") if key in found},
        }
    try:
        written = os.stat(instance.conf_path).st_mtime if instance.conf_path else None
    except OSError:
        written = None
    return {"conf_unset": unset, "conf_written_at": written, "entry_conf": entry}


def absolute(path, pid):
    """A relative path begins where the process works."""
    if not path or os.path.isabs(path):
        return path
    try:
        return os.path.join(os.readlink(f"/proc/{pid}/cwd"), path)
    except OSError:
        return path


def sslmode(instance):
    """How far Odoo insists on TLS. Before 19 it gives libpq its own default, prefer, so that PGSSLMODE means nothing."""
    own = instance.environment.get("PGSSLMODE") if instance.reads_environment else None
    return instance.setting("db_sslmode", "--db_sslmode") or own or "prefer"


def number(text):
    """*text* as a number; None for nothing, for 0 and for what is none."""
    return int(text) or None if re.fullmatch(r"\d+", text or "") else None


def max_http_threads(instance, crons):
    """The bound of the threads that answer requests (odoo/service/server.py, ThreadedWSGIServerReloadable of 17 and newer): the
    variable's number, half of what db_maxconn leaves where it is none, None where nothing bounds them."""
    given = instance.environment.get("ODOO_MAX_HTTP_THREADS")
    major = instance.major
    if not given or not major or major < 17:
        return None
    if re.fullmatch(r"\s*[-+]?\d+\s*", given):
        return int(given) if int(given) > 0 else None
    return max((int(instance.setting("db_maxconn", "--db_maxconn") or "64") - crons) // 2, 1)


def replica(instance):
    """Where Odoo 18 and newer reads what it need not read from the primary (db_replica_host), or None. An empty host means the
    primary itself."""
    if not instance.major or instance.major < 18:
        return None
    own = instance.environment.get("PGHOST_REPLICA") if instance.reads_environment else None
    host = flag(instance.argv, "--db_replica_host") or own or instance.conf.get("db_replica_host")
    if not host:
        return None
    own = instance.environment.get("PGPORT_REPLICA") if instance.reads_environment else None
    port = flag(instance.argv, "--db_replica_port") or own or instance.conf.get("db_replica_port") or "5432"
    return {"host": host, "port": int(port), "resolved": resolve(host)}


def leaves_by(hosts):
    """``{host: [own addresses]}``: the addresses of this container from which the kernel would send to *hosts*, so the networks
    over which they are reached. Nothing is sent: connecting a datagram socket only chooses a route."""
    found = {}
    for host in hosts:
        for address in resolve(host):
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            # A kernel without IPv6 has no such socket, though the name may have such an address.
            try:
                with socket.socket(family, socket.SOCK_DGRAM) as end:
                    end.connect((address, 9))
                    found.setdefault(host, set()).add(end.getsockname()[0])
            except OSError:
                continue
    return {host: sorted(addresses) for host, addresses in found.items()}


RUNNER_VARIABLE = "ODOO_QUEUE_JOB_JOBRUNNER_DB_"


def job_runner(instance):
    """The job runner of OCA queue_job that the server starts when the module is loaded server-wide, or None.

    ``{"host", "port", "user", "source"}`` is the database address that the runner was given for itself, by the environment or
    the section queue_job of odoo.conf (queue_job/jobrunner/runner.py, _connection_info_for); nulls where it takes Odoo's.
    ``reads_conf`` is off where OCA server_environment is there, because the section is then looked for elsewhere.
    """
    modules = instance.setting("server_wide_modules", "--load") or ""
    section = read_conf(instance.conf_path, "queue_job")
    channels = instance.environment.get("ODOO_QUEUE_JOB_CHANNELS") or section.get("channels") or ""
    # A root channel without capacity starts no runner (queue_job/jobrunner/__init__.py).
    if "queue_job" not in [module.strip() for module in modules.split(",")] or channels.strip().startswith("root:0"):
        return None
    paths = (instance.setting("addons_path", "--addons-path") or "").split(",") + sys.path
    elsewhere = ("server_environment", "odoo/addons/server_environment")
    given = {
        "reads_conf": not any(
            os.path.isdir(os.path.join(path.strip(), name)) for path in paths if path.strip() for name in elsewhere
        )
    }
    for part in ("host", "port", "user"):
        own = instance.environment.get(RUNNER_VARIABLE + part.upper())
        given[part] = own or section.get("jobrunner_db_" + part)
        if part == "host":
            given["source"] = "environment" if own else "file" if given[part] else None
    return given


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


def catches_hangup(pid):
    """Whether the process has a handler for SIGHUP. It has none between its re-execution in a reload and the moment when
    its server has started; PID 1 of a container would then just not notice the signal."""
    with open(f"/proc/{pid}/status") as handle:
        caught = re.search(r"^SigCgt:\s*([0-9a-f]+)", handle.read(), re.MULTILINE)
    return bool(caught and int(caught.group(1), 16) & 1)


def watch(request):
    """What decides whether a move is through: does it answer, and where do its connections go?"""
    instance = Instance()
    if instance.process is None:
        return {"odoo": False}
    return {
        "odoo": True,
        "pid": instance.process["pid"],
        "catches_hangup": catches_hangup(instance.process["pid"]),
        "argv": database_arguments(instance.argv),
        "http": ask_http(instance, request.get("http_path", "/web/health")),
        "connections": connections(),
        "resolved": {host: resolve(host) for host in request.get("resolve", [])},
    }


def renew_workers(request):
    """Ends one worker of a prefork server after the other, each when it has answered its request: SIGINT is what the master
    itself sends for that (odoo/service/server.py, PreforkServer.stop and Worker.signal_handler), and it starts a new one for
    each. The websocket server is replaced too; its clients connect again by themselves.

    A worker that is busy for longer than what is left of ``timeout`` seconds ends later.
    """
    server = master(odoo_processes())
    if server is None:
        return {"renewed": 0}
    deadline = time.time() + request["timeout"]
    workers = children(server["pid"])
    for process in workers:
        os.kill(process["pid"], signal.SIGINT if server_script(process["argv"]) is not None else signal.SIGTERM)
        while os.path.exists(f"/proc/{process['pid']}") and time.time() < deadline:
            time.sleep(0.1)
    return {"renewed": len(workers)}


def renew_websocket(request):
    """Ends the websocket process of a prefork server, which its master then starts anew (odoo/service/server.py, PreforkServer,
    long_polling_spawn). It is the child that runs Odoo's command gevent."""
    server = master(odoo_processes())
    found = [process for process in children(server["pid"]) if "gevent" in process["argv"]] if server else []
    for process in found:
        if not request["pretend"]:
            os.kill(process["pid"], signal.SIGTERM)
    return {"ended": len(found)}


def children(parent):
    return [process for process in processes() if process["ppid"] == parent]


OWNED = """
    SELECT datname FROM pg_database
    WHERE datdba = (SELECT usesysid FROM pg_user WHERE usename = current_user)
      AND NOT datistemplate AND datallowconn AND datname <> 'postgres' ORDER BY datname
"""
NAMED = "SELECT datname FROM pg_database WHERE datname = ANY (%s) AND datallowconn ORDER BY datname"


def tenants(instance, host, port, hostaddr=None):
    """The databases that this instance serves: those it names, else those that its role owns (odoo/service/db.py)."""
    named = instance.named_databases
    connection = instance.connect("postgres", host, port, hostaddr)
    try:
        with connection.cursor() as cursor:
            cursor.execute(NAMED if named else OWNED, (named,) if named else None)
            return [row[0] for row in cursor.fetchall()]
    finally:
        connection.close()


def databases(request):
    """The tenants; with ``queue_job`` those of them that have the module installed, with ``pgbouncer`` whether one answers. (The
    latter is a log-in that PostgreSQL refuses, and writes into its log.)"""
    instance = Instance()
    address = (request["host"], request["port"])
    found = tenants(instance, *address)
    with_jobs = [name for name in found if request.get("queue_job") and has_queue_job(instance, address, name)]
    return {
        "databases": found,
        "queue_job": with_jobs,
        "pgbouncer": bool(request.get("pgbouncer")) and answers_as_pgbouncer(instance, address),
    }


def answers_as_pgbouncer(instance, address):
    """Whether it is a PgBouncer that answers. Its console has the name of a database, pgbouncer, which PostgreSQL does not know;
    PgBouncer lets in whom its stats_users or admin_users name, and tells others that they are not allowed."""
    try:
        instance.connect("pgbouncer", *address).close()
    except Exception as error:  # psycopg2's, which is imported where it is used
        return "not allowed" in str(error)
    return True


def has_queue_job(instance, address, dbname):
    connection = instance.connect(dbname, *address)
    try:
        with connection.cursor() as cursor:
            # A database of this role need not be one of Odoo's.
            cursor.execute("SELECT to_regclass('public.ir_module_module') IS NOT NULL")
            if not cursor.fetchone()[0]:
                return False
            cursor.execute("SELECT 1 FROM public.ir_module_module WHERE name = 'queue_job' AND state = 'installed'")
            return cursor.fetchone() is not None
    finally:
        connection.close()


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
    """Does through *host*:*port* what Odoo will do there, with *hostaddr* at one of the addresses of that name. Every check
    runs under its own connections."""
    instance = Instance()
    address = (request["host"], request["port"], request["hostaddr"])
    checks = Checks()
    if not checks.run("name of the pooler resolves", check_resolves, address[0]):
        return {"checks": checks.results, "databases": []}
    checks.run("login to postgres as Odoo's role", check_login, instance, address)
    if not checks.results[-1]["ok"]:
        return {"checks": checks.results, "databases": []}
    present = (request["present"]["host"], request["present"]["port"])
    if request["pool_mode"] == "session":
        return session_preflight(request, instance, address, present, checks)
    checks.run("the PostgreSQL behind it is the one that Odoo uses now", check_same_cluster, instance, address, present)
    checks.run("LISTEN and NOTIFY across two connections on postgres", check_notify, instance, address)
    found = checks.run("list of tenants", lambda: tenants(instance, *address)) or []
    missing = set(instance.named_databases or []) - set(found)
    if missing:
        checks.run("every database that it names exists", check_failed, ", ".join(sorted(missing)) + " is missing")
    for name in found:
        checks.run("transaction on " + name, check_transaction, instance, address, name)
    if found:
        checks.run("two cursors at once on " + found[0], check_two_cursors, instance, address, found[0])
        checks.run("clean session state on " + found[0], check_clean_state, instance, address, found[0])
    return {"checks": checks.results, "databases": found}


def session_preflight(request, instance, address, present, checks):
    """What job runners, backups and upgrades need beyond transactions: a session of their own."""
    checks.run("the PostgreSQL behind it is the one that Odoo uses now", check_same_cluster, instance, address, present)
    found = checks.run("list of tenants", lambda: tenants(instance, *address)) or []
    if found:
        checks.run("LISTEN and NOTIFY on " + found[0], check_notify, instance, address, found[0])
        checks.run("a cursor that outlives its transaction on " + found[0], check_hold, instance, address, found[0])
        checks.run("one leader by an advisory lock on " + found[0], check_leader, instance, address, found[0])
    return {"checks": checks.results, "databases": found}


def check_hold(instance, address, dbname):
    """As queue_job's runner reads its jobs: WITH HOLD, in autocommit, while others use the same pool."""
    connection, other = instance.connect(dbname, *address), instance.connect(dbname, *address)
    try:
        connection.autocommit = other.autocommit = True
        with connection.cursor("pooled_odoo_held", withhold=True) as held:
            held.execute("SELECT generate_series(1, 3)")
            with other.cursor() as cursor:
                cursor.execute("SELECT 1")
            if len(held.fetchall()) != 3:
                raise CheckFailed("a cursor lost its rows when its transaction ended")
    finally:
        connection.close()
        other.close()


def check_leader(instance, address, dbname):
    """A session's advisory lock must be held by one of two, or two job runners would both believe that they lead."""
    candidates = [instance.connect(dbname, *address) for _number in range(2)]
    key = time.time_ns() % 2**62
    try:
        leaders = 0
        for candidate in candidates:
            candidate.autocommit = True
            with candidate.cursor() as cursor:
                cursor.execute("SELECT pg_try_advisory_lock(%s)", (key,))
                leaders += cursor.fetchone()[0]
        if leaders != 1:
            raise CheckFailed(f"{leaders} of 2 clients hold the same lock; it must be a pool in session mode")
    finally:
        for candidate in candidates:
            candidate.close()


def check_failed(reason):
    raise CheckFailed(reason)


def check_resolves(host):
    addresses = resolve(host)
    if not addresses:
        raise CheckFailed(f"this container cannot resolve {host!r}; are they on a common Docker network?")
    return addresses


def check_login(instance, address):
    instance.connect("postgres", *address).close()


CLUSTER = "SELECT system_identifier, pg_postmaster_start_time() FROM pg_control_system()"


def check_same_cluster(instance, address, present):
    """An Odoo of another server, staging say, must not wake up on this one's databases."""
    found = []
    for end in (address, present):
        connection = instance.connect("postgres", *end)
        try:
            with connection.cursor() as cursor:
                cursor.execute(CLUSTER)
                found.append(cursor.fetchone())
        finally:
            connection.close()
    if found[0] != found[1]:
        raise CheckFailed(
            f"{present[0]}:{present[1]} is another server; leave this container out (pooled_odoo_containers), or give it a"
            " pooler of its own"
        )


def check_notify(instance, address, dbname="postgres"):
    import psycopg2.extensions

    listener = instance.connect(dbname, *address)
    try:
        listener.set_isolation_level(psycopg2.extensions.ISOLATION_LEVEL_AUTOCOMMIT)
        channel = f"pooled_odoo_{os.getpid()}_{time.time_ns()}"
        with listener.cursor() as cursor:
            cursor.execute("LISTEN " + channel)
        notifier = instance.connect(dbname, *address)
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
            f"the notification did not arrive within {NOTIFY_TIMEOUT} s: chat, cron triggers or jobs would be dead; "
            f"the pool of the database {dbname} must be in session mode"
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


# Nobody's setting: a leak must show itself without harm to the ERP that may be using the same pool.
MARK = "pooled_odoo.preflight"


def check_clean_state(instance, address, dbname):
    """What one client sets must not reach another, also when several use the pool at once."""
    token = f"left by {os.getpid()} at {time.time_ns()}"
    culprit = instance.connect(dbname, *address)
    try:
        with culprit.cursor() as cursor:
            cursor.execute("SELECT set_config(%s, %s, false)", (MARK, token))
        culprit.commit()
        seen, failures = [], []
        arguments = (instance, address, dbname, seen, failures)
        readers = [threading.Thread(target=read_mark, args=arguments) for _number in range(4)]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
    finally:
        culprit.close()
    if failures:
        raise failures[0]
    if token in seen:
        raise CheckFailed(
            "a setting of one client reached another; a backup's search_path or an upgrade's lock_timeout would do the "
            "same. Set server_reset_query_always"
        )


def read_mark(instance, address, dbname, seen, failures):
    try:
        connection = instance.connect(dbname, *address)
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT current_setting(%s, true)", (MARK,))
                seen.append(cursor.fetchone()[0])
        finally:
            connection.close()
    except Exception as error:  # raised again in the thread that waits
        failures.append(error)


ACTIONS = {
    "describe": describe,
    "credentials": credentials,
    "watch": watch,
    "databases": databases,
    "preflight": preflight,
    "renew_websocket": renew_websocket,
    "renew_workers": renew_workers,
}


def main(argument):
    request = json.loads(argument)
    try:
        answer = ACTIONS[request["do"]](request)
    except Exception as error:  # the caller sees JSON or nothing
        answer = {"failed": str(error).strip() or type(error).__name__}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1])
