# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Methods ``reload`` and ``restart``: odoo.conf is edited on the host, and Odoo reads it again.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import os
import time
import typing as t

from ansible_collections.pooled.odoo.plugins.module_utils import (
    _container,
    _docker,
    _files,
    _odoo_address,
    _odoo_conf,
    _odoo_control,
    _odoo_discovery,
    _odoo_instance,
    _queue_job,
)
from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError
from ansible_collections.pooled.odoo.plugins.module_utils._move import gate, journal
from ansible_collections.pooled.odoo.plugins.module_utils._move.base import (
    CONF_KEYS,
    Context,
    Method,
    Move,
    NameOrReason,
    Outcome,
)
from ansible_collections.pooled.odoo.plugins.module_utils._odoo_versions import facts


class ConfFile(Method):
    runner_place = "conf"

    @staticmethod
    def against(circumstances: _odoo_address.Circumstances, parts: t.Collection[str]) -> str | None:
        address = circumstances.address
        in_file = [source for source in (address.host_source, address.port_source) if source.kind == "file"]
        for part, source in sorted(_odoo_address.by_part(address, parts).items()):
            # Where one part stands, a line for the other one beside it decides that too.
            if source.kind != "file" and not (in_file and part in address.conf_wins):
                return f"the {part} does not come from odoo.conf but from {source}"
        if len({source.entry_file for source in in_file}) > 1:
            return "host and port come from two files, that of $ODOO_RC and that of -c; write both into one of them"
        if not circumstances.conf_on_host:
            return "odoo.conf lies inside the image, not on the host; mount it into the container"
        if address.generated:
            return "this image writes odoo.conf anew at each start"
        return None

    def obstacle(self, instance: _odoo_instance.Instance, name: NameOrReason, ends: t.Sequence[gate.End]) -> str | None:
        """A job runner in a container of its own would be led into the transaction pool by the same file."""
        if instance.conf is None:
            return None
        path = os.path.realpath(instance.conf.host_path)
        runners = _docker.job_runners_with(self.context.client, path, instance.name)
        section = _odoo_conf.read(_files.text_of(read_conf(path)), _queue_job.SECTION)
        if not runners or section.get(_queue_job.KEYS["host"]):
            return None
        return (
            f"{', '.join(runners)} is a job runner (queue_job) of its own that reads the same odoo.conf, and a transaction pooler"
            f" cannot serve it; give it an address of its own there ([{_queue_job.SECTION}] {_queue_job.KEYS['host']})"
        )

    def plan(self, move: Move) -> None:
        if move.instance.conf is None:
            raise PooledError(f"{self.context.name} has no odoo.conf on this host", "method")
        self.move, self.mount = move, move.instance.conf
        self.path = real_path(move.instance.inspection, self.mount)
        self.content = read_conf(self.path)
        edited = _odoo_conf.edit(
            _files.text_of(self.content), {CONF_KEYS[part]: value for part, value in move.parts.items()}
        )
        if move.runner:
            edited = _odoo_conf.edit(edited, _queue_job.values(move.runner, _queue_job.KEYS), _queue_job.SECTION)
        self.edited = _files.bytes_of(edited)

    def apply(self, goal: gate.Goal) -> int:
        context, mount = self.context, self.mount
        if "file" not in context.kept:
            shared = shared_record(context, self.move.instance)
            context.kept["file"] = (
                shared["file"]
                if shared
                else journal.remember_file(mount.host_path, self.content, self.edited, mount.single_file, self.path)
            )
        context.save()
        started = time.monotonic()
        if self.content != self.edited:
            write_conf(self.path, self.edited, mount.single_file)
        found = self.move.instance.found
        _odoo_control.apply_conf(self.move.container, self.name, found["pid"], found["python"])
        context.wait_for(self.move.container, goal)
        return self._gap(self.name, started)

    def undo(self) -> Outcome:
        context, kept = self.context, self.context.kept
        keys = {_odoo_conf.OPTIONS: [CONF_KEYS[part] for part in kept["moves"]]}
        if kept.get("job_runner"):
            keys[_queue_job.SECTION] = list(_queue_job.KEYS.values())
        warning = restore_file(kept["file"], keys)
        if warning:
            context.warnings.append(warning)
        container = context.running()
        if container is None:
            return Outcome(0, False)
        started = time.monotonic()
        found = _docker.probe(container, {"do": "describe"})
        # If Odoo died of the move, a start is what it needs.
        way = self.name if found["odoo"] else "restart"
        _odoo_control.apply_conf(container, way, found.get("pid"), found.get("python"))
        context.wait_for(container, context.way_back())
        return Outcome(self._gap(way, started), True)

    def stands(self, container: t.Any, instance: _odoo_instance.Instance) -> bool | None:
        """False where the file says the address of before again, also because another instance that shares it was brought
        back."""
        entry = self.context.kept["file"]
        now, before = content_of(entry) or b"", journal.file_before(entry)
        says, said = (_odoo_conf.read(_files.text_of(content)) for content in (now, before))
        put_back = all(says.get(CONF_KEYS[part]) == said.get(CONF_KEYS[part]) for part in self.context.kept["moves"])
        return False if put_back else None

    @staticmethod
    def _gap(way: str, started: float) -> int:
        return 0 if way == "reload" else round((time.monotonic() - started) * 1000)


