# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest
import yaml

from ansible_collections.pooled.odoo.plugins.module_utils import _compose, _compose_file, _compose_project
from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError

DIRECTORY = "/srv/erp"
MAIN, OVERRIDE, DOTENV = f"{DIRECTORY}/compose.yaml", f"{DIRECTORY}/compose.override.yaml", f"{DIRECTORY}/.env"


def project(files: t.Mapping[str, str]) -> _compose_project.Project:
    """Files by name; those that Compose is given in their order, whatever else lies in the directory by reading."""
    paths = {f"{DIRECTORY}/{name}": text for name, text in files.items()}
    given = {path: text for path, text in paths.items() if path in (MAIN, OVERRIDE)}
    variables = {path: text for path, text in paths.items() if path == DOTENV}
    return _compose_project.Project(DIRECTORY, given, variables, paths.get)


def changed(files: t.Mapping[str, str], service: str = "odoo", **variables: str | None) -> dict[str, str]:
    made = _compose_file.set_variables(project(files), service, variables or {"HOST": "pooled-odoo"})
    return {path.rpartition("/")[2]: text for path, text in made.items()}


MAPPING = """\
# the company's ERP
services:
  odoo:
    image: odoo:19   # pinned
    environment:
      HOST: {value}  # the database
      USER: odoo

  db: {{image: "postgres:17"}}
"""
LIST = """\
services:
  odoo:
    environment:
    - "USER=odoo"
    - {item}
"""
# What stands there, what stands there afterwards.
VALUES = [
    ("db", "pooled-odoo"),
    ("'db'", "'pooled-odoo'"),
    ('"db"', '"pooled-odoo"'),
    ("${DB_HOST:-db}", "${DB_HOST:-pooled-odoo}"),
    ('"${DB_HOST-db}"', '"${DB_HOST-pooled-odoo}"'),
    ("&host db", "&host pooled-odoo"),
]


@pytest.mark.parametrize(("before", "after"), VALUES)
def test_a_mapping_keeps_everything_but_the_value(before: str, after: str) -> None:
    assert changed({"compose.yaml": MAPPING.format(value=before)}) == {"compose.yaml": MAPPING.format(value=after)}


@pytest.mark.parametrize(
    ("before", "after"),
    [("HOST=db", "HOST=pooled-odoo"), ('"HOST=db"', '"HOST=pooled-odoo"'), ("HOST=${H:-db}", "HOST=${H:-pooled-odoo}")],
)
def test_a_list_too(before: str, after: str) -> None:
    assert changed({"compose.yaml": LIST.format(item=before)}) == {"compose.yaml": LIST.format(item=after)}


DOTENVS = [
    ("DB_HOST=db\n", "DB_HOST=pooled-odoo\n"),
    ("X=1\nexport DB_HOST = 'db' # here\nY=2", "X=1\nexport DB_HOST = 'pooled-odoo' # here\nY=2"),
    ('DB_HOST="db"\r\n', 'DB_HOST="pooled-odoo"\r\n'),
    ("DB_HOST=other\nDB_HOST=db # last\n", "DB_HOST=other\nDB_HOST=pooled-odoo # last\n"),
    ("#DB_HOST=old\nDB_HOST=db#1\n", "#DB_HOST=old\nDB_HOST=pooled-odoo\n"),
    ("DB_HOST=\n", "DB_HOST=pooled-odoo\n"),
]


@pytest.mark.parametrize(("before", "after"), DOTENVS)
@pytest.mark.parametrize("reference", ["${DB_HOST}", "$DB_HOST", "${DB_HOST:-x}", "${DB_HOST:?tell me}"])
def test_interpolation_leads_to_the_variable_file(before: str, after: str, reference: str) -> None:
    files = {"compose.yaml": MAPPING.format(value=reference), ".env": before}
    assert changed(files) == {".env": after}


