#!/usr/bin/python
# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: odoo_userlist
short_description: Keep the database passwords of Odoo's roles for a PgBouncer
version_added: 0.2.0
description:
  - For a PostgreSQL whose stored passwords nobody may read, as providers run it. The passwords of Odoo's roles are taken from the
    running instances (odoo.conf, environment, arguments) or given, each is tried by a log-in, and those that work are kept in a
    file of PgBouncer's userlist format, which O(pooled.odoo.pgbouncer_config#module:userlist_file) takes.
  - They never leave the host. No result, diff or message has one in it.
  - With several passwords for one role the one that works counts; the instances that have another one are named in a warning.
    The one that is kept is tried too, so that a role does not need a running instance for ever.
extends_documentation_fragment:
  - pooled.odoo._attributes
  - pooled.odoo._reported
  - pooled.odoo._docker
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details:
      - The roles are named, their passwords are masked.
  idempotent:
    support: full
options:
  path:
    description:
      - The file, readable only by the user that runs the module. Its directory must exist.
    type: path
    required: true
  roles:
    description:
      - The roles whose passwords are kept; those of others go. PostgreSQL has to take one of each, or nothing is changed.
      - By default those that are kept already, and one whose password PostgreSQL does not take keeps it (C(refused)).
    type: list
    elements: str
  containers:
    description:
      - Names of the Odoo containers that are asked. One that does not run is left out. By default all that run Odoo.
    type: list
    elements: str
  role_passwords:
    description:
      - Passwords by the name of their role, for those that no running instance has yet.
    type: dict
    default: {}
  config_path:
    description:
      - Directory of a PgBouncer's configuration in whose C(userlist.txt) the passwords of these roles are replaced as well. That
        a RELOAD is due then is remembered there until M(pooled.odoo.pgbouncer_admin) has done it.
    type: path
  login_host:
    description:
      - Address of PostgreSQL as this host reaches it.
    type: str
    required: true
  login_port:
    description:
      - Port of PostgreSQL.
    type: int
    default: 5432
  login_db:
    description:
      - The database in which a password is tried.
    type: str
    default: postgres
  ssl_mode:
    description:
      - How far TLS is insisted on.
    type: str
    choices: [disable, allow, prefer, require, verify-ca, verify-full]
    default: prefer
  ca_cert:
    description:
      - File with the authorities that the server's certificate may be of.
    type: path
  connect_timeout:
    description:
      - Seconds that a log-in may take.
    type: int
    default: 10
author:
  - The pooled.odoo developers (@pooled-odoo)
seealso:
  - module: pooled.odoo.pgbouncer_config
  - module: pooled.odoo.pgbouncer_admin
"""

EXAMPLES = r"""
- name: Keep the password of role odoo
  pooled.odoo.odoo_userlist:
    path: /etc/pooled-odoo/secrets/odoo_userlist.txt
    roles: [odoo]
    containers: [erp1, erp2]
    login_host: db.example.com
    ssl_mode: verify-full
    ca_cert: /etc/ssl/certs/db-bundle.pem
"""

RETURN = r"""
roles:
  description: >-
    For each role its C(name), the C(instances) that run with the password that works, those that have it and do not run with it
    yet (C(restart)), those that have another one (C(outdated)), and whether the one that was kept works no more (C(stale)).
  returned: success
  type: list
  elements: dict
refused:
  description: >-
    Without O(roles), those whose kept password was left as it is, because PostgreSQL takes none that is known; with C(name) and
    the C(reason).
  returned: success
  type: list
  elements: dict
  sample: []
pending:
  description: What is due at the PgBouncer of O(config_path), V(none), V(reload) or V(restart).
  returned: with O(config_path)
  type: str
