# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
import typing as t

import pytest

from ansible_collections.pooled.odoo.plugins.module_utils import _container

INSPECTION: dict[str, t.Any] = {
    "Id": "abcdef0123456789",
    "Image": "sha256:1",
    "Config": {
        "Hostname": "abcdef012345",
        "Image": "odoo:19",
        "Env": ["HOST=db", "PASSWORD=a=b", "ODOO_RC=/etc/odoo/odoo.conf"],
        "Entrypoint": ["/entrypoint.sh"],
        "Cmd": ["odoo", "--workers=4"],
        "Labels": {"team": "erp"},
    },
    "HostConfig": {
        "NetworkMode": "front",
        "Binds": ["/srv/addons:/mnt/addons:ro"],
        "PortBindings": {},
        "RestartPolicy": {"Name": "always"},
        "Memory": 123,
    },
    "NetworkSettings": {
        "Networks": {
            "front": {"Aliases": ["erp", "abcdef012345"], "IPAMConfig": None, "MacAddress": "02:42"},
            "back": {"Aliases": ["abcdef012345"], "IPAMConfig": {"IPv4Address": "10.0.0.9"}},
        }
    },
    "Mounts": [
        {"Type": "bind", "Source": "/srv/addons", "Destination": "/mnt/addons"},
        {"Type": "volume", "Name": "cafe", "Source": "/v/cafe/_data", "Destination": "/var/lib/odoo"},
    ],
}


def inspection(**host_config: t.Any) -> dict[str, t.Any]:
    document = copy.deepcopy(INSPECTION)
    document["HostConfig"].update(host_config)
    return document


def test_the_same_container_with_another_environment() -> None:
    request, networks = _container.creation(inspection(), "odoo:19", {"HOST": "pooled", "PORT": "5432"}, {})
    assert request["Env"] == ["HOST=pooled", "PASSWORD=a=b", "ODOO_RC=/etc/odoo/odoo.conf", "PORT=5432"]
    assert "Hostname" not in request
    assert request["Cmd"] == ["odoo", "--workers=4"]
    assert request["Labels"] == {"team": "erp"}
    assert request["HostConfig"]["Memory"] == 123
    assert request["HostConfig"]["RestartPolicy"] == {"Name": "always"}
    # The anonymous volume is named, or the filestore would be a new, empty one.
    assert request["HostConfig"]["Binds"] == ["/srv/addons:/mnt/addons:ro", "cafe:/var/lib/odoo"]
    assert request["NetworkingConfig"] == {"EndpointsConfig": {"front": {"Aliases": ["erp"]}}}
    assert networks == {"back": {"IPAMConfig": {"IPv4Address": "10.0.0.9"}}}


def test_the_inspection_itself_stays_as_it_is() -> None:
    document = inspection()
    _container.creation(document, "odoo:19", {"HOST": "x"}, {"--workers": "2"})
    assert document == INSPECTION


def test_a_chosen_hostname_stays() -> None:
    document = inspection()
    document["Config"]["Hostname"] = "erp"
    assert _container.creation(document, "odoo:19", {}, {})[0]["Hostname"] == "erp"


def test_a_volume_without_a_source_is_pinned() -> None:
    document = inspection(Mounts=[{"Type": "volume", "Target": "/var/lib/odoo/"}], Binds=None)
    request = _container.creation(document, "odoo:19", {}, {})[0]
    assert request["HostConfig"]["Mounts"] == [{"Type": "volume", "Target": "/var/lib/odoo/", "Source": "cafe"}]
    assert request["HostConfig"]["Binds"] == []


def test_a_named_volume_with_a_trailing_slash_is_not_mounted_twice() -> None:
    document = inspection(Binds=["cafe:/var/lib/odoo/"])
    assert _container.creation(document, "odoo:19", {}, {})[0]["HostConfig"]["Binds"] == ["cafe:/var/lib/odoo/"]


def test_a_read_only_volume_stays_read_only() -> None:
    document = inspection(Binds=None)
    document["Mounts"][1]["RW"] = False
    assert _container.creation(document, "odoo:19", {}, {})[0]["HostConfig"]["Binds"] == ["cafe:/var/lib/odoo:ro"]


@pytest.mark.parametrize(
    ("cmd", "wanted"),
    [
        (["odoo", "--db_host", "a"], ["odoo", "--db_host", "b"]),
        (["odoo", "--db_host=a", "-d", "x"], ["odoo", "--db_host=b", "-d", "x"]),
        (["odoo", "--db_hosts=a"], ["odoo", "--db_hosts=a"]),
        (None, None),
    ],
)
def test_arguments(cmd: list[str] | None, wanted: list[str] | None) -> None:
    document = inspection()
    document["Config"]["Cmd"] = cmd
    assert _container.creation(document, "odoo:19", {}, {"--db_host": "b"})[0]["Cmd"] == wanted


MOUNTS = [
    ("/mnt/addons/a/b.py", _container.Mount("/srv/addons/a/b.py", False)),
    ("/mnt/addons", _container.Mount("/srv/addons", True)),
    ("/mnt/addonsx/b.py", None),
    ("/mnt/addons/../../etc/shadow", None),
    ("/var/lib/odoo/x", _container.Mount("/v/cafe/_data/x", False)),
]


@pytest.mark.parametrize(("path", "mount"), MOUNTS)
def test_host_mount(path: str, mount: _container.Mount | None) -> None:
    assert _container.host_mount(INSPECTION, path) == mount


@pytest.mark.parametrize(
    ("path", "inside"),
    [("/srv/addons/a", True), ("/srv/addons", True), ("/srv/addons2", False), ("/etc/shadow", False)],
)
def test_stays_inside(path: str, inside: bool) -> None:
    assert _container.stays_inside(INSPECTION, path) is inside


