# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import typing as t
from pathlib import Path

import pytest

from ansible_collections.pooled.odoo.plugins.module_utils import _container, _cutover, _moves
from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError

GOAL = _moves.Goal("pooled", 5432, (("10.0.0.1", 5432),), 0, "/web/health", True)


def seen(**changes: t.Any) -> dict[str, t.Any]:
    return {
        "odoo": True,
        "http": {"port": 8069, "status": 200, "touched": []},
        "resolved": {"pooled": ["10.0.0.2"]},
        "connections": [{"address": "10.0.0.2", "port": 5432, "count": 3}],
        **changes,
    }


OLD = {"address": "10.0.0.1", "port": 5432, "count": 2}
NEW = {"address": "10.0.0.2", "port": 5432, "count": 1}

CASES: list[tuple[dict[str, t.Any], str | None]] = [
    ({}, None),
    ({"odoo": False}, "no Odoo server runs"),
    ({"http": {"port": 8069, "error": "refused", "touched": []}}, "port 8069 does not answer (refused)"),
    ({"http": {"port": 8069, "status": 500, "touched": []}}, "answers HTTP 500"),
    ({"http": {"port": 8069, "status": 303, "touched": []}}, None),
    ({"http": None}, None),
    ({"resolved": {}}, "pooled does not resolve"),
    ({"connections": []}, "no connection to pooled:5432 yet"),
    ({"connections": [OLD, NEW]}, "former address are still open (2 to 10.0.0.1:5432)"),
    ({"connections": [{**OLD, "port": 6000}, NEW]}, None),
]


@pytest.mark.parametrize(("changes", "shortcoming"), CASES)
def test_shortcoming(changes: dict[str, t.Any], shortcoming: str | None) -> None:
    found = _moves.shortcoming(GOAL, seen(**changes))
    if shortcoming is None:
        assert found is None
    else:
        assert found is not None
        assert shortcoming in found


def test_an_idle_instance_has_to_show_that_its_answer_needed_the_new_address() -> None:
    goal = GOAL._replace(expect_connection=False)
    silent = seen(connections=[])
    assert _moves.shortcoming(goal, silent) == "no connection to pooled:5432 yet"
    touched = {"port": 8069, "status": 200, "touched": [["10.0.0.2", 5432]]}
    assert _moves.shortcoming(goal, seen(connections=[], http=touched)) is None


def test_a_job_runner_may_stay_at_the_former_address() -> None:
    """One connection for each of its tenants, and not one more."""
    both = seen(connections=[OLD, NEW])
    assert _moves.shortcoming(GOAL._replace(staying=2), both) is None
    assert _moves.shortcoming(GOAL._replace(staying=1), both) is not None


# --- odoo.conf, in a directory that the container may write in ---------------------------------------------------------


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
    place = _moves.real_path(erp["inspection"], erp["mount"])
    before, after = _moves.read_conf(place), b"[options]\ndb_host = pooled-odoo\n"
    entry = _cutover.remember_file(erp["mount"].host_path, before, after, False, place)
    erp["other"].write_bytes(after)
    swap_directory_for_a_link(erp)
    for attempt in (
        lambda: _moves.write_conf(place, after, False),
        lambda: _moves.write_conf(place, after, True),
        lambda: _moves.restore_file(entry, {"options": ["db_host"]}),
        lambda: _moves.content_of(entry),
    ):
        with pytest.raises(PooledError, match="mounted/conf is no directory of its own any more"):
            attempt()
    with pytest.raises(PooledError, match="leads out of what is mounted"):
        _moves.real_path(erp["inspection"], erp["mount"])
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
    place = _moves.real_path(erp["inspection"], mount)
    before, after = _moves.read_conf(place), b"[options]\ndb_host = pooled-odoo\n"
    entry = _cutover.remember_file(mount.host_path, before, after, in_place, place)
    _moves.write_conf(place, after, in_place)
    assert Path(place).read_bytes() == after
    assert _moves.restore_file(entry, {"options": ["db_host"]}) is None
    assert Path(place).read_bytes() == before


def test_a_record_of_before_goes_back_as_it_did(erp: dict[str, t.Any]) -> None:
    before, after = b"[options]\ndb_host = db\n", b"[options]\ndb_host = pooled-odoo\n"
    entry = _cutover.remember_file(erp["mount"].host_path, before, after, False)
    Path(erp["mount"].host_path).write_bytes(after)
    assert _moves.restore_file(entry, {"options": ["db_host"]}) is None
    assert Path(erp["mount"].host_path).read_bytes() == before


def test_messages_name_the_file_and_not_the_way_to_it(erp: dict[str, t.Any]) -> None:
    place = _moves.real_path(erp["inspection"], erp["mount"])
    os.unlink(place)
    os.mkfifo(place)
    with pytest.raises(PooledError) as caught:
        _moves.read_conf(place)
    assert caught.value.message == f"{place} is not a plain file; put one there or remove it"
