# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Carries out a move and its way back on a Docker host: edits and signals, containers swapped, and the gate that waits
until an instance was seen to work at its new address.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import os
import time
import typing as t

from ansible_collections.pooled.odoo.plugins.module_utils import (
    _alias,
    _compose,
    _container,
    _cutover,
    _docker,
    _files,
    _odoo_conf,
    _odoo_instance,
)
from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError
from ansible_collections.pooled.odoo.plugins.module_utils._odoo_versions import facts, major_of

# Odoo answers a first request only after it has loaded its registries; its own limit for stopping is longer still.
STOP_TIMEOUT = 30
POLL_SECONDS = 0.5
# Docker creates a container within a second; on a host whose disk is busy it takes several.
CREATION_SECONDS = 10
# Odoo itself gives a new server 60 s to start (odoo/service/server.py, fork_and_reload).
RELOAD_TIMEOUT = 90

End = t.Tuple[str, int]


class Goal(t.NamedTuple):
    """What the gate waits for: an answer by HTTP, connections to *host*:*port*, and none left to the ends in *leave* but
    ``staying`` ones, which are a job runner's.

    ``expect_connection`` is off for instances that keep no connection while idle (no cron listeners); for them it counts
    that the answer itself needed a connection there.
    """

    host: str
    port: int
    leave: tuple[End, ...]
    staying: int
    health_path: str
    expect_connection: bool


def goal_for(instance: _odoo_instance.Instance, host: str, port: int, leave: t.Iterable[End], staying: int) -> Goal:
    keeps_listeners = facts(instance.major).cron_listens and instance.found["cron_threads"] > 0
    return Goal(host, port, tuple(leave), staying, _odoo_instance.health_path(instance.major), keeps_listeners)


def shortcoming(goal: Goal, seen: t.Mapping[str, t.Any]) -> str | None:
    """What still differs from *goal* in an answer of the probe's ``watch``, or None. Pure."""
    if not seen["odoo"]:
        return "no Odoo server runs in the container"
    http = seen["http"]
    if http is not None and "status" not in http:
        return f"port {http['port']} does not answer ({http['error']})"
    if http is not None and http["status"] >= 500:
        return f"{goal.health_path} answers HTTP {http['status']}"
    arrived = {(address, goal.port) for address in seen["resolved"].get(goal.host, [])}
    if not arrived:
        return f"{goal.host} does not resolve in the container"
    ends = {(end["address"], end["port"]): end["count"] for end in seen["connections"]}
    left_behind = {end: count for end, count in ends.items() if end in set(goal.leave) - arrived}
    if sum(left_behind.values()) > goal.staying:
        places = ", ".join(f"{count} to {end[0]}:{end[1]}" for end, count in left_behind.items())
        return f"connections to the former address are still open ({places})"
    used = set(ends)
    if not goal.expect_connection and http is not None:
        used |= {tuple(end) for end in http["touched"]}
    if not arrived & used:
        return f"no connection to {goal.host}:{goal.port} yet"
    return None


def wait_for(container: t.Any, goal: Goal, timeout: float) -> None:
    """Polls until *goal* is reached; raises PooledError with the last shortcoming after *timeout* seconds."""
    deadline = time.monotonic() + timeout
    while True:
        lacking = _look(container, goal)
        if lacking is None:
            return
        if time.monotonic() > deadline:
            raise PooledError(f"{container.name} is not right after {timeout:g} s: {lacking}")
        time.sleep(POLL_SECONDS)


def _look(container: t.Any, goal: Goal) -> str | None:
    container.reload()
    if container.status != "running":
        return f"the container is {container.status}"
    request = {"do": "watch", "http_path": goal.health_path, "resolve": [goal.host]}
    try:
        return shortcoming(goal, _docker.probe(container, request))
    except PooledError as error:
        # Between two images of the process there may be nothing to look at.
        return str(error)


def look_at(client: t.Any, container: t.Any) -> tuple[_odoo_instance.Instance, _alias.Name | str]:
    """A running container as an Odoo instance, and what the name of its database is on its networks, or why that one cannot be
    moved. Raises PooledError where it runs no Odoo."""
    return understand(client, container, _docker.describe(container))


