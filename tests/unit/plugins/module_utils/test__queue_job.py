# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.pooled.odoo.plugins.module_utils import _queue_job
from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError

POOLER, DIRECT = _queue_job.Address("pooled-odoo", 5432), _queue_job.Address("db", 5432)
SESSION = _queue_job.Address("pooled-odoo-session", 5432)


def runner(host: str | None = None, port: str | None = None, user: str | None = None) -> dict[str, t.Any]:
    return {"host": host, "port": port, "user": user, "source": host and "file"}


def to_set(found: dict[str, t.Any] | None, wanted: _queue_job.Address = DIRECT, **changes: t.Any) -> t.Any:
    given = {"odoo_user": "odoo", "before": DIRECT, "pooler": POOLER, "may_set": True, **changes}
    return _queue_job.address_to_set(found, wanted=wanted, **given)


CASES = [
    ("none", None, DIRECT, None),
    ("takes Odoo's", runner(), DIRECT, DIRECT),
    ("takes Odoo's, with a session pooler", runner(), SESSION, SESSION),
    ("has one", runner("elsewhere", "5432"), SESSION, None),
    ("has one without a port", runner("elsewhere"), SESSION, None),
    ("another port of the pooler's host", runner("pooled-odoo", "6543"), DIRECT, None),
    ("a role of its own, at PostgreSQL", runner(user="jobs"), DIRECT, DIRECT),
    ("Odoo's own role by name", runner(user="odoo"), SESSION, SESSION),
]


@pytest.mark.parametrize(("found", "wanted", "result"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_address_to_set(found: dict[str, t.Any] | None, wanted: _queue_job.Address, result: t.Any) -> None:
    assert to_set(found, wanted) == result


REFUSED: list[tuple[str, dict[str, t.Any], dict[str, t.Any], str]] = [
    (
        "in the transaction pooler",
        runner("pooled-odoo"),
        {},
        r"section \[queue_job\]: jobrunner_db_host = db; jobrunner_db_port",
    ),
    (
        "cannot be set",
        runner(),
        {"may_set": False},
        "ODOO_QUEUE_JOB_JOBRUNNER_DB_HOST=db ODOO_QUEUE_JOB_JOBRUNNER_DB_PORT",
    ),
    (
        "its port would change",
        runner("elsewhere"),
        {"pooler": _queue_job.Address("pooled-odoo", 6432)},
        "from 5432 to 6432. Set .* jobrunner_db_host = elsewhere; jobrunner_db_port = 5432",
    ),
    ("a role that the session pooler does not know", runner(user="jobs"), {"wanted": SESSION}, "logs in as jobs"),
]


@pytest.mark.parametrize(("found", "changes", "message"), [c[1:] for c in REFUSED], ids=[c[0] for c in REFUSED])
def test_what_cannot_be_right_is_refused_with_the_lines_to_set(
    found: dict[str, t.Any], changes: dict[str, t.Any], message: str
) -> None:
    with pytest.raises(PooledError, match=message):
        to_set(found, **changes)


@pytest.mark.parametrize(
    ("found", "lost"),
    [
        (None, False),
        (runner(), True),
        (runner("pooled-odoo"), True),
        (runner("pooled-odoo", "6543"), False),
        (runner("db"), False),
    ],
)
def test_who_is_lost_in_the_transaction_pool(found: dict[str, t.Any] | None, lost: bool) -> None:
    assert _queue_job.is_lost(found, POOLER) is lost
