# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An instance that has to be made anew, while another serves under the same name: users of that name notice nothing, because
their load balancer is told before."""

from __future__ import annotations

import json
import time
import typing as t
from pathlib import Path

import pytest

from tests.lab.instances import BY_ENVIRONMENT
from tests.lab.lab import NETWORK, PROXY_IMAGE, Lab, fetch, wait_until
from tests.lab.load import Traffic, errors
from tests.lab.play import Runner, run

PROXY, PORT = "pooled-lab-proxy", 18090
TASKS = Path(__file__).parents[3] / "docs" / "load_balancer"


@pytest.fixture
def proxy(lab: Lab) -> t.Iterator[dict[str, t.Any]]:
    """HAProxy before both instances; a target for traffic."""
    lab.build_image(PROXY_IMAGE, "proxy", "HAProxy")
    container = lab.run(PROXY_IMAGE, PROXY, network=NETWORK, ports={"8069/tcp": ("127.0.0.1", PORT)})
    url = f"http://127.0.0.1:{PORT}"
    wait_until("the proxy answers", 60, fetch, f"{url}/web/health")
    yield {**lab.targets()[0], "instance": PROXY, "url": url, "source": "proxy"}
    container.remove(force=True)


def test_nobody_notices_that_one_of_two_is_made_anew(
    lab: Lab, traffic: Traffic, proxy: dict[str, t.Any], tmp_path: Path
) -> None:
    settings: dict[str, t.Any] = {
        "pooled_odoo_containers": [BY_ENVIRONMENT],
        "pooled_odoo_method": "recreate",
        "pooled_odoo_before_interruption": str(TASKS / "haproxy_away.yml"),
        "pooled_odoo_after_interruption": str(TASKS / "haproxy_here.yml"),
        "haproxy_container": PROXY,
    }
    users = Traffic(lab, tmp_path, seconds=900, targets=[proxy])
    try:
        time.sleep(15)
        # Whom a killed run has left out is let in by the next, also by one that moves nobody.
        Runner(lab, tmp_path).run("deploy", kill="Cutover | Change the database address", **settings)
        assert "DRAIN" in balancer(lab)
        run(lab, "rollback", tmp_path, **settings)
        assert "DRAIN" not in balancer(lab)
        for name, document in (("deploy", "cutover"), ("rollback", "rollback")):
            run(lab, name, tmp_path, **settings)
            (moved,) = json.loads((tmp_path / f"{document}.json").read_text())["instances"]
            assert (moved["name"], moved["method"]) == (BY_ENVIRONMENT, "recreate")
            print(f"{name}: {BY_ENVIRONMENT} was away for {moved['gap_ms']} ms")
            time.sleep(10)
            assert "DRAIN" not in balancer(lab)
    finally:
        users.stop()
    records = users.records()
    print(f"{len(records)} requests by the name of both, failed: {errors(records) or 'none'}")
    assert len(records) > 50
    assert errors(records) == {}


def balancer(lab: Lab) -> str:
    """What HAProxy says of its servers."""
    return lab.execute(PROXY, "sh", "-c", "echo 'show stat odoo' | socat stdio /run/haproxy.sock")
