#!/usr/bin/python
# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pgbouncer_config
short_description: Write a checked PgBouncer configuration
version_added: 0.1.0
description:
  - Turns structured data into C(pgbouncer.ini), C(userlist.txt) and, where there are rules, C(pg_hba.conf).
  - Every key is checked for its type, range, choices and the PgBouncer version that knows it, and the keys against each
    other, before anything is written. An unknown key fails with the nearest name.
  - All files are replaced in one go, readable only by O(owner), and never half written.
  - Says for each change whether PgBouncer applies it on C(RELOAD) or only at a restart, and remembers in the directory
    what is still due until M(pooled.odoo.pgbouncer_admin) has done it, so that an interrupted run loses nothing.
extends_documentation_fragment:
  - pooled.odoo._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details:
      - The diff compares what the files mean, so order and comments do not show. Secrets are masked.
  idempotent:
    support: full
options:
  path:
    description:
      - Directory of the configuration. It must exist unless O(state=absent).
      - Mount this directory into a container, not its files. A file that is mounted alone keeps its old content.
    type: path
    required: true
  state:
    description:
      - With V(absent) the files that this module writes are removed; the directory stays.
    type: str
    choices: [present, absent]
    default: present
  version:
    description:
      - Version of the PgBouncer that will read the files, like V(1.24.1). A key that it does not know is an error.
      - Required when O(state=present).
    type: str
  settings:
    description:
      - Keys of the section C([pgbouncer]) and their values.
      - The keys C(auth_file) and C(auth_hba_file) are paths as PgBouncer sees them, in its container.
    type: dict
    default: {}
  databases:
    description:
      - Entries of the section C([databases]). An exact name wins over the wildcard V(*).
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name by which clients ask for it, or V(*) for every name without an entry of its own.
        type: str
        required: true
      application_name:
        description: Sets C(application_name) on server connections.
        type: str
      auth_dbname:
        description: Database in which the C(auth_query) runs. Since 1.19.
        type: str
      auth_query:
        description: Query that finds a user's password. Since 1.22.
        type: str
      auth_user:
        description: User that runs the C(auth_query).
        type: str
      client_encoding:
        description: Sets C(client_encoding) on server connections.
        type: str
      connect_query:
        description: Query that runs on each new server connection before a client gets it.
        type: str
      datestyle:
        description: Sets C(datestyle) on server connections.
        type: str
      dbname:
        description: Name of the database on the server, when it differs from O(databases[].name).
        type: str
      host:
        description: Host names or addresses of the server, separated by commas, or a directory of Unix sockets.
        type: str
      load_balance_hosts:
        description: How one of several hosts is chosen, V(disable) or V(round-robin). Since 1.24.
        type: str
      max_db_client_connections:
        description: Most client connections of this database. Since 1.24.
        type: int
      max_db_connections:
        description: Most server connections of this database over all users.
        type: int
      min_pool_size:
        description: Server connections that are kept open even without clients. Since 1.16.
        type: int
      password:
        description: Password for the server, in place of the client's own.
        type: str
      pool_mode:
        description: V(session), V(transaction) or V(statement).
        type: str
      pool_size:
        description: Most server connections of a pool, that is of one user on this database.
        type: int
      port:
        description: Port of the server.
        type: int
      reserve_pool:
        description: Name of O(databases[].reserve_pool_size) before 1.24.
        type: int
      reserve_pool_size:
        description: Server connections that a pool may open beyond its size for clients that wait too long. Since 1.24.
        type: int
      server_lifetime:
        description: Age in seconds after which an unused server connection is closed. Since 1.23.
        type: float
      timezone:
        description: Sets C(timezone) on server connections.
        type: str
      user:
        description: User for the server, in place of the client's own.
        type: str
  users:
    description:
      - Entries of the section C([users]).
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the user.
        type: str
        required: true
      client_idle_timeout:
        description: Seconds after which an idle client is disconnected. Since 1.24.
        type: float
      idle_transaction_timeout:
        description: Seconds after which a client that idles in a transaction is disconnected. Since 1.24.
        type: float
      max_user_client_connections:
        description: Most client connections of this user. Since 1.24.
        type: int
      max_user_connections:
        description: Most server connections of this user over all databases.
        type: int
      pool_mode:
        description: V(session), V(transaction) or V(statement), over the database's own.
        type: str
      pool_size:
        description: Most server connections of each of this user's pools. Since 1.23.
        type: int
      query_timeout:
        description: Seconds after which a running query is cancelled. Since 1.24.
        type: float
      reserve_pool_size:
        description: Size of the reserve of each of this user's pools. Since 1.24.
        type: int
      transaction_timeout:
        description: Seconds after which a client in a transaction is disconnected. Since 1.25.
        type: float
  peers:
    description:
      - Entries of the section C([peers]), the other processes to which a cancel request may have to be passed on.
    type: list
    elements: dict
    default: []
    suboptions:
      id:
        description: The C(peer_id) of that process.
        type: int
        required: true
      host:
        description: Address or directory of Unix sockets.
        type: str
      pool_size:
        description: Most connections to that peer.
        type: int
      port:
        description: Port.
        type: int
  userlist:
    description:
      - Users that PgBouncer knows without asking PostgreSQL, and users as which it logs in itself.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the user.
        type: str
        required: true
      password:
        description:
          - Password, or its SCRAM or md5 hash as PostgreSQL stores it.
          - A user as which PgBouncer logs in to PostgreSQL on its own account needs the password itself.
        type: str
        required: true
  userlist_file:
    description:
      - File on the target with more such users, in PgBouncer's own format, as M(pooled.odoo.odoo_userlist) writes it, so that
        their passwords never leave the host. It must exist; in check mode it may be one that an earlier task would have written.
    type: path
    version_added: 0.2.0
  hba:
    description:
      - Rules of host-based authentication. The first that fits a client decides; without a fit the client is refused.
    type: list
    elements: dict
    default: []
    suboptions:
      type:
        description: V(local), V(host), V(hostssl) or V(hostnossl).
        type: str
        required: true
      database:
        description: Database names, or V(all). One that is called like a keyword stands in double quotes.
        type: list
        elements: str
        required: true
      user:
        description: User names, or V(all). A user who is called like a keyword stands in double quotes, V("all").
        type: list
        elements: str
        required: true
      address:
        description: Network like V(10.0.0.0/8), or V(all). Not with O(hba[].type=local).
        type: str
      method:
        description: V(trust), V(reject), V(md5), V(scram-sha-256), V(plain), V(cert), V(peer), V(ldap) or V(pam).
        type: str
        required: true
  server_connection_limit:
    description:
      - Most server connections that the pools together may open, usually what PostgreSQL has left for them.
      - When given, a configuration that could open more, or that has no bound at all, is refused.
    type: int
  fixes_backported:
    description:
      - The PgBouncer package carries newer security fixes under its older version, as Debian's does, so do not warn of
        the vulnerabilities that upstream fixed after O(version).
    type: bool
    default: false
  owner:
    description:
      - Owner of the files, as a name or a number. By default the directory's owner.
    type: str
  group:
    description:
      - Group of the files, as a name or a number. By default the directory's group.
    type: str
