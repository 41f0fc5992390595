# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Under which aliases a container is on its Docker networks, and how it gets others at the same address.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import time
import typing as t

from ansible_collections.pooled.odoo.plugins.module_utils import _addresses, _container, _docker, _sockets
from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError

# An address that was left a moment ago may still be on its way out of Docker's books.
JOIN_ATTEMPTS = 5


def resolving(client: t.Any, name: str) -> t.Any | None:
    """The network *name* where it resolves names for its containers; the default ones do not."""
    if name in ("bridge", "host", "none"):
        return None
    return client.networks.get(name)


def members(client: t.Any, network: t.Any) -> list[t.Any]:
    if network is None:
        return []
    network.reload()
    found = (_docker.find_or_none(client, identity) for identity in network.attrs.get("Containers") or {})
    return [container for container in found if container is not None]


def endpoint(container: t.Any, network: str) -> dict[str, t.Any]:
    return _container.endpoints(container.attrs)[network]


def aliases(container: t.Any, network: str) -> list[str]:
    return list(endpoint(container, network).get("Aliases", []))


def address(container: t.Any, network: str) -> str:
    return str(container.attrs["NetworkSettings"]["Networks"][network]["IPAddress"])


def aliases_of(container: t.Any, networks: t.Sequence[str] | None = None) -> dict[str, list[str]]:
    """The names of a container by network, without those that Docker gives every container. Raises PooledError for a network
    that it is not on."""
    connected = _addresses.networks_of(container.attrs)
    for network in networks or []:
        if network not in connected:
            raise PooledError(f"{container.name} is not on the network {network}", "networks")
    return {network: aliases(container, network) for network in (connected if networks is None else networks)}


def set_aliases(client: t.Any, container: t.Any, network: str, names: t.Sequence[str]) -> None:
    """Gives the container these names on *network*, and no others. Raises PooledError where it would lose its address by that,
    and with it every open connection."""
    lost = lost_by_leaving(client, container, network)
    if lost is not None:
        raise PooledError(
            f"{container.name} cannot be given other names without losing {lost} on the network {network}"
        )
    refusal = refusal_of_address(client, container.attrs, network)
    if refusal is not None:
        raise PooledError(
            f"{container.name} cannot be given other names without losing its connections on the {refusal}"
        )
    reattach(client, container, network, {**endpoint(container, network), "Aliases": list(names)})


def lost_by_leaving(client: t.Any, container: t.Any, network: str) -> str | None:
    """What the container has on *network* that the SDK or the engine could not give it again; None where it is nothing."""
    asked = endpoint(container, network)
    if "GwPriority" in asked:
        return "its gateway priority (gw_priority)"
    if "MacAddress" in asked and not _docker.gives_mac_addresses(client):
        return "the hardware address that it was given (mac_address; Docker 25 and its SDK 7.0 can give it again)"
    return None


def refusal_of_address(client: t.Any, inspection: t.Mapping[str, t.Any], network: str) -> str | None:
    """Why Docker would not let the inspected container join *network* again at the address that it has there; None where it
    would. Docker tells that also for a container that never starts."""
    endpoint = _addresses.networks_of(inspection)[network]
    if _addresses.asked_for(endpoint):
        return None
    refusal = _addresses.refusal(client, inspection["Image"], network, endpoint["IPAddress"])
    return refusal and (
        f"network {network} ({refusal}); only a network that was created with a subnet gives fixed addresses (docker network"
        " create --subnet)"
    )


def reattach(
    client: t.Any, container: t.Any, network_name: str, endpoint: t.Mapping[str, t.Any], address: str | None = None
) -> None:
    """Off the network and on again with another endpoint, at the same address. If that cannot be, at any address: a database
    that is somewhere is better than one that is nowhere. Raises PooledError only where it is on the network no more.

    Meanwhile nobody finds the container by any name, and a client that looks for it just then would fail. So its clients are
    held."""
    network = client.networks.get(network_name)
    present = _addresses.networks_of(container.attrs).get(network_name)
    address = address or (present or {}).get("IPAddress") or None
    with _docker.held(client, _clients_of(client, container, network, address) if present is not None else []):
        if present is not None:
            network.disconnect(container, force=True)
        _join(network, container, endpoint, address)


def _clients_of(client: t.Any, container: t.Any, network: t.Any, address: str | None) -> list[t.Any]:
    """The containers on *network* that have connections to what listens in the container at *address*, and every Odoo: it may
    be about to have some."""
    ends = {(address, port) for port in _sockets.listening(_sockets.tables_of(container) or [])}
    others = [member for member in members(client, network) if member.id != container.id]
    return [
        member for member in others if ends & (_sockets.connections_of(member) or set()) or _docker.runs_odoo(member)
    ]


def _join(network: t.Any, container: t.Any, endpoint: t.Mapping[str, t.Any], address: str | None) -> None:
    failure: Exception | None = None
    for wanted in [address] * JOIN_ATTEMPTS + [None]:
        try:
            _docker.join(network, container, endpoint, wanted)
            container.reload()
            return
        except _docker.ERRORS as error:
            failure = error
            time.sleep(0.1)
    raise PooledError(
        f"{container.name} could not join the network {network.name} again ({failure}); do it by hand: docker network connect"
        + "".join(f" --alias {alias}" for alias in endpoint.get("Aliases") or [])
        + f" {network.name} {container.name}"
    )
