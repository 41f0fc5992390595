# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where real containers have their address from, by the real probe: entrypoints, arguments, files and variables of users.
The process is a stand-in that looks like Odoo's."""

from __future__ import annotations

import contextlib
import typing as t
from pathlib import Path

import docker
import pytest

from ansible_collections.pooled.odoo.plugins.module_utils import _docker, _odoo_discovery, _odoo_instance
from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError
from ansible_collections.pooled.odoo.plugins.module_utils._move import methods
from tests.lab.lab import LABEL, wait_until
from tests.modules import ModuleFailed, run_module

CONF = "[options]\ndb_host = pg\n"


class Standin(t.NamedTuple):
    """How the container is made, and what is known of it then: where the host stands, and which methods are open for host and
    port."""

    source: tuple[str, str]
    open: list[str]
    command: list[str] = ["odoo"]
    environment: dict[str, str] = {}
    files: dict[str, str] = {}
    entrypoint: list[str] = ["/entrypoint.sh"]
    working_dir: str | None = None
    variables: dict[str, str] = {}
    host: str = "pg"


CASES = {
    "odoo.conf": Standin(("file", "db_host"), ["restart"], files={"odoo.conf": CONF}),
    "odoo.conf, of which the entrypoint makes arguments": Standin(
        ("file", "db_host"),
        ["restart"],
        files={"odoo.conf": CONF},
        entrypoint=["/former-entrypoint.sh", "/entrypoint.sh"],
    ),
    "the environment": Standin(("environment", "HOST"), ["recreate"], environment={"HOST": "pg"}),
    "the host from the environment, the port from odoo.conf": Standin(
        ("environment", "HOST"),
        ["restart"],
        environment={"HOST": "pg"},
        files={"odoo.conf": "[options]\ndb_port = 5432\n"},
    ),
    "db_port = False": Standin(("file", "db_host"), ["restart"], files={"odoo.conf": CONF + "db_port = False\n"}),
    "an argument beside odoo.conf, to which nothing is appended": Standin(
        ("argument", "--db_host"),
        ["recreate"],
        ["odoo", "--db_host=pg", "--db_port=5432"],
        files={"odoo.conf": CONF + "db_port = 1\n"},
    ),
    "another file than the entrypoint asks": Standin(
        ("environment", "HOST"),
        ["recreate"],
        ["odoo", "-c", "/etc/odoo/other.conf"],
        {"HOST": "pg"},
        {"other.conf": CONF + "db_port = 5432\n"},
    ),
    "a file that each start writes": Standin(
        ("environment", "DB_HOST"),
        ["recreate"],
        environment={"DB_HOST": "pg", "DB_PORT": "5432", "ODOO_RC": "/run/odoo.conf"},
        entrypoint=["/generating-entrypoint.sh"],
    ),
    "a file that each start writes, in a volume": Standin(
        ("environment", "DB_HOST"),
        ["recreate"],
        environment={"DB_HOST": "pg", "DB_PORT": "5432"},
        files={"odoo.conf": CONF},
        entrypoint=["/generating-entrypoint.sh", "/entrypoint.sh"],
    ),
    "a variable that the user names": Standin(
        ("environment", "DB_HOST"),
        ["recreate"],
        environment={"DB_HOST": "pg", "POSTGRES_HOST": "pg", "ODOO_RC": "/run/odoo.conf"},
        entrypoint=["/generating-entrypoint.sh"],
        variables={"host": "DB_HOST", "port": "DB_PORT"},
    ),
    "a shell passes what HOST says": Standin(
        ("environment", "HOST"), ["recreate"], ["-c", "exec odoo --db_host=$HOST"], {"HOST": "pg"}, entrypoint=["sh"]
    ),
    "a shell passes what nobody says": Standin(
        ("argument", "--db_host"), [], ["-c", "exec odoo --db_host=$(echo pg)"], entrypoint=["sh"]
    ),
    "a wrapper exports PGHOST": Standin(
        ("environment", "PGHOST"), [], ["-c", "PGHOST=pg exec odoo"], entrypoint=["sh"]
    ),
    "a relative file": Standin(
        ("file", "db_host"),
        ["restart"],
        ["odoo", "-c", "odoo.conf"],
        files={"odoo.conf": CONF},
        working_dir="/etc/odoo",
        entrypoint=["env"],
    ),
    "an old fork": Standin(
        ("environment", "HOST"),
        ["recreate"],
        environment={"HOST": "pg", "OPENERP_SERVER": "/etc/odoo/openerp-server.conf"},
    ),
    "a variable of the user's own": Standin(
        ("environment", "HOST"), ["recreate"], environment={"HOST": "pg", "ODOO_BASE_URL": "https://erp.example.org"}
    ),
    "crons alone": Standin(("environment", "HOST"), ["recreate"], ["odoo", "--no-http"], {"HOST": "pg"}),
}


