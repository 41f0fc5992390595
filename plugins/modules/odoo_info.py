#!/usr/bin/python
# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: odoo_info
short_description: Find the Odoo containers of a Docker host
version_added: 0.1.0
description:
  - Lists the Odoo instances that run on a Docker host with version, workers, cron threads and databases.
  - Tells where each has its database address from by the precedence of its image and version, checked against what the
    running process really uses, and which ways of moving it to another address are open, with the interruption to expect.
  - Runs a short read-only script with the container's own Python. Passwords do not leave the container.
extends_documentation_fragment:
  - pooled.odoo._attributes.info_module
  - pooled.odoo._reported
  - pooled.odoo._docker
  - pooled.odoo._odoo
options:
  containers:
    description:
      - Names of the containers to look at. It is an error if one of them does not run Odoo.
      - By default all running containers that have an Odoo server among their processes. One that shares another container's
        or the host's network or processes is left out then, with a warning.
    type: list
    elements: str
  databases:
    description:
      - Also list the databases of each instance, by logging in to PostgreSQL as the instance would. Where nobody answers, at the
        address that it had before it was moved.
    type: bool
    default: true
  unreadable:
    description:
      - What follows where an instance cannot be understood - it cannot be looked into, two servers run in one container, its
        database does not answer. With V(fail) the module fails, naming all of these. With V(leave_out) they are left out with a
        warning each; their connections then stay beside the pools.
    type: str
    choices: [fail, leave_out]
    default: fail
  state_dir:
    description:
      - Directory of the rollback tokens of M(pooled.odoo.odoo_dbhost), to tell what an address has meant before it was moved.
    type: path
    default: /var/lib/pooled-odoo/cutover
author:
  - The pooled.odoo developers (@pooled-odoo)
seealso:
  - module: pooled.odoo.cutover_info
  - module: pooled.odoo.odoo_dbhost
"""

EXAMPLES = r"""
- name: Find all Odoo containers
  pooled.odoo.odoo_info:
  register: odoo

- name: Show how each could be moved
  ansible.builtin.debug:
    msg: "{{ item.name }}: {{ item.methods | selectattr('open') | map(attribute='name') | first | default('by hand') }}"
  loop: "{{ odoo.instances }}"
"""

RETURN = r"""
left_out:
  description: Containers that run Odoo and are none of the instances, each with why.
  returned: success
  type: list
  elements: str
  sample: ["erp9 is left out: container 'erp9' shares the network of host, where connections cannot be told apart"]
