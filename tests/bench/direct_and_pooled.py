# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The same users on the same lab, behind the pooler and then directly: connections, latency, failures.

    bin/demo --size seed --keep-traffic
    python -m tests.bench.direct_and_pooled --size seed --requests pooled-odoo-artifacts/traffic/requests.jsonl

Takes over where bin/demo ends: pooled, with users at work. Measures, rolls back, lets the workers load their tenants again,
and measures directly. Prints a table and writes it as JSON; asserts nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import time
import typing as t
from pathlib import Path

from tests.lab.lab import SIZES, Lab, say
from tests.lab.load import between, figures


def window(lab: Lab, requests: Path, seconds: float) -> dict[str, t.Any]:
    """What *seconds* of users at work look like."""
    began = time.time()
    counts = []
    while time.time() < began + seconds:
        counts.append(lab.connections())
        time.sleep(1)
    records = between([json.loads(line) for line in requests.open() if line.endswith("\n")], began, time.time())
    return {
        "seconds": seconds,
        "connections": {"peak": max(counts), "mean": round(sum(counts) / len(counts), 1)},
        "all": figures(records),
        "page": figures([record for record in records if record["name"] == "page"]),
    }


def show(found: dict[str, dict[str, t.Any]]) -> None:
    print(f"\n{'':10} {'connections':>18} {'requests':>18} {'pages, ms':>16} {'all, ms':>16}")
    print(f"{'':10} {'peak':>9} {'mean':>8} {'total':>9} {'failed':>8} {'p50':>8} {'p95':>7} {'p50':>8} {'p95':>7}")
    for name, one in found.items():
        print(
            f"{name:10} {one['connections']['peak']:9} {one['connections']['mean']:8} {one['all']['total']:9}"
            f" {one['all']['failed']:8} {one['page']['p50_ms']:8.0f} {one['page']['p95_ms']:7.0f}"
            f" {one['all']['p50_ms']:8.0f} {one['all']['p95_ms']:7.0f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default="seed")
    parser.add_argument("--requests", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--settle", type=float, default=300, help="seconds until the workers have loaded their tenants")
    parser.add_argument("--warm", action="store_true", help="they have already, before the first measurement")
    parser.add_argument("--json", type=Path, default=Path("direct_and_pooled.json"))
    arguments = parser.parse_args()
    lab = Lab(Path(os.environ["POOLED_ODOO_HOME"]) / "lab", arguments.size)
    found = {}
    for name in ("pooled", "direct"):
        if name == "direct":
            say("rolling back")
            lab.playbook("rollback", capture_output=True).check_returncode()
        if name == "direct" or not arguments.warm:
            say(f"{name}: settling for {arguments.settle:g} s")
            time.sleep(arguments.settle)
        say(f"{name}: measuring for {arguments.minutes:g} minutes")
        found[name] = window(lab, arguments.requests, arguments.minutes * 60)
    arguments.json.write_text(json.dumps(found, indent=2) + "\n")
    show(found)


if __name__ == "__main__":
    main()
