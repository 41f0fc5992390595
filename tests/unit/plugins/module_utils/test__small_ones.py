# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Versions, SCRAM, files, records, console rows: small units, one table or two each."""

from __future__ import annotations

import os
import re
import signal
import stat
import typing as t
from pathlib import Path
from types import SimpleNamespace

import pytest

from ansible_collections.pooled.odoo.plugins.module_utils import (
    _addresses,
    _alias,
    _console,
    _cutover,
    _files,
    _odoo_instance,
    _odoo_versions,
    _pending,
    _scram,
)
from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError

MINE = _files.Attributes(os.geteuid(), os.getegid(), 0o600)


@pytest.mark.parametrize(
    ("version", "major"),
    [("19.0", 19), ("Odoo Server 19.0-20261101", 19), ("saas~18.2", 18), ("17.0+e", 17), ("", None), (None, None)],
)
def test_major(version: str | None, major: int | None) -> None:
    assert _odoo_versions.major_of(version) == major


@pytest.mark.parametrize(("major", "listeners"), [(14, 1), (15, 3), (19, 3), (20, 3), (None, 3), (8, 1)])
def test_listeners(major: int | None, listeners: int) -> None:
    assert _odoo_versions.listeners(major, cron_threads=2) == listeners


def test_unknown_versions_get_the_careful_answer() -> None:
    assert not _odoo_versions.facts(None).graceful_reload
    assert _odoo_versions.facts(20).graceful_reload


@pytest.mark.parametrize(
    ("major", "workers", "crons", "survives"),
    [
        (14, 0, 2, True),
        (15, 0, 2, False),
        (18, 0, 2, False),
        (18, 0, 0, True),
        (18, 4, 2, True),
        (19, 0, 2, True),
        (None, 0, 2, False),
    ],
)
def test_whose_crons_outlive_a_restart_of_the_pooler(
    major: int | None, workers: int, crons: int, survives: bool
) -> None:
    found: dict[str, t.Any] = {"workers": workers, "cron_threads": crons}
    known: t.Any = SimpleNamespace(major=major)
    instance = _odoo_instance.Instance({}, found, known, known, None)
    assert _odoo_instance.survives_pooler_restart(instance) is survives


def test_scram_verifier_of_rfc_7677_shape() -> None:
    one = _scram.verifier("pencil", "user")
    assert one.startswith("SCRAM-SHA-256$4096:")
    assert _scram.verifier("pencil", "user") == one
    assert _scram.verifier("pencil", "other") != one
    assert "pencil" not in one


def test_replace_all_or_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    missing = tmp_path / "no" / "b"
    with pytest.raises(PooledError, match="nothing was replaced"):
        _files.replace_all({str(tmp_path / "a"): b"new", str(missing): b"new"}, MINE)
    assert (tmp_path / "a").read_text() == "old"
    assert os.listdir(tmp_path) == ["a"]


def test_replace_is_private(tmp_path: Path) -> None:
    path = tmp_path / "a"
    _files.replace(str(path), b"new", MINE)
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize("after", [_files.remove_leftovers, lambda path: _files.replace(path, b"newer", MINE)])
def test_a_killed_write_leaves_the_old_file_and_nothing_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: t.Callable[[str], None]
) -> None:
    path = tmp_path / "a[1]"
    path.write_text("old")
    child = os.fork()
    if child == 0:
        monkeypatch.setattr(os, "replace", lambda *_paths: os.kill(os.getpid(), signal.SIGKILL))
        _files.replace(str(path), b"new", MINE)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert path.read_text() == "old"
    assert len(os.listdir(tmp_path)) == 2
    after(str(path))
    assert os.listdir(tmp_path) == ["a[1]"]


