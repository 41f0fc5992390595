#!/usr/bin/python
# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_conn_audit
short_description: Measure PostgreSQL's connections, and prove that they became fewer and nobody waits
version_added: 0.1.0
description:
  - Samples C(pg_stat_activity) for a while and tells how many connections there were, held by whom, doing what.
  - With O(baseline) it compares itself with an earlier audit and fails when the connections did not fall by
    O(min_reduction), when clients wait at the pooler, or when the two cannot be compared, because of another cluster, a much
    shorter window or far less load.
  - One query a second over one connection, which is not counted. Nothing is changed in PostgreSQL.
extends_documentation_fragment:
  - pooled.odoo._attributes.info_module
  - pooled.odoo._reported
  - pooled.odoo._login
options:
  login_db:
    description:
      - Database to connect to.
    type: str
    default: postgres
  roles:
    description:
      - The verdict is about the connections of these roles; RV(audit.total) shows those of all beside it. By default
        those of O(baseline), and all without one.
    type: list
    elements: str
    default: []
  own_roles:
    description:
      - Roles of the pooler itself, such as the one that looks up passwords. They count as if they were among O(roles), and
        need not exist.
    type: list
    elements: str
    default: []
  poolers:
    description:
      - Admin consoles of the PgBouncers that clients use now. They know what clients did and how long they waited; PostgreSQL's
        own counters also count what a pooler does for itself.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: What the pooler is called in the audit.
        type: str
        required: true
      login_host:
        description: Directory of its Unix socket, or its address.
        type: str
        required: true
      login_port:
        description: Its port.
        type: int
        default: 6432
      login_user:
        description: One of its C(admin_users) or C(stats_users).
        type: str
        required: true
      login_password:
        description: The user's password.
        type: str
      login_password_file:
        description: File on the target that holds the password instead.
        type: path
  databases:
    description:
      - Count only connections to these databases. By default all.
    type: list
    elements: str
    default: []
  duration:
    description:
      - Seconds to sample. A peak needs at least a minute of working hours to mean something.
    type: int
    default: 60
  interval:
    description:
      - Seconds between two samples.
    type: float
    default: 1
  totals_only:
    description:
      - Without membership in C(pg_monitor) PostgreSQL hides the states and addresses of other roles. The module fails
        then, unless this is set to go on with numbers by database and role.
    type: bool
    default: false
  baseline:
    description:
      - File on the target with an earlier audit, as O(dest) wrote it, to compare with.
    type: path
  metric:
    description:
      - Figure that is compared. PostgreSQL runs out at the peak, so that is the default.
    type: str
    choices: [peak, mean, p50, p95]
    default: peak
  min_reduction:
    description:
      - Per cent by which O(metric) must have fallen. 71 is what the reference engagement reached.
    type: float
    default: 71
  min_window_ratio:
    description:
      - Shortest window that may be compared, as a share of the baseline's.
    type: float
    default: 0.8
  min_load_ratio:
    description:
      - Lowest load that may be compared, as a share of the baseline's transactions per second. V(0) compares without asking.
      - Behind a pooler the transactions of its clients count (O(poolers)). Without O(poolers) only a third of PostgreSQL's do,
        because the others may be the pooler's own.
    type: float
    default: 0.5
  max_wait_share:
    description:
      - The verdict is V(failed) where transactions wait longer for a server connection than this share of the time that they
        take, and long enough to be noticed (20 ms each). Needs O(poolers).
    type: float
    default: 0.1
  enforce:
    description:
      - Fail unless the verdict is V(passed). With V(false) the verdict is only returned.
    type: bool
    default: true
  dest:
    description:
      - File on the target for the audit, readable by its owner only. It is a record, not a state, so writing it does not
        count as a change. Not written in check mode.
    type: path
author:
  - The pooled.odoo developers (@pooled-odoo)
"""

EXAMPLES = r"""
- name: Measure before the change
  pooled.odoo.pg_conn_audit:
    login_host: db.example.com
    login_user: postgres
    login_password: "{{ postgres_password }}"
    dest: /var/lib/pooled-odoo/baseline.json

- name: Prove that at least 80 % of the connections are gone
  pooled.odoo.pg_conn_audit:
    login_host: db.example.com
    login_user: postgres
    login_password: "{{ postgres_password }}"
    roles: [odoo]
    baseline: /var/lib/pooled-odoo/baseline.json
    min_reduction: 80
    poolers:
      - name: pgbouncer
        login_host: /var/lib/pooled-odoo-socket
        login_port: 5432
        login_user: pooled_odoo_admin
        login_password_file: /etc/pooled-odoo/secrets/admin_password