author:
  - The pooled.odoo developers (@pooled-odoo)
seealso:
  - module: pooled.odoo.pgbouncer_admin
  - name: PgBouncer's configuration
    description: The reference of all keys.
    link: https://www.pgbouncer.org/config.html
"""

EXAMPLES = r"""
- name: Write PgBouncer's configuration for Odoo
  pooled.odoo.pgbouncer_config:
    path: /etc/pooled-odoo/pgbouncer
    version: 1.24.1
    settings:
      listen_addr: "*"
      listen_port: 5432
      pool_mode: transaction
      server_reset_query_always: true
      auth_type: scram-sha-256
      auth_file: /etc/pgbouncer/userlist.txt
      max_client_conn: 2000
      max_user_connections: 60
    databases:
      - name: postgres
        host: db.example.com
        pool_mode: session
        pool_size: 30
      - name: "*"
        host: db.example.com
    userlist:
      - name: odoo
        password: "{{ odoo_password }}"
    server_connection_limit: 80
  register: config

- name: Apply it
  pooled.odoo.pgbouncer_admin:
    login_host: /var/lib/pooled-odoo-socket
    login_user: pooled_odoo_admin
    login_password: "{{ admin_password }}"
    command: reload
    config_path: /etc/pooled-odoo/pgbouncer
  when: config.pending == "reload"
