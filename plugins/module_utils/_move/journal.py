# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The record of one instance's move: what was there before, so that it can be rolled back.

This module util is PRIVATE to the collection. It can have breaking changes at any time.

A record is written before the first change and says ``started``; it says ``moved`` once the instance was seen to work at
the new address. It holds odoo.conf and the container's environment, so it is as secret as they are.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import hashlib
import json
import os
import re
import time
import typing as t

from ansible_collections.pooled.odoo.plugins.module_utils import _files
from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError

SCHEMA = "pooled.odoo/cutover/1"
STARTED, MOVED, RETURNING = "started", "moved", "returning"
# What a killed run has started may still be at it: Compose, which stops and starts a container.
LOCK_SECONDS = 30


class File(t.TypedDict, total=False):
    """What the rollback needs of a file, see :func:`remember_file`. ``before`` and ``after`` are base64."""

    path: str
    real: str
    before: str
    after: str
    after_sha256: str
    in_place: bool


class Alias(t.TypedDict):
    """The name of PostgreSQL by which an instance was moved; what it meant before is in ``_alias_record``."""

    network: str
    name: str
    holder: str | None


class Compose(t.TypedDict, total=False):
    """The Compose project of an instance that was moved by it: the service, its containers, its files, and the values that
    these had."""

    service: dict[str, t.Any]
    replicas: list[str]
    # Services that may be led along by the same files.
    together: list[str]
    files: list[File]
    former: dict[str, t.Any]


class Record(t.TypedDict, total=False):
    """One instance's move. Later versions read what earlier ones wrote: a key is added, never given another meaning."""

    schema: str
    phase: str
    name: str
    method: str
    # Which parts of the address were changed: host, port.
    moves: list[str]
    # The database's address then and now: host, port.
    before: dict[str, t.Any]
    after: dict[str, t.Any]
    # Addresses of PostgreSQL that the instance must be connected to again after the rollback, [address, port] each.
    former_ends: list[list[t.Any]]
    health_path: str
    expect_connection: bool
    # The address that the job runner got, if it did.
    job_runner: dict[str, t.Any] | None
    container_id: str
    networks: list[str]
    # By method: reload and restart; alias; compose; recreate.
    file: File
    alias: Alias
    pooler_ends: list[list[t.Any]]
    compose: Compose
    inspection: dict[str, t.Any]
    restart_policy: dict[str, t.Any]
    new_id: str
    stopping: bool


def path_of(state_dir: str, name: str) -> str:
    # A container's name is [a-zA-Z0-9][a-zA-Z0-9_.-]+; whatever else arrives must not leave the directory.
    if not re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*", name):
        raise PooledError(f"{name!r} is not a container's name", "name")
    return os.path.join(state_dir, f"{name}.json")


def lock(state_dir: str, name: str) -> t.Any:
    """Keeps other runs off this instance until the process ends; a crash leaves no lock behind.

    Raises PooledError when another run still has it after LOCK_SECONDS.
    """
    path = path_of(state_dir, name)[: -len(".json")] + ".lock"
    _make_private(state_dir)
    handle = open(path, "a")  # noqa: SIM115 - open is what holds the lock
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except OSError:
            if time.monotonic() > deadline:
                handle.close()
                raise PooledError(f"another run is moving {name} right now; wait until it is through") from None
            time.sleep(0.5)
    _files.remove_leftovers(path_of(state_dir, name))
    return handle


def load(state_dir: str, name: str) -> Record | None:
    """The record of *name*, or None. Raises PooledError where it is damaged."""
    path = path_of(state_dir, name)
    content = _files.read(path)
    if content is None:
        return None
    try:
        record = json.loads(content)
        valid = record["schema"] == SCHEMA and record["phase"] in (STARTED, MOVED, RETURNING)
    except (ValueError, KeyError, TypeError):
        valid = False
    if not valid:
        raise PooledError(f"the rollback token {path} is damaged; move it away and roll {name} back by hand")
    return t.cast(Record, record)