"""

RETURN = r"""
audit:
  description: The measurement, a document that O(baseline) takes.
  returned: when samples were taken
  type: dict
  contains:
    schema:
      description: Kind and version of the document.
      type: str
      returned: success
    created_at:
      description: End of the window, UTC.
      type: str
      returned: success
    window:
      description: Begin, end, length and number of samples.
      type: dict
      returned: success
    cluster:
      description: Identity and version of the server, and whether it is a standby.
      type: dict
      returned: success
    scope:
      description: What was counted.
      type: dict
      returned: success
    connections:
      description: Number of connections of O(roles), as C(peak), C(mean), C(p50) and C(p95) over the samples.
      type: dict
      returned: success
      sample: {peak: 547, mean: 530.2, p50: 531, p95: 546}
    total:
      description: C(peak) and C(mean) of the connections of all roles.
      type: dict
      returned: success
    by_state:
      description: C(peak) and C(mean) for each state.
      type: dict
      returned: success
    by_database:
      description: C(peak) and C(mean) for each database.
      type: dict
      returned: success
    by_role:
      description: C(peak) and C(mean) for each role, also those that are not in O(roles).
      type: dict
      returned: success
    by_role_and_client:
      description: The same for each client address of each role.
      type: dict
      returned: success
    by_client:
      description: C(peak) and C(mean) for each client address.
      type: dict
      returned: success
    listeners:
      description:
        - Connections that wait for notifications. Those whose last statement is C(LISTEN), and those that idle in the
          database C(postgres) for over two seconds, where Odoo's listeners are and nothing else stays. PostgreSQL does
          not tell other sessions' channels, so this is an estimate.
      type: dict
      returned: success
    oldest_idle_in_transaction_s:
      description: Seconds that the oldest connection was idle in a transaction; null without one.
      type: float
      returned: success
    limits:
      description:
        - C(max_connections), what is C(reserved) for superusers and others, and the C(headroom) left at the peak; under
          C(by_role) and C(by_database) the roles and databases that have a C(CONNECTION LIMIT) of their own.
      type: dict
      returned: success
    load:
      description:
        - C(transactions_per_second) of clients, by the poolers where they were asked (C(source)), else by PostgreSQL without
          the starts of sessions; C(rows_written_per_second) and C(rows_read_per_second). In the databases that O(roles) used.
        - Where poolers were asked, C(beside_poolers_per_second) is what goes past them, at least.
      type: dict
      returned: success
    poolers:
      description:
        - For each of O(poolers) what its clients did and waited for, by database, the longest wait that was seen, its server
          connections at the peak and its share of a processor.
      type: list
      elements: dict
      returned: success
    unreachable_poolers:
      description: Why those of O(poolers) that could not be asked could not, by name. Beside one a verdict is V(inconclusive).
      type: dict
      returned: success
unfit:
  description: Why this audit could prove nothing as a baseline, with O(min_load_ratio); empty where it could.
  returned: when samples were taken
  type: list
  elements: str
verdict:
  description: The comparison with O(baseline).
  returned: when O(baseline) is given and samples were taken
  type: dict
  contains:
    verdict:
      description: V(passed), V(failed) or V(inconclusive).
      type: str
      returned: success
    reasons:
      description: Why it is not V(passed).
      type: list
      elements: str
      returned: success
    failed_on:
      description: What failed, V(connections), V(waiting) or both.
      type: list
      elements: str
      returned: success
    roles:
      description: The O(roles) that it is about; empty for all.
      type: list
      elements: str
      returned: success
    reduction_percent:
      description: By how much O(metric) fell, rounded down.
      type: float
      returned: success
    threshold_percent:
      description: The O(min_reduction).
      type: float
      returned: success
    baseline:
      description: The baseline's figures.
      type: dict
      returned: success
    current:
      description: This audit's figures.
      type: dict
      returned: success
"""

import contextlib
import json
import math
import os
import time
import typing as t
from datetime import datetime, timezone

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pooled.odoo.plugins.module_utils import (
    _activity,
    _console,
    _errors,
    _files,
    _login,
    _pooler_load,
)
from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError

# Rows of other roles show only database, role and pid without pg_read_all_stats; their backend_type is null then.
SAMPLE = """
SELECT coalesce(datname, ''), coalesce(usename, ''), coalesce(host(client_addr), 'local'), coalesce(state, 'hidden'),
       count(*),
       count(*) FILTER (
           WHERE query ~* '^\\s*listen\\y'
           OR (datname = 'postgres' AND state = 'idle' AND clock_timestamp() - state_change > interval '2 s')),
       extract(epoch FROM max(clock_timestamp() - state_change) FILTER (WHERE state LIKE 'idle in transaction%%'))::float
