# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One Odoo container as the modules see it: what Docker says of it joined with what the probe found inside.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import datetime
import re
import typing as t

from ansible_collections.pooled.odoo.plugins.module_utils import _container, _odoo_address, _queue_job
from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError
from ansible_collections.pooled.odoo.plugins.module_utils._odoo_versions import facts, listeners, major_of


class SharesNamespaces(PooledError):
    """A container that cannot be told apart from others."""


class Instance(t.NamedTuple):
    inspection: t.Mapping[str, t.Any]
    found: dict[str, t.Any]
    address: _odoo_address.Address
    circumstances: _odoo_address.Circumstances
    conf: _container.Mount | None

    @property
    def name(self) -> str:
        return self.inspection["Name"].lstrip("/")

    @property
    def major(self) -> int | None:
        return self.circumstances.major


def survives_pooler_restart(instance: Instance) -> bool:
    """Whether crons run on after the loss of their connections. Worker processes are started anew; threads of Odoo 15 to
    18 are not, and no cron runs until somebody restarts Odoo."""
    threaded = instance.found["workers"] == 0 and instance.found["cron_threads"] > 0
    return not threaded or facts(instance.major).threaded_cron_reconnects


def health_path(major: int | None) -> str:
    """A page that any instance answers without a session and for which it needs its database: /web/health does since 17
    (db_server_status), before that the log-in page lists the databases."""
    return "/web/login" if major is not None and major < 17 else "/web/health?db_server_status=1"


# Seconds after a container's start within which its entrypoint writes what it generates.
GENERATION_SECONDS = 5
# Docker writes the start down when it has seen it, by then a quick script has done its work.
SEEN_SECONDS = 0.5


def _is_young(written_at: float | None, inspection: t.Mapping[str, t.Any]) -> bool:
    """Whether a file was written, in seconds since 1970, while the container was starting."""
    match = re.match(r"(\d+-\d+-\d+T\d+:\d+:\d+)(\.\d+)?", inspection.get("State", {}).get("StartedAt") or "")
    if written_at is None or match is None:
        return False
    started = datetime.datetime.strptime(match.group(1), "%Y-%m-%dT%H:%M:%S").replace(tzinfo=datetime.timezone.utc)
    return -SEEN_SECONDS <= written_at - started.timestamp() - float(match.group(2) or 0) <= GENERATION_SECONDS


def assemble(
    inspection: t.Mapping[str, t.Any], found: dict[str, t.Any], variables: t.Mapping[str, str] | None = None
) -> Instance:
    """Joins an inspection with the answer of the probe's ``describe``; raises PooledError if it cannot be moved at all.
    *variables*: those that the user names as the address's, by part.

    What its networks and its Compose project allow is not known from these two; see :func:`with_name`, :func:`with_compose`.
    """
    name = inspection["Name"].lstrip("/")
    _check_own_namespaces(name, inspection["HostConfig"])
    family = _container.family(inspection)
    major = major_of(found["version"])
    environment = _container.environment(inspection)
    entry = found.get("entry_conf") if family == "official" else None
    address = _odoo_address.resolve(
        _odoo_address.Evidence(
            family=family,
            major=major,
            argv=tuple(found["argv"]),
            command=_container.command(inspection),
            environment=environment,
            conf=found["conf"],
            entry_conf=entry and entry["conf"],
            unset=found.get("conf_unset", ()),
            conf_is_young=_is_young(found.get("conf_written_at"), inspection),
            variables=variables or {},
            exported={name: value for name, value in found.get("exported", {}).items() if name not in environment},
        )
    )
    asked = address.host_source.entry_file or address.port_source.entry_file
    path = entry["path"] if entry and asked else found["conf_path"]
    conf = _container.host_mount(inspection, path) if path else None
    circumstances = _odoo_address.Circumstances(
        address=address,
        family=family,
        major=major,
        workers=found["workers"],
        conf_on_host=conf is not None,
        managed_by=_container.manager(inspection),
    )
    return Instance(inspection, found, address, circumstances, conf)


def with_name(instance: Instance, name_is_fixed: str | None) -> Instance:
    """The instance with what a look at its networks has shown (``_alias.find``)."""
    if name_is_fixed is None and _runner_uses(instance):
        name_is_fixed = (
            "it starts a job runner (queue_job) that uses the same name, and a transaction pooler cannot serve that one"
        )
    return instance._replace(circumstances=instance.circumstances._replace(name_is_fixed=name_is_fixed))


def with_compose(instance: Instance, no_compose_files: str | None) -> Instance:
    """The instance with what a look for its Compose project has shown (``_compose.hindrance``)."""
    return instance._replace(circumstances=instance.circumstances._replace(no_compose_files=no_compose_files))


def _runner_uses(instance: Instance) -> bool:
    runner = instance.found["job_runner"]
    return runner is not None and (runner["host"] or instance.address.host) == instance.address.host


def _check_own_namespaces(name: str, host_config: t.Mapping[str, t.Any]) -> None:
    network = host_config.get("NetworkMode") or ""
    if network == "host" or network.startswith("container:"):
        raise SharesNamespaces(
            f"container {name!r} shares the network of {network.replace('container:', 'container ')}, where connections"
            " cannot be told apart; put it on a user-defined Docker network",
            "name",
        )
    if host_config.get("PidMode"):
        raise SharesNamespaces(
            f"container {name!r} shares processes with {host_config['PidMode']}, so a signal could reach another Odoo;"
            " start it without --pid",
            "name",
        )


