# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""pg_conn_audit against a real PostgreSQL: it counts what is there, and refuses what proves nothing."""

from __future__ import annotations

import json
import stat
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.lab.servers import MAX_CONNECTIONS, Server
from tests.modules import ModuleFailed, run_module

# The shortest window that a verdict takes.
QUICK: dict[str, t.Any] = {"duration": 5, "interval": 0.5}


def audit(postgres: Server, **arguments: t.Any) -> dict[str, t.Any]:
    settle(postgres)
    return run_module("pg_conn_audit", **{**postgres.login(), **QUICK, **arguments})


def settle(postgres: Server) -> None:
    """A backend outlives its client's close by some milliseconds; only what a client still holds shall be counted."""
    count = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
    seen = [-1]
    while len(seen) < 3 or len(set(seen[-3:])) > 1:
        seen.append(postgres.run(count)[0][0])
        time.sleep(0.1)


@pytest.fixture
def role(postgres: Server) -> t.Iterator[str]:
    postgres.run("DROP ROLE IF EXISTS clerk", "CREATE ROLE clerk LOGIN PASSWORD 'cl3rk'")
    yield "clerk"
    postgres.run("DROP ROLE clerk")


def test_it_counts_what_is_there_and_not_itself(postgres: Server, role: str) -> None:
    with ExitStack() as stack:
        clients = [stack.enter_context(closing(postgres.connect(user=role, password="cl3rk"))) for _number in range(7)]
        with clients[0].cursor() as cursor:
            cursor.execute("LISTEN something")
        clients[1].autocommit = False
        with clients[1].cursor() as cursor:
            cursor.execute("SELECT 1")
        found = audit(postgres, roles=[role])["audit"]
    assert found["connections"] == {"peak": 7, "mean": 7.0, "p50": 7, "p95": 7}
    assert found["by_state"]["idle"]["peak"] == 6
    assert found["by_state"]["idle in transaction"]["peak"] == 1
    assert found["by_role"][role] == {"peak": 7, "mean": 7.0}
    assert found["by_role_and_client"][role].keys() == found["by_client"].keys()
    assert found["by_database"]["postgres"]["peak"] == 7
    assert found["listeners"]["peak"] >= 1
    assert 0 < found["oldest_idle_in_transaction_s"] < 10
    assert found["limits"]["max_connections"] == MAX_CONNECTIONS
    assert found["window"]["samples"] == 11
    assert found["load"]["transactions_per_second"] >= 0


def test_it_tells_limits_of_single_roles_and_databases(postgres: Server, role: str) -> None:
    postgres.run(f"ALTER ROLE {role} CONNECTION LIMIT 20")
    try:
        assert audit(postgres)["audit"]["limits"]["by_role"] == {role: 20}
    finally:
        postgres.run(f"ALTER ROLE {role} CONNECTION LIMIT -1")
    assert audit(postgres)["audit"]["limits"]["by_role"] == {}


def test_without_anybody_it_sees_nobody(postgres: Server) -> None:
    assert audit(postgres)["audit"]["connections"]["peak"] == 0


def test_check_mode_measures_and_writes_nothing(postgres: Server, tmp_path: Path) -> None:
    result = run_module("pg_conn_audit", check=True, **postgres.login(), **QUICK, dest=str(tmp_path / "a.json"))
    assert result["changed"] is False
    assert result["audit"]["window"]["samples"] == 11
    assert list(tmp_path.iterdir()) == []


def test_a_verdict_needs_a_reduction(postgres: Server, role: str, tmp_path: Path) -> None:
    baseline = str(tmp_path / "baseline.json")
    with ExitStack() as stack:
        for _number in range(10):
            stack.enter_context(closing(postgres.connect(user=role, password="cl3rk")))
        result = audit(postgres, dest=baseline)
        assert result["changed"] is False
        assert stat.S_IMODE(Path(baseline).stat().st_mode) == 0o600
        with pytest.raises(ModuleFailed, match="the verdict is failed: peak fell by 0 %") as caught:
            audit(postgres, baseline=baseline, min_load_ratio=0)
        assert caught.value.result["verdict"]["verdict"] == "failed"
        reported = audit(postgres, baseline=baseline, min_load_ratio=0, enforce=False)
        assert reported["verdict"]["verdict"] == "failed"
    with closing(postgres.connect(user=role, password="cl3rk")):
        result = audit(postgres, baseline=baseline, min_load_ratio=0, min_reduction=90)
    assert result["verdict"]["reduction_percent"] == 90.0
    assert result["verdict"]["baseline"]["peak"] == 10


def test_a_baseline_that_proves_nothing(postgres: Server, tmp_path: Path) -> None:
    baseline = tmp_path / "baseline.json"
    document = audit(postgres)["audit"]
    document["connections"] = {"peak": 50, "mean": 50, "p50": 50, "p95": 50}
    for change, message in (
        ({"cluster": {**document["cluster"], "system_identifier": "1"}}, "another PostgreSQL cluster"),
        ({"window": {**document["window"], "duration_s": 600}}, "too short beside the baseline's 600 s"),
        ({"load": {"transactions_per_second": 1e6}}, "load is far below"),
        ({"load": {"transactions_per_second": 0.2}}, "the baseline saw hardly any load"),
        ({"scope": {**document["scope"], "databases": ["x"]}}, "other roles or databases"),
    ):
        baseline.write_text(json.dumps({**document, **change}))
        with pytest.raises(ModuleFailed, match="the verdict is inconclusive") as caught:
            audit(postgres, baseline=str(baseline))
        assert message in str(caught.value)


