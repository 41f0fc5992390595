"""A stand-in for Odoo where the real one is not the subject: towards Docker and PostgreSQL it behaves like Odoo in prefork mode.

A master with workers that keep a connection to each database they have served, with cron workers that LISTEN on the
database postgres, with a bus that does; each is started anew when it ends. It finds its database's address as Odoo does:
arguments, environment (from 19 on), odoo.conf. Each worker makes STANDIN_RATE requests a second of its own, in databases of its
role, so that there is a load without clients; every failed one is told on standard error.
"""

from __future__ import annotations

import configparser
import http.server
import os
import random
import select
import signal
import socket
import sys
import threading
import time
import typing as t

OWNED = (
    "SELECT datname FROM pg_database WHERE datdba = (SELECT usesysid FROM pg_user WHERE usename = current_user)"
    " AND NOT datistemplate AND datname <> 'postgres'"
)
RETRY_SECONDS = 0.5
PASSED_ON = "STANDIN_SOCKET"


def argument(*names: str) -> str | None:
    value: str | None = None
    for position, word in enumerate(sys.argv):
        for name in names:
            if word == name and position + 1 < len(sys.argv):
                value = sys.argv[position + 1]
            elif word.startswith(name + "="):
                value = word.partition("=")[2]
    return value


def options() -> dict[str, str]:
    parser = configparser.RawConfigParser(strict=False)
    path = argument("-c", "--config") or os.environ.get("ODOO_RC", "")
    try:
        parser.read(path)
    except (OSError, configparser.Error):
        return {}
    return dict(parser.items("options")) if parser.has_section("options") else {}


CONF = options()
MAJOR = int(os.environ.get("ODOO_VERSION", "17.0").partition(".")[0])


def setting(key: str, flags: tuple[str, ...], variable: str = "", default: str = "") -> str:
    environment = os.environ.get(variable) if MAJOR >= 19 else None
    return argument(*flags) or environment or CONF.get(key) or default


def connect(dbname: str) -> t.Any:
    import psycopg2

    return psycopg2.connect(
        dbname=dbname,
        host=setting("db_host", ("--db_host",), "PGHOST", "db"),
        port=setting("db_port", ("--db_port",), "PGPORT", "5432"),
        user=setting("db_user", ("-r", "--db_user"), "PGUSER", "odoo"),
        password=setting("db_password", ("-w", "--db_password"), "PGPASSWORD"),
        application_name=f"odoo-{os.getpid()}",
        connect_timeout=5,
    )


class Pool:
    """A process's connections, one or two for each database, which nobody closes."""

    def __init__(self) -> None:
        self.idle: dict[str, list[t.Any]] = {}

    def query(self, dbname: str) -> None:
        """A request: two cursors of the same database, one inside the other."""
        import psycopg2

        used = [self.borrow(dbname) for _number in range(2)]
        try:
            for connection in used:
                with connection, connection.cursor() as cursor:
                    cursor.execute("SELECT count(*) FROM pg_class")
            self.idle[dbname].extend(used)
        except psycopg2.Error:
            for connection in used:
                connection.close()
            raise

    def borrow(self, dbname: str) -> t.Any:
        """One that is kept and still works, or another (odoo/sql_db.py, ConnectionPool.borrow)."""
        import psycopg2

        kept = self.idle.setdefault(dbname, [])
        while kept:
            connection = kept.pop()
            try:
                connection.reset()
            except psycopg2.Error:
                connection.close()
            else:
                return connection
        return connect(dbname)

    def databases(self) -> list[str]:
        connection = connect("postgres")
        try:
            with connection.cursor() as cursor:
                cursor.execute(OWNED)
                return [row[0] for row in cursor.fetchall()]
        finally:
            connection.close()


def listen(channel: str) -> None:
    """Holds a connection for LISTEN until it is lost, and then makes another."""
    while True:
        try:
            connection = connect("postgres")
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(f"LISTEN {channel}")
            while True:
                select.select([connection], [], [], 5)
                connection.poll()
        except Exception:
            time.sleep(RETRY_SECONDS)


def make_requests(pool: Pool, rate: float) -> None:
    while True:
        try:
            names = pool.databases()
            for _number in range(100):
                time.sleep(random.expovariate(rate))
                if names:
                    pool.query(random.choice(names))
        except Exception as error:
            print(f"request failed: {error}", file=sys.stderr, flush=True)
            time.sleep(RETRY_SECONDS)


class Handler(http.server.BaseHTTPRequestHandler):
    """200 to the check of health; a query in the database of /db/NAME."""

    pool = Pool()

    def do_GET(self) -> None:
        status = 200
        if self.path.startswith("/db/"):
            try:
                self.pool.query(self.path[4:])
            except Exception as error:
                print(f"request failed: {error}", file=sys.stderr, flush=True)
                status = 500
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        pass


def serve(listening: socket.socket) -> None:
    rate = float(os.environ.get("STANDIN_RATE", "0"))
    if rate:
        threading.Thread(target=make_requests, args=(Pool(), rate), daemon=True).start()
    server = http.server.ThreadingHTTPServer(("", 0), Handler, bind_and_activate=False)
    server.socket = listening
    server.serve_forever()


def in_child(function: t.Callable[..., None], *arguments: t.Any) -> int:
    pid = os.fork()
    if pid:
        return pid
    # As Odoo's workers: SIGINT ends them, and so does the end of their master.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(0))
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    threading.Thread(target=end_with, args=(os.getppid(),), daemon=True).start()
    function(*arguments)
    os._exit(0)


def end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(0)


def listening_socket() -> socket.socket:
    if PASSED_ON in os.environ:
        return socket.socket(fileno=int(os.environ.pop(PASSED_ON)))
    made = socket.create_server(("0.0.0.0", 8069), backlog=128)
    made.set_inheritable(True)
    return made


def main() -> None:
    crons = int(setting("max_cron_threads", ("--max-cron-threads",), default="2"))
    listeners = ["cron_trigger"] * crons if MAJOR >= 15 else []
    roles: list[tuple[t.Callable[..., None], tuple[t.Any, ...]]] = [(listen, (channel,)) for channel in listeners]
    if "--no-http" not in sys.argv:
        listening = listening_socket()
        workers = int(setting("workers", ("--workers",), default="2"))
        roles += [(serve, (listening,))] * workers + [(listen, ("imbus",))]
    children: dict[int, int] = {}
    ended: list[str] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.append("stop"))
    if MAJOR >= 19:
        signal.signal(signal.SIGHUP, lambda *_: ended.append("reload"))
    while not ended:
        for role in range(len(roles)):
            if role not in children.values():
                function, arguments = roles[role]
                children[in_child(function, *arguments)] = role
        if children:
            gone, _status = os.waitpid(-1, os.WNOHANG)
            children.pop(gone, None)
        time.sleep(0.1)
    for pid in children:
        os.kill(pid, signal.SIGTERM)
    for pid in children:
        os.waitpid(pid, 0)
    if ended[0] == "reload":
        os.environ[PASSED_ON] = str(listening.fileno())
        os.execv(sys.executable, [sys.executable, *sys.argv])


main()
