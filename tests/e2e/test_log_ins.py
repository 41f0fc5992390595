# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Odoo in threaded mode (workers = 0, the image's default): many log-ins at once, directly and behind the pooler."""

from __future__ import annotations

import shutil
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.lab.client import USER_PASSWORD, Client
from tests.lab.lab import FIRST_PORT, Lab, Odoo, fetch, wait_until
from tests.lab.load import Traffic
from tests.lab.play import UNPROVEN, Play
from tests.modules import run_module

THREADED = "pooled-lab-threaded"
LOG_INS = 24
# Accounts that nobody of the traffic has.
FIRST_ACCOUNT = 30


@pytest.fixture
def threaded(lab: Lab, traffic: Traffic) -> t.Iterator[Odoo]:
    """One more instance, which nothing but db_maxconn bounds."""
    odoo = Odoo(THREADED, FIRST_PORT + lab.size.containers + 2, "file")
    lab.start_instance(odoo, workers="0")
    wait_until(odoo.name, 120, fetch, f"{odoo.url}/web/health")
    yield odoo
    lab.client.containers.get(THREADED).remove(force=True, v=True)


def log_in_at_once(odoo: Odoo, tenant: str) -> float:
    """Seconds until everybody is in; whoever is not raises."""
    names = [f"user{number:02d}" for number in range(FIRST_ACCOUNT, FIRST_ACCOUNT + LOG_INS)]
    began = time.monotonic()
    with ThreadPoolExecutor(LOG_INS) as pool:
        clients = list(pool.map(lambda name: Client(odoo.url, tenant, name, USER_PASSWORD), names))
    assert all(client.uid for client in clients)
    return time.monotonic() - began


def test_log_ins_at_once_in_threaded_mode(lab: Lab, threaded: Odoo, play: t.Callable[..., Play]) -> None:
    quick: dict[str, t.Any] = {
        **UNPROVEN,
        # As it arrives from a survey.
        "pooled_odoo_containers": THREADED,
    }
    tenant = lab.tenants[0]
    found = run_module("odoo_info", containers=[THREADED])["instances"][0]
    assert (found["workers"], found["max_http_threads"]) == (0, None)
    seconds: dict[str, list[float]] = {"direct": [], "pooled": []}
    # The first round loads the registry.
    log_in_at_once(threaded, tenant)
    seconds["direct"] = [log_in_at_once(threaded, tenant) for _round in range(2)]
    done = play("deploy", **quick)
    assert done.code == 0
    assert "threads of one process wait for each other" in done.output
    try:
        log_in_at_once(threaded, tenant)
        seconds["pooled"] = [log_in_at_once(threaded, tenant) for _round in range(2)]
    finally:
        assert play("rollback", **quick).code == 0
        # The baseline stays; other tests begin with a lab that was never moved.
        shutil.rmtree(lab.directory / "state")
    print(f"{LOG_INS} log-ins at once in threaded mode, seconds: {seconds}")
