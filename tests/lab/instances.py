# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The instances of the small lab as a test sees them: where their connections go, and a move of one that is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import typing as t
from pathlib import Path

from tests.lab.lab import DATABASE_ADDRESS, POOLER, Lab
from tests.modules import run_module

# The two instances of the small lab, by where their database's address stands; and the pooler's name.
BY_FILE, BY_ENVIRONMENT = "pooled-lab-odoo1", "pooled-lab-odoo2"
EVERYBODY = [BY_FILE, BY_ENVIRONMENT]
POOLED = "pooled-odoo"

# A lab that bin/demo has left, moved and warm, is used as it is and stays: its largest size takes a quarter of an hour to make.
KEPT = bool(os.environ.get("POOLED_ODOO_KEPT_LAB"))


def ends(name: str) -> set[str]:
    """Where the container's database connections go now."""
    found = run_module("odoo_info", containers=[name], databases=False)["instances"][0]["connections"]
    return {end["address"] for end in found if end["port"] == 5432}


def works_directly(name: str) -> None:
    """Raises ConnectionError as long as the container is not connected to PostgreSQL, or not to it alone."""
    if ends(name) != {DATABASE_ADDRESS}:
        raise ConnectionError("not yet")


def pooler_address(lab: Lab) -> str:
    networks = lab.client.containers.get(POOLER).attrs["NetworkSettings"]["Networks"]
    return next(iter(networks.values()))["IPAddress"]


def kill_in_the_middle(arguments: dict[str, t.Any], path: Path, delay: float, content: bytes = b"") -> None:
    """A run of odoo_dbhost that is killed *delay* seconds after it wrote *content* into *path*, its record for example."""
    code = (
        "import json, sys; from tests.modules import run_module; run_module('odoo_dbhost', **json.loads(sys.argv[1]))"
    )
    process = subprocess.Popen([sys.executable, "-c", code, json.dumps(arguments)], start_new_session=True)
    deadline = time.monotonic() + 30
    while not path.exists() or content not in path.read_bytes():
        assert time.monotonic() < deadline
        assert process.poll() is None, "it ended before it began"
        time.sleep(0.01)
    time.sleep(delay)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
