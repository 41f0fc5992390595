# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads and replaces files such that no reader ever sees half of one.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import contextlib
import fcntl
import glob
import os
import stat
import tempfile
import typing as t

from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError


class Attributes(t.NamedTuple):
    """Who may do what with a file: owner and group as numbers, permission bits."""

    uid: int
    gid: int
    mode: int


def attributes_of(path: str) -> Attributes:
    found = os.stat(path)
    return Attributes(found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode))


def private() -> Attributes:
    """For its owner's eyes, who is the one that runs this."""
    return Attributes(os.geteuid(), os.getegid(), 0o600)


@contextlib.contextmanager
def without_links(path: str) -> t.Iterator[str]:
    """A path for the functions of this module that leads to *path*, and can lead nowhere else while it is used.

    *path* is absolute and was resolved before. Each directory of it is opened in the one before without following a link, so one
    that somebody swaps for a link, who may write there, is refused. Raises PooledError.
    """
    parts = [part for part in os.path.dirname(path).split("/") if part]
    descriptor = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
    try:
        for number, part in enumerate(parts):
            try:
                inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=descriptor)
            except OSError as error:
                place = "/" + "/".join(parts[: number + 1])
                raise PooledError(
                    f"{path} cannot be reached: {place} is no directory of its own any more ({error.strerror}). Nothing was"
                    " changed there; look who has put a link or something else in its place"
                ) from error
            os.close(descriptor)
            descriptor = inner
        yield f"/proc/self/fd/{descriptor}/{os.path.basename(path)}"
    except PooledError as error:
        raise PooledError(
            error.message.replace(f"/proc/self/fd/{descriptor}", os.path.dirname(path)), error.option
        ) from error
    finally:
        os.close(descriptor)


def text_of(content: bytes) -> str:
    """As text that :func:`bytes_of` makes the same bytes of, whatever their encoding."""
    return content.decode("utf-8", "surrogateescape")


def bytes_of(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def read(path: str) -> bytes | None:
    """The file's bytes, or None where there is none. A link is refused: following it could leave the directory."""
    try:
        # Without waiting: a pipe that somebody put there would otherwise never open.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        if os.path.islink(path):
            raise PooledError(f"{path} is a symbolic link; put a plain file there or remove it") from error
        raise PooledError(f"cannot read {path}: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise PooledError(f"{path} is not a plain file; put one there or remove it")
    with os.fdopen(descriptor, "rb") as handle:
        return handle.read()


def behind_link(path: str) -> str:
    """Where a file lies that may be a symbolic link, which Compose, for one, follows. Raises PooledError for a link of somebody
    who owns neither its target nor this host: it could lead to any file."""
    if not os.path.islink(path):
        return path
    target = os.path.realpath(path)
    if os.path.exists(target) and os.lstat(path).st_uid not in (0, os.geteuid(), os.stat(target).st_uid):
        raise PooledError(
            f"{path} is a symbolic link to {target}, and each belongs to another user; put a plain file there, or give the"
            " link to the owner of its target (chown -h)"
        )
    return target


def replace(path: str, content: bytes, attributes: Attributes) -> None:
    """:func:`replace_all` for one file."""
    replace_all({path: content}, attributes)


def rewrite(path: str, content: bytes) -> None:
    """Replaces a file that is there, with the owner and the permissions that it has."""
    replace(path, content, attributes_of(path))


def replace_all(contents: t.Mapping[str, bytes], attributes: Attributes) -> None:
    """Writes every file beside its place, then renames them over what was there, in the order given.

    All of the writing, and so all that can fill a disk, is done before the first rename. A file is private from its
    first byte on. What a run that was killed meanwhile has left beside the files goes. Raises PooledError when the disk
    is full or the place not writable; then the old files are in place.
    """
    with contextlib.ExitStack() as stack:
        for directory in sorted({_directory_of(path) for path in contents}):
            stack.enter_context(_only_writer(directory))
        replace_all_locked(contents, attributes)


def replace_all_locked(contents: t.Mapping[str, bytes], attributes: Attributes) -> None:
    """:func:`replace_all` for who has locked the directories already."""
    staged: dict[str, str] = {}
    replaced = 0
    try:
        for path, content in contents.items():
            _unlink_leftovers(path)
            staged[path] = _stage(path, content, attributes)
        for path in contents:
            os.replace(staged[path], path)
            del staged[path]
            replaced += 1
        for directory in {_directory_of(path) for path in contents}:
            _sync_directory(directory)
    except OSError as error:
        outcome = (
            f"{replaced} of {len(contents)} files were replaced, run it again" if replaced else "nothing was replaced"
        )
        raise PooledError(f"cannot write {path}: {error.strerror}; {outcome}") from error
    finally:
        for temporary in staged.values():
            os.unlink(temporary)


def _stage(path: str, content: bytes, attributes: Attributes) -> str:
    descriptor, temporary = tempfile.mkstemp(prefix=_staged_prefix(path), dir=_directory_of(path))
    try:
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(content)
            handle.flush()
            os.fchown(handle.fileno(), attributes.uid, attributes.gid)
            os.fchmod(handle.fileno(), attributes.mode)
            os.fsync(handle.fileno())
    except OSError:
        os.unlink(temporary)
        raise
    return temporary


def _staged_prefix(path: str) -> str:
    return f".{os.path.basename(path)}.pooled-"


def remove_leftovers(path: str) -> None:
    """Removes what a run that was killed while it wrote *path* has left beside it."""
    with _only_writer(_directory_of(path)):
        _unlink_leftovers(path)


def _unlink_leftovers(path: str) -> None:
    for leftover in glob.glob(glob.escape(os.path.join(_directory_of(path), _staged_prefix(path))) + "*"):
        os.unlink(leftover)


@contextlib.contextmanager
def _only_writer(directory: str) -> t.Iterator[None]:
    """Keeps other runs of ours from writing in *directory*, so that what lies there half written is of a killed one."""
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise PooledError(f"cannot write in {directory}: {error.strerror}; nothing was replaced") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _directory_of(path: str) -> str:
    return os.path.dirname(path) or "."


def overwrite(path: str, content: bytes) -> None:
    """Writes *content* into the existing file, keeping its inode.

    For files that are bind-mounted one by one: a container keeps seeing the inode it was started with, so a renamed
    file would never reach it. Not atomic; callers keep a copy of what was there.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
        with os.fdopen(descriptor, "r+b") as handle:
            handle.write(content)
            handle.truncate()
            handle.flush()
            os.fsync(handle.fileno())
    except OSError as error:
        raise PooledError(f"cannot write {path}: {error.strerror}") from error


def remove(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise PooledError(f"cannot remove {path}: {error.strerror}") from error
    _sync_directory(_directory_of(path))


def _sync_directory(directory: str) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
