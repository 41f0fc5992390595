# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.pooled.odoo.plugins.module_utils import _queue_job
from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError

POOLER, DIRECT = _queue_job.Address("pooled-odoo", 5432), _queue_job.Address("db", 5433)


def runner(host: str | None = None, port: str | None = None) -> dict[str, t.Any]:
    return {"host": host, "port": port, "source": host and "file"}


CASES = [
    ("none", None, None),
    ("takes Odoo's", runner(), DIRECT),
    ("has one", runner("elsewhere", "5432"), None),
    ("another port of the pooler's host", runner("pooled-odoo", "6543"), None),
]


@pytest.mark.parametrize(("found", "wanted"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_address_to_set(found: dict[str, t.Any] | None, wanted: _queue_job.Address | None) -> None:
    assert _queue_job.address_to_set(found, POOLER, DIRECT, may_set=True) == wanted


def test_a_runner_in_the_transaction_pool_is_refused_with_the_lines_to_set() -> None:
    with pytest.raises(PooledError) as caught:
        _queue_job.address_to_set(runner("pooled-odoo"), POOLER, DIRECT, may_set=True)
    assert "section [queue_job]: jobrunner_db_host = db; jobrunner_db_port = 5433" in str(caught.value)
    assert "ODOO_QUEUE_JOB_JOBRUNNER_DB_HOST=db ODOO_QUEUE_JOB_JOBRUNNER_DB_PORT=5433" in str(caught.value)


def test_where_it_cannot_be_set_the_lines_are_told() -> None:
    with pytest.raises(PooledError, match="jobrunner_db_host = db"):
        _queue_job.address_to_set(runner(), POOLER, DIRECT, may_set=False)