"""

import os
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pooled.odoo.plugins.module_utils import (
    _docker,
    _errors,
    _files,
    _login,
    _pending,
    _role_passwords,
    _userlist,
)
from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError
from ansible_collections.pooled.odoo.plugins.module_utils._move.containers import odoo_containers
from ansible_collections.pooled.odoo.plugins.module_utils._pgbouncer_config import USERLIST_FILE, strongest_effect

MASK = "********"


def ask(client: t.Any, names: t.Sequence[str]) -> tuple[dict[str, dict[str, list[str]]], list[str]]:
    """``{role: {instance: [password, …]}}`` of the containers *names*, and why some of them told nothing."""
    found: dict[str, dict[str, list[str]]] = {}
    silent = []
    for name in names:
        try:
            container = _docker.find(client, name)
            _docker.check_runs(container, "containers")
            answer = _docker.probe(container, {"do": "credentials"})
        except PooledError as error:
            silent.append(f"its password was not read: {error.message}")
            continue
        passwords = [password for password in answer["passwords"] if _is_text(password)]
        if answer["user"] and passwords:
            found.setdefault(answer["user"], {})[name] = passwords
        else:
            silent.append(
                f"{name} has {'no password (in UTF-8)' if answer['user'] else 'no role'} in odoo.conf, environment or"
                " arguments; libpq may find one elsewhere (.pgpass), which a pooler cannot"
            )
    return found, silent


def _is_text(password: str) -> bool:
    """Whether it is UTF-8, which is all that a userlist can hold; what is not comes from arguments with a replacement in it."""
    try:
        password.encode()
    except UnicodeEncodeError:
        return False
    return "\ufffd" not in password


def plan(
    params: t.Mapping[str, t.Any],
    found: t.Mapping[str, t.Mapping[str, t.Sequence[str]]],
    kept: t.Mapping[str, str],
) -> tuple[dict[str, _role_passwords.Choice], dict[str, PooledError]]:
    """What each role's password is, and of those that have none the reason. Raises PooledError where PostgreSQL cannot be
    asked."""
    choices, faults = {}, {}
    for role in sorted(kept if params["roles"] is None else set(params["roles"])):

        def refusal(password: str, role: str = role) -> str | None:
            login = {**params, "login_user": role, "login_password": password}
            return _login.refusal(login, params["login_db"])

        given = params["role_passwords"].get(role)
        known = _role_passwords.Known(found.get(role, {}), None if given is None else str(given), kept.get(role))
        try:
            choices[role] = _role_passwords.choose(role, known, refusal)
        except _login.CannotTell:
            raise
        except PooledError as error:
            faults[role] = error
    return choices, faults


class File:
    """A userlist that is to have *passwords*: all of its users, or those of them that it has."""

    def __init__(self, path: str, passwords: t.Mapping[str, str], whole: bool) -> None:
        self.path, self.content = path, _files.read(path)
        self.before = _userlist.parse(_files.text_of(self.content or b""))
        rest = {} if whole else self.before
        wanted = {**rest, **{role: own for role, own in passwords.items() if whole or role in rest}}
        self.after = _userlist.check([{"name": name, "password": wanted[name]} for name in wanted])
        self.wanted = _files.bytes_of(_userlist.render(self.after))
        self.attributes = _files.private() if whole or self.content is None else _files.attributes_of(path)

    @property
    def differs(self) -> bool:
        return self.wanted != self.content or _files.attributes_of(self.path) != self.attributes

    def write(self) -> None:
        _files.replace(self.path, self.wanted, self.attributes)


def described(users: t.Mapping[str, str], before: t.Mapping[str, str] | None = None) -> str:
    lines = []
    for role in sorted(users):
        changed = before is not None and before.get(role, users[role]) != users[role]
        lines.append(f"{role}: {MASK}{' (changed)' if changed else ''}\n")
    return "".join(lines)


def keep(params: t.Mapping[str, t.Any], passwords: t.Mapping[str, str], check_mode: bool) -> dict[str, t.Any]:
    """Writes what differs; what of the result is about that."""
    own = File(params["path"], passwords, whole=True)
    files, result = [own], {}
    if params["config_path"]:
        files.append(File(os.path.join(params["config_path"], USERLIST_FILE), passwords, whole=False))
    changed = [one for one in files if one.differs]
    if params["config_path"]:
        due = "reload" if files[1] in changed else "none"
        result["pending"] = strongest_effect([due, _pending.read(params["config_path"])])
        if files[1] in changed and not check_mode:
            # Before the file, so that a run that dies in between leaves one reload too many rather than one too few.
            _pending.remember(params["config_path"], result["pending"], files[1].attributes)
    for one in changed if not check_mode else []:
        one.write()
    diff = {"before": described(own.before), "after": described(own.after, own.before)}
    return {"changed": bool(changed), "diff": diff, **result}


def main() -> None:
    login = _login.argument_spec()
    module = AnsibleModule(
        argument_spec={
            **_docker.argument_spec(),
            **_errors.argument_spec(),
            **{name: login[name] for name in ("login_host", "login_port", "ssl_mode", "ca_cert", "connect_timeout")},
            "login_db": {"type": "str", "default": "postgres"},
            "path": {"type": "path", "required": True},
            "roles": {"type": "list", "elements": "str"},
            "containers": {"type": "list", "elements": "str"},
            "role_passwords": {"type": "dict", "default": {}, "no_log": True},
            "config_path": {"type": "path"},
        },
        supports_check_mode=True,
    )
    params = module.params
    silent: list[str] = []
    try:
        kept = _userlist.parse(_files.text_of(_files.read(params["path"]) or b""))
        client = _docker.connect(params)
        names = params["containers"]
        found, silent = ask(client, [one.name for one in odoo_containers(client)] if names is None else names)
        choices, faults = plan(params, found, kept)
        if faults and params["roles"] is not None:
            raise PooledError("; ".join(fault.message for fault in faults.values()))
        # One company's forgotten password keeps nobody else out.
        left = {role: kept[role] for role in faults}
        result = keep(params, {**left, **{role: one.password for role, one in choices.items()}}, module.check_mode)
    except _docker.ERRORS as error:
        module.fail_json(msg="; ".join([_errors.told(error, params["reported_as"]), *silent]))
    for told in silent:
        module.warn(told)
    for role, chosen in choices.items():
        if chosen.outdated:
            module.warn(
                f"{', '.join(chosen.outdated)}: PostgreSQL does not take the password that it has for role {role}; it cannot log"
                " in, with or without a pooler"
            )
    # Without their passwords, so nothing has to be hidden of it; a password may well be somebody's name.
    roles = [
        {"name": role, **{key: value for key, value in chosen._asdict().items() if key != "password"}}
        for role, chosen in choices.items()
    ]
    refused = [{"name": role, "reason": _errors.told(fault, params["reported_as"])} for role, fault in faults.items()]
    module.exit_json(roles=roles, refused=refused, **result)


if __name__ == "__main__":
    main()
