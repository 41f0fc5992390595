# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What users of the lab notice of a fault, and for how long."""

from __future__ import annotations

import contextlib
import time
import typing as t

from tests.lab.lab import Lab, fetch, wait_until
from tests.lab.load import Traffic, between, errors


class Observation(t.NamedTuple):
    """What users saw of a fault: requests that ended from its begin until ten seconds after everybody answered again;
    *seconds* from the first that failed to the last."""

    fault: str
    road: str
    total: int
    failed: int
    seconds: float
    slowest_ms: float
    examples: list[str]

    @property
    def share(self) -> float:
        return self.failed / self.total


class Observer:
    """Collects observations; with POOLED_ODOO_FAULT_TABLE they are written there."""

    def __init__(self, lab: Lab, traffic: Traffic) -> None:
        self.lab, self.traffic = lab, traffic
        self.seen: list[Observation] = []

    @contextlib.contextmanager
    def watch(self, fault: str, road: str, calm: float = 10) -> t.Iterator[None]:
        began = time.time()
        yield
        for odoo in self.lab.instances:
            wait_until(f"{odoo.name} answers", 120, fetch, f"{odoo.url}/web/health?db_server_status=1")
        time.sleep(calm)
        # Those that still hang end within the traffic's own limit of a minute; nothing should take that long.
        records = between(self.traffic.records(), began - 1, time.time())
        failed = [record for record in records if record["error"]]
        ends = [record["t"] + record["ms"] / 1000 for record in failed]
        seen = Observation(
            fault,
            road,
            len(records),
            len(failed),
            round(max(ends) - min(record["t"] for record in failed), 1) if failed else 0.0,
            max(record["ms"] for record in records),
            sorted(errors(records))[:3],
        )
        print(seen)
        self.seen.append(seen)

    def last(self) -> Observation:
        return self.seen[-1]
