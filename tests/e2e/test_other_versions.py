# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The main job on whatever Odoo the lab has (POOLED_ODOO_LAB_IMAGE, POOLED_ODOO_LAB_SIZE), users at work: there, chat and crons
behind the pooler, proven again, and back."""

from __future__ import annotations

import json
import time
import typing as t
from datetime import datetime
from pathlib import Path

import pytest

from tests.lab.client import Client, browser
from tests.lab.instances import pooler_address
from tests.lab.lab import Lab, wait_until
from tests.lab.load import Traffic, errors, phases
from tests.lab.play import Play

pytestmark = pytest.mark.road

Run = t.Callable[..., Play]
# Odoo looks for what is due once a minute.
CRON_SECONDS = 150


@pytest.fixture(scope="module")
def before(lab: Lab, traffic: Traffic) -> dict[str, t.Any]:
    return lab.state()


@pytest.fixture(scope="module")
def admin(lab: Lab, before: dict[str, t.Any]) -> Client:
    return Client(lab.instances[0].url, "tenant01")


def test_deploy_reduces_connections(
    lab: Lab, play: Run, before: dict[str, t.Any], traffic: Traffic, artifacts: Path
) -> None:
    done = play("deploy")
    assert done.code == 0
    verdict = json.loads((artifacts / "verdict.json").read_text())
    print(f"{verdict['baseline']['peak']} -> {verdict['current']['peak']}: {verdict['reduction_percent']} %")
    report = json.loads((artifacts / "cutover.json").read_text())["instances"]
    methods = {one["name"]: one["method"] for one in report}
    print(f"Odoo {lab.odoo.major}: {methods}, away for {[one['gap_ms'] for one in report]} ms")
    during = phases(traffic.records(), artifacts)["during"]
    assert len(during) > 40
    failed = errors(during)
    print(f"{sum(failed.values())} of {len(during)} requests failed: {failed}")
    # An instance that is restarted is away meanwhile, and deploy has said so before; one that is not is never away.
    restarted = {name for name, method in methods.items() if method in ("restart", "recreate")}
    assert not [line for line in failed if line.split()[0] not in restarted]
    assert lab.odoo.major >= 19 or "reload" not in methods.values()
    assert lab.client_addresses() == [pooler_address(lab)]


def test_chat_reaches_a_browser_on_another_instance(lab: Lab, admin: Client) -> None:
    target = lab.targets()[1]
    tab = browser(Client(target["url"], "tenant01"), target["websocket"])
    # Its subscription starts the listener of the bus, if nobody else has.
    time.sleep(3)
    channel = admin.channel()
    for number in range(10):
        text = f"message {number} of {time.time_ns()}"
        admin.post(channel, text)
        assert tab.wait_for(text, 10) is not None, f"message {number} was lost"
    tab.close()


def test_crons_run(lab: Lab, admin: Client) -> None:
    """On each instance's own time: nobody triggers them."""
    model = admin.model("ir.model", "search", [["model", "=", "res.partner"]], limit=1)[0]
    values = {
        "name": "lab",
        "model_id": model,
        "state": "code",
        "code": "env['ir.config_parameter'].sudo().set_param('lab.cron', 'has run')",
        "interval_number": 1,
        "interval_type": "days",
        "nextcall": datetime.utcnow().strftime("%Y-%m-%d %H:%M:%S"),
    }
    admin.model("ir.cron", "create", values)

    def has_run() -> None:
        if admin.model("ir.config_parameter", "get_param", "lab.cron") != "has run":
            raise ConnectionError("not yet")

    wait_until("the cron has run", CRON_SECONDS, has_run)


def test_verify_passes(play: Run) -> None:
    assert play("verify").code == 0


def test_rollback_leaves_everything_as_it_was(lab: Lab, play: Run, before: dict[str, t.Any]) -> None:
    done = play("rollback")
    assert done.code == 0
    assert lab.state() == before
    assert len(lab.client_addresses()) == len(lab.instances)
