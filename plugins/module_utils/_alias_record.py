# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The records of PostgreSQL's names that were given to a pooler: what each meant before, and how every container was connected.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import typing as t

from ansible_collections.pooled.odoo.plugins.module_utils import _files
from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError

SCHEMA = "pooled.odoo/alias/1"

Record = t.Dict[str, t.Any]


def path_of(state_dir: str, network: str, name: str) -> str:
    for part in (network, name):
        if not re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*", part):
            raise PooledError(f"{part!r} is not a name that Docker would take", "name")
    return os.path.join(state_dir, "names", f"{network}@{name}.json")


def load_all(state_dir: str) -> list[Record]:
    """The records of all names that lead to a pooler, or are on their way there or back."""
    folder = os.path.join(state_dir, "names")
    try:
        entries = sorted(entry for entry in os.listdir(folder) if entry.endswith(".json") and not entry.startswith("."))
    except FileNotFoundError:
        return []
    return [load(os.path.join(folder, entry)) for entry in entries]


def load(path: str) -> Record:
    content = _files.read(path)
    try:
        record = json.loads(content or b"")
        if record["schema"] != SCHEMA:
            raise ValueError
    except (ValueError, KeyError, TypeError):
        raise PooledError(f"the record {path} is damaged; move it away and give the name back by hand") from None
    return t.cast(Record, record)


def former_addresses(state_dir: str, networks: t.Collection[str], name: str) -> list[str]:
    """What *name* meant on one of *networks* before it was given to a pooler; empty where it was not."""
    return sorted({address for record in _given(state_dir, networks, name) for address in record["former"]})


def given_to(state_dir: str, networks: t.Collection[str], name: str) -> list[str]:
    """The poolers to which *name* was given on one of *networks*, whether they run or not."""
    return sorted({pooler for record in _given(state_dir, networks, name) for pooler in record["poolers"]})


def _given(state_dir: str, networks: t.Collection[str], name: str) -> list[Record]:
    return [record for record in load_all(state_dir) if record["name"] == name and record["network"] in networks]


@contextlib.contextmanager
def locked(state_dir: str) -> t.Iterator[None]:
    """Names are moved by one process at a time; a crash leaves no lock behind."""
    folder = os.path.join(state_dir, "names")
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        handle = open(os.path.join(folder, ".lock"), "a")  # noqa: SIM115 - open is what holds the lock
    except OSError as error:
        raise PooledError(f"cannot write in {folder}: {error.strerror}", "state_dir") from error
    with handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def save(state_dir: str, record: Record) -> None:
    path = path_of(state_dir, record["network"], record["name"])
    content = json.dumps(record, indent=1, sort_keys=True) + "\n"
    _files.replace(path, content.encode(), _files.private())
