# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Odoo stays correct behind the pooler: what is known to break behind one, each tried while users work.

With ``POOLED_ODOO_NAIVE=1`` or ``listed`` the pooler gets a configuration as guides give it instead of the planned one, to
see that these tests can fail; docs/correctness.md tells what did.
"""

from __future__ import annotations

import base64
import contextlib
import io
import itertools
import os
import select
import shutil
import threading
import time
import typing as t
import zipfile
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta

import psycopg2
import psycopg2.errors
import pytest

from ansible_collections.pooled.odoo.plugins.module_utils import _pool_budget, _pool_plan
from tests.lab.client import Browser, Client, OdooError, manage
from tests.lab.instances import KEPT
from tests.lab.lab import (
    DATABASE_ADDRESS,
    JOBS,
    JOBS_ROLE,
    JOBS_TENANT,
    ODOO_PASSWORD,
    ODOO_PASSWORD_SQL,
    POOLER,
    Lab,
    Odoo,
    fetch,
    wait_until,
)
from tests.lab.load import Traffic, between, errors
from tests.lab.play import Play, run
from tests.modules import run_module

Run = t.Callable[..., Play]
# When users were not to notice anything: begin and end of each time.
WINDOWS: list[tuple[float, float]] = []
SESSION_POOLER = f"{POOLER}-session"
NAIVE = os.environ.get("POOLED_ODOO_NAIVE")


@pytest.fixture(scope="module")
def jobs(lab: Lab, traffic: Traffic) -> t.Iterator[Odoo]:
    """An instance of another role, with OCA's queue_job and its job runner."""
    yield lab.start_jobs()
    lab.stop_jobs()


@pytest.fixture(scope="module")
def pooled(lab: Lab, jobs: Odoo, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Lab]:
    """The lab behind its pooler, with a session pooler."""
    artifacts = tmp_path_factory.mktemp("pooled")
    # A kept lab has a baseline of bin/demo, and a much shorter window would prove nothing beside it.
    settings: dict[str, t.Any] = {"pooled_odoo_session_pooler": True, "pooled_odoo_audit_duration": 30 if KEPT else 5}
    before = lab.state()
    run(lab, "deploy", artifacts, **settings)
    if NAIVE:
        make_naive(lab)
    yield lab
    run(lab, "rollback", artifacts, **settings)
    if not KEPT:
        assert lab.state() == before
        # The baseline stays; other tests begin with a lab that was never moved.
        shutil.rmtree(lab.directory / "state")


def make_naive(lab: Lab) -> None:
    """What guides give. ``1``: transaction mode for everything and a pool of 20. ``listed``: an entry for each tenant with
    Odoo's role and password, a pool of five, and ``postgres`` in session mode. All else as PgBouncer has it by default."""
    path = lab.directory / "pooler" / "pgbouncer" / "pgbouncer.ini"
    needed = ("listen_", "unix_socket_dir", "auth_", "admin_users", "server_tls_sslmode", "ignore_startup")
    kept = [line for line in path.read_text().splitlines() if line.startswith(needed)]
    entries, size = [f"* = host={DATABASE_ADDRESS}"], 20
    if NAIVE == "listed":
        role, size = f"user=odoo password='{ODOO_PASSWORD_SQL}'", 5
        entries = [f"{tenant} = host={DATABASE_ADDRESS} {role}" for tenant in [*lab.tenants, JOBS_TENANT]]
        entries.append(f"postgres = host={DATABASE_ADDRESS} pool_mode=session pool_size=20")
    naive = ["pool_mode = transaction", f"default_pool_size = {size}", "max_client_conn = 1000"]
    path.write_text("\n".join(["[databases]", *entries, "[pgbouncer]", *kept, *naive]) + "\n")
    lab.client.containers.get(POOLER).restart()
    for odoo in lab.instances:
        wait_until(f"{odoo.name} answers", 120, fetch, f"{odoo.url}/web/health?db_server_status=1")
    Client(lab.instances[0].url, "tenant01")


@pytest.fixture
def admin(pooled: Lab) -> Client:
    return Client(pooled.instances[0].url, "tenant01")