"""

RETURN = r"""
changes:
  description: Every difference to the files that were there, secrets masked.
  returned: success
  type: list
  elements: dict
  contains:
    file:
      description: File in which it is.
      type: str
      returned: success
      sample: pgbouncer.ini
    section:
      description: Section of that file.
      type: str
      returned: success
      sample: pgbouncer
    key:
      description: Key, with the entry before it in a section of entries.
      type: str
      returned: success
      sample: max_client_conn
    before:
      description: Value before; null where there was none.
      type: str
      returned: success
    after:
      description: Value after; null where there is none.
      type: str
      returned: success
    effect:
      description: V(reload) or V(restart), what makes PgBouncer use it.
      type: str
      returned: success
pending:
  description:
    - What a running PgBouncer still needs before it uses these files, V(none), V(reload) or V(restart). It includes
      changes of earlier runs that nobody has applied.
  returned: success
  type: str
  sample: reload
server_connection_bound:
  description: The most server connections that the pools can open; null when nothing bounds them.
  returned: when O(state=present)
  type: int
  sample: 60
files:
  description: Paths of the files.
  returned: success
  type: list
  elements: str
"""

import grp
import os
import pwd
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pooled.odoo.plugins.module_utils import _files, _pending, _userlist
from ansible_collections.pooled.odoo.plugins.module_utils import _pgbouncer_config as pgbouncer
from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError
from ansible_collections.pooled.odoo.plugins.module_utils._pgbouncer_options import (
    DATABASE_KEYS,
    PEER_KEYS,
    USER_KEYS,
    Option,
)
from ansible_collections.pooled.odoo.plugins.module_utils._settings import parse_version

HEADING = "Written by Ansible, pooled.odoo.pgbouncer_config. Changes made by hand are lost at its next run."
FILES = (pgbouncer.USERLIST_FILE, pgbouncer.HBA_FILE, pgbouncer.INI_FILE)

_ARGUMENT_TYPES = {"integer": "int", "seconds": "float"}


def _entry_options(catalogue: dict[str, Option], key: str, key_type: str) -> dict[str, t.Any]:
    options: dict[str, t.Any] = {
        name: {"type": _ARGUMENT_TYPES.get(option.kind, "str")} for name, option in catalogue.items()
    }
    if "password" in options:
        options["password"]["no_log"] = True
    return {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {key: {"type": key_type, "required": True}, **options},
    }


def argument_spec() -> dict[str, t.Any]:
    return {
        "path": {"type": "path", "required": True},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "version": {"type": "str"},
        "settings": {"type": "dict", "default": {}},
        "databases": _entry_options(DATABASE_KEYS, "name", "str"),
        "users": _entry_options(USER_KEYS, "name", "str"),
        "peers": _entry_options(PEER_KEYS, "id", "int"),
        "userlist": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "name": {"type": "str", "required": True},
                "password": {"type": "str", "required": True, "no_log": True},
            },
        },
        "userlist_file": {"type": "path"},
        "hba": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "type": {"type": "str", "required": True},
                "database": {"type": "list", "elements": "str", "required": True},
                "user": {"type": "list", "elements": "str", "required": True},
                "address": {"type": "str"},
                "method": {"type": "str", "required": True},
            },
        },
        "server_connection_limit": {"type": "int"},
        "fixes_backported": {"type": "bool", "default": False},
        "owner": {"type": "str"},
        "group": {"type": "str"},
    }


def read_files(path: str) -> dict[str, str]:
    """The files that are there, by name."""
    contents = {name: _files.read(os.path.join(path, name)) for name in FILES}
    return {
        name: content.decode("utf-8", "surrogateescape") for name, content in contents.items() if content is not None
    }


def wanted_attributes(path: str, owner: str | None, group: str | None) -> _files.Attributes:
    """0600 for the owner asked for, by default the directory's. Raises PooledError where an account is unknown."""
    if not os.path.isdir(path):
        raise PooledError(
            f"{path} is not a directory; create it first, owned by the user that PgBouncer runs as", "path"
        )
    directory = _files.attributes_of(path)
    try:
        uid = directory.uid if owner is None else int(owner) if owner.isdigit() else pwd.getpwnam(owner).pw_uid
        gid = directory.gid if group is None else int(group) if group.isdigit() else grp.getgrnam(group).gr_gid
    except KeyError as error:
        raise PooledError(f"unknown account: {error}; create it or give its number", "owner") from error
    return _files.Attributes(uid, gid, 0o600)


def users_of(path: str, check_mode: bool) -> list[dict[str, str]]:
    """The users that stand in the file *path*; none in check mode as long as there is no such file. Raises PooledError."""
    content = _files.read(path)
    if content is None and not check_mode:
        raise PooledError(f"{path} does not exist; have pooled.odoo.odoo_userlist write it first", "userlist_file")
    users = _userlist.parse(_files.text_of(content or b""))
    return [{"name": name, "password": users[name]} for name in sorted(users)]


