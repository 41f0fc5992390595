# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Containers that are held while a name moves go on, whatever becomes of the run that holds them."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import typing as t

import pytest
from ansible.module_utils.common.warnings import get_warning_messages
from docker.errors import APIError
from docker.models.containers import Container

from ansible_collections.pooled.odoo.plugins.module_utils import _docker
from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError
from tests.lab.lab import LABEL, POSTGRES_IMAGE
from tests.lab.servers import Server

NAME = "pooled-test-held"
HOLD = f"""
import time
from ansible_collections.pooled.odoo.plugins.module_utils import _docker
client = _docker.connect({{"docker_host": "unix:///var/run/docker.sock"}})
with _docker.held(client, [_docker.find(client, "{NAME}")]):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def sleeper(client: t.Any, postgres: Server) -> t.Iterator[Container]:
    container = client.containers.run(
        POSTGRES_IMAGE, ["infinity"], entrypoint=["sleep"], name=NAME, detach=True, labels={LABEL: "test"}
    )
    container.reload()
    yield container
    container.remove(force=True, v=True)


def status(container: Container) -> str:
    container.reload()
    return str(container.status)


def test_it_is_frozen_for_as_long_as_it_is_held_also_by_a_run_that_fails(sleeper: Container) -> None:
    client = _docker.connect({"docker_host": "unix:///var/run/docker.sock"})
    with contextlib.suppress(LookupError), _docker.held(client, [sleeper]):
        assert status(sleeper) == "paused"
        raise LookupError
    assert status(sleeper) == "running"


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_who_finds_it_behind_a_killed_run_finds_it_running(sleeper: Container, client: t.Any, how: int) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD], stdout=subprocess.PIPE, text=True) as run:
        assert t.cast(t.IO[str], run.stdout).readline() == "held\n"
        assert status(sleeper) == "paused"
        run.send_signal(how)
    _docker.check_runs(_docker.find(client, NAME), "name")


def test_what_somebody_else_has_frozen_stays_so_and_is_told(sleeper: Container) -> None:
    client = _docker.connect({"docker_host": "unix:///var/run/docker.sock"})
    sleeper.pause()
    with _docker.held(client, [sleeper]):
        pass
    assert status(sleeper) == "paused"
    with pytest.raises(PooledError, match=f"is paused; let it run .'docker unpause {NAME}'"):
        _docker.check_runs(_docker.find(client, NAME), "name")
    sleeper.unpause()


def test_what_cannot_be_frozen_is_told_of(sleeper: Container, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine without a freezer refuses; this one has it, so its refusal is played."""

    def refuse() -> None:
        raise APIError("500", explanation="no freezer")

    client = _docker.connect({"docker_host": "unix:///var/run/docker.sock"})
    monkeypatch.setattr(sleeper, "pause", refuse)
    with _docker.held(client, [sleeper]):
        assert status(sleeper) == "running"
    (told,) = [text for text in get_warning_messages() if NAME in text]
    assert told.startswith(f"{NAME} cannot be frozen (no freezer)")
