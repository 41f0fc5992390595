# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One fault after the other, directly first and then behind the pooler, in one run and with the same users. Each test states
its bound."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import time
import typing as t
from pathlib import Path

import docker.errors
import psycopg2
import pytest
import requests

from tests.lab.lab import DATABASE, DATABASE_ADDRESS, POOLER, Lab, wait_until
from tests.lab.load import Traffic, errors
from tests.lab.observer import Observer
from tests.lab.play import run


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


def docker_restarted(lab: Lab) -> None:
    """The engine and with it every container, which it starts again."""
    pid = int(Path("/var/run/docker.pid").read_text())
    if Path("/run/systemd/system").is_dir():
        subprocess.run(["systemctl", "restart", "docker"], check=True)
    else:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")[:-1]
        os.kill(pid, signal.SIGTERM)
        wait_until("Docker has ended", 90, gone, pid)
        log = (Path(os.environ["POOLED_ODOO_HOME"]) / "logs" / "dockerd.log").open("ab")
        # Nobody's child, or it would still be there as a zombie when it is ended for the second time.
        subprocess.run(["setsid", "--fork", *command], stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=True)
    wait_until("Docker answers", 60, answers, lab)
    kept = Path(os.environ["POOLED_ODOO_HOME"]) / "dockerd.pid"
    if kept.exists():
        # bin/test stops the engine that it has started; now it is another process.
        kept.write_text(Path("/var/run/docker.pid").read_text())
    wait_until("PostgreSQL accepts connections", 60, lab.query, "SELECT 1")


def gone(pid: int) -> None:
    if Path(f"/proc/{pid}").exists():
        raise ConnectionError("not yet")


def answers(lab: Lab) -> None:
    try:
        lab.client.ping()
    except (docker.errors.APIError, requests.RequestException) as error:
        raise ConnectionError("not yet") from error


