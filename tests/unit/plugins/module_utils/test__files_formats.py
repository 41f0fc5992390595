# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The three files that PgBouncer reads: what is rendered is what is parsed, whatever the names and secrets are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.pooled.odoo.plugins.module_utils import _hba, _ini, _userlist
from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError

# Whatever check_name and reject_control_characters let through.
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\n\r\0"), min_size=1, max_size=20)
KEYS = st.sampled_from(["host", "port", "password", "dbname", "pool_mode", "connect_query"])
# The ini parser drops white space around a line, so a value that ends with one is refused before.
VALUES = TEXT.filter(lambda text: text == text.strip())
CONNECT = st.dictionaries(KEYS, VALUES, max_size=4)


NAME = st.from_regex(r"[0-9A-Za-z_.*-]{1,12}", fullmatch=True)


@given(databases=st.dictionaries(NAME, CONNECT, max_size=4), users=st.dictionaries(NAME, CONNECT, max_size=2))
def test_ini_round_trip(databases: dict[str, dict[str, str]], users: dict[str, dict[str, str]]) -> None:
    text = _ini.render({"pool_mode": "session"}, databases, users, {}, "heading\nof two lines")
    parsed = _ini.parse(text)
    assert parsed == {"databases": databases, "users": users, "peers": {}, "pgbouncer": {"pool_mode": "session"}}


@given(st.dictionaries(TEXT, TEXT, max_size=5))
def test_userlist_round_trip(users: dict[str, str]) -> None:
    assert _userlist.parse(_userlist.render(users)) == users


@given(
    st.lists(st.text(st.characters(codec="ascii", exclude_characters='"\n\r\0'), min_size=1, max_size=8), min_size=1)
)
def test_hba_round_trip(names: list[str]) -> None:
    rule = {"type": "host", "database": names, "user": ["all"], "address": "all", "method": "reject"}
    lines = _hba.check([rule], (1, 26, 0))
    assert _hba.parse(_hba.render(lines)) == lines
    assert _hba.fields(lines[0])[1] == names


def test_rendering_is_sorted_and_stable() -> None:
    first = _ini.render({"b": "1", "a": "2"}, {"y": {}, "x": {"port": "1", "host": "h"}}, {}, {}, "h")
    assert first == "; h\n\n[databases]\nx = host=h port=1\ny =\n\n[pgbouncer]\na = 2\nb = 1\n"


NAMES = [("erp", True), ("*", True), ("a-b.c_1", True), ("a b", False), ('a"b', False), ("é", False), ("", False)]


@pytest.mark.parametrize(("name", "possible"), NAMES)
def test_what_pgbouncer_can_read_as_a_name(name: str, possible: bool) -> None:
    assert _ini.can_name(name) is possible


BROKEN = [
    ("x = host=h", "line 1: x stands before the first section"),
    ("[nonsense]", "line 1: [nonsense] is not a section"),
    ("[databases]\n%include other.ini", "line 2: %include is not followed"),
    ("[databases]\nsecret line", "line 2 is not of the form key = value"),
    ("[databases]\nx = PASSWORD=hunter2", "line 2: cannot read the connection string behind its character 0"),
]


@pytest.mark.parametrize(("text", "message"), BROKEN)
def test_broken_ini(text: str, message: str) -> None:
    with pytest.raises(PooledError) as caught:
        _ini.parse(text)
    assert message in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert "secret" not in str(caught.value)


BAD_USERS = [
    ([{"name": "", "password": "x"}], "userlist[0].name: a user name must be a non-empty string"),
    ([{"name": "a", "password": None}], "userlist[0]: a user needs a password"),
    ([{"name": "a", "password": "x\ny"}], "userlist[0].password: holds a newline"),
    ([{"name": "a", "password": "x" * 2048}], "userlist[0].password: is longer than 2047 bytes"),
    ([{"name": "a", "password": ""}, {"name": "a", "password": ""}], "userlist[1].name: user 'a' is listed twice"),
]


@pytest.mark.parametrize(("entries", "message"), BAD_USERS)
def test_bad_userlist(entries: list[dict[str, str]], message: str) -> None:
    with pytest.raises(PooledError) as caught:
        _userlist.check(entries)
    assert message in str(caught.value)


def rule(**changes: object) -> dict[str, object]:
    return {"type": "host", "database": ["all"], "user": ["all"], "address": "10.0.0.0/8", "method": "md5", **changes}


BAD_RULES = [
    (rule(type="tcp"), "hba[0].type: 'tcp' is not one of local, host, hostssl, hostnossl"),
    (rule(method="password"), "hba[0].method: 'password' is not one of"),
    (rule(address="10.0.0.1/8"), "hba[0].address"),
    (rule(address=None), "hba[0].address"),
    (rule(type="local"), "hba[0].address: a rule of type local takes no address"),
    (rule(method="peer"), "hba[0].method: peer works on Unix sockets only"),
    (rule(method="ldap"), "hba[0].method: PgBouncer knows ldap from 1.25 on"),
    (rule(user=[]), "hba[0].user: is empty"),
    (rule(user=["a\nlocal all all trust"]), "hba[0].user: holds a newline"),
    (rule(user=['a"b']), "hba[0].user: PgBouncer's hba file cannot express a double quote"),
]


@pytest.mark.parametrize(("given_rule", "message"), BAD_RULES)
def test_bad_hba(given_rule: dict[str, object], message: str) -> None:
    with pytest.raises(PooledError) as caught:
        _hba.check([given_rule], (1, 24, 1))
    assert message in str(caught.value)


def test_a_role_called_like_a_keyword_is_no_keyword() -> None:
    rule = {"type": "host", "database": ["all"], "user": ['"all"', "odoo"], "address": "all", "method": "md5"}
    assert _hba.check([rule], (1, 24, 1)) == ['host all "all",odoo all md5']


def test_hba_comment_and_blanks() -> None:
    assert _hba.parse('# all\n  host   all "a # b"   all  md5 # why\n\n') == ['host all "a # b" all md5']


def test_one_wrong_line_does_not_hide_the_others() -> None:
    """Were all of them taken for new ones, a restart would be due for what has not changed."""
    text = "[users]\nodoo = pool_size=3\n[uzers]\nx = pool_size=1\n[pgbouncer]\nnonsense\nlisten_port = 6432\n"
    faults: list[str] = []
    parsed = _ini.parse(text, faults)
    assert parsed["users"] == {"odoo": {"pool_size": "3"}}
    assert parsed["pgbouncer"] == {"listen_port": "6432"}
    assert [fault.split(":")[0].split(" is ")[0] for fault in faults] == ["line 3", "line 4", "line 6"]