@pytest.mark.parametrize(("before", "after"), [(b.replace("DB_", ""), a.replace("DB_", "")) for b, a in DOTENVS])
@pytest.mark.parametrize(
    "named", ["env_file: odoo.env", "env_file: [first.env, ./odoo.env]", "env_file:\n    - path: odoo.env"]
)
def test_env_file(before: str, after: str, named: str) -> None:
    files = {"compose.yaml": f"services:\n  odoo:\n    {named}\n", "odoo.env": before, "first.env": "HOST=first\n"}
    assert changed(files) == {"odoo.env": after}


def test_environment_counts_before_env_file_and_a_later_file_before_an_earlier() -> None:
    main = "services:\n  odoo:\n    environment: {HOST: db, PORT: '5432'}\n    env_file: odoo.env\n"
    override = "services:\n  odoo:\n    environment:\n      HOST: db2\n"
    files = {"compose.yaml": main, "compose.override.yaml": override, "odoo.env": "HOST=db3\n"}
    assert changed(files) == {"compose.override.yaml": override.replace("db2", "pooled-odoo")}
    assert changed(files, HOST="p", PORT="6432") == {
        "compose.override.yaml": override.replace("db2", "p"),
        "compose.yaml": main.replace("5432", "6432"),
    }


ANCHORS = """\
x-odoo: &odoo
  image: odoo:19
  environment: &env
    HOST: db
    USER: odoo
services:
  odoo: {<<: *odoo, ports: ["8069:8069"]}
  odoo2:
    <<: *odoo
    environment:
      <<: *env
      WORKERS: "4"
"""


@pytest.mark.parametrize("service", ["odoo", "odoo2"])
def test_an_anchor_is_followed(service: str) -> None:
    assert changed({"compose.yaml": ANCHORS}, service) == {"compose.yaml": ANCHORS.replace("db", "pooled-odoo")}


def test_what_a_service_extends_is_followed() -> None:
    common = "services:\n  base:\n    environment: [HOST=db]\n"
    main = "services:\n  odoo:\n    extends: {file: common.yaml, service: base}\n    environment: [USER=odoo]\n"
    files = {"compose.yaml": main, "common.yaml": common}
    assert changed(files) == {"common.yaml": common.replace("db", "pooled-odoo")}


ROOMS = [
    ("    environment:\n      USER: odoo\n", "    environment:\n      HOST: pooled-odoo\n      USER: odoo\n"),
    ("    environment:\n      - USER=odoo\n", "    environment:\n      - HOST=pooled-odoo\n      - USER=odoo\n"),
    ("    environment:\n    - 'USER=odoo'\n", "    environment:\n    - HOST=pooled-odoo\n    - 'USER=odoo'\n"),
    ("    image: odoo:19\n", "    environment:\n      HOST: pooled-odoo\n    image: odoo:19\n"),
]


@pytest.mark.parametrize(("before", "after"), ROOMS)
def test_a_variable_that_nobody_gives_is_added_and_taken_out_again(before: str, after: str) -> None:
    head, tail = "services:\n  odoo:\n", "    # the rest\n    restart: always\n"
    files = {"compose.yaml": head + before + tail}
    assert changed(files) == {"compose.yaml": head + after + tail}
    assert changed({"compose.yaml": head + after + tail}, HOST=None) == files


def test_what_is_there_already_changes_nothing() -> None:
    assert changed({"compose.yaml": MAPPING.format(value="pooled-odoo")}) == {}
    assert changed({"compose.yaml": MAPPING.format(value="db")}, OTHER=None) == {}


REFUSED = [
    (MAPPING.format(value="${DB_HOST}"), "comes from DB_HOST in the environment of whoever runs Compose"),
    (MAPPING.format(value=""), "comes from HOST in the environment"),
    (LIST.format(item="HOST"), "comes from HOST in the environment"),
    (
        "services:\n  odoo:\n    environment:\n      HOST: >-\n        db\n      A: b\n",
        "has the value in lines of its own",
    ),
    ("services:\n  db: {}\n", "the service odoo is not in"),
    ("services: [\n", "/srv/erp/compose.yaml, line 2 is nothing that can be edited here"),
    ("services:\n  odoo: {image: odoo}\n", "is written on one line"),
    ("services:\n  odoo:\n    environment: {A: b}\n", "comes from an anchor or is on one line"),
    ("x: &o\n  environment: {A: b}\nservices:\n  odoo:\n    <<: *o\n", "comes from an anchor"),
]


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_what_cannot_be_edited_says_what_to_write(text: str, message: str) -> None:
    with pytest.raises(PooledError) as caught:
        changed({"compose.yaml": text})
    assert message in str(caught.value)


