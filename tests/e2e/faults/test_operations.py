# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Life after the day of the change, with users at work: a second pooler, a pause for PostgreSQL's restart, another plan, another
pooler, and nothing left at the end."""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import socket
import struct
import subprocess
import threading
import time
import typing as t
from pathlib import Path

import psycopg2
import psycopg2.errors
import pytest

from tests.lab.instances import BY_FILE, POOLED
from tests.lab.lab import DATABASE, DATABASE_ADDRESS, ODOO_PASSWORD, ODOO_PASSWORD_SQL, POOLER, Lab, wait_until
from tests.lab.load import Traffic, between, errors
from tests.lab.play import UNPROVEN, Play
from tests.modules import run_module

pytestmark = pytest.mark.road

Run = t.Callable[..., Play]
SECOND = f"{POOLER}-2"
BOTH = {**UNPROVEN, "pooled_odoo_second_pooler": True}


@pytest.fixture(scope="module")
def before(lab: Lab, traffic: Traffic) -> dict[str, t.Any]:
    return lab.state()


@contextlib.contextmanager
def watched(traffic: Traffic) -> t.Iterator[list[dict[str, t.Any]]]:
    """The requests of users meanwhile, complete when the block has ended."""
    found: list[dict[str, t.Any]] = []
    began = time.time()
    yield found
    ended = time.time()
    # A request is on record when it ends.
    time.sleep(3)
    found += between(traffic.records(), began, ended)
    print(f"{len(found)} requests, failed: {errors(found) or 'none'}")


# Two crons and the bus of each instance.
LISTENERS = 3


def listeners(lab: Lab) -> set[int]:
    """Backends of sessions that say nothing: a listener's last statement is a COMMIT, and the pooler cleans up behind others."""
    rows = lab.query(
        "SELECT pid FROM pg_stat_activity WHERE datname = 'postgres' AND usename = 'odoo' AND state = 'idle'"
        " AND query NOT IN ('', 'DISCARD ALL') AND state_change < now() - interval '3 seconds'"
    )
    return {row[0] for row in rows}


def all_listeners(lab: Lab) -> set[int]:
    """Raises ConnectionError while some are missing."""
    found = listeners(lab)
    if len(found) != LISTENERS * len(lab.instances):
        raise ConnectionError(f"{len(found)} listeners")
    return found


def test_deploy_with_a_second_pooler(lab: Lab, play: Run, before: dict[str, t.Any], traffic: Traffic) -> None:
    with watched(traffic) as requests:
        assert play("deploy", **BOTH).code == 0
    assert errors(requests) == {}
    assert lab.client_addresses() == sorted(lab.address(name) for name in (POOLER, SECOND))
    done = play("deploy", **BOTH)
    assert (done.code, done.recap["changed"]) == (0, 0), done.changed_tasks()


class Balancer:
    """What stands between clients and two poolers where no name does it: every connection goes to the next one. A process of
    its own, because psycopg2 lets no other thread run while it waits for a cancel request's end."""

    def __init__(self, addresses: list[str]) -> None:
        self.addresses = itertools.cycle(addresses)
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.process = multiprocessing.get_context("fork").Process(target=self.serve, daemon=True)
        self.process.start()

    def close(self) -> None:
        self.process.terminate()
        self.server.close()

    def serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _address = self.server.accept()
                pooler = socket.create_connection((next(self.addresses), 5432))
                for source, sink in ((client, pooler), (pooler, client)):
                    threading.Thread(target=pump, args=(source, sink), daemon=True).start()


def pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


def test_a_cancel_request_reaches_the_right_pooler(lab: Lab, traffic: Traffic) -> None:
    """It arrives at the other one, which hands it on."""
    balancer = Balancer([lab.address(POOLER), lab.address(SECOND)])
    with contextlib.closing(balancer):
        connection = psycopg2.connect(
            host="127.0.0.1", port=balancer.port, user="odoo", password=ODOO_PASSWORD, dbname="tenant01"
        )
        with contextlib.closing(connection), connection.cursor() as cursor:
            timer = threading.Timer(0.5, connection.cancel)
            timer.start()
            with pytest.raises(psycopg2.errors.QueryCanceled):
                cursor.execute("SELECT pg_sleep(20)")
            timer.join()