def test_two_samples_prove_nothing(postgres: Server, tmp_path: Path) -> None:
    short = {"duration": 1, "interval": 1, "min_load_ratio": 0, "min_reduction": 0}
    baseline = str(tmp_path / "baseline.json")
    with closing(postgres.connect()):
        audit(postgres, **short, dest=baseline)
        with pytest.raises(ModuleFailed, match="the verdict is inconclusive: the baseline has 2 samples in 1"):
            audit(postgres, **short, baseline=baseline)


def test_it_is_about_its_roles_and_shows_all(postgres: Server, role: str, tmp_path: Path) -> None:
    """A report tool's connections neither fail nor pass what is Odoo's; the baseline's roles are the verdict's."""
    baseline = str(tmp_path / "baseline.json")
    with ExitStack() as stack:
        for _number in range(10):
            stack.enter_context(closing(postgres.connect(user=role, password="cl3rk")))
        audit(postgres, roles=[role], dest=baseline)
    with ExitStack() as stack:
        for _number in range(30):
            stack.enter_context(closing(postgres.connect()))
        stack.enter_context(closing(postgres.connect(user=role, password="cl3rk")))
        result = audit(postgres, baseline=baseline, min_load_ratio=0, min_reduction=90)
    assert (result["verdict"]["verdict"], result["verdict"]["roles"]) == ("passed", [role])
    assert result["verdict"]["current"]["peak"] == 1
    assert result["audit"]["total"]["peak"] == 31


def test_starts_of_sessions_are_no_load(postgres: Server) -> None:
    """A pooler, and each NOTIFY of Odoo, opens connections; only what is done on them counts."""
    with ThreadPoolExecutor(1) as pool:
        measuring = pool.submit(lambda: run_module("pg_conn_audit", **postgres.login(), **QUICK))
        for _number in range(50):
            postgres.connect().close()
            time.sleep(0.02)
        quiet = measuring.result()["audit"]["load"]["transactions_per_second"]
    assert quiet < 3


def test_a_database_that_is_dropped_takes_no_other_ones_load(postgres: Server) -> None:
    """The sum over all databases would have fallen."""
    # A backend that touches no table keeps its count of transactions to itself.
    read = "SELECT count(*) FROM pg_class"
    postgres.run("CREATE DATABASE doomed")
    with closing(postgres.connect("doomed")) as connection, connection.cursor() as cursor:
        for _number in range(2000):
            cursor.execute(read)
    with ThreadPoolExecutor(2) as pool, closing(postgres.connect()) as connection, connection.cursor() as cursor:
        measuring = pool.submit(lambda: run_module("pg_conn_audit", **postgres.login(), **QUICK))
        time.sleep(1)
        # It waits for a checkpoint, which may take a while.
        dropping = pool.submit(postgres.run, "DROP DATABASE doomed")
        while not measuring.done():
            cursor.execute(read)
            time.sleep(0.01)
        dropping.result()
    assert measuring.result()["audit"]["load"]["transactions_per_second"] > 10


BAD: list[tuple[dict[str, t.Any], str]] = [
    ({"login_password": "wrong"}, "password authentication failed"),
    ({"login_host": "127.0.0.1", "login_port": 1}, "cannot connect to 127.0.0.1:1"),
    ({"login_db": "nowhere"}, 'database "nowhere" does not exist'),
    ({"roles": ["nobody"]}, "roles: PostgreSQL has no role nobody"),
    ({"duration": 0}, "duration: must be at least 1 second"),
    ({"interval": 6}, "interval: must be more than 0 and at most duration"),
    ({"min_reduction": 101}, "min_reduction: is a percentage"),
    ({"min_load_ratio": 2}, "min_load_ratio: is a share"),
    ({"max_wait_share": 2}, "max_wait_share: is a share"),
    ({"baseline": "/nonexistent/b.json"}, "baseline: there is no file /nonexistent/b.json"),
    ({"dest": "/nonexistent/b.json"}, "dest: the directory of /nonexistent/b.json does not exist"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD)
def test_bad_input(postgres: Server, arguments: dict[str, t.Any], message: str) -> None:
    with pytest.raises(ModuleFailed) as caught:
        audit(postgres, **arguments)
    assert message in str(caught.value)
    assert "t3st" not in str(caught.value.result)


@pytest.mark.parametrize("content", ["", "{", '{"schema": "x"}', "\0"])
def test_a_damaged_baseline(postgres: Server, tmp_path: Path, content: str) -> None:
    (tmp_path / "b.json").write_text(content)
    with pytest.raises(ModuleFailed, match="baseline: .*audit again"):
        audit(postgres, baseline=str(tmp_path / "b.json"))


def test_the_baseline_cannot_be_overwritten(postgres: Server, tmp_path: Path) -> None:
    path = str(tmp_path / "b.json")
    with pytest.raises(ModuleFailed, match="is the baseline, which would be overwritten"):
        audit(postgres, baseline=path, dest=path)


def test_a_role_that_may_not_see_others(postgres: Server, role: str) -> None:
    login = {"login_user": role, "login_password": "cl3rk"}
    with pytest.raises(ModuleFailed, match="GRANT pg_monitor TO it"):
        audit(postgres, **login)
    with closing(postgres.connect()):
        totals = audit(postgres, **login, totals_only=True)["audit"]
    assert totals["connections"]["peak"] == 1
    assert totals["by_state"] == {"hidden": {"peak": 1, "mean": 1.0}}
    # Membership alone is not enough: without inheritance PostgreSQL hides the rows all the same.
    postgres.run("ALTER ROLE clerk NOINHERIT", "GRANT pg_monitor TO clerk WITH INHERIT FALSE")
    with pytest.raises(ModuleFailed, match="GRANT pg_monitor TO it"):
        audit(postgres, **login)
