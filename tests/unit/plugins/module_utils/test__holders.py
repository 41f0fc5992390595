# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.pooled.odoo.plugins.module_utils import _holders

PREFORK = {"workers": 4, "cron_threads": 2, "listeners": 3, "db_maxconn": 64}
THREADED = {**PREFORK, "workers": 0}
JOBS = {"queue_job": {"databases": ["tenant1"]}}

# Instance; connections that its holders can keep while each waits for one more; what is planned for it.
NEEDS = [
    # Four workers and two dispatches keep one each, two crons two.
    (PREFORK, 4 + 2 + 2 * 2, 10 + 2),
    ({**PREFORK, "cron_threads": 0}, 4 + 2, 6),
    # Jobs run in the workers, three deep.
    ({**PREFORK, **JOBS}, 4 * 2 + 2 + 2 * 2, 14 + 2),
    # A runner without a tenant that has the module runs no job.
    ({**PREFORK, "queue_job": {"databases": []}}, 10, 12),
    # Crons alone: no worker, no websocket process.
    ({**PREFORK, "workers": -1, "http": None}, 2 * 2, 4 + 2),
    ({**THREADED, "http": None}, 2 * 2, 4 + 2),
    # Nothing bounds threads but Odoo's own pool, three of whose connections are listeners.
    (THREADED, 61, 61),
    ({**THREADED, "db_maxconn": 16}, 13, 13),
    ({**THREADED, "max_http_threads": 8}, 8 + 4, 12 + 2),
    ({**THREADED, "max_http_threads": 200}, 61, 61),
    # Jobs run in the threads, three deep.
    ({**THREADED, "max_http_threads": 8, **JOBS}, 8 * 2 + 4, 20 + 2),
]


@pytest.mark.parametrize(("instance", "nested", "wanted"), NEEDS)
def test_needs_of_one_instance(instance: dict[str, t.Any], nested: int, wanted: int) -> None:
    assert _holders.nested(instance) == nested
    assert _holders.least([instance]) == nested + 1
    assert _holders.wanted([instance]) == wanted + 1


def test_needs_add_up_and_one_more_is_enough_for_all() -> None:
    assert _holders.least([PREFORK, THREADED]) == 10 + 61 + 1
    assert _holders.wanted([PREFORK, THREADED]) == 12 + 61 + 1


def test_threads_that_nobody_bounds_can_be_counted_as_fewer() -> None:
    assert _holders.nested(THREADED, most_threads=8) == 8 + 4
    bounded = {**THREADED, "max_http_threads": 20}
    assert _holders.nested(bounded, most_threads=8) == _holders.nested(bounded)


@pytest.mark.parametrize(
    ("changes", "clients"),
    [({}, 7 * 64), ({"db_maxconn_gevent": 16}, 6 * 64 + 16), ({"workers": 0}, 64)],
)
def test_clients(changes: dict[str, t.Any], clients: int) -> None:
    assert _holders.clients({**PREFORK, **changes}) == clients


def test_each_kind_has_its_source() -> None:
    assert all(kind.depth >= 2 and kind.source for kind in _holders.KINDS.values())