def test_one_of_two_poolers_may_die(lab: Lab, traffic: Traffic) -> None:
    """Only what it was in the middle of fails; everybody else finds the other one."""
    with watched(traffic) as requests:
        lab.client.containers.get(SECOND).kill()
        time.sleep(10)
    failed = sum(errors(requests).values())
    assert failed <= len(lab.instances) * lab.size.workers
    lab.client.containers.get(SECOND).start()


def test_requests_wait_while_postgresql_restarts(lab: Lab, play: Run, traffic: Traffic) -> None:
    with watched(traffic) as requests:
        assert play("pause", **BOTH).code == 0
        lab.client.containers.get(DATABASE).restart()
        wait_until("PostgreSQL accepts connections", 60, lab.query, "SELECT 1")
        assert play("resume", **BOTH).code == 0
        time.sleep(3)
    assert errors(requests) == {}
    assert max(record["ms"] for record in requests) > 1000
    wait_until("everybody listens again", 150, all_listen, lab)
    assert play("resume", **BOTH).recap["changed"] == 0


def all_listen(lab: Lab) -> None:
    # The bus of an instance waits for 50 s before it connects again; its crons do at once.
    if len(listeners(lab)) < LISTENERS * len(lab.instances):
        raise ConnectionError(f"{len(listeners(lab))} listen")


WHO_ELSE: list[tuple[dict[str, t.Any], str]] = [
    ({"password": ""}, "no password supplied|password authentication failed|SASL authentication failed"),
    ({"password": "wrong"}, "SASL authentication failed"),
    ({"user": "x' OR '1'='1"}, "no pg_hba.conf entry|no such user|authentication failed"),
    ({"user": "postgres"}, "no pg_hba.conf entry|no such user|authentication failed"),
    ({"user": "idle_hands"}, "no pg_hba.conf entry|no such user|authentication failed"),
    ({"options": "-c search_path=evil"}, "unsupported startup parameter in options: search_path"),
]


@pytest.mark.parametrize(("changes", "message"), WHO_ELSE)
def test_who_else_is_on_the_network_does_not_get_in(
    lab: Lab, traffic: Traffic, changes: dict[str, t.Any], message: str
) -> None:
    with contextlib.suppress(psycopg2.errors.DuplicateObject):
        lab.query(f"CREATE ROLE idle_hands NOLOGIN PASSWORD '{ODOO_PASSWORD_SQL}'")
    arguments = {"user": "odoo", "password": ODOO_PASSWORD, "dbname": "tenant01", **changes}
    with pytest.raises(psycopg2.OperationalError, match=message):
        psycopg2.connect(host=lab.address(POOLER), connect_timeout=10, **arguments)
    lab.query("DROP ROLE idle_hands")


def test_an_expired_role_does_not_get_in(lab: Lab, traffic: Traffic) -> None:
    """Odoo's own, because the pooler knows no other."""
    lab.query("ALTER ROLE odoo VALID UNTIL '2020-01-01'")
    try:
        with pytest.raises(psycopg2.OperationalError, match="authentication failed"):
            psycopg2.connect(host=lab.address(POOLER), user="odoo", password=ODOO_PASSWORD, dbname="tenant01")
    finally:
        # ALTER ROLE knows infinity only, which is not what was there.
        lab.query("UPDATE pg_authid SET rolvaliduntil = NULL WHERE rolname = 'odoo'")
    psycopg2.connect(host=lab.address(POOLER), user="odoo", password=ODOO_PASSWORD, dbname="tenant01").close()


def test_a_search_path_in_the_startup_packet_is_refused(lab: Lab, traffic: Traffic) -> None:
    words = b"user\0odoo\0database\0tenant01\0search_path\0evil\0\0"
    with socket.create_connection((lab.address(POOLER), 5432), 10) as connection:
        connection.sendall(struct.pack("!ii", len(words) + 8, 3 << 16) + words)
        assert b"unsupported startup parameter: search_path" in connection.recv(4096)


def test_the_admin_console_is_not_on_the_network(lab: Lab, traffic: Traffic) -> None:
    """Not even with the right password."""
    console = lab.console()
    with pytest.raises(psycopg2.OperationalError):
        psycopg2.connect(
            host=lab.address(POOLER),
            user=console["login_user"],
            password=console["login_password"],
            dbname="pgbouncer",
            connect_timeout=10,
        )