@pytest.mark.parametrize("value", ["pg-${RELEASE}", '"${A}-${B}"', "db.${DOMAIN}", "${A:-${B}}", "pre${A}"])
def test_a_value_of_several_parts_is_exchanged_as_a_whole(value: str) -> None:
    new = '"pooled-odoo"' if value.startswith('"') else "pooled-odoo"
    files = {"compose.yaml": MAPPING.format(value=value)}
    assert changed(files) == {"compose.yaml": MAPPING.format(value=new)}
    # The value may be a secret, so it is not told.
    assert _compose_file.composite(project(files), "odoo", ["HOST"]) == [f"HOST in {DIRECTORY}/compose.yaml"]
    # And comes back as it was.
    after = {"compose.yaml": MAPPING.format(value=new)}
    assert changed(after, HOST=value.strip('"')) == files


def test_a_list_item_of_several_parts_too() -> None:
    files = {"compose.yaml": LIST.format(item="HOST=pg-${RELEASE}")}
    assert changed(files) == {"compose.yaml": LIST.format(item="HOST=pooled-odoo")}


def test_a_variable_file_of_other_variables_too() -> None:
    files = {"compose.yaml": MAPPING.format(value="${DB_HOST}"), ".env": "DB_HOST=${OTHER}\n"}
    assert changed(files) == {".env": "DB_HOST=pooled-odoo\n"}
    assert _compose_file.composite(project(files), "odoo", ["HOST", "USER"]) == ["HOST in /srv/erp/.env"]


@pytest.mark.parametrize("text", [MAPPING.format(value="db"), ROOMS[0][0], ROOMS[1][0], ROOMS[3][0]])
def test_a_file_keeps_its_own_line_ends(text: str) -> None:
    dos = ("" if text.startswith("#") else "services:\n  odoo:\n") + text
    edited_text = changed({"compose.yaml": dos.replace("\n", "\r\n")}, HOST="pooled-odoo", PORT="6432")["compose.yaml"]
    assert "\n" not in edited_text.replace("\r\n", "")
    environment = yaml.safe_load(edited_text)["services"]["odoo"]["environment"]
    assert "pooled-odoo" in str(environment)
    assert "6432" in str(environment)


@pytest.mark.parametrize("quoted", ['""', "''"])
def test_an_empty_value_in_quotes_is_no_pass_through(quoted: str) -> None:
    new = f"{quoted[0]}pooled-odoo{quoted[0]}"
    assert changed({"compose.yaml": MAPPING.format(value=quoted)}) == {"compose.yaml": MAPPING.format(value=new)}


SHARED = """\
services:
  odoo:
    image: odoo:17
    env_file: shared.env
  db:
    image: postgres:17
    env_file: [shared.env]
"""


def test_an_env_file_of_others_is_left_alone() -> None:
    """PostgreSQL would get Odoo's HOST too; a service's own environment counts before."""
    files = {"compose.yaml": SHARED, "shared.env": "HOST=pg\nPOSTGRES_DB=postgres\n"}
    own = SHARED.replace("    image: odoo:17\n", "    environment:\n      HOST: pooled-odoo\n    image: odoo:17\n")
    assert changed(files) == {"compose.yaml": own}
    assert changed({**files, "compose.yaml": own}, HOST=None) == {"compose.yaml": SHARED}


def test_an_env_file_of_those_who_move_together_is_edited() -> None:
    files = {"compose.yaml": SHARED, "shared.env": "HOST=pg\n"}
    made = _compose_file.set_variables(project(files), "odoo", {"HOST": "pooled-odoo"}, ["db"])
    assert made == {f"{DIRECTORY}/shared.env": "HOST=pooled-odoo\n"}