@contextlib.contextmanager
def nobody_notices(traffic: Traffic) -> t.Iterator[None]:
    """Users work meanwhile, and no request of theirs fails. What takes less time than their requests is given some more: that
    nobody noticed says nothing where nobody was there. A request is on record when it ends, so those that hang are looked for
    by the last test of this file."""
    began = time.time()
    WINDOWS.append((began, float("inf")))
    try:
        yield
        wait_until("users' requests meanwhile", 60, worked_since, traffic, began)
    except BaseException:
        # What comes after a failure may well be meant to be noticed.
        WINDOWS.pop()
        raise
    WINDOWS[-1] = (began, time.time())
    time.sleep(2)
    assert errors(between(traffic.records(), *WINDOWS[-1])) == {}


def worked_since(traffic: Traffic, began: float) -> None:
    ended = len(between(traffic.records(), began, float("inf")))
    if ended < 10:
        raise OSError(f"{ended} requests of users")


def connect(lab: Lab, dbname: str, pooler: str = POOLER, role: str = "odoo", password: str = ODOO_PASSWORD) -> t.Any:
    connection = psycopg2.connect(
        host=lab.address(pooler), user=role, password=password, dbname=dbname, connect_timeout=10
    )
    connection.autocommit = True
    return connection


def ask(lab: Lab, dbname: str, statement: str, **options: str) -> t.Any:
    connection = connect(lab, dbname, **options)
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchone()[0]
    finally:
        connection.close()


# --- chat and crons ---------------------------------------------------------------------------------------------------


@pytest.fixture
def browser(pooled: Lab) -> t.Iterator[Browser]:
    """A browser on the second instance."""
    odoo = pooled.instances[1]
    browser = Browser(Client(odoo.url, "tenant01"), f"127.0.0.1:{odoo.websocket_port}")
    # Its subscription starts the listener of the bus, if nobody else has.
    time.sleep(3)
    yield browser
    browser.close()


def lost(admin: Client, browser: Browser, count: int) -> list[str]:
    """Which of *count* messages did not reach the browser: a notification that was lost is not sent again, however long one
    waits, so the bound only has to be longer than a busy machine takes."""
    channel = admin.channel()
    missed, slowest = [], 0.0
    for number in range(count):
        text = f"message {number} of {time.time_ns()}"
        admin.post(channel, text)
        seconds = browser.wait_for(text, 5)
        if seconds is None:
            missed.append(text)
        slowest = max(slowest, seconds or 0)
    print(f"the slowest of {count - len(missed)} messages took {slowest:.2f} s")
    return missed


def test_a_chat_message_reaches_a_browser_on_another_instance(
    pooled: Lab, admin: Client, browser: Browser, traffic: Traffic
) -> None:
    with nobody_notices(traffic):
        assert lost(admin, browser, 100) == []


def test_a_reload_of_the_pooler_leaves_chat_alone(
    pooled: Lab, admin: Client, browser: Browser, traffic: Traffic
) -> None:
    with nobody_notices(traffic):
        pooled.client.containers.get(POOLER).kill(signal="SIGHUP")
        assert lost(admin, browser, 20) == []


def make_crons(admin: Client, count: int, code: str, due: datetime) -> list[int]:
    model = admin.model("ir.model", "search", [["model", "=", "res.partner"]], limit=1)[0]
    values = {
        "model_id": model,
        "state": "code",
        "code": code,
        "interval_number": 1,
        "interval_type": "days",
        "nextcall": due.strftime("%Y-%m-%d %H:%M:%S"),
    }
    return admin.model("ir.cron", "create", [{**values, "name": f"lab {number}"} for number in range(count)])


def test_a_triggered_cron_starts_at_its_notification(pooled: Lab, admin: Client, traffic: Traffic) -> None:
    """Not at the timer of 60 s: six times in a row within a sixth of that, so that no timer can be it. At the first time every
    cron worker of every instance loads the tenant, on whatever processors there are."""
    note = "env['ir.config_parameter'].sudo().set_param('lab.cron', str(time.time()))"
    cron = make_crons(admin, 1, note, datetime.utcnow() + timedelta(days=1))[0]
    with nobody_notices(traffic):
        for _attempt in range(6):
            began = time.time()
            with ThreadPoolExecutor(1) as pool, contextlib.closing(pooled.connect()) as listener:
                listener.cursor().execute("LISTEN cron_trigger")
                notified = pool.submit(notification, listener, "tenant01")
                admin.run(f"env['ir.cron'].browse({cron})._trigger()")
                started = wait_until("the cron has run", 30, cron_ran_after, pooled, began)
                late = started - notified.result()
                print(f"cron started {late:.2f} s after its notification")
                assert late < 10
    admin.model("ir.cron", "unlink", [cron])


