# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files: replaced whole or not at all, and no link is followed."""

from __future__ import annotations

import os
import signal
import stat
import typing as t
from pathlib import Path

import pytest

from ansible_collections.pooled.odoo.plugins.module_utils import _files
from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError

MINE = _files.Attributes(os.geteuid(), os.getegid(), 0o600)


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


def test_a_link_is_followed_only_for_its_owner(tmp_path: Path) -> None:
    """Compose follows it; a link of one user to a file of another could lead anywhere."""
    (tmp_path / "real").write_text("text")
    link = tmp_path / ".env"
    link.symlink_to("real")
    assert _files.behind_link(str(tmp_path / "real")) == str(tmp_path / "real")
    assert _files.behind_link(str(link)) == str(tmp_path / "real")
    os.chown(link, 4711, 4711, follow_symlinks=False)
    with pytest.raises(PooledError, match="each belongs to another user"):
        _files.behind_link(str(link))
    os.chown(tmp_path / "real", 4711, 4711)
    assert _files.behind_link(str(link)) == str(tmp_path / "real")
