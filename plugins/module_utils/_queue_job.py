# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The job runner of OCA queue_job, which a transaction pooler cannot serve, and the address that it has for itself.

This module util is PRIVATE to the collection. It can have breaking changes at any time.

The runner keeps one connection to each tenant, on which it listens, reads jobs by a cursor that outlives its transaction,
and holds an advisory lock of its session (queue_job/jobrunner/runner.py). It takes host and port from the environment or
from a section of odoo.conf, and where these say nothing, Odoo's own; so it has to be told before Odoo's own change.
"""

from __future__ import annotations

import typing as t

from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError

SECTION = "queue_job"
KEYS = {"host": "jobrunner_db_host", "port": "jobrunner_db_port"}
VARIABLES = {part: f"ODOO_QUEUE_JOB_{key.upper()}" for part, key in KEYS.items()}


class Address(t.NamedTuple):
    host: str
    port: int


def values(address: Address, names: t.Mapping[str, str]) -> dict[str, str]:
    """*address* under the names of :data:`KEYS` or :data:`VARIABLES`."""
    return {names[part]: str(getattr(address, part)) for part in ("host", "port")}


def lines(address: Address) -> str:
    """What an operator would add to odoo.conf, or to the environment."""
    settings = "; ".join(f"{key} = {value}" for key, value in values(address, KEYS).items())
    variables = " ".join(f"{key}={value}" for key, value in values(address, VARIABLES).items())
    return f"in odoo.conf, section [{SECTION}]: {settings}; or in the environment: {variables}"


def is_lost(runner: t.Mapping[str, t.Any] | None, pooler: Address) -> bool:
    """Whether the runner of an instance that uses *pooler* uses it too. A port of its own it takes from Odoo if it has none."""
    if runner is None:
        return False
    return (runner["host"] or pooler.host, int(runner["port"] or pooler.port)) == pooler


def address_to_set(
    runner: t.Mapping[str, t.Any] | None,
    odoo_user: str | None,
    before: Address,
    pooler: Address,
    wanted: Address,
    may_set: bool,
) -> Address | None:
    """The address that a move from *before* to *pooler* has to give the runner, or None where there is nothing to do.

    *runner* is the probe's ``job_runner``. One that has an address for itself keeps it. *may_set* tells whether the way of
    moving can carry it. Raises PooledError with the lines to add where the runner would end in the transaction pooler, or
    would not be let in.
    """
    if runner is None:
        return None
    if runner["host"]:
        if is_lost(runner, pooler):
            raise PooledError(
                f"its job runner (queue_job) has the transaction pooler {pooler.host}:{pooler.port} as its own address, where"
                f" it loses jobs and runs others twice. Set {lines(wanted)}"
            )
        if not runner["port"] and before.port != pooler.port:
            raise PooledError(
                f"its job runner (queue_job) has a host for itself and takes Odoo's port, which would change from"
                f" {before.port} to {pooler.port}. Set {lines(Address(runner['host'], before.port))}"
            )
        return None
    if runner["user"] and runner["user"] != odoo_user and wanted != before:
        raise PooledError(
            f"its job runner (queue_job) logs in as {runner['user']}, whom the session pooler does not let in; only Odoo's own"
            f" roles are in the plan. Leave the runner at PostgreSQL: set {lines(before)}"
        )
    if not may_set:
        raise PooledError(
            "it starts a job runner (queue_job), which a transaction pooler cannot serve, and its own address cannot be set"
            f" here. Set {lines(wanted)}; then run this again"
        )
    return wanted