def make_certificates(lab: Lab, folder: Path) -> Path:
    """Lets the lab's PostgreSQL speak TLS with a certificate for its address, of an authority made here; that one's file."""
    days = ["-days", "2", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl("req", "-x509", *days, "-subj", "/CN=lab", "-keyout", "ca.key", "-out", "ca.crt", folder=folder)
    openssl("req", *days, "-subj", "/CN=db", "-keyout", "server.key", "-out", "server.csr", folder=folder)
    (folder / "names").write_text(f"subjectAltName=IP:{DATABASE_ADDRESS}")
    signed = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names", "-days", "2"]
    openssl("x509", "-req", "-in", "server.csr", *signed, "-out", "server.crt", folder=folder)
    for name in ("server.crt", "server.key"):
        script = f"umask 077; cat > /tmp/{name} <<'END'\n{(folder / name).read_text()}END\n"
        lab.execute(DATABASE, "sh", "-c", script)
        lab.query(f"ALTER SYSTEM SET ssl_{'cert' if name.endswith('crt') else 'key'}_file = '/tmp/{name}'")
    lab.query("ALTER SYSTEM SET ssl = on")
    lab.query("SELECT pg_reload_conf()")
    wait_until("PostgreSQL speaks TLS", 10, speaks_tls, lab)
    return folder / "ca.crt"


def openssl(*words: str, folder: Path) -> None:
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)


def speaks_tls(lab: Lab) -> None:
    psycopg2.connect(
        host=DATABASE_ADDRESS, user="odoo", password=ODOO_PASSWORD, dbname="postgres", sslmode="require"
    ).close()


def encrypted_only(lab: Lab) -> None:
    """All that the poolers hold but for listeners, which keep the connection that they have."""
    found = lab.query(
        "SELECT DISTINCT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)"
        " WHERE usename = 'odoo' AND (datname <> 'postgres' OR query = 'DISCARD ALL')"
    )
    if found != [(True,)]:
        raise ConnectionError("not yet")


def test_tls_on_both_sides(lab: Lab, play: Run, traffic: Traffic, tmp_path: Path) -> None:
    """Switched on by two variables, and the authority's file; without that file nothing is changed."""
    authority = make_certificates(lab, tmp_path)
    settings = {**BOTH, "pooled_odoo_client_tls": "require", "pooled_odoo_postgres_ssl_mode": "verify-full"}
    refused = play("deploy", **settings)
    assert refused.code != 0
    assert "pooled_odoo_postgres_ca_cert" in refused.output
    stranger = tmp_path / "other"
    stranger.mkdir()
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x", "-out", "x.crt", folder=stranger)
    assert play("deploy", **settings, pooled_odoo_postgres_ca_cert=str(stranger / "x.crt")).code != 0

    with watched(traffic) as requests:
        assert play("deploy", **settings, pooled_odoo_postgres_ca_cert=str(authority)).code == 0
        for number in (1, 2):
            run_module("pgbouncer_admin", command="reconnect", **lab.console(number))
        wait_until("all connections are new", 30, encrypted_only, lab)
    assert errors(requests) == {}
    poolers = [lab.address(name) for name in (POOLER, SECOND)]
    with pytest.raises(psycopg2.OperationalError, match="SSL required"):
        psycopg2.connect(host=poolers[0], user="odoo", password=ODOO_PASSWORD, dbname="tenant01", sslmode="disable")
    with contextlib.closing(
        psycopg2.connect(host=poolers[0], user="odoo", password=ODOO_PASSWORD, dbname="tenant01", sslmode="require")
    ):
        clients = run_module("pgbouncer_info", gather=["clients"], **lab.console())["clients"]
    assert any(client["tls"].startswith("TLSv1") for client in clients if client["user"] == "odoo")
    assert play("deploy", **BOTH).code == 0


def test_a_new_plan_is_applied_without_losing_a_listener(lab: Lab, play: Run, traffic: Traffic) -> None:
    settings = {**BOTH, "pooled_odoo_pooler_settings": {"default_pool_size": 3, "query_wait_timeout": 40}}
    # Those whose pooler has just been restarted are coming back.
    kept = wait_until("all listeners are quiet", 60, all_listeners, lab)
    with watched(traffic) as requests:
        done = play("retune", **settings)
        assert (done.code, done.recap["changed"] > 0) == (0, True)
    assert errors(requests) == {}
    assert kept <= listeners(lab)
    again = play("retune", **settings)
    assert (again.code, again.recap["changed"]) == (0, 0), again.changed_tasks()
    refused = play("retune", **{**settings, "pooled_odoo_pooler_settings": {"listen_backlog": 256}})
    assert refused.code != 0
    assert "would have to be restarted for the new plan (listen_backlog)" in refused.output


