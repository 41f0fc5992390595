#!/usr/bin/python
# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_conn_audit
short_description: Measure PostgreSQL's connections, and prove that they became fewer
version_added: 0.1.0
description:
  - Samples C(pg_stat_activity) for a while and tells how many connections there were, held by whom, doing what.
  - With O(baseline) it compares itself with an earlier audit and fails when the connections did not fall by
    O(min_reduction), or when the two cannot be compared, because of another cluster, a much shorter window or far less
    load.
  - One query a second over one connection, which is not counted. Nothing is changed in PostgreSQL.
extends_documentation_fragment:
  - pooled.odoo._attributes.info_module
  - pooled.odoo._login
options:
  login_db:
    description:
      - Database to connect to.
    type: str
    default: postgres
  roles:
    description:
      - Count only connections of these roles. By default all.
    type: list
    elements: str
    default: []
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
      - Lowest load that may be compared, as a share of the baseline's transactions per second.
      - A pooler's C(DISCARD ALL) counts as a transaction too. Where half of the transactions are not enough, so that only
        these could have made it so, the same share of the baseline's written rows is asked for as well.
    type: float
    default: 0.5
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
    baseline: /var/lib/pooled-odoo/baseline.json
    min_reduction: 80
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
      description: Number of connections, as C(peak), C(mean), C(p50) and C(p95) over the samples.
      type: dict
      returned: success
      sample: {peak: 547, mean: 530.2, p50: 531, p95: 546}
    by_state:
      description: C(peak) and C(mean) for each state.
      type: dict
      returned: success
    by_database:
      description: C(peak) and C(mean) for each database.
      type: dict
      returned: success
    by_role:
      description: C(peak) and C(mean) for each role.
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
      description: Transactions, written and read rows per second, over all databases.
      type: dict
      returned: success
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

import json
import math
import os
import time
import typing as t
from datetime import datetime, timezone

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pooled.odoo.plugins.module_utils import _activity, _files, _login
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
  AND (%(roles)s = '{}'::text[] OR usename = ANY (%(roles)s::text[]))
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

LOAD = """
SELECT sum(xact_commit + xact_rollback)::bigint,
       sum(tup_inserted + tup_updated + tup_deleted)::bigint,
       sum(tup_fetched)::bigint,
       clock_timestamp()
FROM pg_stat_database
WHERE %(databases)s = '{}'::text[] OR datname = ANY (%(databases)s::text[])
"""


class Counters(t.NamedTuple):
    """PostgreSQL's running totals over all databases at one moment."""

    transactions: int
    written: int
    read: int
    at: datetime


def rate(difference: int, seconds: float) -> float:
    """Per second; a reset of the statistics in between counts as nothing."""
    return round(max(0, difference) / seconds, 2)


def check(params: dict[str, t.Any], check_mode: bool) -> None:
    if params["duration"] < 1:
        raise PooledError("must be at least 1 second", "duration")
    if not 0 < params["interval"] <= params["duration"]:
        raise PooledError("must be more than 0 and at most duration", "interval")
    if not 0 <= params["min_reduction"] <= 100:
        raise PooledError("is a percentage, 0 to 100", "min_reduction")
    for option in ("min_window_ratio", "min_load_ratio"):
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
    connection: t.Any, scope: dict[str, t.Any], duration: float, interval: float
) -> list[_activity.Sample]:
    samples = []
    started = time.monotonic()
    while True:
        samples.append([_activity.Group(*row) for row in query(connection, SAMPLE, scope)])
        # The next moment of the grid that is still to come: slow answers cost samples, they do not stretch the window.
        passed = time.monotonic() - started
        due = (math.floor(passed / interval) + 1) * interval
        if due > duration:
            time.sleep(max(0.0, duration - passed))
            return samples
        time.sleep(due - passed)


def measure(connection: t.Any, params: dict[str, t.Any]) -> dict[str, t.Any]:
    """The audit; see _activity for its shape."""
    scope = {"roles": sorted(params["roles"]), "databases": sorted(params["databases"])}
    cluster = describe_cluster(connection, scope)
    if not cluster["sees_all"] and not params["totals_only"]:
        raise PooledError(
            f"role {params['login_user']} may not see other roles' connections; GRANT pg_monitor TO it,"
            " or set totals_only=true to go on with numbers by database and role"
        )
    first = Counters(*query(connection, LOAD, scope)[0])
    samples = take_samples(connection, scope, params["duration"], params["interval"])
    last = Counters(*query(connection, LOAD, scope)[0])
    seconds = (last.at - first.at).total_seconds()
    summary = _activity.summarise(samples)
    limits = {key: cluster[key] for key in ("max_connections", "reserved", "by_role", "by_database")}
    limits["headroom"] = limits["max_connections"] - limits["reserved"] - summary["connections"]["peak"]
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
        "load": {
            # Our own statements are transactions too.
            "transactions_per_second": rate(last.transactions - first.transactions - len(samples), seconds),
            "rows_written_per_second": rate(last.written - first.written, seconds),
            "rows_read_per_second": rate(last.read - first.read, seconds),
        },
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
    _files.replace(path, content.encode(), _files.Attributes(os.geteuid(), os.getegid(), 0o600))


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **_login.argument_spec(),
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
        connection = _login.connect(params, params["login_db"])
        connection.autocommit = True
        result["audit"] = measure(connection, params)
        connection.close()
        if params["dest"] and not module.check_mode:
            write(params["dest"], result["audit"])
        if baseline:
            ratios = (params["min_window_ratio"], params["min_load_ratio"])
            result["verdict"] = _activity.compare(
                baseline, result["audit"], params["metric"], params["min_reduction"], *ratios
            )
            result["verdict"]["created_at"] = now()
            if params["enforce"] and result["verdict"]["verdict"] != "passed":
                reasons = "; ".join(result["verdict"]["reasons"])
                raise PooledError(f"the verdict is {result['verdict']['verdict']}: {reasons}")
    except PooledError as error:
        module.fail_json(msg=str(error), **result)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