BESIDE = [
    # Below its sibling, in that one's file, as that one is written.
    ("env_file: web.env", "HOST=pg\nUSER=odoo", "HOST=pooled-odoo\nPORT=6432\nUSER=odoo"),
    ("env_file: web.env", "USER=odoo\nHOST=pg", "USER=odoo\nHOST=pooled-odoo\nPORT=6432"),
    ("env_file: web.env", "USER=odoo\r\nHOST='pg'\r\n", "USER=odoo\r\nHOST='pooled-odoo'\r\nPORT=6432\r\n"),
]


@pytest.mark.parametrize(("named", "before", "after"), BESIDE)
def test_a_new_variable_goes_beside_its_sibling_in_an_env_file(named: str, before: str, after: str) -> None:
    files = {"compose.yaml": f"services:\n  odoo:\n    {named}\n", "web.env": before}
    assert changed(files, HOST="pooled-odoo", PORT="6432") == {"web.env": after}


def test_a_new_variable_goes_beside_its_sibling_in_a_compose_file() -> None:
    main = "services:\n  odoo:\n    environment:\n      # where it is\n      HOST: pg\n      USER: odoo\n"
    override = "services:\n  odoo:\n    # more workers\n    command: odoo --workers=4\n"
    files = {"compose.yaml": main, "compose.override.yaml": override}
    assert changed(files, HOST="pooled-odoo", PORT="6432") == {
        "compose.yaml": main.replace("HOST: pg\n", "HOST: pooled-odoo\n      PORT: 6432\n")
    }


def test_nothing_comes_between_a_comment_and_its_key() -> None:
    text = "services:\n  odoo:\n    # more workers\n    # of them\n    command: odoo --workers=4\n"
    new = "    environment:\n      HOST: pooled-odoo\n    # more"
    assert changed({"compose.yaml": text}) == {"compose.yaml": text.replace("    # more", new)}


INCLUDES = [
    "include: [erp/compose.yml]",
    "include:\n  - path: erp/compose.yml",
    "include:\n  - path: [erp/compose.yml]",
]


@pytest.mark.parametrize("include", INCLUDES)
def test_what_is_included_is_followed(include: str) -> None:
    inner = "services:\n  odoo:\n    env_file: odoo.env\n    environment:\n      PORT: 5432\n"
    files = {
        "compose.yaml": f"{include}\n",
        "erp/compose.yml": inner,
        "erp/odoo.env": "HOST=pg\n",
        "odoo.env": "HOST=no\n",
    }
    made = _compose_file.set_variables(project(files), "odoo", {"HOST": "p", "PORT": "6432"})
    assert made == {
        f"{DIRECTORY}/erp/compose.yml": inner.replace("5432", "6432"),
        f"{DIRECTORY}/erp/odoo.env": "HOST=p\n",
    }
    assert _compose_project.env_files(project(files)) == {f"{DIRECTORY}/erp/odoo.env"}


HEAD = "services:\n  odoo:\n    environment:\n"
DB = "  db:\n    env_file: .env\n"
# The .env is read for interpolation and by another service: the service's own words are exchanged, not doubled.
SHARED_DOTENV = [
    ("      HOST: ${DB_HOST}\n      USER: odoo\n", "      HOST: pooled-odoo\n      USER: odoo\n"),
    ("      HOST: ${DB_HOST:-x}\n", "      HOST: pooled-odoo\n"),
    ("      - HOST=${DB_HOST}\n", "      - HOST=pooled-odoo\n"),
    ("      - HOST\n", "      - HOST=pooled-odoo\n"),
    ("      HOST:\n", "      HOST: pooled-odoo\n"),
]


@pytest.mark.parametrize(("before", "after"), SHARED_DOTENV)
def test_a_variable_file_of_others_leaves_no_doubled_key(before: str, after: str) -> None:
    files = {"compose.yaml": HEAD + before + DB, ".env": "DB_HOST=db\nHOST=db\n"}
    assert changed(files) == {"compose.yaml": HEAD + after + DB}


