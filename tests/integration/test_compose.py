# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Projects as users have them, with real Compose and services that only sleep: what files mean, and what bringing up does."""

from __future__ import annotations

import subprocess
import typing as t
from pathlib import Path

import pytest

from ansible_collections.pooled.odoo.plugins.module_utils import _compose, _compose_file, _docker
from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError
from tests.lab.instances import ends
from tests.lab.lab import COMPOSE_IMAGE, IMAGES, LABEL, wait_until
from tests.lab.servers import NETWORK, PASSWORD, Pooler, Server, address_of, configuration
from tests.modules import ModuleFailed, run_module

TOOL = "pooled-test-compose"
COMMAND = ["docker", "exec", TOOL, "docker", "compose"]
PROJECT = "pooled-test-erp"
TENANTS = ("tenant1", "tenant2", "tenant3")
SLEEPS = f'image: {COMPOSE_IMAGE}\n    stop_grace_period: 0s\n    labels: {{{LABEL}: "test"}}'


@pytest.fixture(scope="module")
def tool(client: t.Any, network: t.Any, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Path]:
    """The directory that the container with Compose sees under the same path."""
    client.images.build(path=str(IMAGES / "compose"), tag=COMPOSE_IMAGE, rm=True, labels={LABEL: ""})
    shared = tmp_path_factory.getbasetemp()
    paths = ["/var/run/docker.sock", "/tmp", str(shared)]
    volumes = {path: {"bind": path, "mode": "rw"} for path in paths}
    container = client.containers.run(COMPOSE_IMAGE, name=TOOL, detach=True, labels={LABEL: "test"}, volumes=volumes)
    yield shared
    container.remove(force=True)