def parse_leniently(files: dict[str, str]) -> tuple[pgbouncer.Config, list[str]]:
    """What the files mean. Lines that cannot be read count as missing, because they are about to be replaced: were the whole file
    taken for empty, each of its keys would be a new one, and some of them a reason to restart."""
    faults: list[str] = []
    try:
        config = pgbouncer.parse(files, faults)
    except PooledError as error:
        config, faults = pgbouncer.parse({}), [str(error)]
    told = f"the configuration that is there cannot be read and is replaced: {faults[0]}" if faults else None
    return config, [told] if told else []


def plan(params: dict[str, t.Any]) -> tuple[dict[str, str], dict[str, t.Any], list[str]]:
    """The texts to write, the result that describes them, and warnings. Pure but for reading the files."""
    found = read_files(params["path"])
    before, warnings = parse_leniently(found)
    result: dict[str, t.Any] = {}
    wanted: dict[str, str] = {}
    if params["state"] == "present":
        version = parse_version(params["version"])
        after = pgbouncer.build(params, version)
        wanted = pgbouncer.render(after, HEADING)
        warnings += pgbouncer.setting_warnings(after, version)
        if not params["fixes_backported"]:
            warnings += pgbouncer.security_warnings(version)
        result["server_connection_bound"] = pgbouncer.server_connection_bound(after)[0]
    else:
        after = pgbouncer.parse({})
    changes = pgbouncer.compare(before, after)
    result.update(
        # The bytes decide, so that a changed comment or order does not survive; what they mean is in the diff.
        changed=wanted != found,
        changes=[change._asdict() for change in changes],
        files=[os.path.join(params["path"], name) for name in FILES if name in wanted],
        diff={"before": pgbouncer.describe(before), "after": pgbouncer.describe(after)},
    )
    return wanted, result, warnings


def apply(params: dict[str, t.Any], wanted: dict[str, str], attributes: _files.Attributes | None, pending: str) -> None:
    path = params["path"]
    if attributes is None:
        for name in FILES:
            _files.remove(os.path.join(path, name))
        _pending.clear(path)
        return
    # Before the files, so that a run that dies in between leaves one reload too many rather than one too few.
    _pending.remember(path, pending, attributes)
    # The main file last: until it is there, PgBouncer has no reason to look for what it newly refers to.
    _files.replace_all(
        {os.path.join(path, name): wanted[name].encode() for name in FILES if name in wanted}, attributes
    )
    for name in FILES:
        if name not in wanted:
            _files.remove(os.path.join(path, name))


def main() -> None:
    module = AnsibleModule(
        argument_spec=argument_spec(),
        required_if=[("state", "present", ["version"])],
        supports_check_mode=True,
    )
    # A copy: what a module has among its own options is in its result, as "invocation".
    params = {**module.params}
    # The only secret among the free keys.
    if params["settings"].get("auth_ldap_options"):
        module.no_log_values.add(str(params["settings"]["auth_ldap_options"]))
    try:
        if params["state"] == "present" and params["userlist_file"]:
            params["userlist"] = params["userlist"] + users_of(params["userlist_file"], module.check_mode)
        wanted, result, warnings = plan(params)
        attributes = None
        # In check mode the directory may be one that an earlier task would have made.
        if params["state"] == "present" and not (module.check_mode and not os.path.isdir(params["path"])):
            attributes = wanted_attributes(params["path"], params["owner"], params["group"])
            misowned = [name for name in wanted if _differs(os.path.join(params["path"], name), attributes)]
            result["changed"] = result["changed"] or bool(misowned)
        due = pgbouncer.strongest_effect(change["effect"] for change in result["changes"] if result["changed"])
        left_over = _pending.read(params["path"])
        result["pending"] = "none" if params["state"] == "absent" else pgbouncer.strongest_effect([due, left_over])
        if result["changed"] and not module.check_mode:
            apply(params, wanted, attributes, result["pending"])
    except PooledError as error:
        module.fail_json(msg=str(error))
    for warning in warnings:
        module.warn(warning)
    module.exit_json(**result)


def _differs(path: str, attributes: _files.Attributes) -> bool:
    return os.path.exists(path) and _files.attributes_of(path) != attributes


if __name__ == "__main__":
    main()