def notification(listener: t.Any, payload: str) -> float:
    """When a notification with *payload* arrives at a connection that listens to PostgreSQL itself."""
    while select.select([listener], [], [], 30)[0]:
        listener.poll()
        if any(payload in notify.payload for notify in listener.notifies):
            return time.time()
    raise TimeoutError("no notification within 30 s")


def cron_ran_after(lab: Lab, moment: float) -> float:
    rows = lab.query("SELECT value FROM ir_config_parameter WHERE key = 'lab.cron'", dbname="tenant01")
    if not rows or float(rows[0][0]) < moment:
        raise ConnectionError("not yet")
    return float(rows[0][0])


def test_twenty_crons_due_at_once_all_run(pooled: Lab, admin: Client, traffic: Traffic) -> None:
    """Each holds its lock on one connection, works on a second and logs on a third."""
    work = "env.cr.execute('SELECT pg_sleep(0.5)')\nlog('lab cron worked')"
    before = logged(pooled, "tenant01", "lab cron worked")
    with nobody_notices(traffic):
        crons = make_crons(admin, 20, work, datetime.utcnow() - timedelta(minutes=1))
        admin.run(f"env['ir.cron'].browse({crons[0]})._trigger()")
        wait_until("all crons have run", 60, all_ran, pooled, crons)
    failures = "SELECT count(*) FROM ir_cron WHERE id = ANY (%s) AND failure_count > 0"
    assert pooled.query(failures, crons, dbname="tenant01")[0][0] == 0
    assert logged(pooled, "tenant01", "lab cron worked") == before + 20
    admin.model("ir.cron", "unlink", crons)


def logged(lab: Lab, tenant: str, message: str) -> int:
    return lab.query("SELECT count(*) FROM ir_logging WHERE message = %s", message, dbname=tenant)[0][0]


def all_ran(lab: Lab, crons: list[int], tenant: str = "tenant01") -> None:
    due = "SELECT count(*) FROM ir_cron WHERE id = ANY (%s) AND lastcall IS NULL"
    if lab.query(due, crons, dbname=tenant)[0][0]:
        raise ConnectionError("not yet")


# --- pools ------------------------------------------------------------------------------------------------------------


def test_every_worker_opens_a_second_cursor_at_once(pooled: Lab, traffic: Traffic) -> None:
    """All HTTP workers hold a transaction on one tenant and log through a second connection, again and again."""
    code = "env.cr.execute('SELECT pg_sleep(1)')\nlog('second cursor')"
    workers = [odoo for odoo in pooled.instances for _worker in range(pooled.size.workers)]
    clients = [Client(odoo.url, "tenant02") for odoo in workers]
    before = logged(pooled, "tenant02", "second cursor")
    with nobody_notices(traffic), ThreadPoolExecutor(len(clients)) as pool:
        for _round in range(3):
            list(pool.map(lambda client: client.run(code), clients))
    assert logged(pooled, "tenant02", "second cursor") == before + 3 * len(clients)


def test_what_one_client_does_with_its_session_nobody_else_notices(pooled: Lab, traffic: Traffic) -> None:
    """Settings, temporary tables and locks left behind, on every connection that the pool has, while users work."""
    leave = (
        "SET search_path = ''",
        "SET lock_timeout = '1ms'",
        "SET statement_timeout = '1ms'",
        "SET default_transaction_read_only = on",
        "CREATE TEMP TABLE res_users (id int)",
        "SELECT pg_advisory_lock(42)",
        "LISTEN lab",
    )
    with nobody_notices(traffic):
        for _round in range(20):
            culprits = [connect(pooled, tenant) for tenant in pooled.tenants[:3]]
            for culprit in culprits:
                for statement in leave:
                    # A setting that reached the next statement of its own client is what is tested below.
                    with contextlib.suppress(psycopg2.Error), culprit.cursor() as cursor:
                        cursor.execute(statement)
            for tenant in pooled.tenants[:3]:
                assert ask(pooled, tenant, LEFT) == []
            for culprit in culprits:
                culprit.close()
        held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 42"
        assert pooled.query(held)[0][0] == 0