FAULTS: list[t.Callable[[Lab], None]] = [
    postgres_restarted,
    postgres_killed,
    network_cut,
    no_slots_left,
    docker_restarted,
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_directly(lab: Lab, observer: Observer, fault: t.Callable[[Lab], None]) -> None:
    with observer.watch(fault.__name__, "direct"):
        fault(lab)


# Ten times the users log in first, which costs half a second of a processor each.
BURST_SECONDS = 45
# Fewer than the lab's Odoo would open by itself (some 55, warm), more than its pools may (23).
FEW_SLOTS = 30


@pytest.fixture
def few_slots(lab: Lab) -> t.Iterator[None]:
    """A PostgreSQL that is too small for the burst, as every company's is in the end: it keeps the others for superusers."""
    set_slots(lab, f"SET superuser_reserved_connections = {lab.size.max_connections - FEW_SLOTS}")
    (reserved,) = lab.query("SELECT current_setting('superuser_reserved_connections')::int")
    assert lab.size.max_connections - reserved[0] == FEW_SLOTS
    yield
    set_slots(lab, "RESET superuser_reserved_connections")


def set_slots(lab: Lab, change: str) -> None:
    lab.query(f"ALTER SYSTEM {change}")
    postgres_restarted(lab)
    time.sleep(10)


def burst(lab: Lab, folder: Path) -> dict[str, int]:
    """Ten times as many users for a while; what failed of their requests, by error."""
    traffic = Traffic(lab, folder, users=lab.size.accounts, seconds=BURST_SECONDS, grace=40)
    traffic.process.wait(BURST_SECONDS + 60)
    traffic.stop()
    records, failed = traffic.records(), errors(traffic.records())
    slowest = max(record["ms"] for record in records)
    print(f"ten times the users: {sum(failed.values())} of {len(records)} failed, the slowest took {slowest:.0f} ms")
    return failed


def test_a_burst_of_users_directly(lab: Lab, observer: Observer, few_slots: None, tmp_path: Path) -> None:
    with observer.watch("burst", "direct"):
        failed = burst(lab, tmp_path)
    assert any("connection slots" in error or "too many clients" in error for error in failed), failed


# Of all requests from the fault until everybody answers again.
MUCH = 0.1


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_behind_the_pooler(pooled: Lab, observer: Observer, fault: t.Callable[[Lab], None]) -> None:
    """Nobody notices much more of it than directly; how many requests are in the middle of something is chance."""
    with observer.watch(fault.__name__, "pooled"):
        fault(pooled)
    directly = next(seen for seen in observer.seen if (seen.fault, seen.road) == (fault.__name__, "direct"))
    assert observer.last().seconds <= directly.seconds + 10
    # With Docker every Odoo ends as well. A worker that is in the middle of a request when the pooler is gone asks an address
    # that nobody has any more, which takes three seconds each time, and as long its Odoo does not start again. So it is the time
    # that counts, not who asked meanwhile.
    if fault is not docker_restarted:
        assert observer.last().share <= directly.share + MUCH


def test_a_burst_of_users_behind_the_pooler(pooled: Lab, observer: Observer, few_slots: None, tmp_path: Path) -> None:
    with observer.watch("burst", "pooled"):
        failed = burst(pooled, tmp_path)
    assert failed == {}
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
    assert pooled.client_addresses() == [pooled.address(POOLER)]


def test_there_is_a_way_back_without_the_pooler(pooled: Lab, observer: Observer, tmp_path: Path) -> None:
    with observer.watch("pooler_removed_rollback", "pooled"):
        pooled.client.containers.get(POOLER).remove(force=True)
        run(pooled, "rollback", tmp_path)
    assert pooled.client_addresses() == sorted(pooled.address(odoo.name) for odoo in pooled.instances)
    # For the tests that follow.
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


@pytest.fixture
def small_disk(pooled: Lab, tmp_path: Path) -> t.Iterator[Path]:
    """The pooler's configuration on a disk of its own; the folder."""
    folder = pooled.directory / "pooler"
    copy = tmp_path / "copy"
    subprocess.run(["cp", "--archive", folder, copy], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=0755", "tmpfs", folder], check=True)
    try:
        subprocess.run(["cp", "--archive", f"{copy}/.", folder], check=True)
        # A container sees what is mounted when it starts.
        pooled.client.containers.get(POOLER).restart()
        time.sleep(5)
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
        pooled.client.containers.get(POOLER).restart()
        time.sleep(5)


def test_the_disk_is_full_while_the_pooler_is_configured(
    pooled: Lab, observer: Observer, small_disk: Path, tmp_path: Path
) -> None:
    settings: dict[str, t.Any] = {"pooled_odoo_pooler_settings": {"query_wait_timeout": 40}}
    before = contents(small_disk)
    filler = small_disk / "filler"
    with observer.watch("disk_full", "pooled"):
        fill(filler)
        refused = run(pooled, "retune", tmp_path, succeeds=False, **settings)
        assert "No space left on device; nothing was replaced" in refused.output
        filler.unlink()
        assert contents(small_disk) == before
        run(pooled, "retune", tmp_path, **settings)
    assert contents(small_disk) != before
    assert observer.last().failed == 0


def fill(path: Path) -> None:
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as handle:
        while True:
            handle.write(b"0" * 512)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


CLOCK_IMAGE = "pooled-lab-pgbouncer-clock:1"
# A library between PgBouncer and the clock; like a real jump it leaves the monotonic clock alone.
CLOCK_DOCKERFILE = """
FROM {image}
USER 0
RUN apt-get update && apt-get install --yes --no-install-recommends libfaketime && rm -rf /var/lib/apt/lists/*
ENV LD_PRELOAD=/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1 FAKETIME_TIMESTAMP_FILE=/etc/pgbouncer/clock
ENV FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1
USER {user}
"""


def test_the_clock_jumps(pooled: Lab, observer: Observer, tmp_path: Path) -> None:
    """An hour ahead, and back again: PgBouncer's own clock, which all its time limits go by."""
    config = pooled.client.containers.get(POOLER).attrs["Config"]
    build = CLOCK_DOCKERFILE.format(image=config["Image"], user=config["User"] or "0")
    pooled.client.images.build(fileobj=io.BytesIO(build.encode()), tag=CLOCK_IMAGE, rm=True)
    folder = pooled.directory / "pooler" / "pgbouncer"
    set_clock(folder, "+0")
    try:
        run(pooled, "upgrade", tmp_path, pooled_odoo_pooler_image=CLOCK_IMAGE)
        apart = time.time() - pooler_clock(pooled)
        for road, offset in (("clock_ahead", "+3600"), ("clock_back", "+0")):
            with observer.watch(road, "pooled"):
                set_clock(folder, offset)
                time.sleep(5)
            assert abs(pooler_clock(pooled) - time.time() + apart - float(offset)) < 5
            assert observer.last().failed == 0
    finally:
        run(pooled, "upgrade", tmp_path)
        (folder / "clock").unlink()
        pooled.client.images.remove(CLOCK_IMAGE)


def set_clock(folder: Path, offset: str) -> None:
    """In one step: an empty file would be a moment without an offset."""
    path = folder / "clock.new"
    path.write_text(f"{offset}\n")
    owner = folder.stat()
    os.chown(path, owner.st_uid, owner.st_gid)
    path.replace(folder / "clock")


def pooler_clock(lab: Lab) -> float:
    """The time of the container, as a process sees it that is started like PgBouncer."""
    return float(lab.execute(POOLER, "date", "+%s.%N"))