RC = "ODOO_RC=/etc/odoo/odoo.conf"
CAMPTOCAMP = ["ODOO_RC=/odoo/odoo.cfg", "ODOO_BASE_URL=http://localhost:8069", "ODOO_REPORT_URL=http://localhost:8069"]
FAMILIES: list[tuple[dict[str, t.Any], str]] = [
    ({}, "official"),
    # An old fork of it.
    ({"Env": ["OPENERP_SERVER=/etc/odoo/openerp-server.conf"], "Image": "acme/erp"}, "official"),
    ({"Env": ["ODOO_VERSION=17.0", "ODOO_RC=/run/odoo.conf"]}, "official"),
    # What users set for themselves makes no other family of it.
    ({"Env": [RC, "HOST=pg", "ODOO_BASE_URL=https://erp.example.org"]}, "official"),
    ({"Env": [RC, "ODOO_REPORT_URL=", "ODOO_BIN="]}, "official"),
    ({"Env": [RC], "Image": "registry.example.org/camptocamp-erp:17"}, "official"),
    ({"Env": ["DEPTH_DEFAULT=1"], "Entrypoint": ["/opt/odoo/common/entrypoint"]}, "doodba"),
    ({"Image": "bitnami/odoo:16", "Entrypoint": ["/opt/bitnami/scripts/odoo/entrypoint.sh"], "Env": []}, "bitnami"),
    ({"Image": "acme/erp", "Env": CAMPTOCAMP, "Entrypoint": ["docker-entrypoint.sh"]}, "camptocamp"),
    (
        {
            "Image": "ghcr.io/acsone/odoo-bedrock:18.0",
            "Env": ["ODOO_BIN=odoo", "ODOO_RC=/etc/odoo.cfg"],
            "Entrypoint": ["/usr/local/bin/entrypoint.sh"],
        },
        "acsone",
    ),
    ({"Entrypoint": None, "Image": "acme/erp"}, "unknown"),
    # One mark alone tells nothing.
    ({"Entrypoint": ["/run.sh"], "Image": "camptocamp/erp", "Env": []}, "unknown"),
]


@pytest.mark.parametrize(("config", "family"), FAMILIES)
def test_family(config: dict[str, t.Any], family: str) -> None:
    document = inspection()
    document["Config"].update(config)
    assert _container.family(document) == family


OWNERS = [
    ({"com.hashicorp.nomad.job_name": "erp"}, "Nomad job erp"),
    ({"coolify.name": "erp-x1"}, "Coolify's resource erp-x1"),
    ({"service": "erp", "role": "web", "destination": ""}, "Kamal's service erp"),
    ({"service": "erp"}, None),
]


@pytest.mark.parametrize(("labels", "owner"), OWNERS)
def test_who_would_make_it_anew(labels: dict[str, str], owner: str | None) -> None:
    document = inspection()
    document["Config"]["Labels"] = labels
    assert _container.manager(document) == owner


def test_what_was_asked_for_of_a_network_is_asked_for_again() -> None:
    document = inspection()
    document["NetworkSettings"]["Networks"]["front"].update({"MacAddress": "00:16:3e:00:00:01", "GwPriority": 5})
    assert _container.endpoints(document)["front"]["MacAddress"] == "00:16:3e:00:00:01"
    assert _container.endpoints(document)["front"]["GwPriority"] == 5
    # One that Docker made itself is made anew.
    document["NetworkSettings"]["Networks"]["front"]["MacAddress"] = "02:42:ac:11:00:02"
    assert "MacAddress" not in _container.endpoints(document)["front"]
    document["Config"]["MacAddress"] = "02:42:ac:11:00:02"
    assert _container.endpoints(document)["front"]["MacAddress"] == "02:42:ac:11:00:02"


def test_manager() -> None:
    document = inspection()
    assert _container.manager(document) is None
    document["Config"]["Labels"] = {"com.docker.compose.project": "erp"}
    assert _container.manager(document) == "Compose project erp"


def test_overlap() -> None:
    document = inspection()
    assert not _container.can_overlap(document)  # a fixed address
    del document["NetworkSettings"]["Networks"]["back"]
    assert _container.can_overlap(document)
    assert not _container.can_overlap({**document, "HostConfig": {"PortBindings": {"8069/tcp": [{"HostPort": "80"}]}}})


TITLES = [
    ("/usr/bin/python3 /usr/bin/odoo --workers=4", True),
    ("python3 -u /odoo/odoo-bin -c x", True),
    ("odoo: WorkerHTTP 21", True),
    ("/opt/odoo/odoo-bin", True),
    ("postgres: odoo tenant01 10.0.0.7(40112) idle", False),
    ("psql -U odoo", False),
    ("bash /entrypoint.sh odoo", False),
    ("vim odoo.conf", False),
]


@pytest.mark.parametrize(("title", "odoo"), TITLES)
def test_looks_like_odoo(title: str, odoo: bool) -> None:
    assert _container.looks_like_odoo([title]) is odoo


def test_all_networks_in_one_request() -> None:
    document = inspection()
    document["NetworkSettings"]["Networks"]["back"]["GwPriority"] = 5
    request, networks = _container.creation(document, "odoo:19", {}, {}, all_networks=True)
    assert networks == {}
    assert request["NetworkingConfig"]["EndpointsConfig"] == {
        "front": {"Aliases": ["erp"]},
        "back": {"IPAMConfig": {"IPv4Address": "10.0.0.9"}, "GwPriority": 5},
    }