def test_an_extended_files_paths_begin_beside_it() -> None:
    main = "services:\n  odoo:\n    extends: {file: common/base.yml, service: base}\n"
    base = "services:\n  base:\n    env_file: odoo.env\n"
    files = {"compose.yaml": main, "common/base.yml": base, "common/odoo.env": "HOST=db\n", "odoo.env": "HOST=other\n"}
    made = _compose_file.set_variables(project(files), "odoo", {"HOST": "p"})
    assert made == {f"{DIRECTORY}/common/odoo.env": "HOST=p\n"}


INCLUDED = "services:\n  odoo:\n    environment:\n      HOST: ${DB_HOST:-localhost}\n"
OWN_VARIABLES = [
    ("include: [sub/compose.yml]", {"sub/.env": "DB_HOST=db\n"}, "sub/.env"),
    (
        "include:\n  - path: sub/compose.yml\n    env_file: sub/prod.env",
        {"sub/prod.env": "DB_HOST=db\n"},
        "sub/prod.env",
    ),
    # The including project's counts before.
    ("include: [sub/compose.yml]", {"sub/.env": "DB_HOST=no\n", ".env": "DB_HOST=db\n"}, ".env"),
]


@pytest.mark.parametrize(("include", "more", "edited_file"), OWN_VARIABLES)
def test_an_included_project_has_variables_of_its_own(include: str, more: dict[str, str], edited_file: str) -> None:
    files = {"compose.yaml": f"{include}\n", "sub/compose.yml": INCLUDED, **more}
    made = _compose_file.set_variables(project(files), "odoo", {"HOST": "p"})
    assert made == {f"{DIRECTORY}/{edited_file}": "DB_HOST=p\n"}


def test_of_several_included_files_the_last_counts_and_all_begin_beside_the_first() -> None:
    first = "services:\n  odoo:\n    env_file: odoo.env\n"
    last = "services:\n  odoo:\n    environment:\n      PORT: 5432\n"
    files = {
        "compose.yaml": "include:\n  - path: [sub/a.yml, sub/o/b.yml]\n",
        "sub/a.yml": first + "    environment:\n      PORT: 1\n",
        "sub/o/b.yml": last,
        "sub/odoo.env": "HOST=db\n",
        "sub/o/odoo.env": "HOST=no\n",
    }
    made = _compose_file.set_variables(project(files), "odoo", {"HOST": "p", "PORT": "6432"})
    assert made == {f"{DIRECTORY}/sub/odoo.env": "HOST=p\n", f"{DIRECTORY}/sub/o/b.yml": last.replace("5432", "6432")}


# A sibling that stands elsewhere: the new line goes where there is room.
ELSEWHERE = [
    (
        "x-db: &dbhost db\n" + HEAD + "      HOST: *dbhost\n      USER: odoo\n",
        "      PORT: 6432\n      HOST: *dbhost\n",
    ),
    ("x-h: &h HOST=db\n" + HEAD + "      - *h\n      - USER=odoo\n", "      - PORT=6432\n      - USER=odoo\n"),
]


@pytest.mark.parametrize(("text", "part"), ELSEWHERE)
def test_a_sibling_by_an_alias_is_no_place_for_a_line(text: str, part: str) -> None:
    edited_text = changed({"compose.yaml": text}, PORT="6432")["compose.yaml"]
    assert part in edited_text
    assert "6432" in str(yaml.safe_load(edited_text)["services"]["odoo"]["environment"])


def test_an_override_without_a_block_leaves_the_room_to_the_base() -> None:
    base = HEAD + "      USER: odoo\n"
    bare = "services:\n  odoo:\n    environment:\n"
    for override in (bare, "services:\n  odoo:\n", "services: {odoo: {restart: always}}\n"):
        made = changed({"compose.yaml": base, "compose.override.yaml": override})
        assert made == {"compose.yaml": base.replace("      USER", "      HOST: pooled-odoo\n      USER")}


