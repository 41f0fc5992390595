# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Starts and stops the traffic on a lab, and counts what became of its requests."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import time
import typing as t
from datetime import datetime
from pathlib import Path

from tests.lab.lab import Lab

# Whatever happens to the one who started it, the traffic ends by itself.
LONGEST_SECONDS = 3600


class Traffic:
    """locust against a lab, as a process of its own; its requests are in ``requests.jsonl`` of *folder*."""

    def __init__(
        self,
        lab: Lab,
        folder: Path,
        users: int | None = None,
        seconds: int = LONGEST_SECONDS,
        targets: list[dict[str, t.Any]] | None = None,
        grace: int = 0,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.requests = folder / "requests.jsonl"
        self.requests.unlink(missing_ok=True)
        users, targets = users or lab.size.users, targets or lab.targets()
        description = folder / "targets.json"
        about = {"tenants": lab.tenants, "accounts": lab.size.accounts, "major": lab.odoo.major}
        description.write_text(json.dumps({"targets": targets, **about}))
        command = ["locust", "-f", str(Path(__file__).with_name("traffic.py")), "--headless", "--only-summary"]
        # The open tabs are users to locust too.
        command += ["--users", str(users + len(targets)), "--spawn-rate", "4", "--run-time", f"{seconds}s"]
        # Seconds for what users are waiting for in the end; without them it counts as failed.
        command += ["--stop-timeout", str(grace)]
        self.log = (folder / "locust.log").open("w")
        self.process = subprocess.Popen(
            command,
            env={**os.environ, "LAB_TARGETS": str(description), "LAB_REQUESTS": str(self.requests)},
            stdout=self.log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        (lab.directory / "traffic.pid").write_text(str(self.process.pid))

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.log.close()

    def log_ins(self) -> int:
        return sum(record["name"] == "log in" for record in self.records()) if self.requests.exists() else 0

    def records(self) -> list[dict[str, t.Any]]:
        with self.requests.open() as handle:
            return [json.loads(line) for line in handle if line.endswith("\n")]


# Workers that serve few users do not see every tenant soon.
WARM_SHARE = 0.85


def warm_up(lab: Lab, traffic: Traffic, seconds: float, tell: t.Callable[[str], object] = lambda _line: None) -> None:
    """Waits until the lab is what an ERP is that runs since the morning: its workers have served most tenants, and everybody
    has logged in everywhere. Log-ins make Odoo write its assets and write to its users, so a baseline that has them in it has
    more load than any later window; and so do a new tenant's crons. At most *seconds*."""
    connections_wanted = round(WARM_SHARE * lab.size.containers * lab.size.workers * lab.size.tenants)
    log_ins_wanted = lab.size.users * lab.size.tenants
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        connections, log_ins, due = lab.connections(), traffic.log_ins(), lab.tenants_with_due_crons()
        if connections >= connections_wanted and log_ins >= log_ins_wanted and due == 0:
            return
        tell(
            f"warming up: {connections} connections, waiting for {connections_wanted}; {log_ins} log-ins of {log_ins_wanted};"
            f" crons due in {due} tenants"
        )
        time.sleep(5)


def moment(text: str) -> float:
    """ISO 8601 as seconds since the epoch."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def between(records: list[dict[str, t.Any]], begin: float, end: float) -> list[dict[str, t.Any]]:
    return [record for record in records if begin <= record["t"] < end]


def figures(records: list[dict[str, t.Any]]) -> dict[str, t.Any]:
    """``total``, ``failed``, ``p50_ms`` and ``p95_ms`` of requests; the percentiles are null without any."""
    times = sorted(record["ms"] for record in records)
    return {
        "total": len(records),
        "failed": sum(record["error"] is not None for record in records),
        "p50_ms": _percentile(times, 50),
        "p95_ms": _percentile(times, 95),
    }


def _percentile(times: list[float], rank: int) -> float | None:
    return times[max(0, math.ceil(rank / 100 * len(times)) - 1)] if times else None


def phases(records: list[dict[str, t.Any]], artifacts: Path) -> dict[str, list[dict[str, t.Any]]]:
    """The requests of a deployment: ``before`` (from the first measurement on), ``during`` (from the first move until the
    second measurement begins) and ``after`` (the second measurement)."""
    documents = {
        name: json.loads((artifacts / f"{name}.json").read_text()) for name in ("baseline", "cutover", "current")
    }
    moments = [
        moment(documents["baseline"]["window"]["started_at"]),
        moment(documents["cutover"]["started_at"]),
        moment(documents["current"]["window"]["started_at"]),
        moment(documents["current"]["window"]["ended_at"]),
    ]
    names = ("before", "during", "after")
    return {name: between(records, *moments[index : index + 2]) for index, name in enumerate(names)}


def errors(records: list[dict[str, t.Any]]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for record in records:
        if record["error"]:
            key = f"{record['instance']} {record['name']}: {record['error'][:120]}"
            counts[key] = counts.get(key, 0) + 1
    return counts