FROM pg_stat_activity
WHERE (backend_type = 'client backend' OR backend_type IS NULL AND datid IS NOT NULL)
  AND pid <> pg_backend_pid()
  AND (%(databases)s = '{}'::text[] OR datname = ANY (%(databases)s::text[]))
GROUP BY 1, 2, 3, 4
"""

CLUSTER = """
SELECT (SELECT system_identifier FROM pg_control_system())::text AS system_identifier,
       current_setting('server_version') AS server_version,
       current_setting('server_version_num')::int AS server_version_num,
       pg_is_in_recovery() AS in_recovery,
       pg_has_role('pg_read_all_stats', 'USAGE') AS sees_all,
       current_setting('max_connections')::int AS max_connections,
       current_setting('superuser_reserved_connections')::int
       + coalesce(current_setting('reserved_connections', true)::int, 0) AS reserved,
       (SELECT coalesce(array_agg(r), '{}') FROM unnest(%(roles)s::text[]) AS r
        WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = r)) AS unknown_roles,
       (SELECT coalesce(json_object_agg(rolname, rolconnlimit), '{}') FROM pg_roles WHERE rolconnlimit >= 0) AS by_role,
       (SELECT coalesce(json_object_agg(datname, datconnlimit), '{}') FROM pg_database WHERE datconnlimit >= 0) AS by_database
"""

# Each database for itself: one that is dropped in between must not take its load from the others'. The start of a session
# is a transaction to PostgreSQL (counted from 14 on), but nothing that a client did.
LOAD = """
SELECT datid, datname, xact_commit + xact_rollback - coalesce((to_jsonb(d) ->> 'sessions')::bigint, 0),
       tup_inserted + tup_updated + tup_deleted, tup_fetched, clock_timestamp()
FROM pg_stat_database d
WHERE datname IS NOT NULL AND (%(databases)s = '{}'::text[] OR datname = ANY (%(databases)s::text[]))
"""


class Counters(t.NamedTuple):
    """PostgreSQL's running totals of one database."""

    database: str
    transactions: int
    written: int
    read: int


class Moment(t.NamedTuple):
    """The counters of all databases, by their oid, at one moment."""

    databases: dict[int, Counters]
    at: datetime


def look_at_load(connection: t.Any, scope: dict[str, t.Any]) -> Moment:
    rows = query(connection, LOAD, scope)
    if not rows:
        raise PooledError("PostgreSQL has none of these databases", "databases")
    return Moment({row[0]: Counters(*row[1:5]) for row in rows}, rows[0][5])


def rates(first: Moment, last: Moment, counted: t.Collection[str] | None, own: int) -> dict[str, float]:
    """What was done per second in the databases *counted* (None for all). *own*: transactions that this module made.

    A database that came, went or had its statistics reset in between counts as nothing.
    """
    seconds = (last.at - first.at).total_seconds()
    done = {"transactions": -own, "written": 0, "read": 0}
    for oid, now in last.databases.items():
        before = first.databases.get(oid)
        if before is None or (counted is not None and now.database not in counted):
            continue
        for key in done:
            done[key] += max(0, getattr(now, key) - getattr(before, key))
    return {
        "transactions_per_second": round(max(0, done["transactions"]) / seconds, 2),
        "rows_written_per_second": round(done["written"] / seconds, 2),
        "rows_read_per_second": round(done["read"] / seconds, 2),
    }


# A console that hangs must not cost the window.
SAMPLE_SECONDS = 2


class Poolers:
    """The admin consoles of the poolers that the clients use, none or several."""

    def __init__(self, stack: contextlib.ExitStack, wanted: list[dict[str, t.Any]], connect_timeout: int) -> None:
        self.consoles: dict[str, _login.AdminConsole] = {}
        # Why by name. A pooler that does not answer must not keep anybody from counting, and from repairing it then.
        self.unreachable: dict[str, str] = {}
        self._stack = stack
        self._logins = {
            login["name"]: {**login, "ssl_mode": "prefer", "ca_cert": None, "connect_timeout": connect_timeout}
            for login in wanted
        }
        self.pools: dict[str, list[list[dict[str, t.Any]]]] = {name: [] for name in self._logins}

    def _log_in(self) -> None:
        """To those without a console: all of them at first, and later one that was restarted and so has closed it."""
        for name in sorted(set(self._logins) - set(self.consoles)):
            self.unreachable.pop(name, None)
            with self._asking(name):
                self.consoles[name] = self._stack.enter_context(_login.AdminConsole(self._logins[name]))

    @contextlib.contextmanager
    def _asking(self, name: str) -> t.Iterator[None]:
        try:
            yield
        except PooledError as error:
            self.consoles.pop(name, None)
            self.unreachable[name] = str(error)

    def sample(self) -> None:
        for name, console in list(self.consoles.items()):
            with self._asking(name):
                self.pools[name].append(_console.typed(console.run("SHOW POOLS", SAMPLE_SECONDS)))

    def look(self) -> dict[str, _pooler_load.Look]:
        looks = {}
        self._log_in()
        for name, console in list(self.consoles.items()):
            with self._asking(name):
                looks[name] = _pooler_load.Look(_console.typed(console.run("SHOW STATS")), console.process())
        return looks