NOT_SURELY = [
    (HEAD + '      - "HOST\\x3Ddb"\n', "quotes with escapes"),
    (HEAD + '      HOST: "d\\x62"\n', "quotes with escapes"),
    ("services:\n  odoo:\n    environment: !reset null\n", "!reset"),
    (HEAD + "      HOST: !reset null\n", "!reset"),
    (HEAD + "      HOST: db\n---\nservices: {}\n", "nothing that can be edited here"),
]


@pytest.mark.parametrize(("text", "message"), NOT_SURELY)
def test_what_cannot_be_edited_surely_is_refused(text: str, message: str) -> None:
    with pytest.raises(PooledError, match=message):
        changed({"compose.yaml": text})


def test_a_switch_is_exchanged_as_a_whole() -> None:
    files = {"compose.yaml": MAPPING.format(value="${DB:+db}"), ".env": "DB=1\n"}
    assert changed(files) == {"compose.yaml": MAPPING.format(value="pooled-odoo")}


def test_quotes_are_kept_around_what_has_some() -> None:
    text = MAPPING.format(value="'pooled-odoo'")
    assert changed({"compose.yaml": text}, HOST="o'db") == {"compose.yaml": MAPPING.format(value="'o''db'")}
    with pytest.raises(PooledError, match=r"cannot be written into .*odoo.env without quotes"):
        changed({"compose.yaml": "services:\n  odoo:\n    env_file: odoo.env\n", "odoo.env": "HOST=db\n"}, HOST="o db")


REMOVALS = [
    # Comments of the operator's, at whatever column, and blank lines stay; so does every other entry.
    ("      HOST: p\n#      OLD: x\n      FOO: bar\n", "#      OLD: x\n      FOO: bar\n", True),
    ("      HOST: p\n\n      FOO: bar\n", "\n      FOO: bar\n", True),
    ("      # why\n      HOST: p\n", "      # why\n", False),
]


@pytest.mark.parametrize(("entries", "left", "keeps_head"), REMOVALS)
def test_a_variable_is_taken_out_alone(entries: str, left: str, keeps_head: bool) -> None:
    text = HEAD.replace("environment:", "environment:  # pool") + entries
    head = HEAD.replace("environment:", "environment:  # pool") if keeps_head else "services:\n  odoo:\n"
    rest = "    image: odoo\n"
    assert changed({"compose.yaml": text + rest}, HOST=None) == {"compose.yaml": head + left + rest}


def test_a_variable_on_one_line_with_others_is_left_to_the_operator() -> None:
    with pytest.raises(PooledError, match="not on a line of its own"):
        changed({"compose.yaml": "services:\n  odoo:\n    environment: {HOST: p, USER: odoo}\n"}, HOST=None)


def test_a_byte_order_mark_hides_no_variable() -> None:
    files = {"compose.yaml": "services:\n  odoo:\n    env_file: odoo.env\n", "odoo.env": "\ufeffHOST=db\n"}
    assert changed(files) == {"odoo.env": "\ufeffHOST=pooled-odoo\n"}


def test_lines_of_a_quoted_value_are_no_variables() -> None:
    text = "MOTD='welcome\nHOST=nowhere\n'\nHOST=pg\nX=\"a\nHOST=b\"\n"
    files = {"compose.yaml": "services:\n  odoo:\n    env_file: odoo.env\n", "odoo.env": text}
    assert changed(files) == {"odoo.env": text.replace("HOST=pg", "HOST=pooled-odoo")}


def test_every_edited_text_means_what_it_should() -> None:
    for value, _after in VALUES:
        text = changed({"compose.yaml": MAPPING.format(value=value)})["compose.yaml"]
        assert "pooled-odoo" in yaml.safe_load(text)["services"]["odoo"]["environment"]["HOST"]


# --- what Compose says an edit means ----------------------------------------------------------------------------------

BEFORE = {"services": {name: {"environment": {"HOST": "db"}, "image": "odoo"} for name in ("odoo", "odoo2", "backup")}}