def names(state_dir: str) -> list[str]:
    """The instances that have a record, the last moved first."""
    try:
        entries = sorted(entry for entry in os.listdir(state_dir) if entry.endswith(".json"))
    except FileNotFoundError:
        return []
    ages = {}
    for entry in entries:
        # One that another run removes meanwhile takes none of the others with it.
        with contextlib.suppress(FileNotFoundError):
            ages[entry[: -len(".json")]] = os.stat(os.path.join(state_dir, entry)).st_mtime
    return sorted(ages, key=lambda name: ages[name], reverse=True)


def all_records(state_dir: str) -> list[Record]:
    """The records of all instances, by name. Raises PooledError where one is damaged."""
    records = [load(state_dir, name) for name in sorted(names(state_dir))]
    return [record for record in records if record is not None]


def readable(state_dir: str) -> tuple[list[Record], list[str]]:
    """The records of all instances that can be read, by name, and the names of those whose record is damaged."""
    records, damaged = [], []
    for name in sorted(names(state_dir)):
        try:
            records.append(load(state_dir, name))
        except PooledError:
            damaged.append(name)
    return [record for record in records if record is not None], damaged


def by_same_file(state_dir: str, name: str, path: str) -> Record | None:
    """The record of another instance than *name* that was moved by the file *path*, which both have for their odoo.conf."""
    for record in all_records(state_dir):
        if record["name"] == name or record["phase"] == RETURNING or "file" not in record:
            continue
        if os.path.realpath(record["file"]["path"]) == os.path.realpath(path):
            return record
    return None


def together(records: t.Iterable[Record]) -> list[list[str]]:
    """Instances that go back together, because they were moved by the same name of PostgreSQL or by the same odoo.conf."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for record in records:
        if "alias" in record:
            groups.setdefault((record["alias"]["network"], record["alias"]["name"]), []).append(record["name"])
        if "file" in record:
            groups.setdefault((os.path.realpath(record["file"]["path"]),), []).append(record["name"])
    return sorted(group for group in groups.values() if len(group) > 1)


def interrupted(records: t.Iterable[Record]) -> list[str]:
    """The instances whose move, or whose rollback, was begun and never seen to end."""
    return [record["name"] for record in records if record["phase"] != MOVED]


def _make_private(state_dir: str) -> None:
    try:
        os.makedirs(state_dir, mode=0o700, exist_ok=True)
    except OSError as error:
        raise PooledError(f"cannot create {state_dir}: {error.strerror}", "state_dir") from error


def save(state_dir: str, record: Record) -> str:
    """Writes the record, private to its owner; its path, the rollback token."""
    _make_private(state_dir)
    path = path_of(state_dir, record["name"])
    content = json.dumps(record, indent=1, sort_keys=True) + "\n"
    _files.replace(path, content.encode(), _files.private())
    return path


def drop(state_dir: str, name: str) -> None:
    _files.remove(path_of(state_dir, name))


def remember_file(path: str, before: bytes, after: bytes, in_place: bool, real: str | None = None) -> File:
    """What the rollback needs of a file; *real* is its path without links, where it has to lie then as well.

    Where it is written *in_place*, a run that dies meanwhile leaves a mixture, which only both contents tell from somebody
    else's.
    """
    entry: File = {
        "path": path,
        "before": base64.b64encode(before).decode(),
        "after_sha256": hashlib.sha256(after).hexdigest(),
        "in_place": in_place,
    }
    if real:
        entry["real"] = real
    if in_place:
        entry["after"] = base64.b64encode(after).decode()
    return entry


def file_before(entry: File) -> bytes:
    return base64.b64decode(entry["before"])


def is_half_ours(entry: File, content: bytes) -> bool:
    """Whether *content* is what a process leaves that dies while it overwrites one of the two contents with the other."""
    if "after" not in entry:
        return False  # renamed into its place, so never half there
    both = (file_before(entry), base64.b64decode(entry["after"]))
    return any(_is_mixture(content, written, was) for written, was in (both, both[::-1]))


def _is_mixture(content: bytes, written: bytes, was: bytes) -> bool:
    """Whether it is the beginning of *written*, and behind it what *was* there."""
    same = len(os.path.commonprefix([content, written]))
    return content[same:] == was[same:]


def is_ours(entry: File, content: bytes) -> bool:
    """Whether *content* is still what the move wrote."""
    return hashlib.sha256(content).hexdigest() == entry["after_sha256"]
