# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the probe decides without a container; what it sees in one is tested on real Odoo (tests/e2e)."""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

import pytest

from ansible_collections.pooled.odoo.plugins.module_utils import _odoo_probe

SCRIPTS = [
    (["/usr/bin/python3", "/usr/bin/odoo", "--workers=2"], 1),
    (["python3.12", "-u", "/odoo/odoo-bin"], 2),
    (["/usr/bin/odoo"], 0),
    (["python3", "-X", "dev", "-W", "ignore", "/odoo/odoo-bin"], 5),
    (["odoo-bin", "server"], 0),
    (["python3", "/usr/bin/odoo", "gevent"], None),
    (["python3", "/usr/bin/odoo", "shell"], None),
    (["python3", "/usr/bin/odoo", "db", "dump"], None),
    (["python3", "/usr/bin/odoo", "-u", "all", "--stop-after-init"], None),
    (["su", "odoo", "-c", "odoo"], None),
    (["sudo", "-u", "odoo", "odoo"], None),
    (["tini", "/entrypoint.sh", "odoo"], None),
    (["bash", "/entrypoint.sh", "odoo"], None),
    (["sh", "-c", "odoo --db_host db"], None),
    ([""], None),
]


@pytest.mark.parametrize(("argv", "position"), SCRIPTS)
def test_server_script(argv: list[str], position: int | None) -> None:
    assert _odoo_probe.server_script(argv) == position


def test_master_is_the_one_that_the_others_descend_from() -> None:
    processes = [{"pid": 1, "ppid": 0}, {"pid": 12, "ppid": 1}, {"pid": 13, "ppid": 12}]
    assert _odoo_probe.master(processes) == processes[0]
    assert _odoo_probe.master([]) is None


@pytest.mark.parametrize(
    ("argv", "value"),
    [
        (["odoo", "-c", "/a"], "/a"),
        (["odoo", "-c/a"], "/a"),
        (["odoo", "--config=/a", "-c", "/b"], "/b"),
        (["odoo", "--config"], None),
        (["odoo"], None),
    ],
)
def test_flag(argv: list[str], value: str | None) -> None:
    assert _odoo_probe.flag(argv, "--config", "-c") == value


@pytest.mark.parametrize(
    ("digits", "width", "address"),
    [
        ("0A4D1DAC", 8, "172.29.77.10"),
        ("0000000000000000FFFF00000A4D1DAC", 32, "172.29.77.10"),
        ("00000000000000000000000001000000", 32, "::1"),
    ],
)
def test_addresses_of_the_kernel(digits: str, width: int, address: str) -> None:
    assert _odoo_probe.readable_address(digits, width) == address


def test_only_the_address_leaves_the_container() -> None:
    argv = ["odoo", "--db_password", "s3cret", "--db_host", "db", "--db_port=5432", "-w", "0ther"]
    assert _odoo_probe.database_arguments(argv) == ["--db_host=db", "--db_port=5432"]


WITH_RUNNER = "[options]\nserver_wide_modules = base,web,queue_job\n"
OWN = "[queue_job]\njobrunner_db_host = db\njobrunner_db_port = 5433\n"
RUNNERS: list[tuple[str, str, dict[str, str], tuple[t.Any, ...] | None]] = [
    ("no runner", "[options]\nserver_wide_modules = base,web\n", {}, None),
    ("nothing said", "[options]\n", {}, None),
    ("a runner without capacity", WITH_RUNNER + "[queue_job]\nchannels = root:0,root.sub:2\n", {}, None),
    ("Odoo's address", WITH_RUNNER, {}, (None, None, None)),
    ("its own in the file", WITH_RUNNER + OWN, {}, ("db", "5433", "file")),
    (
        "the environment wins, each key for itself",
        WITH_RUNNER + OWN,
        {"ODOO_QUEUE_JOB_JOBRUNNER_DB_HOST": "other"},
        ("other", "5433", "environment"),
    ),
]


@pytest.mark.parametrize(
    ("conf", "environment", "found"), [case[1:] for case in RUNNERS], ids=[case[0] for case in RUNNERS]
)
def test_job_runner(tmp_path: Path, conf: str, environment: dict[str, str], found: tuple[t.Any, ...] | None) -> None:
    runner = _odoo_probe.job_runner(instance(tmp_path, conf, environment))
    assert (runner and (runner["host"], runner["port"], runner["source"])) == found


def test_a_runner_with_server_environment_does_not_read_odoo_conf(tmp_path: Path) -> None:
    (tmp_path / "addons" / "server_environment").mkdir(parents=True)
    conf = f"{WITH_RUNNER}addons_path = /nowhere,{tmp_path}/addons\n"
    runner = _odoo_probe.job_runner(instance(tmp_path, conf, {}))
    assert runner is not None
    assert runner["reads_conf"] is False