Run = t.Callable[..., t.Any]


@pytest.fixture
def run(client: t.Any, network: t.Any, standin: str, tmp_path: Path) -> t.Iterator[Run]:
    made = []

    def make(kind: Standin, ready: bool = True) -> t.Any:
        for name, text in kind.files.items():
            (tmp_path / name).write_text(text)
        made.append(
            client.containers.run(
                standin,
                kind.command,
                entrypoint=kind.entrypoint or None,
                environment=kind.environment,
                working_dir=kind.working_dir,
                network=network.name,
                extra_hosts={"pg": "192.0.2.1"},
                volumes={str(tmp_path): {"bind": "/etc/odoo", "mode": "rw"}} if kind.files else {},
                detach=True,
                labels={LABEL: "test"},
            )
        )
        if ready:
            wait_until("its process runs", 20, runs, made[-1])
        return made[-1]

    yield make
    for container in made:
        with contextlib.suppress(docker.errors.NotFound):
            container.remove(force=True, v=True)


def runs(container: t.Any) -> None:
    container.reload()
    if not _docker.runs_odoo(container):
        raise OSError(container.logs().decode())


@pytest.mark.parametrize("kind", CASES)
def test_where_the_address_comes_from(client: t.Any, run: Run, kind: str) -> None:
    standin = CASES[kind]
    instance, _name = _odoo_discovery.look_at(client, run(standin), standin.variables)
    address = instance.address
    assert (address.host, address.port) == (standin.host, 5432)
    assert address.host_source[:2] == standin.source
    assert address.how
    ways = [way for way in methods.ways(instance.circumstances, ["host", "port"]) if way.name != "alias"]
    assert [way.name for way in ways if way.open] == standin.open, {way.name: way.reason for way in ways}


def test_a_server_without_http_is_known(client: t.Any, run: Run) -> None:
    instance, _name = _odoo_discovery.look_at(client, run(CASES["crons alone"]))
    assert instance.found["http"] is None
    assert _odoo_instance.describe(instance)["listeners"] == 2


def test_why_no_address_is_found_is_told(client: t.Any, run: Run) -> None:
    broken = "[options]\nlog_handler = a\nlog_handler = b\ndb_host = pg\n"
    container = run(Standin(("", ""), [], files={"odoo.conf": broken}, entrypoint=["env"]))
    instance, _name = _odoo_discovery.look_at(client, container)
    with pytest.raises(PooledError, match=r"odoo.conf cannot be read .*/etc/odoo/odoo.conf.*line  3.*log_handler"):
        _odoo_instance.check_movable(instance)


def test_two_servers_in_one_container_are_refused(client: t.Any, run: Run) -> None:
    container = run(Standin(("", ""), [], ["-c", "odoo --workers=8 & odoo --no-http & wait"], entrypoint=["sh"]))
    with pytest.raises(PooledError, match="2 Odoo servers run in it .* give each a container of its own"):
        _odoo_discovery.look_at(client, container)


def test_a_container_that_ends_meanwhile_is_nobodys(client: t.Any, run: Run) -> None:
    container = run(CASES["the environment"])
    container.remove(force=True)
    assert _docker.find_or_none(client, container.id) is None
    assert _docker.runs_odoo(container) is False


RUNNER = ["-c", "import time; time.sleep(3600)", "-m", "odoo.addons.queue_job.jobrunner"]


def test_a_job_runner_of_its_own_must_not_follow(run: Run, tmp_path: Path) -> None:
    """It reads the same odoo.conf, so its next start would take it into the transaction pool."""
    odoo, runner = (
        run(Standin(("", ""), [], files={"odoo.conf": CONF})),
        run(Standin(("", ""), [], RUNNER, entrypoint=["python3"], files={"odoo.conf": CONF}), ready=False),
    )
    move = {"name": odoo.name, "host": "pooled", "method": "restart", "state_dir": str(tmp_path / "state")}
    with pytest.raises(ModuleFailed, match=rf"{runner.name} is a job runner \(queue_job\) of its own"):
        run_module("odoo_dbhost", True, **move)
    (tmp_path / "odoo.conf").write_text(CONF + "\n[queue_job]\njobrunner_db_host = pg\n")
    assert run_module("odoo_dbhost", True, **move)["changed"]