LEFT = """
    SELECT array_remove(ARRAY[
        CASE WHEN current_setting('lock_timeout') <> '0' THEN 'lock_timeout' END,
        CASE WHEN current_setting('statement_timeout') <> '0' THEN 'statement_timeout' END,
        CASE WHEN current_setting('default_transaction_read_only') <> 'off' THEN 'read only' END,
        CASE WHEN to_regclass('res_users') IS NULL THEN 'search_path' END,
        CASE WHEN to_regclass('pg_temp.res_users') IS NOT NULL THEN 'temporary table' END,
        CASE WHEN EXISTS (SELECT FROM pg_listening_channels()) THEN 'LISTEN' END], NULL)
"""


def test_idle_transactions_long_reports_and_dead_clients(pooled: Lab, traffic: Traffic) -> None:
    tenant = pooled.tenants[0]
    with nobody_notices(traffic):
        idle = [connect(pooled, tenant) for _number in range(3)]
        for connection in idle:
            connection.autocommit = False
            connection.cursor().execute("SELECT 1")
        dead = connect(pooled, tenant)
        dead.autocommit = False
        dead.cursor().execute("UPDATE res_partner SET comment = 'half done' WHERE id = 1")
        # The socket goes, without a word, in the middle of the transaction.
        os.close(os.dup(dead.fileno()))
        os.close(dead.fileno())
        with ThreadPoolExecutor() as pool:
            report = pool.submit(ask, pooled, tenant, "SELECT 1 FROM pg_sleep(8)")
            wait_until("the lock is free", 5, not_locked, pooled, tenant)
            assert report.result() == 1
        for connection in idle:
            connection.rollback()
            connection.close()


def not_locked(lab: Lab, tenant: str) -> None:
    row = lab.query("SELECT comment FROM res_partner WHERE id = 1 FOR UPDATE NOWAIT", dbname=tenant)[0]
    assert row[0] != "half done"


def test_the_worst_case_stays_below_the_cap_and_nothing_hangs(pooled: Lab, admin: Client, traffic: Traffic) -> None:
    """All workers busy with two cursors each, crons running in several tenants, and then far more clients than planned."""
    caps = [
        user["max_user_connections"] for user in pooled_plan(pooled)["poolers"][0]["users"] if user["name"] == "odoo"
    ]
    code = "env.cr.execute('SELECT pg_sleep(0.5)')\nlog('busy')"
    workers = [odoo for odoo in pooled.instances for _worker in range(pooled.size.workers)]
    tenants = pooled.tenants[3:6]
    administrators = [Client(pooled.instances[0].url, tenant) for tenant in tenants]
    enough = threading.Event()
    with nobody_notices(traffic), ThreadPoolExecutor(2 * caps[0] + 40) as pool:
        watch = pool.submit(most_connections, pooled, enough)
        crons = [make_crons(one, 10, code, datetime.utcnow() - timedelta(minutes=1)) for one in administrators]
        for one, own in zip(administrators, crons):
            one.run(f"env['ir.cron'].browse({own[0]})._trigger()")
        clients = [Client(odoo.url, tenant) for odoo, tenant in zip(workers, pooled.tenants * len(workers))]
        for _round in range(5):
            list(pool.map(lambda client: client.run(code), clients))
        for tenant, own in zip(tenants, crons):
            wait_until("all crons have run", 60, all_ran, pooled, own, tenant)
        by_odoo = end_of(watch, enough)
        enough.clear()
        watch = pool.submit(most_connections, pooled, enough)
        tenants_in_turn = itertools.islice(itertools.cycle(pooled.tenants), 3 * caps[0])
        flood = [pool.submit(ask, pooled, tenant, "SELECT 1 FROM pg_sleep(1)") for tenant in tenants_in_turn]
        assert [one.result() for one in flood] == [1] * len(flood)
        by_flood = end_of(watch, enough)
    print(f"connections of odoo: cap {caps[0]}, all workers and crons busy {by_odoo}, flooded {by_flood}")
    # More than one connection for each worker, so there were second ones.
    assert len(workers) + 6 < by_odoo <= caps[0]
    assert by_flood == caps[0]
    for one, own in zip(administrators, crons):
        one.model("ir.cron", "unlink", own)