class Reload(ConfFile):
    name = "reload"
    reason = "odoo.conf is on the host and Odoo reloads gracefully"
    interruption = "none for pages; websockets reconnect"
    interrupts = False

    @staticmethod
    def against(circumstances: _odoo_address.Circumstances, parts: t.Collection[str]) -> str | None:
        reason = ConfFile.against(circumstances, parts)
        if reason:
            return reason
        if circumstances.workers == 0:
            return "Odoo runs threaded (workers = 0), where SIGHUP can end it"
        if not facts(circumstances.major).graceful_reload:
            version = circumstances.major or "of unknown version"
            return f"Odoo {version} closes its port on SIGHUP; 19 is the first that does not"
        fixed = circumstances.address.fixed & set(parts)
        if fixed:
            return f"the entrypoint passed the {' and '.join(sorted(fixed))} as an argument, which survives a reload"
        return None


class Restart(ConfFile):
    name = "restart"
    reason = "odoo.conf is on the host"
    interruption = "until Odoo has started again, some 5 to 30 s"
    interrupts = True


def shared_record(context: Context, instance: _odoo_instance.Instance) -> journal.Record | None:
    """The record of another instance that was moved to the same address by the same odoo.conf."""
    if instance.conf is None:
        return None
    record = journal.by_same_file(context.state_dir, context.name, instance.conf.host_path)
    wanted = {"host": context.params["host"], "port": context.params["port"]}
    return record if record is not None and record["after"] == wanted else None


def as_it_runs(
    context: Context, container: t.Any, instance: _odoo_instance.Instance, name: NameOrReason, shared: journal.Record
) -> tuple[_odoo_instance.Instance, NameOrReason] | None:
    """The instance with the address that it has read from the odoo.conf before that was edited for another one; None where its
    address is not from there."""
    said = _odoo_conf.read(_files.text_of(journal.file_before(shared["file"])))
    conf = {key: value for key, value in instance.found["conf"].items() if key not in CONF_KEYS.values()}
    conf.update({key: said[key] for key in CONF_KEYS.values() if key in said})
    found = {**instance.found, "conf": conf}
    variables = context.params["address_variables"]
    running, its_name = _odoo_discovery.understand(context.client, container, found, variables)
    return (running, its_name) if running.address.host_source.kind == "file" else None


def real_path(inspection: t.Mapping[str, t.Any], mount: _container.Mount) -> str:
    """Where the file really lies. The path comes from inside the container, and this module may well be root outside of it, so
    PooledError is raised where it leads out of what is mounted. A link above the mount is the operator's own."""
    path = os.path.realpath(mount.host_path)
    if not _container.stays_inside(inspection, path):
        raise PooledError(f"{mount.host_path} leads out of what is mounted into the container; put a plain file there")
    if os.path.islink(mount.host_path) and not mount.single_file:
        raise PooledError(f"{mount.host_path} is a symbolic link; put a plain file there or remove it")
    return path


def read_conf(path: str) -> bytes:
    """The content of the resolved *path*."""
    with _files.without_links(path) as safe:
        content = _files.read(safe)
    if content is None:
        raise PooledError(f"{path} is mounted into the container but is not on this host")
    return content


def write_conf(path: str, content: bytes, in_place: bool) -> None:
    """Writes the resolved *path*: nobody who may write in a directory above it can lead the way elsewhere meanwhile."""
    with _files.without_links(path) as safe:
        if in_place:
            _files.overwrite(safe, content)
        else:
            _files.rewrite(safe, content)


def place_of(entry: journal.File) -> str:
    """The resolved path of a remembered file. Before 0.2.0 it was not resolved when it was remembered."""
    directory, name = os.path.split(entry["path"])
    return str(entry.get("real") or os.path.join(os.path.realpath(directory), name))


def content_of(entry: journal.File) -> bytes | None:
    """What is in a remembered file now, None where there is none."""
    with _files.without_links(place_of(entry)) as safe:
        return _files.read(safe)


def restore_file(entry: journal.File, keys: t.Mapping[str, t.Collection[str]]) -> str | None:
    """Puts back what was in the file; a warning if it was changed otherwise since, in which case only *keys* (of each section)
    are put back."""
    place, before = place_of(entry), journal.file_before(entry)
    if not entry["in_place"]:
        with _files.without_links(place) as safe:
            _files.remove_leftovers(safe)
    now = content_of(entry)
    if now is None:
        raise PooledError(f"{entry['path']} is gone; put it back by hand")
    if now == before:
        return None
    if journal.is_ours(entry, now) or journal.is_half_ours(entry, now):
        write_conf(place, before, entry["in_place"])
        return None
    text = _files.text_of(now)
    for section, names in keys.items():
        former = _odoo_conf.written(_files.text_of(before), section)
        text = _odoo_conf.edit(text, {name: former[name] for name in names if name in former}, section)
        text = _odoo_conf.remove(text, [name for name in names if name not in former], section)
    write_conf(place, _files.bytes_of(text), entry["in_place"])
    told = " and ".join(name for names in keys.values() for name in names)
    return f"{entry['path']} was changed after the cutover, so only {told} were restored in it"
