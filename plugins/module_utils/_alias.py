# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lets the name by which Odoo reaches PostgreSQL on a Docker network mean the pooler, and back.

This module util is PRIVATE to the collection. It can have breaking changes at any time.

The order of the steps is what keeps Odoo connected. The pooler takes the name first, so for a moment both answer, and either
leads to the same databases. Only then PostgreSQL's container, where there is one on the network, leaves the network and joins
it again at once, at the same address (so that open connections live on) and without the name. The rollback is the reverse.
A record is written before each step, so a run that dies at any point can be finished or taken back.
"""

from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.pooled.odoo.plugins.module_utils import (
    _addresses,
    _alias_record,
    _compose,
    _container,
    _docker,
    _docker_networks,
    _files,
    _ini,
    _sockets,
)
from ansible_collections.pooled.odoo.plugins.module_utils._alias_record import Record
from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError
from ansible_collections.pooled.odoo.plugins.module_utils._move import journal

# Under this ending PostgreSQL's container is still found when its own name leads to the pooler.
DIRECT_SUFFIX = "-direct"


class Name(t.NamedTuple):
    """A name on a Docker network, and the container that has it there; ``holder`` is None where the name comes from outside
    Docker (DNS)."""

    network: str
    name: str
    holder: t.Any | None


def find(client: t.Any, inspection: t.Mapping[str, t.Any], host: str) -> Name | str:
    """What *host* is for the inspected container: the name that could be moved, or the reason why it cannot."""
    if _is_address(host):
        return f"{host} is an address, not a name"
    if "," in host:
        return f"{host} is a list of names, each of which another server may have"
    if _in_hosts_file(inspection, host):
        return f"the container's own hosts file gives {host} an address (extra_hosts, links)"
    networks = [
        network
        for name, network in (
            (name, _docker_networks.resolving(client, name)) for name in sorted(_addresses.networks_of(inspection))
        )
        if network is not None
    ]
    if not networks:
        return "Docker resolves no names on this network; put the container on a user-defined one"
    found = [(network, member) for network in networks for member in _docker_networks.members(client, network)]
    holders = [
        (network, member)
        for network, member in found
        if host in _docker_networks.aliases(member, network.name) and not _docker.is_pooler(member)
    ]
    for member in (member for _network, member in found):
        if host in (member.name, member.id, member.id[: _container.SHORT_ID]):
            return f"{host} is the container's own name, which Docker always resolves to it; give it another (docker rename)"
    if len(holders) > 1:
        return f"{host} is the name of several containers ({', '.join(sorted(holder.name for _network, holder in holders))})"
    if holders:
        network, holder = holders[0]
        return Name(network.name, host, holder)
    # Where a pooler has it already, for another instance's sake, is where it belongs.
    given = [
        network.name
        for network, member in found
        if _docker.is_pooler(member) and host in _docker_networks.aliases(member, network.name)
    ]
    return Name(given[0] if given else networks[0].name, host, None)


def hindrance(client: t.Any, name: Name, user: t.Mapping[str, t.Any]) -> str | None:
    """Why PostgreSQL's container, or the pooler where that is elsewhere, could not come back to its address on the network;
    None where it can. *user* is the inspected container that uses the name there. Nothing is disconnected to find out."""
    if client.networks.get(name.network).attrs.get("EnableIPv6"):
        return (
            f"network {name.network} gives IPv6 addresses too, and a container that leaves it for another name comes back at"
            " another one of these"
        )
    lost = name.holder and _docker_networks.lost_by_leaving(client, name.holder, name.network)
    if name.holder is not None and lost:
        return f"{name.holder.name} would lose {lost} by leaving the network {name.network}"
    refusal = _docker_networks.refusal_of_address(client, name.holder.attrs if name.holder else user, name.network)
    if refusal is None:
        return None
    return f"{name.holder.name if name.holder else 'the pooler'} could not come back to its address on the {refusal}"


def risk(client: t.Any, name: Name) -> str | None:
    """What PostgreSQL's container would lose by an address that is fixed from now on, as Docker has it when a container asks
    for one; None where it loses nothing."""
    if name.holder is None:
        return None
    endpoint = _addresses.networks_of(name.holder.attrs)[name.network]
    configuration = client.networks.get(name.network).attrs["IPAM"]["Config"] or []
    if _addresses.asked_for(endpoint) or _addresses.is_reserved(endpoint["IPAddress"], configuration):
        return None
    return (
        f"{name.holder.name} would keep the address {endpoint['IPAddress']} on the network {name.network} for good, and Docker"
        " may give that to another container while this one is stopped, after a reboot say; it would not start then (Address"
        " already in use)"
    )


def poolers(client: t.Any, name: str | None = None) -> dict[str, str]:
    """All running poolers of this collection, or those that have *name* on a network: ``{address: container's name}``."""
    filters = {"label": f"{_docker.OWN_LABEL}=pooler"}
    return {
        network["IPAddress"]: container.name
        for container in client.containers.list(filters=filters, ignore_removed=True)
        for network in _addresses.networks_of(container.attrs).values()
        if network["IPAddress"] and (name is None or name in (network.get("Aliases") or []))
    }


def poolers_on(client: t.Any, network: str, host: str) -> dict[str, t.Any]:
    """The collection's poolers that have the name *host* on *network*, by their addresses there. Raises PooledError where there
    is none, or where another container has that name too.

    (The resolver would not do: to a container on several networks it tells the addresses on the first that knows the name.)"""
    members = _docker_networks.members(client, client.networks.get(network))
    named = [member for member in members if host in (member.name, *_docker_networks.aliases(member, network))]
    for member in named:
        if not _docker.is_pooler(member):
            raise PooledError(f"{member.name} was not made by this collection, so it is given no other name", "host")
    if not named:
        raise PooledError(f"no pooler has the name {host} on the network {network}; connect it there first", "host")
    return {
        _docker_networks.address(member, network): member
        for member in sorted(named, key=lambda member: str(member.name))
    }


def check_upstream(pooler: t.Any, name: str) -> None:
    """A pooler that has a name finds itself under it, so PgBouncer must not look for PostgreSQL there."""
    mount = _container.host_mount(pooler.attrs, "/etc/pgbouncer/pgbouncer.ini")
    content = _files.read(mount.host_path) if mount else None
    if content is None:
        return
    for database in _ini.parse(content.decode("utf-8", "replace"))["databases"].values():
        if database.get("host") == name:
            raise PooledError(
                f"the pooler itself reaches PostgreSQL by the name {name}, under which it would find itself; give it"
                " PostgreSQL's address (pooled_odoo_postgres_host) and run this again",
                "host",
            )


def compose_warning(name: Name) -> str | None:
    """Why the name will not stay with the pooler for ever, and what makes it stay; None where nothing takes it away."""
    holder: t.Any = name.holder
    service = _compose.service_of(holder.attrs) if holder is not None else None
    if service is None:
        return None
    files = ", ".join(service.compose_files) or "its file"
    direct = name.name + DIRECT_SUFFIX
    lines = (
        f"rename the service there (services: {direct}: instead of {service.service}:, and where others name it)"
        if service.service == name.name
        else f"write {direct} instead of {name.name} among its aliases there (networks: {name.network}: aliases:)"
    )
    return (
        f"Compose made {holder.name} (project {service.project}, {files}) and gives it the name {name.name} back whenever it"
        f" makes it anew; then run this again. So that it lasts, at the next occasion {lines}"
    )


def other_clients(
    client: t.Any, name: Name, ends: t.Collection[tuple[str, int]], together: t.Collection[str]
) -> list[str] | None:
    """Containers on the network, beside those in *together*, that are connected to PostgreSQL, which is at *ends*, now; they
    would be sent to the pooler too. None where this host cannot tell (Docker runs elsewhere)."""
    found = []
    for member in _docker_networks.members(client, _docker_networks.resolving(client, name.network)):
        if (
            member.name in together
            or _docker.is_pooler(member)
            or (name.holder is not None and member.id == name.holder.id)
        ):
            continue
        connected = _sockets.connections_of(member)
        if connected is None:
            return None
        if connected & set(ends):
            found.append(member.name)
    return sorted(found)


def take(client: t.Any, state_dir: str, name: Name, poolers: t.Sequence[t.Any], former: t.Sequence[str]) -> bool:
    """Lets *name* mean *poolers*; whether it did not before. *former* are the addresses that it has meant until now. Raises
    PooledError with PostgreSQL at its name again."""
    with _alias_record.locked(state_dir):
        path = _alias_record.path_of(state_dir, name.network, name.name)
        known = _files.read(path) is not None
        record = _alias_record.load(path) if known else _begin(name, former)
        if known and name.holder is None:
            # PostgreSQL may have come back in a container of another name.
            name = name._replace(holder=_other_holder(client, record))
        if known and name.holder is not None and name.holder.name != record["holder"]:
            record = {
                **_begin(name, [_docker_networks.address(name.holder, name.network)]),
                "poolers": record["poolers"],
            }
        for pooler in poolers:
            # One may have been added since; how the others were connected is known from before the first step.
            record["poolers"].setdefault(pooler.name, _connected(pooler, name.network, name.name))
        _alias_record.save(state_dir, record)
        try:
            _give(client, record)
        except _docker.ERRORS as error:
            if not known:
                _return(client, record)
                _files.remove(path)
            raise PooledError(f"{name.name} could not be given to the pooler: {error}") from error
        return not known


def give_back(client: t.Any, state_dir: str, network: str, name: str) -> Record | None:
    """Lets *name* mean PostgreSQL again; what was on record of it, or None where it did before."""
    path = _alias_record.path_of(state_dir, network, name)
    with _alias_record.locked(state_dir):
        if _files.read(path) is None:
            return None
        record = _alias_record.load(path)
        _return(client, record)
        _files.remove(path)
        return record


def left_fixed(record: Record) -> str | None:
    """What :func:`give_back` cannot take back without cutting connections."""
    if not record["holder"] or _addresses.asked_for(record["holding"]["endpoint"]):
        return None
    return (
        f"{record['holder']} has the fixed address {record['holding']['address']} on the network {record['network']} now."
        " Where Docker could give that to another container while this one is stopped, connect it anew at the next occasion"
        " (docker network disconnect and connect, or make the container anew)"
    )


def reattach(client: t.Any, state_dir: str) -> list[str]:
    """Brings back to their networks the containers that a run left off them when it died between leaving and joining; their
    names. Which name means what is for :func:`take` or :func:`give_back` to finish."""
    if not _alias_record.load_all(state_dir):
        return []
    with _alias_record.locked(state_dir):
        return [name for record in _alias_record.load_all(state_dir) for name in _reattach(client, record)]


def detached(client: t.Any, state_dir: str) -> list[str]:
    """What :func:`reattach` would bring back."""
    return [
        container.name for record in _alias_record.load_all(state_dir) for container, _kept in _detached(client, record)
    ]


def _detached(client: t.Any, record: Record) -> list[tuple[t.Any, Record]]:
    kept = {**record["poolers"], **({record["holder"]: record["holding"]} if record["holder"] else {})}
    present = [(container, kept[container.name]) for container in _present(client, kept)]
    return [pair for pair in present if record["network"] not in _addresses.networks_of(pair[0].attrs)]


def _reattach(client: t.Any, record: Record) -> list[str]:
    astray = _detached(client, record)
    for container, kept in astray:
        # Whoever else has the name has kept it.
        aliases = [alias for alias in kept["endpoint"].get("Aliases", []) if alias != record["name"]]
        if container.name == record["holder"]:
            aliases.append(record["name"] + DIRECT_SUFFIX)
        _docker_networks.reattach(
            client, container, record["network"], {**kept["endpoint"], "Aliases": aliases}, kept["address"]
        )
    return [container.name for container, _kept in astray]


def unused(state_dir: str) -> list[Record]:
    """The records of names by which no instance is moved any more."""
    needed = [record["alias"] for record in journal.all_records(state_dir) if "alias" in record]
    needed_names = {(kept["network"], kept["name"]) for kept in needed}
    return [
        record
        for record in _alias_record.load_all(state_dir)
        if (record["network"], record["name"]) not in needed_names
    ]


def release_unused(client: t.Any, state_dir: str) -> list[Record]:
    """:func:`give_back` for every name by which no instance is moved any more; what was on record of them."""
    given = [give_back(client, state_dir, record["network"], record["name"]) for record in unused(state_dir)]
    return [record for record in given if record is not None]


def _begin(name: Name, former: t.Sequence[str]) -> Record:
    return {
        "schema": _alias_record.SCHEMA,
        "network": name.network,
        "name": name.name,
        "poolers": {},
        "former": list(former),
        "holder": name.holder and name.holder.name,
        "holding": name.holder and _connected(name.holder, name.network),
    }


def _connected(container: t.Any, network: str, without: str | None = None) -> Record:
    """How the container is connected to *network*, but for the name *without*."""
    endpoint = _docker_networks.endpoint(container, network)
    aliases = [alias for alias in endpoint.get("Aliases", []) if alias != without]
    return {"endpoint": {**endpoint, "Aliases": aliases}, "address": _docker_networks.address(container, network)}


def _give(client: t.Any, record: Record) -> None:
    network, name = record["network"], record["name"]
    _reattach(client, record)
    for pooler in _present(client, record["poolers"]):
        aliases = _docker_networks.aliases(pooler, network)
        if name not in aliases:
            _docker_networks.set_aliases(client, pooler, network, [*aliases, name])
    holder = _docker.find_or_none(client, record["holder"])
    if holder is not None and name in _docker_networks.aliases(holder, network):
        kept = record["holding"]
        others = [alias for alias in kept["endpoint"]["Aliases"] if alias not in (name, name + DIRECT_SUFFIX)]
        direct = {**kept["endpoint"], "Aliases": [*others, name + DIRECT_SUFFIX]}
        _docker_networks.reattach(client, holder, network, direct, kept["address"])


def _other_holder(client: t.Any, record: Record) -> t.Any | None:
    """The container that has the name on the network in place of the one on record, which is gone."""
    if not record["holder"] or _docker.find_or_none(client, record["holder"]) is not None:
        return None
    network = client.networks.get(record["network"])
    for member in _docker_networks.members(client, network):
        if record["name"] in _docker_networks.aliases(member, network.name) and not _docker.is_pooler(member):
            return member
    return None


def _return(client: t.Any, record: Record) -> None:
    network, name = record["network"], record["name"]
    holder = _docker.find_or_none(client, record["holder"])
    if record["holder"] and holder is None:
        if _other_holder(client, record) is None:
            raise PooledError(
                f"the container {record['holder']}, which had the name {name}, is gone, so the name stays with the pooler;"
                " start it again and repeat, or give the name to PostgreSQL's new container and repeat"
            )
        record["holder"] = None
    _reattach(client, record)
    if holder is not None:
        holder.reload()
        if name not in _docker_networks.aliases(holder, network):
            _docker_networks.reattach(
                client, holder, network, record["holding"]["endpoint"], record["holding"]["address"]
            )
    # One that came later is not in the record.
    others = [
        member for member in _docker_networks.members(client, client.networks.get(network)) if _docker.is_pooler(member)
    ]
    poolers = {pooler.name: pooler for pooler in [*_present(client, record["poolers"]), *others]}
    for pooler in poolers.values():
        if name in _docker_networks.aliases(pooler, network):
            _docker_networks.set_aliases(
                client, pooler, network, [alias for alias in _docker_networks.aliases(pooler, network) if alias != name]
            )


def _present(client: t.Any, names: t.Iterable[str]) -> list[t.Any]:
    found = (_docker.find_or_none(client, name) for name in names)
    return [container for container in found if container is not None]


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host in ("", "localhost")
    return True


def _in_hosts_file(inspection: t.Mapping[str, t.Any], host: str) -> bool:
    extra = [entry.split(":")[0].split("=")[0] for entry in inspection["HostConfig"].get("ExtraHosts") or []]
    links = [entry.rpartition(":")[2].rpartition("/")[2] for entry in inspection["HostConfig"].get("Links") or []]
    return host in extra + links