def pooled_plan(lab: Lab) -> dict[str, t.Any]:
    instances = run_module("odoo_info")["instances"]
    limits = {"max_connections": lab.size.max_connections, "reserved": 3}
    return _pool_plan.make(instances, limits, _pool_budget.Others(0, {}), "lookup")


def most_connections(lab: Lab, enough: threading.Event) -> int:
    """The most connections of Odoo's role that a look every fifth of a second sees, until it is *enough*."""
    most = 0
    while not enough.wait(0.2):
        most = max(most, lab.connections())
    return most


def end_of(watch: Future[int], enough: threading.Event) -> int:
    enough.set()
    return watch.result()


# --- tenants ----------------------------------------------------------------------------------------------------------


def test_tenants_are_created_duplicated_renamed_and_dropped(pooled: Lab, traffic: Traffic) -> None:
    """By Odoo's own database manager, through the pooler; each works at once, with names as Odoo allows them."""
    # The last instance has no dbfilter.
    first, second = (odoo.url for odoo in (pooled.instances[0], pooled.instances[-1]))
    with nobody_notices(traffic):
        manage(first, "create_database", "tenant80", False, "en_US", "admin")
        assert Client(second, "tenant80").model("res.partner", "search_count", []) > 0
        manage(first, "duplicate_database", "tenant80", "Tenant-80.copy_b")
        assert Client(second, "Tenant-80.copy_b").uid
        manage(second, "rename", "Tenant-80.copy_b", "tenant81")
        assert Client(first, "tenant81").uid
        with pytest.raises(OdooError):
            Client(first, "Tenant-80.copy_b")
        # Right after people have worked there, so that the pools still have connections.
        for name in ("tenant80", "tenant81"):
            assert manage(first, "drop", name) is True
    assert pooled.query("SELECT count(*) FROM pg_database WHERE datname ~* '^tenant-?8[01]'")[0][0] == 0


RESTORED = {"zip": "tenant85", "dump": "tenant84"}


@pytest.mark.parametrize("backup_format", RESTORED)
def test_backup_and_restore_while_users_work(pooled: Lab, traffic: Traffic, backup_format: str) -> None:
    first, second = (odoo.url for odoo in pooled.instances[:2])
    with nobody_notices(traffic):
        with ThreadPoolExecutor() as pool:
            backups = [pool.submit(manage, first, "dump", tenant, backup_format) for tenant in pooled.tenants[:4]]
            data = [backup.result() for backup in backups]
        if backup_format == "zip":
            assert "dump.sql" in zipfile.ZipFile(io.BytesIO(base64.b64decode(data[0]))).namelist()
        manage(second, "restore", RESTORED[backup_format], data[0], True)
        restored = Client(first, RESTORED[backup_format])
        assert restored.model("res.partner", "search_count", []) > 0


def test_a_dropped_name_can_be_restored_after_reconnect(pooled: Lab, traffic: Traffic) -> None:
    """PgBouncer lets clients log in to a database that it has seen, also when it is gone; Odoo asks no more than that before
    a restore, and refuses. RECONNECT makes PgBouncer forget."""
    first, second = (odoo.url for odoo in pooled.instances[:2])
    name = RESTORED["zip"]
    with nobody_notices(traffic):
        data = manage(first, "dump", name, "zip")
        for name in RESTORED.values():
            manage(first, "drop", name)
        with pytest.raises(OdooError, match="Database already exists"):
            manage(second, "restore", name, data, True)
        console: dict[str, t.Any] = {
            "login_host": str(pooled.directory / "socket"),
            "login_user": "pooled_odoo_admin",
            "login_password": (pooled.directory / "pooler" / "secrets" / "admin_password").read_text(),
        }
        run_module("pgbouncer_admin", command="reconnect", database=name, **console)
        manage(second, "restore", name, data, True)
        assert Client(first, name).model("res.partner", "search_count", []) > 0
        manage(first, "drop", name)