instances:
  description: The Odoo instances, sorted by name.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the container.
      type: str
      returned: success
    version:
      description: Odoo's version.
      type: str
      returned: success
      sample: "19.0"
    family:
      description: Image family, V(official), V(doodba), V(camptocamp), V(acsone), V(bitnami) or V(unknown).
      type: str
      returned: success
    workers:
      description: Number of HTTP workers; V(0) is threaded mode.
      type: int
      returned: success
    cron_threads:
      description: Number of cron workers or threads.
      type: int
      returned: success
    listeners:
      description: Connections to the database C(postgres) that it keeps for ever.
      type: int
      returned: success
    databases:
      description: Databases that it serves.
      type: list
      elements: str
      returned: when O(databases=true)
    job_runner:
      description:
        - The job runner of OCA queue_job that the instance starts, null for none. C(host), C(port) and C(user) are what it has
          for itself as the database's, null where it takes Odoo's; C(source) is V(environment) or V(file);
          C(shares_address) tells whether that comes to Odoo's own address; C(reads_conf) is false where OCA
          server_environment keeps it from reading odoo.conf.
      type: dict
      returned: success
    behind_pooler:
      description: Whether a PgBouncer answers at its address that is none of this collection's.
      type: bool
      returned: when O(databases=true)
    queue_job:
      description: Under C(databases) the databases that have queue_job installed, if the instance starts a job runner.
      type: dict
      returned: when O(databases=true)
    started_at:
      description: When the container was started, UTC.
      type: str
      returned: success
    survives_pooler_restart:
      description:
        - Whether its crons run on after a restart of the pooler. Those of Odoo 15 to 18 in threaded mode do not; such an
          instance must be restarted too.
      type: bool
      returned: success
    db_user:
      description: Role as which it logs in.
      type: str
      returned: success
    db_maxconn:
      description: Most connections that one process of it opens.
      type: int
      returned: success
    db_maxconn_gevent:
      description: The same for its websocket process (Odoo 17 and newer); null where it is C(db_maxconn).
      type: int
      returned: success
    max_http_threads:
      description:
        - In threaded mode the most threads that answer requests, by C(ODOO_MAX_HTTP_THREADS); null where only
          C(db_maxconn) bounds them.
      type: int
      returned: success
    sslmode:
      description: How far it insists on TLS towards its database (C(db_sslmode)).
      type: str
      returned: success
    replica:
      description:
        - The replica that it reads from, with C(host), C(port) and C(resolved) (C(db_replica_host), Odoo 18 and newer); null
          without one. Its connections go there directly.
      type: dict
      returned: success
    networks:
      description: Its Docker networks.
      type: list
      elements: str
      returned: success
    database_networks:
      description: Those of them over which it reaches its database; the pooler belongs there.
      type: list
      elements: str
      returned: success
    addresses:
      description: Its own addresses on its networks.
      type: list
      elements: str
      returned: success
    address:
      description:
        - The database address in use. C(host), C(port), where each comes from (C(host_source), C(port_source)), its
          C(resolved) addresses as the container sees them, C(how) that is known, and C(shadowed) sources with another value.
      type: dict
      returned: success
    poolers:
      description:
        - Names of this collection's poolers to which the address leads, by whatever name. Empty where it leads to
          PostgreSQL, or where connections that were open before the name was given to the pooler are still there.
      type: list
      elements: str
      returned: success
    connected_poolers:
      description: Names of this collection's poolers to which it has open connections.
      type: list
      elements: str
      returned: success
    unread:
      description:
        - Whether it has not been seen to use the address that its odoo.conf got when another instance, which shares that file,
          was moved. M(pooled.odoo.odoo_dbhost) makes it read that.
      type: bool
      returned: success
    connections:
      description: Established TCP connections, counted by far end.
      type: list
      elements: dict
      returned: success
    config_file:
      description: Path of odoo.conf in the container, and on the host where it is mounted.
      type: dict
      returned: success
    managed_by:
      description: The Compose project or Swarm service that owns the container.
      type: str
      returned: success
    methods:
      description: Ways to move it, least disruptive first, with C(open), C(reason) and C(interruption).
      type: list
      elements: dict
      returned: success
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pooled.odoo.plugins.module_utils import (
    _alias,
    _alias_record,
    _docker,
    _errors,
    _odoo_discovery,
    _odoo_instance,
    _odoo_versions,
)
from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError
from ansible_collections.pooled.odoo.plugins.module_utils._move import journal, methods
from ansible_collections.pooled.odoo.plugins.module_utils._move.containers import odoo_containers


def choose(client: t.Any, names: list[str] | None) -> list[t.Any]:
    """The containers asked for, or all that run Odoo."""
    if names is None:
        return odoo_containers(client)
    containers = [_docker.find(client, name) for name in names]
    for container in containers:
        _docker.check_runs(container, "containers")
    return containers


def look_at_all(
    client: t.Any, containers: t.Sequence[t.Any], params: t.Mapping[str, t.Any]
) -> tuple[list[dict[str, t.Any]], list[str]]:
    """The instances, and why some containers that nobody has named are left out."""
    poolers = _alias.poolers(client)
    instances, left_out, unreadable = [], [], []
    for container in containers:
        try:
            instances.append(look_at(client, container, poolers, params))
        except _odoo_instance.SharesNamespaces as error:
            if params["containers"] is not None:
                raise
            left_out.append(f"{container.name} is left out: {error.message}")
        except _docker.NoServer:
            # A shell, an upgrade or whatever else Odoo's script can do beside a server.
            if params["containers"] is not None:
                raise
        except PooledError as error:
            # One that is gone by now is nobody's.
            if params["containers"] is not None or _docker.find_or_none(client, container.id) is not None:
                unreadable.append(f"{container.name} ({error.message})")
    if unreadable and params["unreadable"] == "fail":
        raise PooledError(
            f"not every instance can be understood: {'; '.join(unreadable)}. Mend the cause; or name the containers that are"
            " meant (pooled_odoo_containers); or leave these out, and their connections beside the pools"
            " (pooled_odoo_unreadable_instances: leave_out)",
            "unreadable",
        )
    left_out += [f"left out, because it cannot be understood: {told}" for told in unreadable]
    return sorted(instances, key=lambda instance: str(instance["name"])), left_out


