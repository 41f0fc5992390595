# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""odoo.conf, in a directory that the container may write in."""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

import pytest

from ansible_collections.pooled.odoo.plugins.module_utils import _container
from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError
from ansible_collections.pooled.odoo.plugins.module_utils._move import conf, journal


@pytest.fixture
def erp(tmp_path: Path) -> dict[str, t.Any]:
    """A mounted directory with an odoo.conf below another one, and another ERP's odoo.conf beside it."""
    for name in ("mounted/conf", "other"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "odoo.conf").write_text("[options]\ndb_host = db\n")
    return {
        "inspection": {"Mounts": [{"Type": "bind", "Source": str(tmp_path / "mounted"), "Destination": "/etc/odoo"}]},
        "mount": _container.Mount(str(tmp_path / "mounted" / "conf" / "odoo.conf"), False),
        "other": tmp_path / "other" / "odoo.conf",
    }


def swap_directory_for_a_link(erp: dict[str, t.Any]) -> None:
    directory = Path(erp["mount"].host_path).parent
    directory.rename(directory.with_name("aside"))
    directory.symlink_to(erp["other"].parent)


def test_a_directory_that_is_swapped_for_a_link_leads_nowhere_on_either_way(erp: dict[str, t.Any]) -> None:
    place = conf.real_path(erp["inspection"], erp["mount"])
    before, after = conf.read_conf(place), b"[options]\ndb_host = pooled-odoo\n"
    entry = journal.remember_file(erp["mount"].host_path, before, after, False, place)
    erp["other"].write_bytes(after)
    swap_directory_for_a_link(erp)
    for attempt in (
        lambda: conf.write_conf(place, after, False),
        lambda: conf.write_conf(place, after, True),
        lambda: conf.restore_file(entry, {"options": ["db_host"]}),
        lambda: conf.content_of(entry),
    ):
        with pytest.raises(PooledError, match="mounted/conf is no directory of its own any more"):
            attempt()
    with pytest.raises(PooledError, match="leads out of what is mounted"):
        conf.real_path(erp["inspection"], erp["mount"])
    assert erp["other"].read_bytes() == after
    assert sorted(os.listdir(erp["other"].parent)) == ["odoo.conf"]


@pytest.mark.parametrize("in_place", [True, False])
def test_there_and_back_below_a_linked_directory_of_the_operator(
    erp: dict[str, t.Any], tmp_path: Path, in_place: bool
) -> None:
    """/var/lib/docker may be a link to another disk, and it may be so in the path of a mount."""
    (tmp_path / "link").symlink_to(tmp_path / "mounted")
    erp["inspection"]["Mounts"][0]["Source"] = str(tmp_path / "link")
    mount = _container.Mount(str(tmp_path / "link" / "conf" / "odoo.conf"), in_place)
    place = conf.real_path(erp["inspection"], mount)
    before, after = conf.read_conf(place), b"[options]\ndb_host = pooled-odoo\n"
    entry = journal.remember_file(mount.host_path, before, after, in_place, place)
    conf.write_conf(place, after, in_place)
    assert Path(place).read_bytes() == after
    assert conf.restore_file(entry, {"options": ["db_host"]}) is None
    assert Path(place).read_bytes() == before


def test_a_record_of_before_goes_back_as_it_did(erp: dict[str, t.Any]) -> None:
    before, after = b"[options]\ndb_host = db\n", b"[options]\ndb_host = pooled-odoo\n"
    entry = journal.remember_file(erp["mount"].host_path, before, after, False)
    Path(erp["mount"].host_path).write_bytes(after)
    assert conf.restore_file(entry, {"options": ["db_host"]}) is None
    assert Path(erp["mount"].host_path).read_bytes() == before


def test_messages_name_the_file_and_not_the_way_to_it(erp: dict[str, t.Any]) -> None:
    place = conf.real_path(erp["inspection"], erp["mount"])
    os.unlink(place)
    os.mkfifo(place)
    with pytest.raises(PooledError) as caught:
        conf.read_conf(place)
    assert caught.value.message == f"{place} is not a plain file; put one there or remove it"


def test_a_value_that_was_unset_comes_back_as_it_was_written(erp: dict[str, t.Any]) -> None:
    """Also where somebody has edited the file meanwhile, so that only the address is rolled back."""
    path = Path(erp["mount"].host_path)
    before, after = b"[options]\ndb_host = db\ndb_port = False\n", b"[options]\ndb_host = pooled-odoo\ndb_port = 6432\n"
    entry = journal.remember_file(str(path), before, after, False, str(path))
    path.write_bytes(after + b"workers = 4\n")
    assert conf.restore_file(entry, {"options": ["db_host", "db_port"]}) is not None
    assert path.read_bytes() == before + b"workers = 4\n"