def test_install_and_upgrade_leave_no_setting_behind(pooled: Lab, traffic: Traffic) -> None:
    """-i through the transaction pooler, -u through the session pooler; an upgrade sets lock_timeout for its session."""
    first = pooled.instances[0].url
    manage(first, "duplicate_database", "tenant09", "tenant86")
    with nobody_notices(traffic):
        pooled.odoo_once("-d", "tenant86", "-i", "contacts", host="pooled-odoo")
        state = "SELECT state FROM ir_module_module WHERE name = 'contacts'"
        assert pooled.query(state, dbname="tenant86")[0][0] == "installed"
        with ThreadPoolExecutor(8) as pool:
            seen = list(pool.map(lambda _number: ask(pooled, "tenant86", "SHOW lock_timeout"), range(8)))
        assert set(seen) == {"0"}
        pooled.odoo_once("-d", "tenant86", "-u", "contacts", host="pooled-odoo-session")
        assert Client(first, "tenant86").model("res.partner", "search_count", []) > 0
    manage(first, "drop", "tenant86")


# --- roles, passwords, jobs -------------------------------------------------------------------------------------------


def test_each_role_sees_its_own_tenants_only(pooled: Lab, jobs: Odoo) -> None:
    assert Client(jobs.url, JOBS_TENANT).call("/web/database/list", {}) == [JOBS_TENANT]
    listed = Client(pooled.instances[0].url, "tenant01").call("/web/database/list", {})
    assert listed == pooled.tenants
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        ask(pooled, JOBS_TENANT, "SELECT login FROM res_users LIMIT 1")


def test_the_job_runner_has_a_session_and_jobs_run_once(pooled: Lab, jobs: Odoo, traffic: Traffic) -> None:
    found = run_module("odoo_info", containers=[JOBS])["instances"][0]
    assert found["queue_job"] == {"databases": [JOBS_TENANT]}
    assert (found["job_runner"]["host"], found["job_runner"]["source"]) == ("pooled-odoo-session", "file")
    addresses = {end["address"] for end in found["connections"] if end["port"] == 5432}
    assert addresses == {pooled.address(POOLER), pooled.address(SESSION_POOLER)}
    admin = Client(jobs.url, JOBS_TENANT)
    with nobody_notices(traffic):
        for number in range(20):
            admin.run(f"env['res.partner'].with_delay().create({{'name': 'by job {number}'}})")
        wait_until("all jobs are done", 60, jobs_done, pooled, 20)
        assert admin.model("res.partner", "search_count", [["name", "=like", "by job %"]]) == 20
    leaders = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted"
    assert pooled.query(leaders)[0][0] == 1


def jobs_done(lab: Lab, count: int) -> None:
    states = dict(lab.query("SELECT state, count(*) FROM queue_job GROUP BY 1", dbname=JOBS_TENANT))
    if states != {"done": count}:
        raise ConnectionError(f"not yet: {states}")


def test_without_a_session_pooler_the_runner_stays_where_it_was(pooled: Lab, jobs: Odoo) -> None:
    state_dir = str(pooled.directory / "state" / "cutover")
    back: dict[str, t.Any] = {"name": JOBS, "state": "reverted", "state_dir": state_dir}
    there: dict[str, t.Any] = {"name": JOBS, "host": "pooled-odoo", "state_dir": state_dir}
    run_module("odoo_dbhost", **back)
    predicted = run_module("odoo_dbhost", True, **there)
    assert "pooled-lab-jobs: job runner's database db:5432" in predicted["diff"]["after"]
    done = run_module("odoo_dbhost", **there)
    assert done["job_runner"] == predicted["job_runner"] == {"host": "db", "port": 5432}
    # The runner itself waits for some seconds before it connects.
    wait_until("the runner is where it was", 30, runner_is_direct, pooled)
    run_module("odoo_dbhost", **back)
    run_module("odoo_dbhost", **there, runner_host="pooled-odoo-session")


