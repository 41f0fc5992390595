#!/usr/bin/python
# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pgbouncer_admin
short_description: Give a running PgBouncer a command
version_added: 0.1.0
description:
  - Runs C(RELOAD), C(PAUSE), C(RESUME), C(RECONNECT) or C(WAIT_CLOSE) on PgBouncer's admin console and reads the answer.
  - V(pause) and V(resume) do nothing where that is the state already. The other commands have no state that could be
    read, so they always run.
  - V(resume) without O(database) ends what PgBouncer shows as paused. A single database that was paused and that nobody is
    connected to now is not shown; name it to end its pause.
extends_documentation_fragment:
  - pooled.odoo._attributes
  - pooled.odoo._login
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details:
      - The commands change what PgBouncer does, not what is configured.
  idempotent:
    support: partial
    details:
      - For V(pause) and V(resume).
options:
  command:
    description:
      - V(reload) reads the configuration again. With O(config_path) it then compares the running values with the file.
      - V(pause) waits until no server connection is in use and makes clients wait; V(resume) ends that.
      - V(reconnect) closes each server connection as soon as it is released, without disturbing clients.
      - V(wait_close) waits until all server connections that V(reconnect) marked are closed.
    type: str
    choices: [reload, pause, resume, reconnect, wait_close]
    required: true
  database:
    description:
      - Limits O(command) to this database. Not for O(command=reload).
      - Behind a wildcard entry PgBouncer shows a database only while somebody is connected, and lets clients log in to it for
        V(autodb_idle_timeout) more, also when PostgreSQL has it no longer. So a name that it does not show is warned about,
        not refused. Without a wildcard PgBouncer refuses a name that it does not have, in check mode nothing does.
    type: str
  wait_for:
    description:
      - What O(command=pause) waits for. With V(all) until no server connection is in use, which listeners of Odoo's crons and
        bus in a session pool would keep it from for ever. With V(transactions) until none of a transaction pooler is; who holds
        a session keeps it, and everybody who wants a connection waits.
    type: str
    choices: [all, transactions]
    default: all
  settings:
    description:
      - Running values to set before O(command=pause), such as C(query_wait_timeout), which would otherwise end the clients
        that wait. They last until the next C(RELOAD) or restart.
    type: dict
    default: {}
  config_path:
    description:
      - Directory that M(pooled.odoo.pgbouncer_config) wrote, for O(command=reload).
      - When every running value is the one in the file, the note that a reload was due is removed.
    type: path
  timeout:
    description:
      - Seconds that O(command) may take. A V(pause) that takes longer is taken back, so that no client waits for ever.
    type: int
    default: 30
author:
  - The pooled.odoo developers (@pooled-odoo)
seealso:
  - module: pooled.odoo.pgbouncer_config
  - module: pooled.odoo.pgbouncer_info
"""

EXAMPLES = r"""
- name: Apply a new configuration
  pooled.odoo.pgbouncer_admin:
    login_host: /var/lib/pooled-odoo-socket
    login_user: pooled_odoo_admin
    login_password: "{{ admin_password }}"
    command: reload
    config_path: /etc/pooled-odoo/pgbouncer

- name: Hold all queries while PostgreSQL restarts
  pooled.odoo.pgbouncer_admin:
    login_host: /var/lib/pooled-odoo-socket
    login_user: pooled_odoo_admin
    login_password: "{{ admin_password }}"
    command: pause
    wait_for: transactions
    settings:
      query_wait_timeout: 90
    timeout: 20
"""

RETURN = r"""
commands:
  description: What was, or in check mode would be, sent to the console; empty when nothing had to be done.
  returned: success
  type: list
  elements: str
  sample: [RELOAD]