THREADS = [
    # Nothing bounds them but db_maxconn.
    ("19.0", {}, None),
    ("17.0", {"ODOO_MAX_HTTP_THREADS": "16"}, 16),
    # No number: half of what db_maxconn leaves beside the crons.
    ("18.0", {"ODOO_MAX_HTTP_THREADS": "True"}, 31),
    ("18.0", {"ODOO_MAX_HTTP_THREADS": "0"}, None),
    # Before 17 nobody reads it, as far as is known.
    ("16.0", {"ODOO_MAX_HTTP_THREADS": "16"}, None),
    ("", {"ODOO_MAX_HTTP_THREADS": "16"}, None),
]


@pytest.mark.parametrize(("version", "environment", "bound"), THREADS)
def test_threads_are_bounded_by_a_variable_or_not(
    tmp_path: Path, version: str, environment: dict[str, str], bound: int | None
) -> None:
    made = instance(tmp_path, "[options]\n", environment)
    made.version = version
    assert _odoo_probe.max_http_threads(made, 2) == bound


REPLICAS = [
    ("19.0", "db_replica_host = 192.0.2.9\n", {}, ("192.0.2.9", 5432)),
    ("18.0", "db_replica_host = 192.0.2.9\ndb_replica_port = 6432\n", {}, ("192.0.2.9", 6432)),
    ("19.0", "", {"PGHOST_REPLICA": "192.0.2.8", "PGPORT_REPLICA": "6000"}, ("192.0.2.8", 6000)),
    # 18 does not read the variables, and 17 knows no replica.
    ("18.0", "", {"PGHOST_REPLICA": "192.0.2.8"}, None),
    ("17.0", "db_replica_host = 192.0.2.9\n", {}, None),
    # The primary itself.
    ("18.0", "db_replica_host =\n", {}, None),
    ("18.0", "db_replica_host = False\n", {}, None),
]


@pytest.mark.parametrize(("version", "conf", "environment", "found"), REPLICAS)
def test_replica(
    tmp_path: Path, version: str, conf: str, environment: dict[str, str], found: tuple[str, int] | None
) -> None:
    made = instance(tmp_path, f"[options]\n{conf}", environment)
    made.version = version
    replica = _odoo_probe.replica(made)
    assert (replica and (replica["host"], replica["port"])) == found


def test_an_address_is_reached_by_one_of_this_machines() -> None:
    assert _odoo_probe.leaves_by(["127.0.0.1", "no.such.host.invalid"]) == {"127.0.0.1": ["127.0.0.1"]}


def instance(folder: Path, conf: str, environment: dict[str, str]) -> t.Any:
    """What the probe makes of a running Odoo, without the running."""
    path = folder / "odoo.conf"
    path.write_text(conf)
    made = _odoo_probe.Instance.__new__(_odoo_probe.Instance)
    made.argv, made.environment, made.version = ["odoo"], environment, "19.0"
    made.conf_path, made.conf = str(path), _odoo_probe.read_conf(str(path))
    return made


SERVES: list[tuple[list[str], str, dict[str, str], bool]] = [
    (["odoo"], "", {}, True),
    (["odoo", "--no-http"], "", {}, False),
    (["odoo", "--no-xmlrpc"], "", {}, False),
    (["odoo"], "http_enable = False\n", {}, False),
    (["odoo"], "xmlrpc = False\n", {}, False),
    (["odoo"], "workers = -1\n", {}, False),
    (["odoo", "--workers=-1"], "workers = 4\n", {}, False),
    (["odoo", "--workers=2"], "http_enable = True\n", {}, True),
    (["odoo"], "", {"ODOO_HTTP_ENABLE": "False"}, False),
]


@pytest.mark.parametrize(("argv", "conf", "environment", "serves"), SERVES)
def test_a_server_without_http_is_known(
    tmp_path: Path, argv: list[str], conf: str, environment: dict[str, str], serves: bool
) -> None:
    (tmp_path / "odoo.conf").write_text("[options]\n" + conf)
    instance = object.__new__(_odoo_probe.Instance)
    instance.argv, instance.environment, instance.version = argv, environment, "19.0"
    instance.conf_path = str(tmp_path / "odoo.conf")
    instance.conf = _odoo_probe.read_conf(instance.conf_path)
    assert _odoo_probe.serves_http(instance) is serves
    assert (_odoo_probe.http_address(instance) is None) is not serves


def test_why_a_file_cannot_be_read_is_told(tmp_path: Path) -> None:
    path = tmp_path / "odoo.conf"
    path.write_text("[options]\nlog_handler = a\ndb_host = pg\nlog_handler = b\n")
    assert _odoo_probe.read_conf(str(path)) == {}
    error = _odoo_probe.conf_error(str(path))
    assert error is not None
    assert "line  4" in error
    assert "log_handler" in error
    path.write_bytes(b"[options]\nname = caf\xe9\n")
    assert _odoo_probe.read_conf(str(path)) == {}
    assert str(path) in (_odoo_probe.conf_error(str(path)) or "")
    path.write_text("[options]\ndb_host = pg\n")
    assert _odoo_probe.conf_error(str(path)) is None


def test_a_relative_path_begins_where_the_process_works() -> None:
    assert _odoo_probe.absolute("odoo.conf", os.getpid()) == f"{os.getcwd()}/odoo.conf"
    assert _odoo_probe.absolute("/etc/odoo.conf", os.getpid()) == "/etc/odoo.conf"