def check(params: dict[str, t.Any], check_mode: bool) -> None:
    if params["duration"] < 1:
        raise PooledError("must be at least 1 second", "duration")
    if not 0 < params["interval"] <= params["duration"]:
        raise PooledError("must be more than 0 and at most duration", "interval")
    if not 0 <= params["min_reduction"] <= 100:
        raise PooledError("is a percentage, 0 to 100", "min_reduction")
    for option in ("min_window_ratio", "min_load_ratio", "max_wait_share"):
        if not 0 <= params[option] <= 1:
            raise PooledError("is a share, 0 to 1", option)
    if params["dest"]:
        if params["dest"] == params["baseline"]:
            raise PooledError("is the baseline, which would be overwritten; name another file", "dest")
        if not check_mode and not os.path.isdir(os.path.dirname(params["dest"]) or "."):
            raise PooledError(f"the directory of {params['dest']} does not exist; create it", "dest")


def read_baseline(path: str) -> dict[str, t.Any]:
    content = _files.read(path)
    if content is None:
        raise PooledError(f"there is no file {path}; audit with dest={path} before the change", "baseline")
    try:
        document = json.loads(content)
    except ValueError as error:
        raise PooledError(f"{path} is not JSON ({error}); audit again", "baseline") from error
    return _activity.check_document(document, "baseline")


def query(connection: t.Any, statement: str, arguments: dict[str, t.Any]) -> list[t.Any]:
    import psycopg2

    try:
        with connection.cursor() as cursor:
            cursor.execute(statement, arguments)
            return cursor.fetchall()
    except psycopg2.Error as error:
        raise PooledError(f"PostgreSQL refused to tell its state: {str(error).strip()}") from error


def take_samples(
    connection: t.Any, poolers: Poolers, scope: dict[str, t.Any], duration: float, interval: float
) -> list[_activity.Sample]:
    samples = []
    started = time.monotonic()
    while True:
        samples.append([_activity.Group(*row) for row in query(connection, SAMPLE, scope)])
        poolers.sample()
        # The next moment of the grid that is still to come: slow answers cost samples, they do not stretch the window.
        passed = time.monotonic() - started
        due = (math.floor(passed / interval) + 1) * interval
        if due > duration:
            time.sleep(max(0.0, duration - passed))
            return samples
        time.sleep(due - passed)


def measure(connection: t.Any, poolers: Poolers, params: dict[str, t.Any]) -> dict[str, t.Any]:
    """The audit; see _activity for its shape."""
    scope = {"roles": sorted(params["roles"]), "databases": sorted(params["databases"])}
    cluster = describe_cluster(connection, scope)
    if not cluster["sees_all"] and not params["totals_only"]:
        raise PooledError(
            f"role {params['login_user']} may not see other roles' connections; GRANT pg_monitor TO it,"
            " or set totals_only=true to go on with numbers by database and role"
        )
    first, before = look_at_load(connection, scope), poolers.look()
    samples = take_samples(connection, poolers, scope, params["duration"], params["interval"])
    last, after = look_at_load(connection, scope), poolers.look()
    poolers.unreachable.update(dict.fromkeys(after.keys() - before.keys(), "it was not there when the window began"))
    seconds = (last.at - first.at).total_seconds()
    summary = _activity.summarise(samples, {*scope["roles"], *params["own_roles"]} if scope["roles"] else ())
    limits = {key: cluster[key] for key in ("max_connections", "reserved", "by_role", "by_database")}
    limits["headroom"] = limits["max_connections"] - limits["reserved"] - summary["total"]["peak"]
    described = [
        _pooler_load.describe(name, before[name], after[name], poolers.pools[name], seconds)
        for name in sorted(after.keys() & before.keys())
    ]
    # Our own statements are transactions too.
    load = rates(first, last, summary["by_database"] if scope["roles"] else None, len(samples) + 1)
    if described:
        behind = round(sum(pooler["transactions_per_second"] for pooler in described), 2)
        load["beside_poolers_per_second"] = _activity.load_beside(load["transactions_per_second"], behind)
        load["transactions_per_second"] = behind
    return {
        "schema": _activity.SCHEMA,
        "created_at": now(),
        "window": {
            "started_at": utc(first.at),
            "ended_at": utc(last.at),
            "duration_s": round(seconds, 1),
            "interval_s": params["interval"],
            "samples": len(samples),
        },
        "cluster": {
            key: cluster[key] for key in ("system_identifier", "server_version", "server_version_num", "in_recovery")
        },
        "scope": {**scope, "totals_only": params["totals_only"]},
        **summary,
        "limits": limits,
        "load": {"source": "poolers" if described else "postgresql", **load},
        "poolers": described,
        "unreachable_poolers": poolers.unreachable,
    }


