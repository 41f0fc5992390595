# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import configparser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.pooled.odoo.plugins.module_utils import _odoo_conf
from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError

NEW = {"db_host": "pooled-odoo"}

EDITS = [
    ("value in place", "[options]\ndb_host = db\nx = 1\n", "[options]\ndb_host = pooled-odoo\nx = 1\n"),
    # The official image's entrypoint reads only `key = value`.
    ("no blanks", "[options]\ndb_host=db\n", "[options]\ndb_host = pooled-odoo\n"),
    ("colon", "[options]\ndb_host: db\n", "[options]\ndb_host = pooled-odoo\n"),
    ("no final newline", "[options]\ndb_host = db", "[options]\ndb_host = pooled-odoo"),
    ("CRLF", "[options]\r\ndb_host = db\r\nx = 1\r\n", "[options]\r\ndb_host = pooled-odoo\r\nx = 1\r\n"),
    ("commented one stays", "[options]\n;db_host = a\n# db_host = b\ndb_host = db\n", None),
    ("unset", "[options]\ndb_host = False\n", "[options]\ndb_host = pooled-odoo\n"),
    ("upper case", "[options]\nDB_HOST = db\n", "[options]\ndb_host = pooled-odoo\n"),
    ("added behind its kind", "[options]\na = 1\ndb_port = 5432\nb = 2\n", None),
    ("added behind the head", "; x\n[options]\na = 1\n", "; x\n[options]\ndb_host = pooled-odoo\na = 1\n"),
    ("added to a file without final newline", "[options]", "[options]\ndb_host = pooled-odoo\n"),
    ("behind a continued value", "[options]\ndb_name = a,\n  b\nz = 1\n", None),
    ("other section untouched", "[queue_job]\ndb_host = x\n[options]\ndb_host = db\n", None),
    ("not UTF-8", b"[options]\n; caf\xe9\ndb_host = db\n".decode("utf-8", "surrogateescape"), None),
]


@pytest.mark.parametrize(("text", "wanted"), [edit[1:] for edit in EDITS], ids=[edit[0] for edit in EDITS])
def test_edit(text: str, wanted: str | None) -> None:
    edited = _odoo_conf.edit(text, NEW)
    if wanted is not None:
        assert edited == wanted
    before, after = parse(text), parse(edited)
    assert after == {**before, "options": {**before["options"], **NEW}}
    # Line for line, only the one that carries the value differs or is new.
    kept = [line for line in edited.splitlines() if line != "db_host = pooled-odoo"]
    assert [line for line in text.splitlines() if line in kept] == kept


def parse(text: str) -> dict[str, dict[str, str]]:
    parser = configparser.RawConfigParser()
    parser.read_string(text)
    return {section: dict(parser.items(section)) for section in parser.sections()}


REFUSED = [
    ("twice", "[options]\ndb_host = a\ndb_host = b\n", "db_host stands in lines 2 and 3"),
    ("no section", "db_host = a\n", "has no section [options]"),
    ("empty", "", "has no section [options]"),
    # RawConfigParser takes the line for a value of its own right; a plain insert would swallow it.
    ("indented", "[options]\n    db_host = db\n", "begins at the margin"),
    ("continued", "[options]\ndb_host =\n    db\n", "begins at the margin"),
]


@pytest.mark.parametrize(("text", "message"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_what_cannot_be_edited_safely_is_refused(text: str, message: str) -> None:
    with pytest.raises(PooledError) as caught:
        _odoo_conf.edit(text, NEW)
    assert message in str(caught.value)


def test_read_leaves_out_what_odoo_takes_for_unset() -> None:
    text = "[options]\ndb_host = False\ndb_port = 5432\ndb_user =\n[other]\nworkers = 4\n"
    assert _odoo_conf.read(text) == {"db_port": "5432"}


def test_remove() -> None:
    assert _odoo_conf.remove("[options]\na = 1\ndb_port = 1\nb = 2\n", ["db_port"]) == "[options]\na = 1\nb = 2\n"


KEY = st.from_regex(r"[a-z][a-z_]{0,8}", fullmatch=True).filter(lambda key: key not in ("db_host",))
VALUE = st.from_regex(r"[a-zA-Z0-9 %,;#/=:.-]{0,12}", fullmatch=True).map(str.strip)


@given(st.dictionaries(KEY, VALUE, max_size=6), st.booleans())
def test_edit_changes_nothing_else(options: dict[str, str], present: bool) -> None:
    lines = ["[options]", *(f"{key} = {value}" for key, value in options.items())]
    if present:
        lines.insert(1, "db_host = db")
    text = "\n".join(lines) + "\n"
    assert parse(_odoo_conf.edit(text, NEW))["options"] == {**parse(text)["options"], **NEW}


RUNNER = {"jobrunner_db_host": "db"}
SECTIONS = [
    ("added at the end", "[options]\na = 1\n", "[options]\na = 1\n\n[queue_job]\njobrunner_db_host = db\n"),
    ("no final newline", "[options]\na = 1", "[options]\na = 1\n\n[queue_job]\njobrunner_db_host = db\n"),
    ("CRLF", "[options]\r\n", "[options]\r\n\r\n[queue_job]\r\njobrunner_db_host = db\r\n"),
    ("there already", "[queue_job]\nchannels = root:2\n[options]\n", None),
    ("value in place", "[queue_job]\njobrunner_db_host = x\n[options]\njobrunner_db_host = y\n", None),
]


@pytest.mark.parametrize(("text", "wanted"), [case[1:] for case in SECTIONS], ids=[case[0] for case in SECTIONS])
def test_edit_the_section_of_a_module(text: str, wanted: str | None) -> None:
    edited = _odoo_conf.edit(text, RUNNER, "queue_job")
    if wanted is not None:
        assert edited == wanted
    before = parse(text)
    assert parse(edited) == {**before, "queue_job": {**before.get("queue_job", {}), **RUNNER}}
    assert _odoo_conf.read(edited, "queue_job")["jobrunner_db_host"] == "db"
    assert "jobrunner_db_host" not in _odoo_conf.read(_odoo_conf.remove(edited, RUNNER, "queue_job"), "queue_job")
