# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One fault after the other, directly first and then behind the pooler, in one run and with the same users. Each test states
its bound."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
import typing as t
from pathlib import Path

import psycopg2
import pytest

from tests.e2e.faults.conftest import Observer, run
from tests.lab.lab import DATABASE, DATABASE_ADDRESS, POOLER, Lab, wait_until
from tests.lab.load import Traffic, errors


def postgres_restarted(lab: Lab) -> None:
    lab.client.containers.get(DATABASE).restart(timeout=10)
    wait_until("PostgreSQL accepts connections", 60, lab.query, "SELECT 1")


def postgres_killed(lab: Lab) -> None:
    container = lab.client.containers.get(DATABASE)
    container.kill()
    container.start()
    wait_until("PostgreSQL accepts connections", 60, lab.query, "SELECT 1")


def network_cut(lab: Lab) -> None:
    """Packets to PostgreSQL vanish for five seconds, as with a broken switch; in its own network namespace."""
    pid = lab.client.containers.get(DATABASE).attrs["State"]["Pid"]
    rule = ["nsenter", "--target", str(pid), "--net", "iptables"]
    drop = ["INPUT", "--protocol", "tcp", "--destination-port", "5432", "--jump", "DROP"]
    subprocess.run([*rule, "--append", *drop], check=True)
    try:
        time.sleep(5)
    finally:
        subprocess.run([*rule, "--delete", *drop], check=True)


def no_slots_left(lab: Lab) -> None:
    """Somebody else takes every connection that PostgreSQL has left, for ten seconds."""
    role = "CREATE ROLE glutton LOGIN PASSWORD 'x'"
    with contextlib.suppress(psycopg2.errors.DuplicateObject):
        lab.query(role)
    with contextlib.ExitStack() as stack:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                taken = psycopg2.connect(host=DATABASE_ADDRESS, user="glutton", password="x", dbname="postgres")
                stack.callback(taken.close)
            except psycopg2.OperationalError:
                time.sleep(0.1)
    lab.query("DROP ROLE glutton")


FAULTS: list[t.Callable[[Lab], None]] = [postgres_restarted, postgres_killed, network_cut, no_slots_left]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_directly(lab: Lab, observer: Observer, fault: t.Callable[[Lab], None]) -> None:
    with observer.watch(fault.__name__, "direct"):
        fault(lab)


BURST_SECONDS = 25


def burst(lab: Lab, folder: Path) -> dict[str, int]:
    """Ten times as many users for a while; what failed of their requests, and how many there were."""
    traffic = Traffic(lab, folder, users=10 * lab.size.users, seconds=BURST_SECONDS)
    traffic.process.wait(BURST_SECONDS + 60)
    traffic.stop()
    records = traffic.records()
    return {"total": len(records), "failed": sum(errors(records).values())}


def test_a_burst_of_users_directly(lab: Lab, observer: Observer, tmp_path: Path) -> None:
    with observer.watch("burst", "direct"):
        seen = burst(lab, tmp_path)
    print(f"ten times the users: {seen}")


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_behind_the_pooler(pooled: Lab, observer: Observer, fault: t.Callable[[Lab], None]) -> None:
    """Nobody notices more of it than directly, but for chance: a request more or less in the middle of something."""
    with observer.watch(fault.__name__, "pooled"):
        fault(pooled)
    directly = next(seen for seen in observer.seen if (seen.fault, seen.road) == (fault.__name__, "direct"))
    assert observer.last().failed <= directly.failed + pooled.size.users
    assert observer.last().seconds <= directly.seconds + 10


def test_a_burst_of_users_behind_the_pooler(pooled: Lab, observer: Observer, tmp_path: Path) -> None:
    with observer.watch("burst", "pooled"):
        seen = burst(pooled, tmp_path)
    print(f"ten times the users: {seen}")
    assert seen["failed"] == 0
    assert observer.last().failed == 0


def test_the_pooler_is_killed(pooled: Lab, observer: Observer) -> None:
    """Docker starts it again; what was in the middle of something fails."""
    container = pooled.client.containers.get(POOLER)
    started = container.attrs["State"]["StartedAt"]
    with observer.watch("pooler_killed", "pooled"):
        os.kill(container.attrs["State"]["Pid"], signal.SIGKILL)
        wait_until("Docker has started it again", 30, started_since, pooled, started)
    assert observer.last().seconds < 15


def started_since(lab: Lab, moment: str) -> None:
    state = lab.client.containers.get(POOLER).attrs["State"]
    if not state["Running"] or state["StartedAt"] == moment:
        raise ConnectionError("not yet")


def test_the_poolers_container_is_removed(pooled: Lab, observer: Observer, tmp_path: Path) -> None:
    """Nobody but deploy brings it back, so that is how long it takes."""
    with observer.watch("pooler_removed", "pooled"):
        pooled.client.containers.get(POOLER).remove(force=True)
        run(pooled, "deploy", tmp_path)


def test_a_wrong_configuration_by_hand(pooled: Lab, observer: Observer, tmp_path: Path) -> None:
    """PgBouncer goes on with what it has, and deploy puts back what it should have."""
    path = pooled.directory / "pooler" / "pgbouncer" / "pgbouncer.ini"
    right = path.read_text()
    with observer.watch("wrong_configuration", "pooled"):
        path.write_text(right.replace("pool_mode = transaction", "pool_mode = sometimes").replace("[users]", "[uzers"))
        pooled.client.containers.get(POOLER).kill(signal="SIGHUP")
        time.sleep(2)
        run(pooled, "deploy", tmp_path)
    assert path.read_text() == right
    assert observer.last().failed == 0
