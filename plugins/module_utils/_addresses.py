# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fixed addresses on Docker's networks: who has one, who may have one, and which to take.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.pooled.odoo.plugins.module_utils import _docker

Inspection = t.Mapping[str, t.Any]
Configuration = t.Sequence[t.Mapping[str, t.Any]]


def networks_of(inspection: Inspection) -> dict[str, dict[str, t.Any]]:
    """The inspected container's endpoints by network."""
    return dict(inspection["NetworkSettings"]["Networks"] or {})


def asked_for(endpoint: Inspection) -> str | None:
    """The address that a container asks for when it joins the network of *endpoint*; None where it takes what it gets."""
    return (endpoint.get("IPAMConfig") or {}).get("IPv4Address") or None


def is_reserved(address: str, configuration: Configuration) -> bool:
    """Whether Docker gives *address* only to who asks for it, by a network's IPAM configuration. Pure."""
    ranges = [part.get("IPRange") or part.get("Subnet") for part in configuration]
    return not any(
        ipaddress.ip_address(address) in ipaddress.ip_network(given, strict=False) for given in ranges if given
    )


def refusal(client: t.Any, image: str, network: str, address: str) -> str | None:
    """Why Docker gives nobody the fixed *address* on *network*; None where it does. Docker tells that also for a container that
    never starts."""
    for left in client.containers.list(all=True, filters={"label": f"{_docker.OWN_LABEL}=trial"}, ignore_removed=True):
        # Of a run that was killed; another one's may be in use this very moment.
        if _docker.is_gone(left.labels.get(_docker.PROCESS_LABEL)):
            left.remove(v=True, force=True)
    labels = {_docker.OWN_LABEL: "trial", _docker.PROCESS_LABEL: _docker.this_process()}
    trial = client.api.create_container(image, command=["true"], labels=labels)
    try:
        client.networks.get("bridge").disconnect(trial["Id"])
        client.networks.get(network).connect(trial["Id"], ipv4_address=address)
    except _docker.ERRORS as error:
        return str(getattr(error, "explanation", None) or error)
    finally:
        client.api.remove_container(trial["Id"], v=True, force=True)
    return None


def propose(client: t.Any, image: str, name: str) -> str | None:
    """An address for a new container on the network *name* that nobody has and Docker is least likely to give to another; None
    where it gives no fixed ones."""
    network = client.networks.get(name).attrs
    if network["Driver"] != "bridge":
        # The addresses of a macvlan are those of the company's own network, of which Docker knows little.
        return None
    # Also those that do not run: they will want what they ask for when they do.
    containers = client.containers.list(all=True, ignore_removed=True)
    endpoints = [networks_of(container.attrs).get(name, {}) for container in containers]
    taken = {given for endpoint in endpoints for given in (asked_for(endpoint), endpoint.get("IPAddress"))}
    configuration = network["IPAM"]["Config"] or []
    for part in configuration:
        taken |= {part.get("Gateway"), *(part.get("AuxiliaryAddresses") or {}).values()}
    address = highest(configuration, {given for given in taken if given})
    return None if address is None or refusal(client, image, name, address) else address


def highest(configuration: Configuration, taken: t.Collection[str]) -> str | None:
    """The highest IPv4 address that is not *taken*, one outside the range from which Docker takes if there is any. Pure."""
    found = []
    for part in configuration:
        if ":" in part.get("Subnet", ":"):
            continue
        subnet = ipaddress.IPv4Network(part["Subnet"], strict=False)
        given = ipaddress.IPv4Network(part.get("IPRange") or subnet, strict=False)
        # From the top of the subnet, and from below the range, which may end there.
        for address in (subnet.broadcast_address - 1, given.network_address - 1):
            while str(address) in taken:
                address -= 1
            if address in subnet and address != subnet.network_address:
                found.append(str(address))
    return min(found, key=lambda address: not is_reserved(address, configuration), default=None)
