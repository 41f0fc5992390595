# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a container's ``docker inspect`` document says, and the same container with another environment.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import copy
import os
import posixpath
import re
import typing as t

Inspection = t.Mapping[str, t.Any]


class Mount(t.NamedTuple):
    """Where a path of the container lies on the host. ``single_file``: this very file is mounted, so the container
    keeps its inode and a renamed file would never be seen."""

    host_path: str
    single_file: bool


def environment(inspection: Inspection) -> dict[str, str]:
    return dict(entry.split("=", 1) for entry in inspection["Config"].get("Env") or [] if "=" in entry)


def command(inspection: Inspection) -> tuple[str, ...]:
    config = inspection["Config"]
    return (*(config.get("Entrypoint") or []), *(config.get("Cmd") or []))


def host_mount(inspection: Inspection, path: str) -> Mount | None:
    """The place on the host of *path* in the container, or None where it lies in the image."""
    path = posixpath.normpath(path)
    best = None
    for mount in inspection.get("Mounts") or []:
        destination = posixpath.normpath(mount["Destination"])
        inside = path == destination or path.startswith(destination.rstrip("/") + "/")
        if mount["Type"] in ("bind", "volume") and inside and (best is None or len(destination) > len(best[0])):
            best = (destination, mount["Source"])
    if best is None:
        return None
    destination, source = best
    if path == destination:
        return Mount(source, True)
    return Mount(posixpath.join(source, posixpath.relpath(path, destination)), False)


# What images of a family carry, as (part of an inspection, what is found in it); two of them tell a family, because users set
# variables of the same names and give images names of their own. Sources: the families' Dockerfiles.
_MARKS: dict[str, tuple[tuple[str, str], ...]] = {
    "bitnami": (("image", "bitnami"), ("variable", "BITNAMI_APP_NAME"), ("words", "/opt/bitnami/")),
    "doodba": (
        ("image", "doodba"),
        ("words", "/opt/odoo/common/entrypoint"),
        ("conf", "/opt/odoo/auto/odoo.conf"),
        ("variable", "DEPTH_DEFAULT"),
    ),
    "camptocamp": (
        ("image", "camptocamp"),
        ("words", "docker-entrypoint.sh"),
        ("conf", "/odoo/"),
        ("variable", "ODOO_REPORT_URL"),
    ),
    "acsone": (
        ("image", "odoo-bedrock"),
        ("variable", "ODOO_BIN"),
        ("conf", "/etc/odoo.cfg"),
        ("words", "/usr/local/bin/entrypoint.sh"),
    ),
    "official": (("word", "/entrypoint.sh"), ("conf", "/etc/odoo/"), ("variable", "ODOO_VERSION")),
}


def family(inspection: Inspection) -> str:
    """The image family, by the marks that its images carry (see _odoo_address.FAMILIES): the one with the most, two at least."""
    found = {name: sum(_carries(inspection, *mark) for mark in marks) for name, marks in _MARKS.items()}
    best = max(found, key=lambda name: found[name])
    return best if found[best] >= 2 else "unknown"


def _carries(inspection: Inspection, part: str, mark: str) -> bool:
    variables = environment(inspection)
    if part == "variable":
        return bool(variables.get(mark))
    if part == "image":
        return mark in inspection["Config"].get("Image", "")
    if part == "conf":
        return any((variables.get(name) or "").startswith(mark) for name in ("ODOO_RC", "OPENERP_SERVER"))
    words = command(inspection)
    return mark in words if part == "word" else any(mark in word for word in words)


# Labels of who makes containers, and would make them anew; their values name what it is of.
_OWNERS = {
    "com.docker.swarm.service.name": "Swarm service",
    "com.hashicorp.nomad.job_name": "Nomad job",
    "com.hashicorp.nomad.alloc_id": "Nomad allocation",
    "coolify.name": "Coolify's resource",
    "coolify.applicationId": "Coolify's application",
    "com.dokku.app-name": "Dokku's app",
    "io.kubernetes.pod.name": "Kubernetes pod",
}


def manager(inspection: Inspection) -> str | None:
    """Who else would create this container again, and so undo what is done to it by hand."""
    labels = inspection["Config"].get("Labels") or {}
    if labels.get("com.docker.compose.project"):
        return f"Compose project {labels['com.docker.compose.project']}"
    for label, owner in _OWNERS.items():
        if labels.get(label):
            return f"{owner} {labels[label]}"
    if {"service", "role", "destination"} <= labels.keys():
        return f"Kamal's service {labels['service']}"
    return None


def stays_inside(inspection: Inspection, path: str) -> bool:
    """Whether *path*, without links in it, lies in what is mounted into the container. A link inside the container's directory
    could lead anywhere on the host; one above a mount is the operator's own."""
    roots = [os.path.realpath(m["Source"]) for m in inspection.get("Mounts") or [] if m["Type"] in ("bind", "volume")]
    return any(path == root or path.startswith(root.rstrip("/") + "/") for root in roots)


def can_overlap(inspection: Inspection) -> bool:
    """Whether a second container like this one can run beside it: no port of the host, no fixed address and no hardware address
    of its own is taken."""
    if inspection["HostConfig"].get("PortBindings"):
        return False
    networks = [network or {} for network in (inspection["NetworkSettings"]["Networks"] or {}).values()]
    return not any(
        (network.get("IPAMConfig") or {}).get("IPv4Address") or _asked_for_mac(inspection, network)
        for network in networks
    )