def test_a_pooler_is_made_anew_while_users_work(lab: Lab, play: Run, traffic: Traffic) -> None:
    """With one pooler only, a second helps out."""
    assert play("deploy", **UNPROVEN).code == 0
    names = {container.name for container in lab.client.containers.list()}
    assert SECOND not in names
    former = lab.client.containers.get(POOLER).id
    with watched(traffic) as requests:
        assert play("upgrade", **UNPROVEN).code == 0
    assert errors(requests) == {}
    assert lab.client.containers.get(POOLER).id != former
    assert {container.name for container in lab.client.containers.list()} == names
    assert lab.client_addresses() == [lab.address(POOLER)]
    done = play("deploy", **UNPROVEN)
    assert (done.code, done.recap["changed"]) == (0, 0), done.changed_tasks()


def test_check_mode_of_what_comes_later(lab: Lab, play: Run, traffic: Traffic) -> None:
    """Upgrade has a second pooler help, which check mode does not make."""
    files = lab.state()["files"]
    for name in ("upgrade", "retune"):
        done = play(name, "--check", **UNPROVEN)
        assert done.code == 0
    assert lab.state()["files"] == files
    assert lab.client_addresses() == [lab.address(POOLER)]


def test_a_pooler_that_postgresql_refuses_gets_no_client(lab: Lab, play: Run, traffic: Traffic) -> None:
    """It is healthy, its console answers, and nobody could log in through it: what a strict pg_hba.conf makes of one whose
    look-up role it does not know."""
    # One that is at work already would fail its clients.
    assert play("deploy", **UNPROVEN).code == 0
    path = lab.query("SHOW hba_file")[0][0]
    rules = lab.execute(DATABASE, "cat", path)
    refused = f"host all pooled_odoo_auth_2 all reject\n{rules}"
    write(lab, path, refused)
    try:
        with watched(traffic) as requests:
            for name, settings in (("upgrade", UNPROVEN), ("deploy", BOTH), ("deploy", BOTH)):
                done = play(name, **settings)
                assert done.code != 0
                assert f"would not work behind {SECOND}: login to postgres as Odoo's role" in done.output
                assert lab.client.containers.get(SECOND).attrs["State"]["Health"]["Status"] == "healthy"
        assert errors(requests) == {}
        assert found(lab) == {lab.address(POOLER)}
        assert lab.client_addresses() == [lab.address(POOLER)]
    finally:
        write(lab, path, rules)
    with watched(traffic) as requests:
        assert play("deploy", **BOTH).code == 0
        assert found(lab) == {lab.address(name) for name in (POOLER, SECOND)}
        done = play("deploy", **BOTH)
        assert (done.code, done.recap["changed"]) == (0, 0), done.changed_tasks()
        assert play("upgrade", **BOTH).code == 0
        assert found(lab) == {lab.address(name) for name in (POOLER, SECOND)}
        assert play("upgrade", **UNPROVEN).code == 0
        assert found(lab) == {lab.address(POOLER)}
    assert errors(requests) == {}
    assert SECOND not in {container.name for container in lab.client.containers.list()}


def found(lab: Lab) -> set[str]:
    """Where an instance finds a pooler."""
    lines = lab.execute(BY_FILE, "getent", "ahostsv4", POOLED).splitlines()
    return {line.split()[0] for line in lines}


def write(lab: Lab, path: str, rules: str) -> None:
    lab.execute(DATABASE, "sh", "-c", f"cat > {path} <<'END'\n{rules}END\n")
    lab.query("SELECT pg_reload_conf()")


def test_nothing_is_left(lab: Lab, play: Run, before: dict[str, t.Any], traffic: Traffic) -> None:
    with watched(traffic) as requests:
        assert play("remove", **UNPROVEN).code == 0
    assert errors(requests) == {}
    assert lab.state() == before
    for name in ("pooler", "state", "socket", "socket-second"):
        assert not (lab.directory / name).exists()
    assert not lab.client.images.list("pooled-odoo-pgbouncer")