def test_a_full_disk_leaves_the_old_files(tmp_path: Path) -> None:
    """/dev/full is a real ENOSPC, behind a link that mkstemp's directory cannot have; so the write itself is made to
    fail by the process's own limit on file sizes."""
    import resource

    path = tmp_path / "a"
    path.write_text("old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    try:
        with pytest.raises(PooledError, match="nothing was replaced"):
            _files.replace(str(path), b"x" * 100, MINE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a"]


def test_overwrite_keeps_the_inode(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("a long old text")
    inode = path.stat().st_ino
    _files.overwrite(str(path), b"new")
    assert path.read_bytes() == b"new"
    assert path.stat().st_ino == inode


def test_links_directories_and_pipes_are_refused(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name, message in (("link", "symbolic link"), ("folder", "not a plain file"), ("pipe", "not a plain file")):
        with pytest.raises(PooledError, match=message):
            _files.read(str(tmp_path / name))
    with pytest.raises(PooledError):
        _files.overwrite(str(tmp_path / "link"), b"y")
    assert (tmp_path / "target").read_text() == "x"
    assert _files.read(str(tmp_path / "none")) is None


def record(**changes: t.Any) -> dict[str, t.Any]:
    return {"schema": _cutover.SCHEMA, "phase": _cutover.STARTED, "name": "erp1", **changes}


def test_records(tmp_path: Path) -> None:
    state = str(tmp_path / "state")
    assert _cutover.load(state, "erp1") is None
    assert _cutover.interrupted(state) == []
    path = _cutover.save(state, record())
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(state).st_mode) == 0o700
    assert _cutover.load(state, "erp1") == record()
    assert _cutover.interrupted(state) == ["erp1"]
    _cutover.save(state, record(phase=_cutover.MOVED))
    assert _cutover.interrupted(state) == []
    _cutover.drop(state, "erp1")
    assert _cutover.load(state, "erp1") is None


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"schema": "x"}', '{"schema": "pooled.odoo/cutover/1", "phase": "?"}']
)
def test_damaged_records_are_told(tmp_path: Path, content: str) -> None:
    (tmp_path / "erp1.json").write_text(content)
    with pytest.raises(PooledError, match="is damaged"):
        _cutover.load(str(tmp_path), "erp1")


@pytest.mark.parametrize("name", ["../etc/passwd", "a/b", "", ".hidden", "a\nb"])
def test_names_cannot_leave_the_directory(tmp_path: Path, name: str) -> None:
    with pytest.raises(PooledError, match="not a container's name"):
        _cutover.path_of(str(tmp_path), name)


def test_one_run_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_cutover, "LOCK_SECONDS", 0)
    held = _cutover.lock(str(tmp_path), "erp1")
    with pytest.raises(PooledError, match="another run is moving erp1"):
        _cutover.lock(str(tmp_path), "erp1")
    held.close()
    _cutover.lock(str(tmp_path), "erp1").close()


def test_file_entries() -> None:
    entry = _cutover.remember_file("/x", b"before\xff", b"after", in_place=False)
    assert _cutover.file_before(entry) == b"before\xff"
    assert _cutover.is_ours(entry, b"after")
    assert not _cutover.is_ours(entry, b"before\xff")
    assert not _cutover.is_half_ours(entry, b"aftere\xff")


HALVES = [(b"host = db\nx = 1\n", b"host = pooled-odoo\nx = 1\n"), (b"same\n", b"same\n"), (b"a = 11\n", b"b = 2\n")]


@pytest.mark.parametrize(("before", "after"), HALVES)
def test_a_file_that_was_half_overwritten_is_told_from_somebody_elses(
    tmp_path: Path, before: bytes, after: bytes
) -> None:
    entry = _cutover.remember_file("/x", before, after, in_place=True)
    path = tmp_path / "odoo.conf"
    for was, written in ((before, after), (after, before)):
        for died_at in range(len(written) + 1):
            path.write_bytes(was)
            with path.open("r+b") as handle:
                handle.write(written[:died_at])
            assert _cutover.is_half_ours(entry, path.read_bytes()), (was, written, died_at)
    for others in (
        before + b"; mended\n",
        after + b"; mended\n",
        b"; mended\n" + before,
        before.replace(b"1", b"3") + b"4",
    ):
        assert not _cutover.is_half_ours(entry, others), others


def test_pending_marker(tmp_path: Path) -> None:
    assert _pending.read(str(tmp_path)) == "none"
    _pending.remember(str(tmp_path), "reload", MINE)
    assert _pending.read(str(tmp_path)) == "reload"
    (tmp_path / ".pending").write_text("?")
    assert _pending.read(str(tmp_path)) == "restart"
    _pending.clear(str(tmp_path))
    _pending.clear(str(tmp_path))
    assert _pending.read(str(tmp_path)) == "none"


def test_console_rows() -> None:
    rows = [{"database": "1234", "user": "7", "cl_active": "3", "avg": None, "pool_mode": "session"}]
    assert _console.typed(rows) == [{**rows[0], "cl_active": 3}]
    assert _console.version_of([{"version": "PgBouncer 1.24.1"}]) == "1.24.1"
    with pytest.raises(PooledError, match="not PgBouncer's admin console"):
        _console.version_of([{"version": "PostgreSQL"}])


def config_row(value: str, default: str = "", changeable: bool = True) -> dict[str, t.Any]:
    return {"value": value, "default": default, "changeable": changeable}