def creation(
    inspection: Inspection,
    image: str,
    variables: t.Mapping[str, str],
    arguments: t.Mapping[str, str],
    all_networks: bool = False,
) -> tuple[dict[str, t.Any], dict[str, dict[str, t.Any]]]:
    """The request that creates the same container with other environment *variables* or ``--name`` *arguments*, and the
    networks to connect it to besides those in the request, ``{network: endpoint}``: none with *all_networks*, which Docker
    takes from API 1.44 on.

    Everything else stays: mounts with their anonymous volumes, networks with aliases and addresses, limits, labels,
    health check, restart policy, user, capabilities, log driver.
    """
    request: dict[str, t.Any] = copy.deepcopy(dict(inspection["Config"]))
    host: dict[str, t.Any] = copy.deepcopy(dict(inspection["HostConfig"]))
    request["Image"] = image
    if inspection["Id"].startswith(request.get("Hostname") or "-"):
        # Docker named the host after the container's id; the new one gets its own.
        request.pop("Hostname", None)
    request["Env"] = _with_variables(request.get("Env") or [], variables)
    for part in ("Entrypoint", "Cmd"):
        request[part] = _with_arguments(request.get(part), arguments)
    host["Binds"] = (host.get("Binds") or []) + _anonymous_volumes(inspection, host)
    networks = endpoints(inspection)
    first = host.get("NetworkMode", "default")
    together = [name for name in networks if name == first or all_networks]
    if first in networks:
        request["NetworkingConfig"] = {"EndpointsConfig": {name: networks.pop(name) for name in together}}
    request["HostConfig"] = host
    return request, networks


def _with_variables(entries: t.Sequence[str], variables: t.Mapping[str, str]) -> list[str]:
    left = dict(variables)
    changed = []
    for entry in entries:
        name = entry.split("=", 1)[0]
        changed.append(f"{name}={left.pop(name)}" if name in left else entry)
    return changed + [f"{name}={left[name]}" for name in sorted(left)]


def _with_arguments(words: t.Sequence[str] | None, arguments: t.Mapping[str, str]) -> list[str] | None:
    if words is None:
        return None
    changed = list(words)
    for position, word in enumerate(words):
        for name, value in arguments.items():
            if word == name and position + 1 < len(words):
                changed[position + 1] = value
            elif word.startswith(f"{name}="):
                changed[position] = f"{name}={value}"
    return changed


def _anonymous_volumes(inspection: Inspection, host: t.Mapping[str, t.Any]) -> list[str]:
    """Volumes that Docker made without being given a name (VOLUME in the image, a mount without a source) and those that
    come from another container: a new container would get new, empty ones. Names them in *host*'s mounts in place."""
    named = {posixpath.normpath(bind.split(":")[1]) for bind in host.get("Binds") or []}
    volumes = {
        posixpath.normpath(mount["Destination"]): mount
        for mount in inspection.get("Mounts") or []
        if mount["Type"] == "volume"
    }
    for asked in host.get("Mounts") or []:
        target = posixpath.normpath(asked["Target"])
        named.add(target)
        if asked.get("Type") == "volume" and not asked.get("Source") and target in volumes:
            asked["Source"] = volumes[target]["Name"]
    return [
        f"{mount['Name']}:{target}{'' if mount.get('RW', True) else ':ro'}"
        for target, mount in volumes.items()
        if target not in named
    ]


# Docker gives every container this much of its id as a name.
SHORT_ID = 12


def endpoints(inspection: Inspection) -> dict[str, dict[str, t.Any]]:
    """Each network with what was asked for when the container joined it, without what Docker filled in itself."""
    endpoints = {}
    for name, found in (inspection["NetworkSettings"]["Networks"] or {}).items():
        network = found or {}
        endpoint: dict[str, t.Any] = {
            "Aliases": [alias for alias in network.get("Aliases") or [] if alias != inspection["Id"][:SHORT_ID]],
            "IPAMConfig": network.get("IPAMConfig"),
            "Links": network.get("Links"),
            "DriverOpts": network.get("DriverOpts"),
            "GwPriority": network.get("GwPriority"),
            "MacAddress": _asked_for_mac(inspection, network),
        }
        endpoints[name] = {key: value for key, value in endpoint.items() if value}
    return endpoints


def _asked_for_mac(inspection: Inspection, network: t.Mapping[str, t.Any]) -> str | None:
    """The hardware address that was asked for, where Docker tells. It tells one that it made itself just so, so of those that are
    locally administered, as its own are, only what stands in the configuration is known to have been asked for."""
    address = network.get("MacAddress") or ""
    first = re.match(r"[0-9a-fA-F]{2}", address)
    asked = first and (address == inspection["Config"].get("MacAddress") or not int(first.group(), 16) & 2)
    return address if asked else None


# Odoo's script, alone or behind its interpreter; the title that setproctitle gives its workers. Not PostgreSQL's
# "postgres: odoo erp 10.0.0.7(40112) idle".
_ODOO_TITLE = re.compile(
    r"(?:\S*python[\d.]*\s+(?:-\S+\s+)*)?(?:\S*/)?(?:odoo|odoo-bin|odoo\.py|openerp-server)(?::|\s|$)"
)


def looks_like_odoo(titles: t.Sequence[str]) -> bool:
    """Whether one of a container's processes is an Odoo server, by the command lines that ``docker top`` gives."""
    return any(_ODOO_TITLE.match(title) for title in titles)