def look_at(
    client: t.Any, container: t.Any, poolers: t.Mapping[str, str], params: t.Mapping[str, t.Any]
) -> dict[str, t.Any]:
    state_dir, variables = params["state_dir"], params["address_variables"]
    instance, _name = _odoo_discovery.look_at(client, container, variables)
    found = instance.found
    described = _odoo_instance.describe(instance)
    described["methods"] = [way._asdict() for way in methods.ways(instance.circumstances)]
    host, port, networks = instance.address.host, instance.address.port, described["networks"]
    former = _alias_record.former_addresses(state_dir, networks, host)
    runner = described["job_runner"]
    if runner and runner["host"] and _alias_record.former_addresses(state_dir, networks, runner["host"]):
        # Its own name for PostgreSQL was given to the pooler.
        runner["shares_address"] = True
    given_to = _alias_record.given_to(state_dir, networks, host)
    described["poolers"] = _odoo_instance.leads_to(instance, poolers, former, given_to)
    ends = {end["address"] for end in found["connections"]}
    described["connected_poolers"] = sorted({name for address, name in poolers.items() if address in ends})
    described["unread"] = is_unread(instance, state_dir)
    if params["databases"]:
        record = journal.load(state_dir, container.name)
        addresses = [(host, port)] + ([(record["before"]["host"], record["before"]["port"])] if record else [])
        # The name that it had for PostgreSQL may be nobody's either.
        addresses += [
            (ip, own) for name, own in addresses for ip in _alias_record.former_addresses(state_dir, networks, name)
        ]
        foreign = not set(described["address"]["resolved"]) & set(poolers)
        answer = databases(container, found, addresses, foreign)
        described["databases"] = answer["databases"]
        described["queue_job"] = {"databases": answer["queue_job"]}
        described["behind_pooler"] = answer["pgbouncer"]
    return described


def is_unread(instance: _odoo_instance.Instance, state_dir: str) -> bool:
    """Whether its odoo.conf was edited for another instance's sake and it has no connection to the address there."""
    if instance.conf is None or journal.load(state_dir, instance.name) is not None:
        return False
    record = journal.by_same_file(state_dir, instance.name, instance.conf.host_path)
    if record is None:
        return False
    host, port = record["after"]["host"], record["after"]["port"]
    arrived = {(address, port) for address in instance.found["resolved"].get(host, [])}
    return not arrived & {(end["address"], end["port"]) for end in instance.found["connections"]}


def databases(
    container: t.Any, found: t.Mapping[str, t.Any], addresses: t.Sequence[tuple[str, int]], ask_pgbouncer: bool
) -> dict[str, t.Any]:
    """What PostgreSQL says at the first address that answers: a pooler that has gone must not be in the way of its return."""
    asked = {"do": "databases", "queue_job": found["job_runner"] is not None, "pgbouncer": ask_pgbouncer}
    failure = None
    for host, port in addresses:
        request = {**asked, "host": host, "port": port}
        try:
            return _docker.probe(container, request, found["python"])
        except PooledError as error:
            failure = failure or error
    raise t.cast(PooledError, failure)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **_docker.argument_spec(),
            **_errors.argument_spec(),
            "containers": {"type": "list", "elements": "str"},
            "databases": {"type": "bool", "default": True},
            "address_variables": {"type": "dict", "default": {}},
            "unreadable": {"type": "str", "choices": ["fail", "leave_out"], "default": "fail"},
            "state_dir": {"type": "path", "default": "/var/lib/pooled-odoo/cutover"},
        },
        supports_check_mode=True,
    )
    try:
        client = _docker.connect(module.params)
        containers = choose(client, module.params["containers"])
        instances, left_out = look_at_all(client, containers, module.params)
    except _docker.ERRORS as error:
        module.fail_json(msg=_errors.told(error, module.params["reported_as"]))
    strange = [(one["name"], _odoo_versions.unknown(one["version"])) for one in instances]
    for told in left_out + [f"{name}: {why}" for name, why in strange if why]:
        module.warn(told)
    module.exit_json(changed=False, instances=instances, left_out=left_out)


if __name__ == "__main__":
    main()
