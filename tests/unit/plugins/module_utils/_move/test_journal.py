# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The record of a move, and what it remembers of a file."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError
from ansible_collections.pooled.odoo.plugins.module_utils._move import journal


def record(phase: str = journal.STARTED) -> journal.Record:
    return {"schema": journal.SCHEMA, "phase": phase, "name": "erp1"}


def test_records(tmp_path: Path) -> None:
    state = str(tmp_path / "state")
    assert journal.load(state, "erp1") is None
    assert journal.interrupted(journal.all_records(state)) == []
    path = journal.save(state, record())
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(state).st_mode) == 0o700
    assert journal.load(state, "erp1") == record()
    assert journal.interrupted(journal.all_records(state)) == ["erp1"]
    journal.save(state, record(phase=journal.MOVED))
    assert journal.interrupted(journal.all_records(state)) == []
    journal.drop(state, "erp1")
    assert journal.load(state, "erp1") is None


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"schema": "x"}', '{"schema": "pooled.odoo/cutover/1", "phase": "?"}']
)
def test_damaged_records_are_told(tmp_path: Path, content: str) -> None:
    (tmp_path / "erp1.json").write_text(content)
    with pytest.raises(PooledError, match="is damaged"):
        journal.load(str(tmp_path), "erp1")


@pytest.mark.parametrize("name", ["../etc/passwd", "a/b", "", ".hidden", "a\nb"])
def test_names_cannot_leave_the_directory(tmp_path: Path, name: str) -> None:
    with pytest.raises(PooledError, match="not a container's name"):
        journal.path_of(str(tmp_path), name)


def test_one_run_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "LOCK_SECONDS", 0)
    held = journal.lock(str(tmp_path), "erp1")
    with pytest.raises(PooledError, match="another run is moving erp1"):
        journal.lock(str(tmp_path), "erp1")
    held.close()
    journal.lock(str(tmp_path), "erp1").close()


def test_file_entries() -> None:
    entry = journal.remember_file("/x", b"before\xff", b"after", in_place=False)
    assert journal.file_before(entry) == b"before\xff"
    assert journal.is_ours(entry, b"after")
    assert not journal.is_ours(entry, b"before\xff")
    assert not journal.is_half_ours(entry, b"aftere\xff")


HALVES = [(b"host = db\nx = 1\n", b"host = pooled-odoo\nx = 1\n"), (b"same\n", b"same\n"), (b"a = 11\n", b"b = 2\n")]


@pytest.mark.parametrize(("before", "after"), HALVES)
def test_a_file_that_was_half_overwritten_is_told_from_somebody_elses(
    tmp_path: Path, before: bytes, after: bytes
) -> None:
    entry = journal.remember_file("/x", before, after, in_place=True)
    path = tmp_path / "odoo.conf"
    for was, written in ((before, after), (after, before)):
        for died_at in range(len(written) + 1):
            path.write_bytes(was)
            with path.open("r+b") as handle:
                handle.write(written[:died_at])
            assert journal.is_half_ours(entry, path.read_bytes()), (was, written, died_at)
    for others in (
        before + b"; mended\n",
        after + b"; mended\n",
        b"; mended\n" + before,
        before.replace(b"1", b"3") + b"4",
    ):
        assert not journal.is_half_ours(entry, others), others


def test_a_damaged_record_is_told_and_keeps_none_of_the_others(tmp_path: Path) -> None:
    """As a loss of power leaves it."""
    state = str(tmp_path)
    journal.save(state, record())
    (tmp_path / "erp2.json").write_bytes(b"")
    records, damaged = journal.readable(state)
    assert ([one["name"] for one in records], damaged) == (["erp1"], ["erp2"])
    assert sorted(journal.names(state)) == ["erp1", "erp2"]
    with pytest.raises(PooledError, match="erp2.json is damaged"):
        journal.all_records(state)


def test_a_record_that_goes_meanwhile_takes_no_other_with_it(tmp_path: Path) -> None:
    journal.save(str(tmp_path), record())
    (tmp_path / "erp2.json").symlink_to("gone")
    assert journal.names(str(tmp_path)) == ["erp1"]
