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
    running instances (odoo.conf, environment, arguments), each is tried by a log-in, and those that work are kept in a file of
    PgBouncer's userlist format, which O(pooled.odoo.pgbouncer_config#module:userlist_file) takes.
  - They never leave the host. No result, diff or message has one in it.
  - With several passwords for one role the one that works counts; the instances that have another one are named in a warning.
    The one that is kept counts too, so that a role does not need a running instance for ever.
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
      - The roles whose passwords are kept; those of others go.
    type: list
    elements: str
    required: true
  containers:
    description:
      - Names of the Odoo containers that are asked. One that does not run is left out.
    type: list
    elements: str
    default: []
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
    For each role its C(name), the C(instances) that have the password that works, those that have another one (C(outdated)), and
    whether the one that was kept works no more (C(stale)).
  returned: success
  type: list
  elements: dict
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pooled.odoo.plugins.module_utils import (
    _docker,
    _errors,
    _files,
    _login,
    _role_passwords,
    _userlist,
)
from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError

MASK = "********"


def ask(client: t.Any, names: t.Sequence[str]) -> tuple[dict[str, dict[str, str]], list[str]]:
    """``{role: {instance: password}}`` of the containers *names*, and why some of them told nothing."""
    found: dict[str, dict[str, str]] = {}
    silent = []
    for name in names:
        try:
            container = _docker.find(client, name)
            _docker.check_runs(container, "containers")
            answer = _docker.probe(container, {"do": "credentials"})
        except PooledError as error:
            silent.append(f"its password was not read: {error.message}")
            continue
        if answer["user"] and answer["password"]:
            found.setdefault(answer["user"], {})[name] = answer["password"]
        else:
            silent.append(
                f"{name} has {'no password' if answer['user'] else 'no role'} in odoo.conf, environment or arguments; libpq may"
                " find one elsewhere (.pgpass), which a pooler cannot"
            )
    return found, silent


def plan(
    params: t.Mapping[str, t.Any], found: t.Mapping[str, t.Mapping[str, str]], kept: t.Mapping[str, str]
) -> dict[str, _role_passwords.Choice]:
    """What each role's password is; raises PooledError with all roles that have none."""
    choices, faults = {}, []
    for role in sorted(set(params["roles"])):

        def refusal(password: str, role: str = role) -> str | None:
            login = {**params, "login_user": role, "login_password": password}
            return _login.refusal(login, params["login_db"])

        try:
            choices[role] = _role_passwords.choose(role, found.get(role, {}), kept.get(role), refusal)
        except PooledError as error:
            faults.append(error.message)
    if faults:
        raise PooledError("; ".join(faults))
    return choices


def described(users: t.Mapping[str, str], before: t.Mapping[str, str] | None = None) -> str:
    lines = []
    for role in sorted(users):
        changed = before is not None and before.get(role, users[role]) != users[role]
        lines.append(f"{role}: {MASK}{' (changed)' if changed else ''}\n")
    return "".join(lines)


def main() -> None:
    login = _login.argument_spec()
    module = AnsibleModule(
        argument_spec={
            **_docker.argument_spec(),
            **_errors.argument_spec(),
            **{name: login[name] for name in ("login_host", "login_port", "ssl_mode", "ca_cert", "connect_timeout")},
            "login_db": {"type": "str", "default": "postgres"},
            "path": {"type": "path", "required": True},
            "roles": {"type": "list", "elements": "str", "required": True},
            "containers": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    params = module.params
    try:
        content = _files.read(params["path"])
        kept = _userlist.parse(_files.text_of(content or b""))
        found, silent = ask(_docker.connect(params), params["containers"])
        module.no_log_values.update(kept.values(), *(own.values() for own in found.values()))
        choices = plan(params, found, kept)
        users = _userlist.check([{"name": role, "password": chosen.password} for role, chosen in choices.items()])
        wanted = _files.bytes_of(_userlist.render(users))
        changed = wanted != content or _files.attributes_of(params["path"]) != _files.private()
        if changed and not module.check_mode:
            _files.replace(params["path"], wanted, _files.private())
    except _docker.ERRORS as error:
        module.fail_json(msg=_errors.told(error, params["reported_as"]))
    for told in silent:
        module.warn(told)
    for role, chosen in choices.items():
        if chosen.outdated:
            module.warn(
                f"{', '.join(chosen.outdated)}: PostgreSQL does not take the password that it has for role {role}; it cannot log"
                " in, with or without a pooler"
            )
    module.exit_json(
        changed=changed,
        roles=[
            {"name": role, "instances": chosen.instances, "outdated": chosen.outdated, "stale": chosen.stale}
            for role, chosen in choices.items()
        ],
        diff={"before": described(kept), "after": described(users, kept)},
    )


if __name__ == "__main__":
    main()