def edited(*services: str, **more: t.Any) -> dict[str, t.Any]:
    model = {name: dict(service) for name, service in BEFORE["services"].items()}
    for name in services:
        model[name] = {**model[name], "environment": {"HOST": "pooled-odoo"}}
    return {"services": model, **more}


def test_only_the_variables_of_the_services_that_move_may_differ() -> None:
    _compose.check_effect(BEFORE, edited("odoo"), {"odoo"}, {"HOST"})
    _compose.check_effect(BEFORE, edited("odoo", "odoo2"), {"odoo", "odoo2"}, {"HOST"})
    for after, place in (
        (edited("odoo", "backup"), "services.backup.environment.HOST"),
        (edited("odoo", volumes={"x": {}}), "volumes"),
    ):
        with pytest.raises(PooledError, match=f"{place} would change too"):
            _compose.check_effect(BEFORE, after, {"odoo"}, {"HOST"})


def test_services_that_run_once_are_told() -> None:
    model = edited("odoo")
    model["services"]["odoo2"]["image"] = "other"
    assert _compose.same_elsewhere(model, "odoo", {"HOST"}) == []
    assert _compose.same_elsewhere(BEFORE, "odoo", {"HOST"}) == ["backup", "odoo2"]
    assert _compose.same_elsewhere(BEFORE, "odoo", {"PORT"}) == []


def test_a_service_may_get_its_first_variable() -> None:
    bare = {"services": {"odoo": {"image": "odoo"}, "db": {"image": "postgres", "environment": None}}}
    after = {"services": {**bare["services"], "odoo": {"image": "odoo", "environment": {"HOST": "pooled-odoo"}}}}
    _compose.check_effect(bare, after, {"odoo"}, {"HOST"})
    with pytest.raises(PooledError, match="services.odoo.environment.HOST would change too"):
        _compose.check_effect(bare, after, {"db"}, {"HOST"})


def test_the_value_has_to_arrive() -> None:
    _compose.check_arrival(edited("odoo"), "odoo", {"HOST": "pooled-odoo"})
    with pytest.raises(PooledError, match="HOST of the service odoo2 would still be 'db'"):
        _compose.check_arrival(edited("odoo"), "odoo2", {"HOST": "pooled-odoo"})


LABELS = {
    "com.docker.compose.project": "erp",
    "com.docker.compose.service": "odoo",
    "com.docker.compose.project.working_dir": "/srv/erp",
    "com.docker.compose.project.config_files": "/srv/erp/a.yaml,/srv/erp/b.yaml",
}


def test_a_container_tells_its_project() -> None:
    service = _compose.service_of({"Config": {"Labels": LABELS}})
    files = ("/srv/erp/a.yaml", "/srv/erp/b.yaml")
    assert service == _compose.Service("erp", "odoo", "/srv/erp", files, ("/srv/erp/.env",))
    assert _compose.service_of({"Config": {"Labels": None}}) is None
    assert "is not on this host" in str(_compose.hindrance(service))
    assert _compose.hindrance(None) == "Compose did not make this container"


REHEARSAL = """\
time="2026-11-27T20:00:00Z" level=warning msg="volume \\"data\\" already exists but was not created by Docker Compose"
 DRY-RUN MODE -  Container erp-odoo-1  Recreate
 DRY-RUN MODE -  Container erp-odoo-1  Recreated
 DRY-RUN MODE -  Container erp-db-1  Running
 DRY-RUN MODE -  Network erp_default  Creating
"""


def test_a_rehearsal_tells_steps_of_containers_only() -> None:
    steps = _compose.rehearsed(REHEARSAL)
    assert steps == [("erp-odoo-1", "Recreate"), ("erp-odoo-1", "Recreated"), ("erp-db-1", "Running")]
    _compose.check_steps(steps, ["erp-odoo-1"])
    for step in ("Recreate", "Stopping", "Removing", "Creating"):
        with pytest.raises(PooledError, match=f"would touch erp-odoo-2 too .*erp-odoo-2 {step}"):
            _compose.check_steps([*steps, ("erp-odoo-2", step)], ["erp-odoo-1"])
