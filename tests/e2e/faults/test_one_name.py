# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An instance that has to be made anew, while another serves under the same name: users of that name notice nothing."""

from __future__ import annotations

import time
import typing as t
from pathlib import Path

import pytest

from tests.e2e.conftest import BY_ENVIRONMENT, POOLED
from tests.lab.lab import NETWORK, PROXY_IMAGE, Lab, fetch, wait_until
from tests.lab.load import Traffic, errors
from tests.modules import run_module

PROXY, PORT = "pooled-lab-proxy", 18090


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
    lab: Lab, traffic: Traffic, pooler: str, proxy: dict[str, t.Any], state_dir: str, tmp_path: Path
) -> None:
    users = Traffic(lab, tmp_path, seconds=600, targets=[proxy])
    try:
        time.sleep(15)
        common: dict[str, t.Any] = {"name": BY_ENVIRONMENT, "state_dir": state_dir}
        ways: list[dict[str, t.Any]] = [{"host": POOLED, "method": "recreate"}, {"state": "reverted"}]
        for arguments in ways:
            done = run_module("odoo_dbhost", **common, **arguments)
            print(f"{done['method']}: {BY_ENVIRONMENT} was away for {done['gap_ms']} ms")
            time.sleep(10)
    finally:
        users.stop()
    records = users.records()
    print(f"{len(records)} requests by the name of both, failed: {errors(records) or 'none'}")
    assert len(records) > 50
    assert errors(records) == {}