def test_unapplied() -> None:
    config = {
        "max_client_conn": config_row("100", "100"),
        "server_idle_timeout": config_row("60.0", "600"),
        "unix_socket_mode": config_row("511", "0777", False),
        "so_reuseport": config_row("1", "0", False),
        "listen_port": config_row("5432", "6432", False),
    }
    wanted = {"max_client_conn": "200", "server_idle_timeout": "60", "listen_port": "5432"}
    # so_reuseport was taken out of the file; only a restart brings its default back.
    assert _console.unapplied(wanted, config) == ["max_client_conn", "so_reuseport"]


COMPOSE = "com.docker.compose."
PASSING: list[tuple[str, dict[str, str] | None, str | None]] = [
    ("db", None, None),
    ("db", {}, None),
    ("db", {"project": "erp", "service": "db"}, r"services: db-direct: instead of db:"),
    (
        "sql",
        {"project": "erp", "service": "db"},
        r"write sql-direct instead of sql among its aliases there \(networks: erp: aliases:\)",
    ),
]


@pytest.mark.parametrize(("name", "labels", "says"), PASSING)
def test_a_name_that_compose_will_give_back_is_told(name: str, labels: dict[str, str] | None, says: str | None) -> None:
    full = {f"{COMPOSE}{key}": value for key, value in (labels or {}).items()}
    holder = None if labels is None else SimpleNamespace(name="erp-db-1", attrs={"Config": {"Labels": full}})
    told = _alias.passing(_alias.Name("erp", name, holder))
    if says is None:
        assert told is None
    else:
        assert re.search(says, told or "")


def test_connections_are_read_from_the_kernels_tables() -> None:
    """As the kernel writes them: established over IPv4, over IPv6 to IPv4, over IPv6; one that only listens."""
    lines = [
        "   0: 0B4D1DAC:9C40 024D1DAC:1538 01 00000000:00000000 00:00000000 00000000  101        0 1 1 0 20 4 0 10 -1",
        "   1: 0000000000000000FFFF00000C4D1DAC:9C42 0000000000000000FFFF0000024D1DAC:1538 01 00000000:00000000 00:0 0 101 0 1",
        "   2: 00000000000000000000000001000000:9C44 B80D0120000000000000000001000000:1538 01 00000000:00000000 00:0 0 101 0 1",
        "   3: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  101        0 1 1 0 100 0 0 10 0",
    ]
    assert _alias.established(lines[:1]) == {("172.29.77.2", 5432)}
    assert _alias.established(lines) == {("172.29.77.2", 5432), ("2001:db8::1", 5432)}
    assert 5432 in _alias.listening(["  1: 00000000:1538 00000000:0000 0A 0 0"])
    assert 5432 not in _alias.listening(lines[:1])


@pytest.mark.parametrize(
    ("configuration", "reserved"),
    [
        ([{"Subnet": "10.1.0.0/16"}], False),
        ([{"Subnet": "10.1.0.0/16", "IPRange": "10.1.128.0/17"}], True),
        ([{"Subnet": "10.1.0.0/16", "IPRange": "10.1.0.0/17"}], False),
        ([{"Subnet": "fd00::/64"}, {"Subnet": "10.1.0.0/16", "IPRange": ""}], False),
    ],
)
def test_which_addresses_docker_gives_away(configuration: list[dict[str, str]], reserved: bool) -> None:
    assert _addresses.is_reserved("10.1.0.9", configuration) is reserved


@pytest.mark.parametrize(
    ("configuration", "taken", "address"),
    [
        ([{"Subnet": "10.1.0.0/16", "Gateway": "10.1.0.1"}], {"10.1.0.1"}, "10.1.255.254"),
        ([{"Subnet": "10.1.0.0/16"}], {"10.1.255.254", "10.1.255.253"}, "10.1.255.252"),
        ([{"Subnet": "10.1.0.0/16", "IPRange": "10.1.0.0/17"}], set(), "10.1.255.254"),
        ([{"Subnet": "10.1.0.0/16", "IPRange": "10.1.128.0/17"}], {"10.1.127.255"}, "10.1.127.254"),
        ([{"Subnet": "fd00::/64"}, {"Subnet": "10.1.0.0/24", "IPRange": ""}], set(), "10.1.0.254"),
        # Older engines took a subnet with bits of a host.
        ([{"Subnet": "10.1.0.1/16", "IPRange": "10.1.128.5/17"}], set(), "10.1.127.255"),
        ([{"Subnet": "10.1.0.0/30"}], {"10.1.0.1", "10.1.0.2"}, None),
        ([{"Subnet": "fd00::/64"}], set(), None),
        ([], set(), None),
    ],
)
def test_the_highest_address(configuration: list[dict[str, str]], taken: set[str], address: str | None) -> None:
    assert _addresses.highest(configuration, taken) == address
