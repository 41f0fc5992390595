# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.pooled.odoo.plugins.module_utils import _odoo_instance, _odoo_versions
from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError

NETWORKS = {
    "erp": {"IPAddress": "172.20.0.5", "GlobalIPv6Address": "fd00::5"},
    # A reverse proxy's, which has no business with the database.
    "web": {"IPAddress": "172.21.0.5", "GlobalIPv6Address": ""},
}


def instance(leaves_by: dict[str, list[str]], replica: dict[str, t.Any] | None = None) -> _odoo_instance.Instance:
    inspection = {
        "Id": "cafe",
        "Name": "/erp1",
        "HostConfig": {"NetworkMode": "erp"},
        "Config": {"Image": "odoo:19", "Env": [], "Entrypoint": ["/entrypoint.sh"], "Cmd": ["odoo"]},
        "NetworkSettings": {"Networks": NETWORKS},
        "Mounts": [],
    }
    found: dict[str, t.Any] = {
        "version": "19.0",
        "argv": ["--db_host=db", "--db_port=5432"],
        "conf": {},
        "conf_path": None,
        "workers": 2,
        "cron_threads": 2,
        "resolved": {"db": ["172.20.0.2"]},
        "leaves_by": leaves_by,
        "replica": replica,
        "job_runner": None,
    }
    return _odoo_instance.assemble(inspection, found)


WAYS: list[tuple[dict[str, list[str]], list[str]]] = [
    ({"db": ["172.20.0.5"]}, ["erp"]),
    ({"db": ["fd00::5"]}, ["erp"]),
    ({"db": ["172.20.0.5", "172.21.0.5"]}, ["erp", "web"]),
    # What cannot be told is not guessed.
    ({}, ["erp", "web"]),
    ({"db": ["10.9.9.9"]}, ["erp", "web"]),
]


@pytest.mark.parametrize(("leaves_by", "networks"), WAYS)
def test_the_pooler_belongs_where_the_database_is_reached(leaves_by: dict[str, list[str]], networks: list[str]) -> None:
    assert _odoo_instance.database_networks(instance(leaves_by)) == networks


SAME = [
    {"host": "db", "port": 5432, "resolved": ["172.20.0.2"]},
    {"host": "another-name", "port": 5432, "resolved": ["172.20.0.2"]},
]


@pytest.mark.parametrize("replica", SAME)
def test_a_replica_that_is_the_primary_would_never_be_seen_to_leave(replica: dict[str, t.Any]) -> None:
    with pytest.raises(PooledError, match="is the very server that it writes to; take db_replica_host"):
        _odoo_instance.check_replica(instance({}, replica))


@pytest.mark.parametrize(
    "replica",
    [None, {"host": "standby", "port": 5432, "resolved": ["172.20.0.3"]}, {**SAME[1], "port": 6432}],
)
def test_a_real_replica_is_no_hindrance(replica: dict[str, t.Any] | None) -> None:
    _odoo_instance.check_replica(instance({}, replica))


VERSIONS = [
    ("19.0", None),
    ("saas~18.2", None),
    ("14.0", None),
    ("20.0", "Odoo 20.0 is not known here (known: 14 to 19), so it is treated as 19"),
    ("13.0", "so it is treated as 14"),
    (None, "its version is not known, so it is treated as 18"),
]


@pytest.mark.parametrize(("version", "told"), VERSIONS)
def test_a_version_that_is_not_known_is_said_to_be_unknown(version: str | None, told: str | None) -> None:
    found = _odoo_versions.unknown(version)
    assert found is None if told is None else found is not None and told in found