class Erp:
    """A project in a directory of its own, up from its files."""

    def __init__(self, client: t.Any, folder: Path, files: t.Mapping[str, str], *options: str, scale: int = 1) -> None:
        self.client, self.folder = client, folder
        for name, text in files.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text)
        self.run(*options, "up", "--detach", "--no-build", *(["--scale", f"odoo={scale}"] if scale > 1 else []))

    def run(self, *words: str) -> None:
        options = ["--project-name", PROJECT, "--project-directory", str(self.folder)]
        done = subprocess.run([*COMMAND, *options, *words], capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stderr

    def names(self) -> list[str]:
        return _docker.replicas(self.client, PROJECT, "odoo")

    def compose(self) -> _compose.Compose:
        names = self.names()
        service = _compose.service_of(self.client.containers.get(names[0]).attrs)
        assert service is not None
        return _compose.Compose(service, COMMAND, names)

    def move(self) -> dict[str, str]:
        """The steps of method compose, without its gate; the environment of each container afterwards."""
        compose = self.compose()
        before = compose.meaning()
        variables = {"HOST": "pooled-odoo"}
        project = compose.project()
        edited = _compose_file.set_variables(project, "odoo", variables)
        compose.check_unchanged()
        if compose.can_foresee(edited, project):
            _compose.check_effect(before, compose.meaning(edited), {"odoo"}, variables)
            _compose.check_arrival(compose.meaning(edited), "odoo", variables)
        for path, text in edited.items():
            _compose.write(path, text.encode())
        _compose.check_effect(before, compose.meaning(), {"odoo"}, variables)
        _compose.check_arrival(compose.meaning(), "odoo", variables)
        compose.rehearse()
        compose.up(None)
        return {name: self.host_of(name) for name in self.names()}

    def host_of(self, name: str) -> str:
        found = dict(entry.partition("=")[::2] for entry in self.client.containers.get(name).attrs["Config"]["Env"])
        return found.get("HOST", "")


@pytest.fixture
def erp(client: t.Any, tool: Path, tmp_path: Path) -> t.Iterator[t.Callable[..., Erp]]:
    made: list[Erp] = []

    def make(files: t.Mapping[str, str], *options: str, scale: int = 1) -> Erp:
        made.append(Erp(client, tmp_path, files, *options, scale=scale))
        return made[-1]

    yield make
    for one in made:
        one.run("--profile", "*", "down", "--timeout", "0", "--remove-orphans")


def services(odoo: str, more: str = "") -> str:
    return f"services:\n  odoo:\n    {SLEEPS}\n{odoo}{more}"


ENVIRONMENT = "    environment:\n      HOST: pg\n"
# What users have, and what Compose said of it before: files, options of the first "up".
MOVED: dict[str, tuple[dict[str, str], list[str]]] = {
    "an image that would be pulled": (
        {"compose.yaml": services("    pull_policy: always\n" + ENVIRONMENT)},
        ["--pull=never"],
    ),
    "a service in a profile": (
        {"compose.yaml": services("    profiles: [erp]\n" + ENVIRONMENT)},
        ["--profile", "erp"],
    ),
    "the .env is an env_file too": (
        {"compose.yaml": services("    env_file: .env\n"), ".env": "HOST=pg\nPORT=5432\n"},
        [],
    ),
    "an env_file of others": (
        {
            "compose.yaml": services("    env_file: shared.env\n", f"  pg:\n    {SLEEPS}\n    env_file: shared.env\n"),
            "shared.env": "HOST=pg\n",
        },
        [],
    ),
    "an included file": (
        {
            "compose.yaml": "include: [erp/compose.yml]\n",
            "erp/compose.yml": services("    env_file: odoo.env\n"),
            "erp/odoo.env": "HOST=pg\n",
        },
        [],
    ),
    "several parts": ({"compose.yaml": services("    environment:\n    - HOST=pg-${RELEASE:-1}\n")}, []),
    "CRLF": ({"compose.yaml": services("    command: sleep infinity\n").replace("\n", "\r\n")}, []),
    "an empty value": ({"compose.yaml": services('    environment:\n      HOST: ""\n')}, []),
}


@pytest.mark.parametrize("kind", MOVED)
def test_what_users_bring_is_moved(erp: t.Callable[..., Erp], kind: str) -> None:
    files, options = MOVED[kind]
    flags = [option for option in options if option != "--pull=never"]
    made = erp(files, *flags) if "--pull=never" not in options else erp_without_pull(erp, files)
    others = {name: made.host_of(name) for name in names(made.client) if "-odoo-" not in name}
    assert made.move() == {f"{PROJECT}-odoo-1": "pooled-odoo"}
    assert {name: made.host_of(name) for name in names(made.client) if "-odoo-" not in name} == others


def erp_without_pull(erp: t.Callable[..., Erp], files: dict[str, str]) -> Erp:
    """Up without the policy, which no registry could follow here; then with it, as a later edit that starts nothing anew."""
    made = erp({name: text.replace("    pull_policy: always\n", "") for name, text in files.items()})
    for name, text in files.items():
        (made.folder / name).write_text(text)
    return made


def names(client: t.Any) -> list[str]:
    filters = {"label": f"com.docker.compose.project={PROJECT}"}
    return sorted(container.name for container in client.containers.list(filters=filters))


def test_all_replicas_are_moved_and_stay_as_many(erp: t.Callable[..., Erp]) -> None:
    made = erp({"compose.yaml": services(ENVIRONMENT)}, scale=3)
    assert made.move() == dict.fromkeys((f"{PROJECT}-odoo-{number}" for number in (1, 2, 3)), "pooled-odoo")


def test_who_would_lose_a_container_is_told(erp: t.Callable[..., Erp]) -> None:
    """Three run, by --scale; a move of the first that knew of no others would remove these."""
    made = erp({"compose.yaml": services(ENVIRONMENT)}, scale=3)
    compose = made.compose()
    alone = _compose.Compose(compose.service, COMMAND, [f"{PROJECT}-odoo-1"])
    with pytest.raises(PooledError, match=f"would touch {PROJECT}-odoo-[23] too"):
        alone.rehearse()
    assert len(made.names()) == 3


def test_a_volume_of_somebody_else_is_no_change_of_the_files(client: t.Any, erp: t.Callable[..., Erp]) -> None:
    volume = client.volumes.create("pooled-test-data", labels={LABEL: "test"})
    try:
        mounted = services(ENVIRONMENT + "    volumes: [data:/data]\n", "volumes:\n  data: {name: pooled-test-data}\n")
        made = erp({"compose.yaml": mounted})
        assert made.move() == {f"{PROJECT}-odoo-1": "pooled-odoo"}
        made.run("down", "--timeout", "0")
    finally:
        volume.remove(force=True)


def test_changed_files_are_still_told(erp: t.Callable[..., Erp]) -> None:
    made = erp({"compose.yaml": services(ENVIRONMENT)})
    (made.folder / "compose.yaml").write_text(services(ENVIRONMENT + "      WORKERS: 4\n"))
    with pytest.raises(PooledError, match=f"were changed since {PROJECT}-odoo-1 was created from them"):
        made.move()


def test_a_link_stays_one(erp: t.Callable[..., Erp], tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "env").write_text("DB=pg\n")
    (tmp_path / ".env").symlink_to("real/env")
    made = erp({"compose.yaml": services("    environment:\n      HOST: ${DB}\n")})
    assert made.move() == {f"{PROJECT}-odoo-1": "pooled-odoo"}
    assert (tmp_path / ".env").is_symlink()
    assert (tmp_path / "real" / "env").read_text() == "DB=pooled-odoo\n"


@pytest.fixture
def pooled(client: t.Any, postgres: Server, pooler: Pooler, version: str) -> t.Iterator[str]:
    """The address of a PgBouncer that is called pooled-odoo, in front of three databases of one role."""
    postgres.run(
        f"CREATE ROLE clerk LOGIN PASSWORD '{PASSWORD}'", *(f"CREATE DATABASE {n} OWNER clerk" for n in TENANTS)
    )
    listens = {"name": "postgres", "host": postgres.host, "pool_mode": "session"}
    users = [{"name": name, "password": password} for name, password in (("boss", "b0ss"), ("clerk", PASSWORD))]
    databases = [{"name": "*", "host": postgres.host}, listens]
    run_module("pgbouncer_config", **configuration(pooler, version, postgres.host, databases=databases, userlist=users))
    pooler.start()
    network = client.networks.get(NETWORK)
    network.disconnect(pooler.container)
    network.connect(pooler.container, aliases=["pooled-odoo"])
    yield address_of(pooler.container)
    for name in TENANTS:
        postgres.run(f"DROP DATABASE {name} WITH (FORCE)")
    postgres.run("DROP ROLE clerk")


class Odoo:
    """A stand-in for Odoo that has users at work, as a service of so many containers."""

    def __init__(self, made: Erp, state_dir: Path) -> None:
        self.made, self.state_dir = made, state_dir

    def move(self, number: int = 1, **changes: t.Any) -> dict[str, t.Any]:
        return run_module(
            "odoo_dbhost",
            name=f"{PROJECT}-odoo-{number}",
            host="pooled-odoo",
            method="compose",
            compose_command=COMMAND,
            state_dir=str(self.state_dir),
            **changes,
        )

    def ends(self) -> dict[str, set[str]]:
        """Where each container's database connections go now."""
        return {name: ends(name) for name in self.made.names()}

    def works_at(self, address: str) -> None:
        if set(map(frozenset, self.ends().values())) != {frozenset([address])}:
            raise ConnectionError("not yet")


@pytest.fixture
def odoo(
    erp: t.Callable[..., Erp], standin: str, postgres: Server, tmp_path: Path, request: pytest.FixtureRequest
) -> Odoo:
    environment = f"{{HOST: {postgres.host}, USER: clerk, PASSWORD: {PASSWORD}, STANDIN_RATE: '5'}}"
    network = f"networks:\n  default: {{name: {NETWORK}, external: true}}\n"
    text = f"services:\n  odoo:\n    image: {standin}\n    environment: {environment}\n{network}"
    made = Odoo(erp({"compose.yaml": text}, scale=request.param), tmp_path / "state")
    wait_until("users are at work", 30, made.works_at, postgres.host)
    return made


one_pooler = pytest.mark.parametrize("image", ["stable"], indirect=True)


@one_pooler
@pytest.mark.parametrize("odoo", [3], indirect=True)
def test_a_scaled_service_goes_there_and_back(postgres: Server, pooled: str, odoo: Odoo) -> None:
    """All three replicas at once, by whichever of them it was named."""
    replicas, before = odoo.made.names(), (odoo.made.folder / "compose.yaml").read_text()
    assert len(replicas) == 3
    assert odoo.move(2)["changed"]
    assert odoo.ends() == dict.fromkeys(replicas, {pooled})
    assert [odoo.move(number)["changed"] for number in (1, 2, 3)] == [False] * 3
    assert odoo.move(2, state="reverted")["changed"]
    assert (odoo.made.folder / "compose.yaml").read_text() == before
    assert odoo.ends() == dict.fromkeys(replicas, {postgres.host})


@one_pooler
@pytest.mark.parametrize("odoo", [1], indirect=True)
def test_a_rollback_makes_no_other_container(postgres: Server, pooled: str, odoo: Odoo) -> None:
    """Somebody has written another scale into the file since."""
    odoo.move()
    path = odoo.made.folder / "compose.yaml"
    path.write_text(path.read_text().replace("  odoo:\n", "  odoo:\n    scale: 2\n"))
    with pytest.raises(ModuleFailed, match=f"would touch {PROJECT}-odoo-2 too"):
        odoo.move(state="reverted")
    assert odoo.ends() == {f"{PROJECT}-odoo-1": {pooled}}
    path.write_text(path.read_text().replace("    scale: 2\n", ""))
    assert odoo.move(state="reverted")["changed"]
    assert odoo.ends() == {f"{PROJECT}-odoo-1": {postgres.host}}