def describe_cluster(connection: t.Any, scope: dict[str, t.Any]) -> dict[str, t.Any]:
    row = query(connection, CLUSTER, scope)[0]
    keys = (
        "system_identifier",
        "server_version",
        "server_version_num",
        "in_recovery",
        "sees_all",
        "max_connections",
        "reserved",
        "unknown_roles",
        "by_role",
        "by_database",
    )
    cluster = dict(zip(keys, row))
    if cluster["unknown_roles"]:
        raise PooledError(f"PostgreSQL has no role {', '.join(cluster['unknown_roles'])}", "roles")
    return cluster


def now() -> str:
    return utc(datetime.now(timezone.utc))


def utc(moment: datetime) -> str:
    return moment.astimezone(timezone.utc).isoformat(timespec="milliseconds")


def write(path: str, document: dict[str, t.Any]) -> None:
    content = json.dumps(document, indent=2, sort_keys=True) + "\n"
    _files.replace(path, content.encode(), _files.private())


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **_login.argument_spec(),
            **_errors.argument_spec(),
            "login_db": {"type": "str", "default": "postgres"},
            "roles": {"type": "list", "elements": "str", "default": []},
            "databases": {"type": "list", "elements": "str", "default": []},
            "duration": {"type": "int", "default": 60},
            "interval": {"type": "float", "default": 1},
            "totals_only": {"type": "bool", "default": False},
            "baseline": {"type": "path"},
            "metric": {"type": "str", "choices": list(_activity.METRICS), "default": "peak"},
            "min_reduction": {"type": "float", "default": 71},
            "min_window_ratio": {"type": "float", "default": 0.8},
            "min_load_ratio": {"type": "float", "default": 0.5},
            "max_wait_share": {"type": "float", "default": 0.1},
            "own_roles": {"type": "list", "elements": "str", "default": []},
            "poolers": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "name": {"type": "str", "required": True},
                    "login_host": {"type": "str", "required": True},
                    "login_port": {"type": "int", "default": 6432},
                    "login_user": {"type": "str", "required": True},
                    "login_password": {"type": "str", "no_log": True},
                    "login_password_file": {"type": "path", "no_log": False},
                },
            },
            "enforce": {"type": "bool", "default": True},
            "dest": {"type": "path"},
        },
        supports_check_mode=True,
    )
    params = module.params
    result: dict[str, t.Any] = {}
    try:
        check(params, module.check_mode)
        # Read first: whoever mistyped the path should not wait a minute to hear of it.
        baseline = read_baseline(params["baseline"]) if params["baseline"] else None
        if baseline:
            baseline = _activity.in_scope(baseline, params["roles"])
            params["roles"] = params["roles"] or baseline["scope"]["roles"]
        with contextlib.ExitStack() as stack:
            poolers = Poolers(stack, params["poolers"], params["connect_timeout"])
            connection = stack.enter_context(contextlib.closing(_login.connect(params, params["login_db"])))
            connection.autocommit = True
            result["audit"] = measure(connection, poolers, params)
        if params["dest"] and not module.check_mode:
            write(params["dest"], result["audit"])
        criteria = _activity.Criteria(*(params[option] for option in _activity.Criteria._fields))
        result["unfit"] = _activity.unfit_as_baseline(result["audit"], criteria)
        if baseline:
            result["verdict"] = _activity.compare(baseline, result["audit"], criteria)
            result["verdict"]["created_at"] = now()
            if params["enforce"] and result["verdict"]["verdict"] != "passed":
                reasons = "; ".join(result["verdict"]["reasons"])
                raise PooledError(f"the verdict is {result['verdict']['verdict']}: {reasons}")
    except PooledError as error:
        module.fail_json(msg=_errors.told(error, module.params["reported_as"]), **result)
    for told in _activity.advice(result["audit"]):
        module.warn(told)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