"""

import contextlib
import os
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pooled.odoo.plugins.module_utils import (
    _console,
    _files,
    _ini,
    _login,
    _pending,
    _settings,
    _sql,
)
from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError
from ansible_collections.pooled.odoo.plugins.module_utils._pgbouncer_config import INI_FILE
from ansible_collections.pooled.odoo.plugins.module_utils._pgbouncer_options import SETTINGS

COMMANDS = ["reload", "pause", "resume", "reconnect", "wait_close"]


class State(t.NamedTuple):
    """What is paused now: everything, or single databases; and the databases that PgBouncer shows."""

    everything: bool
    databases: tuple[str, ...]
    shown: tuple[str, ...]


def decide(command: str, database: str | None, state: State) -> list[str]:
    """The console commands that lead to what is asked for; none when it is there already. Pure."""
    if database:
        paused = database in state.databases
        # A database that PgBouncer does not show may be paused: only the command itself finds out.
        if (command == "pause" and paused) or (command == "resume" and not paused and database in state.shown):
            return []
        return [f"{command.upper()} {_sql.identifier(database)}"]
    if command == "pause" and state.everything:
        return []
    if command == "resume":
        # PgBouncer keeps the two kinds apart, and RESUME alone ends only a PAUSE of everything.
        single = [f"RESUME {_sql.identifier(name)}" for name in state.databases]
        return (["RESUME"] if state.everything else []) + single
    return [command.upper()]


def unseen(database: str | None, shown: t.Sequence[str]) -> str | None:
    """What to tell of a *database* that PgBouncer does not show: nobody is connected to it, or its name is wrong. Pure.

    It cannot be refused: PgBouncer hides what came by the wildcard as soon as nobody is connected, and still knows it.
    """
    if not database or database in shown:
        return None
    served = ", ".join(sorted(shown))
    return f"PgBouncer serves nobody on {database!r} now (it serves {served}); check the name if you expected it to"


def set_statements(settings: t.Mapping[str, t.Any], config: t.Mapping[str, t.Any]) -> list[str]:
    """``SET`` for each of *settings* that has another running value. Raises PooledError for one that cannot be set. Pure."""
    statements = []
    for key, value in sorted(settings.items()):
        if key not in SETTINGS or key not in config:
            raise PooledError("PgBouncer has no such setting", f"settings.{key}")
        if not config[key]["changeable"]:
            raise PooledError("only a restart changes it", f"settings.{key}")
        text = _settings.normalise_value(SETTINGS[key], value, f"settings.{key}")
        if not _console.same(key, text, config[key]["value"]):
            statements.append(f"SET {key} = '{text}'")
    return statements


# How PgBouncer answers RESUME where there is nothing to resume.
NOT_PAUSED = ("is not paused", "no such database")


def run(console: _login.AdminConsole, params: dict[str, t.Any], statement: str) -> bool:
    """Whether there was something to do. Raises PooledError with PgBouncer's words."""
    try:
        if statement.startswith("PAUSE") and params["wait_for"] == "transactions":
            hold(console, params, statement)
        else:
            console.run(statement, params["timeout"])
    except _login.TimedOut as error:
        if params["command"] != "pause":
            raise
        # The console session still waits in PAUSE, so another one has to end it.
        with _login.AdminConsole(params) as other:
            other.run(statement.replace("PAUSE", "RESUME", 1))
        raise PooledError(
            f"{error}; taken back, clients go on. Raise timeout, or end what keeps a transaction open"
            " (SHOW SERVERS tells)",
            "timeout",
        ) from error
    except PooledError as error:
        if statement.startswith("RESUME") and any(words in str(error) for words in NOT_PAUSED):
            return False
        raise
    return True


# The console answers PAUSE when the last connection is released, so behind a listener never; it holds clients at once.
ANSWER_SECONDS = 0.2


def hold(console: _login.AdminConsole, params: dict[str, t.Any], statement: str) -> None:
    """PAUSE, until no transaction pool has a connection in use. Raises TimedOut after ``timeout`` seconds."""
    with contextlib.suppress(_login.TimedOut):
        console.run(statement, ANSWER_SECONDS)
    deadline = time.monotonic() + params["timeout"]
    with _login.AdminConsole(params) as other:
        while True:
            busy = _console.busy_transactions(_console.typed(other.run("SHOW POOLS")), params["database"])
            if not busy:
                return
            if time.monotonic() > deadline:
                raise _login.TimedOut(f"transactions on {', '.join(busy)} did not end within {params['timeout']} s")
            time.sleep(0.1)


def verify_reload(console: _login.AdminConsole, config_path: str) -> None:
    """Compares the running configuration with the file; RELOAD itself reports errors only from 1.25 on."""
    content = _files.read(os.path.join(config_path, INI_FILE))
    if content is None:
        raise PooledError(f"there is no {INI_FILE} in {config_path}", "config_path")
    wanted = _ini.parse(content.decode("utf-8", "surrogateescape"))["pgbouncer"]
    config = _console.typed_config(console.run("SHOW CONFIG"))
    different = _console.unapplied(wanted, config)
    for_restart = [key for key in different if not config[key]["changeable"]]
    if for_restart:
        raise PooledError(f"PgBouncer uses the new {', '.join(for_restart)} only after a restart; restart it")
    if different:
        raise PooledError(
            f"PgBouncer answered RELOAD but still has other values for {', '.join(different)};"
            " its log says why (docker logs)"
        )
    _pending.clear(config_path)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **_login.argument_spec(),
            "command": {"type": "str", "choices": COMMANDS, "required": True},
            "database": {"type": "str"},
            "config_path": {"type": "path"},
            "wait_for": {"type": "str", "choices": ["all", "transactions"], "default": "all"},
            "settings": {"type": "dict", "default": {}},
            "timeout": {"type": "int", "default": 30},
        },
        supports_check_mode=True,
    )
    params = module.params
    try:
        if params["command"] == "reload" and params["database"]:
            raise PooledError("RELOAD reads the whole configuration; remove database", "database")
        with _login.AdminConsole(params) as console:
            databases = _console.typed(console.run("SHOW DATABASES"))
            state = State(
                _console.is_paused(console.run("SHOW STATE")),
                tuple(_console.paused_databases(databases)),
                tuple(row["name"] for row in databases),
            )
            warning = unseen(params["database"], state.shown)
            if warning:
                module.warn(warning)
            statements = decide(params["command"], params["database"], state)
            if params["settings"]:
                if params["command"] != "pause":
                    raise PooledError("only a pause takes settings; write others with pgbouncer_config", "settings")
                config = _console.typed_config(console.run("SHOW CONFIG"))
                statements = set_statements(params["settings"], config) + statements
            if not module.check_mode:
                statements = [statement for statement in statements if run(console, params, statement)]
                if params["config_path"] and params["command"] == "reload":
                    verify_reload(console, params["config_path"])
    except PooledError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=bool(statements), commands=statements)


if __name__ == "__main__":
    main()