def runner_is_direct(lab: Lab) -> None:
    found = run_module("odoo_info", containers=[JOBS])["instances"][0]
    ends = {end["address"]: end["count"] for end in found["connections"] if end["port"] == 5432}
    if set(ends) != {lab.address(POOLER), DATABASE_ADDRESS} or ends[DATABASE_ADDRESS] != 1:
        raise ConnectionError(f"not yet: {ends}")


def test_another_name_of_the_session_pooler_is_refused(pooled: Lab, jobs: Odoo, play: Run) -> None:
    """Its runner would look for it where it was."""
    done = play("deploy", pooled_odoo_session_pooler=True, pooled_odoo_session_alias="elsewhere")
    assert done.code != 0
    assert f"job runners of {JOBS} use the session pooler by another name than elsewhere" in done.output
    assert done.recap["changed"] == 0, done.changed_tasks()


def test_two_runners_through_the_session_pooler_have_one_leader(pooled: Lab) -> None:
    """What queue_job's runner does: listen, hold a cursor over transactions, lead by a lock of the session."""
    for instance in (JOBS, pooled.instances[0].name):
        result = run_module("odoo_preflight", name=instance, host="pooled-odoo-session", pool_mode="session")
        assert all(check["ok"] for check in result["checks"])
        assert [check["check"].split(" on ")[0] for check in result["checks"]][-3:] == [
            "LISTEN and NOTIFY",
            "a cursor that outlives its transaction",
            "one leader by an advisory lock",
        ]


def test_a_starved_pool_is_told_by_verify(pooled: Lab, jobs: Odoo, play: Run) -> None:
    """Somebody holds all connections that a role may have; who else wants one waits, and verify says where and why."""
    enough = threading.Event()
    with ThreadPoolExecutor(40) as pool:
        for _number in range(40):
            pool.submit(hold, pooled, enough)
        try:
            wait_until("clients wait", 30, clients_wait, pooled)
            done = play("verify", pooled_odoo_session_pooler=True)
        finally:
            enough.set()
    assert done.code != 0
    assert f"Clients wait for a server connection of {JOBS_TENANT}" in done.output
    wait_until("it works again", 60, fetch, f"{jobs.url}/web/health?db_server_status=1")


def hold(lab: Lab, enough: threading.Event) -> None:
    """Holds a transaction on the jobs' tenant, or waits for one, until it is *enough*."""
    while not enough.is_set():
        with contextlib.suppress(psycopg2.OperationalError):
            connection = connect(lab, JOBS_TENANT, role=JOBS_ROLE)
            connection.autocommit = False
            connection.cursor().execute("SELECT 1")
            enough.wait()
            connection.close()


def clients_wait(lab: Lab) -> None:
    command = ["psql", "-h", "/run/pgbouncer", "-p", "5432", "-U", "pgbouncer", "-d", "pgbouncer", "-tAc", "SHOW POOLS"]
    rows = lab.execute(POOLER, *command).splitlines()
    if not any(row.startswith(f"{JOBS_TENANT}|{JOBS_ROLE}|") and int(row.split("|")[3]) > 0 for row in rows):
        raise ConnectionError("nobody waits")


def test_a_rotated_password_works_at_once(pooled: Lab) -> None:
    assert ask(pooled, JOBS_TENANT, "SELECT 1", role=JOBS_ROLE) == 1
    try:
        pooled.query(f"ALTER ROLE {JOBS_ROLE} PASSWORD 'ro''tated %'")
        assert ask(pooled, JOBS_TENANT, "SELECT 1", role=JOBS_ROLE, password="ro'tated %") == 1
        with pytest.raises(psycopg2.OperationalError, match="authentication failed"):
            ask(pooled, JOBS_TENANT, "SELECT 1", role=JOBS_ROLE)
    finally:
        pooled.query(f"ALTER ROLE {JOBS_ROLE} PASSWORD '{ODOO_PASSWORD_SQL}'")


def test_no_request_hung_meanwhile(pooled: Lab, traffic: Traffic) -> None:
    """Whatever waits for a connection has failed after query_wait_timeout; so by then all requests are on record."""
    time.sleep(35)
    records = traffic.records()
    for began, ended in WINDOWS:
        assert errors(between(records, began, ended)) == {}
    assert max(record["ms"] for record in records if any(a <= record["t"] < b for a, b in WINDOWS)) < 30_000
