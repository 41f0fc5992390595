# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The main job on a lab, from a fresh ERP to the verdict; called by bin/demo."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import typing as t
from pathlib import Path

from tests.lab.lab import SIZES, Lab, say
from tests.lab.load import Traffic, errors, figures, phases, warm_up

# Short enough for a demonstration, long enough for a peak under steady traffic.
AUDIT_SECONDS = 20
WARM_SECONDS = {"small": 120, "demo": 180, "seed": 480, "threaded": 120}
# Listeners stay whatever is pooled, so the smaller a lab is the less there is to save; each asks for what it can give. The small
# one has 8 of them in 44 to 53 connections, and was seen at 19 to 21 afterwards.
MIN_REDUCTION = {"small": 45, "demo": 80, "seed": 80, "threaded": 30}


def deploy(lab: Lab, artifacts: Path) -> int:
    settings = {
        "pooled_odoo_audit_duration": AUDIT_SECONDS,
        "pooled_odoo_settle_seconds": 15,
        "pooled_odoo_min_reduction": MIN_REDUCTION[lab.size_name],
    }
    environment = {
        **os.environ,
        "ANSIBLE_DISPLAY_SKIPPED_HOSTS": "false",
        "ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml",
        "ANSIBLE_FORCE_COLOR": "true" if sys.stdout.isatty() else "false",
    }
    done: subprocess.CompletedProcess[bytes] = lab.playbook(
        "deploy", "-e", json.dumps(settings), artifacts=artifacts, env=environment
    )
    return done.returncode


def complete_verdict(artifacts: Path, records: list[dict[str, t.Any]]) -> dict[str, t.Any]:
    """Adds what the users saw to the verdict, which the playbook cannot know."""
    path = artifacts / "verdict.json"
    verdict: dict[str, t.Any] = json.loads(path.read_text())
    by_phase = phases(records, artifacts)
    verdict["requests"] = {name: figures(requests) for name, requests in by_phase.items()}
    verdict["requests"]["during"]["failed_by_source"] = {
        source: figures([record for record in by_phase["during"] if record["source"] == source])["failed"]
        for source in ("file", "environment")
    }
    path.write_text(json.dumps(verdict, indent=4, sort_keys=True) + "\n")
    return verdict


def show(verdict: dict[str, t.Any], artifacts: Path) -> None:
    cutover = json.loads((artifacts / "cutover.json").read_text())
    before, current = verdict["baseline"], verdict["current"]
    print(f"""
  PostgreSQL connections      before     after
    peak                    {before["peak"]:>8} {current["peak"]:>9}
    mean                    {before["mean"]:>8.0f} {current["mean"]:>9.0f}
    transactions / s        {before["transactions_per_second"]:>8.0f} {current["transactions_per_second"]:>9.0f}
    reduction of the peak   {verdict["reduction_percent"]:>17} %   (asked: {verdict["threshold_percent"]} %)

  Requests                     total    failed    p50 ms    p95 ms""")
    for name in ("before", "during", "after"):
        row = verdict["requests"][name]
        print(
            f"    {name:<22} {row['total']:>9} {row['failed']:>9} {row['p50_ms'] or 0:>9.0f} {row['p95_ms'] or 0:>9.0f}"
        )
    failed = verdict["requests"]["during"]["failed_by_source"]
    print(f"""
  Failed during the cutover: {failed["file"]} on instances with an odoo.conf, {failed["environment"]} on the one that has
  its address from the environment.

  Instance             method      interruption""")
    for instance in cutover["instances"]:
        print(f"    {instance['name']:<18} {instance['method']:<11} {instance['gap_ms']} ms")
    print(f"\n  Verdict: {verdict['verdict'].upper()}")


MARK = ".pooled-odoo-artifacts"


def empty(folder: Path) -> None:
    """Empties the folder of an earlier run, and no other."""
    if folder.exists() and any(folder.iterdir()) and not (folder / MARK).exists():
        sys.exit(f"bin/demo: {folder} has other files in it; name an empty or new folder with --artifacts")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / MARK).touch()


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", choices=SIZES, default="demo")
    parser.add_argument("--artifacts", type=Path, required=True)
    parser.add_argument("--keep-traffic", action="store_true")
    arguments = parser.parse_args()
    artifacts = arguments.artifacts.resolve()
    empty(artifacts)
    lab = Lab(Path(os.environ["POOLED_ODOO_HOME"]) / "lab", arguments.size)
    print("\n1. A fresh ERP", flush=True)
    lab.up()
    print(f"\n2. {lab.size.users} users at work", flush=True)
    traffic = Traffic(lab, artifacts / "traffic")
    try:
        warm_up(lab, traffic, WARM_SECONDS[lab.size_name], say)
        say(f"warm: {lab.connections()} connections")
        print("\n3. ansible-playbook pooled.odoo.deploy, while they work", flush=True)
        code = deploy(lab, artifacts)
    finally:
        if not arguments.keep_traffic:
            traffic.stop()
    if code != 0 and not (artifacts / "verdict.json").exists():
        say("deploy did not get as far as a verdict; see above")
        return 1
    print("\n4. What it did", flush=True)
    verdict = complete_verdict(artifacts, traffic.records())
    show(verdict, artifacts)
    for error, count in sorted(errors(phases(traffic.records(), artifacts)["during"]).items()):
        print(f"    {count} x {error}")
    return 0 if code == 0 and verdict["verdict"] == "passed" else 1


if __name__ == "__main__":
    sys.exit(main())