def leads_to(
    instance: Instance, poolers: t.Mapping[str, str], former: t.Collection[str], given_to: t.Collection[str]
) -> list[str]:
    """The names of the poolers that its database address leads to; none where it leads elsewhere too, or where connections
    to *former*, the addresses that this name had before, are still open. *poolers*: ``{address: container's name}``. A name that
    nobody has leads to those to whom it was given: they do not run."""
    addresses = instance.found["resolved"].get(instance.address.host, [])
    left = {end["address"] for end in instance.found["connections"] if end["port"] == instance.address.port}
    if not set(addresses) <= set(poolers) or (left & set(former) and not instance.found["job_runner"]):
        return []
    return sorted({poolers[address] for address in addresses} or given_to)


def _runner(runner: dict[str, t.Any] | None, address: _odoo_address.Address) -> dict[str, t.Any] | None:
    """The job runner, with whether it uses the very address that Odoo itself uses."""
    if runner is None:
        return None
    return {**runner, "shares_address": _queue_job.is_lost(runner, _queue_job.Address(address.host, address.port))}


def describe(instance: Instance) -> dict[str, t.Any]:
    """The instance as plain data for a module's result. No secret is in it."""
    found, address = instance.found, instance.address
    return {
        "name": instance.name,
        "id": instance.inspection["Id"],
        "image": instance.inspection["Config"]["Image"],
        "family": instance.circumstances.family,
        "version": found["version"],
        "workers": found["workers"],
        "cron_threads": found["cron_threads"],
        "listeners": listeners(instance.major, found["cron_threads"], found["http"] is not None),
        "db_maxconn": found["db_maxconn"],
        "db_maxconn_gevent": found["db_maxconn_gevent"],
        "max_http_threads": found["max_http_threads"],
        "sslmode": found["sslmode"],
        "replica": found["replica"],
        "db_user": found["db_user"],
        "http": found["http"],
        "networks": sorted(instance.inspection["NetworkSettings"]["Networks"]),
        "database_networks": database_networks(instance),
        "addresses": sorted(_addresses_of(instance.inspection)),
        "managed_by": instance.circumstances.managed_by,
        "config_file": {
            "path": found["conf_path"],
            "host_path": instance.conf.host_path if instance.conf else None,
        },
        "address": {
            "host": address.host,
            "port": address.port,
            "host_source": address.host_source._asdict(),
            "port_source": address.port_source._asdict(),
            "how": address.how,
            "shadowed": [str(source) for source in address.shadowed],
            "resolved": found["resolved"].get(address.host, []),
        },
        "connections": found["connections"],
        "job_runner": _runner(found["job_runner"], address),
        "started_at": instance.inspection["State"]["StartedAt"],
        "survives_pooler_restart": survives_pooler_restart(instance),
    }


def _addresses_of(inspection: t.Mapping[str, t.Any]) -> dict[str, str]:
    """``{address: network}`` of a container, IPv4 and IPv6."""
    return {
        endpoint[key]: network
        for network, endpoint in inspection["NetworkSettings"]["Networks"].items()
        for key in ("IPAddress", "GlobalIPv6Address")
        if endpoint.get(key)
    }


def database_networks(instance: Instance) -> list[str]:
    """The networks over which it reaches its database; all of them where that cannot be told. A pooler belongs there and on no
    other: a reverse proxy's network has no business with it."""
    networks = _addresses_of(instance.inspection)
    own = instance.found["leaves_by"].get(instance.address.host, [])
    found = {networks[address] for address in own if address in networks}
    return sorted(found or instance.inspection["NetworkSettings"]["Networks"])


def check_replica(instance: Instance) -> None:
    """Raises PooledError where Odoo reads from a replica that is the very server: these connections would stay as they are, so no
    move could ever be seen to end."""
    replica = instance.found["replica"]
    if replica is None:
        return
    same_name = replica["host"] == instance.address.host
    same_address = set(replica["resolved"]) & set(instance.found["resolved"].get(instance.address.host, []))
    if replica["port"] == instance.address.port and (same_name or same_address):
        raise PooledError(
            f"container {instance.name!r} has a replica (db_replica_host = {replica['host']}) that is the very server that it"
            " writes to; take db_replica_host and db_replica_port away, or name a real replica, and restart Odoo",
            "name",
        )


def check_movable(instance: Instance) -> None:
    """Raises PooledError for an address that is no address: without one Odoo uses a Unix socket."""
    error = instance.found.get("conf_error")
    if not instance.address.host and error:
        raise PooledError(
            f"container {instance.name!r}: where its database is cannot be told, because its odoo.conf cannot be read ({error})."
            " Odoo will not start with it again either; mend the file first",
            "name",
        )
    if not instance.address.host or instance.address.host.startswith("/"):
        raise PooledError(
            f"container {instance.name!r} reaches PostgreSQL by a Unix socket, not over the network; give it a db_host"
            " first",
            "name",
        )


def check_sources_agree(instance: Instance) -> None:
    """Raises PooledError where two places name different addresses: which of them counts may change with the image."""
    if instance.address.shadowed:
        winner = instance.address.host_source
        others = ", ".join(str(source) for source in instance.address.shadowed)
        raise PooledError(
            f"container {instance.name!r} has two addresses: {winner} counts now, {others} does not; make them"
            " equal or remove what does not count, or set ignore_shadowed=true to leave it as it is",
            "name",
        )