def understand(
    client: t.Any, container: t.Any, found: dict[str, t.Any]
) -> tuple[_odoo_instance.Instance, _alias.Name | str]:
    """:func:`look_at` for who knows already what the probe *found*."""
    instance = _odoo_instance.assemble(container.attrs, found)
    name = _alias.find(client, container.attrs, instance.address.host)
    instance = _odoo_instance.with_name(instance, name if isinstance(name, str) else None)
    return _odoo_instance.with_compose(instance, _compose.hindrance(_compose.service_of(container.attrs))), name


def resolves(container: t.Any, host: str) -> list[str]:
    return _docker.probe(container, {"do": "watch", "resolve": [host]}).get("resolved", {}).get(host, [])


# --- odoo.conf --------------------------------------------------------------------------------------------------------


def text_of(content: bytes) -> str:
    return content.decode("utf-8", "surrogateescape")


def bytes_of(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


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
            _files.replace(safe, content, _files.attributes_of(safe))


def _place_of(entry: t.Mapping[str, t.Any]) -> str:
    """The resolved path of a remembered file. Before 0.2.0 it was not resolved when it was remembered."""
    directory, name = os.path.split(entry["path"])
    return str(entry.get("real") or os.path.join(os.path.realpath(directory), name))


def content_of(entry: t.Mapping[str, t.Any]) -> bytes | None:
    """What is in a remembered file now, None where there is none."""
    with _files.without_links(_place_of(entry)) as safe:
        return _files.read(safe)


def restore_file(entry: t.Mapping[str, t.Any], keys: t.Mapping[str, t.Collection[str]]) -> str | None:
    """Puts back what was in the file; a warning if somebody else has changed it since, in which case only *keys* (of each
    section) are put back."""
    place, before = _place_of(entry), _cutover.file_before(entry)
    if not entry["in_place"]:
        with _files.without_links(place) as safe:
            _files.remove_leftovers(safe)
    now = content_of(entry)
    if now is None:
        raise PooledError(f"{entry['path']} is gone; put it back by hand")
    if now == before:
        return None
    if _cutover.is_ours(entry, now) or _cutover.is_half_ours(entry, now):
        write_conf(place, before, entry["in_place"])
        return None
    text = text_of(now)
    for section, names in keys.items():
        former = _odoo_conf.read(text_of(before), section)
        text = _odoo_conf.edit(text, {name: former[name] for name in names if name in former}, section)
        text = _odoo_conf.remove(text, [name for name in names if name not in former], section)
    write_conf(place, bytes_of(text), entry["in_place"])
    told = " and ".join(name for names in keys.values() for name in names)
    return f"{entry['path']} was changed after the cutover, so only {told} were put back in it"


def apply_conf(container: t.Any, method: str, pid: int | None, python: str | None) -> None:
    """Makes the running Odoo read its odoo.conf again."""
    if method == "restart":
        container.restart(timeout=STOP_TIMEOUT)
        return
    wait_for_hangup_handler(container)
    # From inside: whatever container gets a signal from Docker counts as stopped by hand, and with restart policy
    # unless-stopped it would not come back after a reboot (moby/moby#41302). And PID 1 may be a shell, which swallows it.
    hang_up = "import os, signal, sys; os.kill(int(sys.argv[1]), signal.SIGHUP)"
    code, output = container.exec_run([python, "-c", hang_up, str(pid)])
    if code != 0:
        raise PooledError(f"cannot signal Odoo in {container.name}: {output.decode('utf-8', 'replace').strip()}")


def renew(container: t.Any, timeout: float) -> None:
    """Makes the running Odoo, in prefork mode, open new connections, without a request lost: by a reload where its version
    hands over its port, else worker by worker."""
    found = _docker.probe(container, {"do": "describe"})
    if not found["odoo"]:
        raise PooledError(f"no Odoo server runs in {container.name}")
    if facts(major_of(found["version"])).graceful_reload:
        apply_conf(container, "reload", found["pid"], found["python"])
    else:
        _docker.probe(container, {"do": "renew_workers", "timeout": timeout}, found["python"])


def wait_for_hangup_handler(container: t.Any) -> None:
    """Until a SIGHUP would be heard. Another reload may be on its way, begun by a run that was killed; its server has to be
    there for a while, because a signal between the old one's last look and its re-execution is lost as well."""
    deadline = time.monotonic() + RELOAD_TIMEOUT
    heard = 0
    while heard < 3:
        try:
            seen = _docker.probe(container, {"do": "watch"})
            heard = heard + 1 if seen.get("catches_hangup") else 0
        except PooledError:
            heard = 0
        if time.monotonic() > deadline:
            raise PooledError(f"Odoo in {container.name} does not listen to SIGHUP; method=restart does without")
        time.sleep(POLL_SECONDS)


# --- containers -------------------------------------------------------------------------------------------------------


NEW_SUFFIX = "-pooled-new"


def new_name(name: str) -> str:
    return name + NEW_SUFFIX


def former_name(name: str) -> str:
    return f"{name}-pooled-before"


def create_like(
    client: t.Any,
    inspection: t.Mapping[str, t.Any],
    name: str,
    variables: t.Mapping[str, str],
    arguments: t.Mapping[str, str],
) -> t.Any:
    """A created, not started, container that is like the inspected one but for *variables* and *arguments*."""
    request, networks = _container.creation(inspection, _image_of(client, inspection), variables, arguments)
    created = client.api.create_container_from_config(request, name)
    container = client.containers.get(created["Id"])
    for network, endpoint in networks.items():
        addresses = endpoint.get("IPAMConfig") or {}
        client.api.connect_container_to_network(
            container.id,
            client.networks.get(network).id,
            aliases=endpoint.get("Aliases"),
            driver_opt=endpoint.get("DriverOpts"),
            ipv4_address=addresses.get("IPv4Address"),
            ipv6_address=addresses.get("IPv6Address"),
        )
    return container


def wait_for_creation(client: t.Any, name: str) -> t.Any | None:
    """The container *name*, or None. Docker creates what it was asked for even if the one who asked is gone, so it is
    waited for a while."""
    deadline = time.monotonic() + CREATION_SECONDS
    while True:
        container = _docker.find_or_none(client, name)
        if container is not None or time.monotonic() > deadline:
            return container
        time.sleep(POLL_SECONDS)


def _image_of(client: t.Any, inspection: t.Mapping[str, t.Any]) -> str:
    """The image's name if it still means the image that runs, else its id: a move is no upgrade."""
    name, image_id = inspection["Config"]["Image"], inspection["Image"]
    try:
        return name if client.images.get(name).id == image_id else image_id
    except _docker.ERRORS:
        return image_id


def swap(
    outgoing: t.Any, incoming: t.Any, goal: Goal, timeout: float, before_stop: t.Callable[[], object] = lambda: None
) -> int:
    """Lets *incoming* take over from *outgoing*; the milliseconds in which neither answered for sure.

    Where no port or address is in the way, *incoming* works before *outgoing* stops. *before_stop* is called just before
    *outgoing* is told to stop, which Docker then does even if this process is gone. If *incoming* does not reach
    *goal*, it is stopped, *outgoing* runs again, and PooledError is raised.
    """
    overlap = _container.can_overlap(incoming.attrs)
    stopped_at = None
    try:
        if not overlap:
            stopped_at = time.monotonic()
            before_stop()
            outgoing.stop(timeout=STOP_TIMEOUT)
        incoming.start()
        wait_for(incoming, goal, timeout)
        gap = 0 if stopped_at is None else round((time.monotonic() - stopped_at) * 1000)
        if overlap:
            before_stop()
            outgoing.stop(timeout=STOP_TIMEOUT)
        return gap
    except _docker.ERRORS:
        incoming.stop(timeout=STOP_TIMEOUT)
        outgoing.start()
        raise


def park(container: t.Any, name: str) -> None:
    """Keeps a stopped container for the way back. Docker must not start it by itself, for example after a reboot."""
    container.update(restart_policy={"Name": "no"})
    container.rename(former_name(name))


def unpark(container: t.Any, name: str, restart_policy: t.Mapping[str, t.Any]) -> None:
    container.reload()
    if container.name != name:
        container.rename(name)
    container.update(restart_policy=dict(restart_policy))
