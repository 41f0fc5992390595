# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Odoo's workers renewed one by one, as a move by name does it for versions that cannot be reloaded while they work."""

from __future__ import annotations

import time
import typing as t

from ansible_collections.pooled.odoo.plugins.module_utils import _docker
from tests.lab.instances import BY_FILE
from tests.lab.lab import Lab, wait_until
from tests.lab.load import Traffic, between, errors


def test_workers_are_renewed_one_by_one(lab: Lab, traffic: Traffic) -> None:
    """What older versions get, which cannot be reloaded while they work; this one's master and workers do the same."""
    container = lab.client.containers.get(BY_FILE)
    former = worker_pids(container)
    began = time.time()
    answer = _docker.probe(container, {"do": "renew_workers", "timeout": 120})
    ended = time.time()
    time.sleep(3)
    # Two workers, two crons, the websocket server.
    assert answer["renewed"] == 5
    wait_until("all have a successor", 30, five_others, container, former)
    requests = [r for r in between(traffic.records(), began, ended + 3) if r["instance"] == BY_FILE]
    assert errors(requests) == {}


def worker_pids(container: t.Any) -> set[int]:
    """The processes that Odoo's master has started, by their numbers on the host. Behind an entrypoint or a reload the
    master need not be the first process of the list, but nobody has more children."""
    rows = container.top()["Processes"]
    parents = [row[2] for row in rows]
    master = max(parents, key=parents.count)
    return {int(row[1]) for row in rows if row[2] == master}


def five_others(container: t.Any, former: set[int]) -> None:
    now = worker_pids(container)
    if len(now) != 5 or now & former:
        raise ConnectionError("not yet")
