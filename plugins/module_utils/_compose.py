# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A container's Compose project on its host: its files, what they mean to Compose, and one service brought up.

This module util is PRIVATE to the collection. It can have breaking changes at any time.

Compose (v2) itself says what its files mean and creates the containers. The labels that it puts on them tell which files they
were made from.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
import typing as t

from ansible_collections.pooled.odoo.plugins.module_utils import _compose_project, _files
from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError

LABEL = "com.docker.compose."
MISSING_YAML = (
    "PyYAML is missing on this host, which method=compose needs; install python3-yaml (Debian) or PyYAML (PyPI) for the Python"
    " that Ansible uses there, or let the collection's playbooks do it with pooled_odoo_install_requirements=true"
)
# Compose pulls and builds nothing here; stopping an Odoo and starting it again is what takes time.
UP_TIMEOUT = 300


# A new image would be an upgrade of Odoo, whatever pull_policy says.
UP = ("up", "--detach", "--no-deps", "--no-build", "--pull", "never")

# What a rehearsal says of a container; of networks and volumes it warns at every start.
_STEP = re.compile(r"\bContainer (?P<name>\S+)\s+(?P<step>[A-Za-z]+)\s*$")
_MAKES = ("creat", "recreat")
_ENDS = ("stopp", "remov", "kill")


class Output(t.NamedTuple):
    stdout: str
    stderr: str


class Service(t.NamedTuple):
    """What a container's labels say about where it comes from."""

    project: str
    service: str
    directory: str
    compose_files: tuple[str, ...]
    variable_files: tuple[str, ...]
    # Whether they were named (--env-file), which Compose writes down in the container's labels, or are the .env that it finds.
    named_variable_files: bool = False


def service_of(inspection: t.Mapping[str, t.Any]) -> Service | None:
    """The Compose service of a container, or None where Compose did not make it."""
    labels = inspection["Config"].get("Labels") or {}
    if not labels.get(LABEL + "project"):
        return None

    def paths(name: str) -> tuple[str, ...]:
        return tuple(path for path in labels.get(LABEL + name, "").split(",") if path)

    directory = labels.get(LABEL + "project.working_dir", "")
    named = paths("project.environment_file")
    return Service(
        project=labels[LABEL + "project"],
        service=labels.get(LABEL + "service", ""),
        directory=directory,
        compose_files=paths("project.config_files"),
        variable_files=named or (os.path.join(directory, ".env"),),
        named_variable_files=bool(named),
    )


def hindrance(service: Service | None) -> str | None:
    """Why the service's files cannot be worked on here; None where they can."""
    if service is None:
        return "Compose did not make this container"
    for path in service.compose_files:
        if not os.path.isabs(path) or not os.path.isfile(path):
            return f"{path}, from which Compose project {service.project} was made, is not on this host"
    return None if service.compose_files else f"Compose project {service.project} does not tell its files"


class Compose:
    """A service's project, worked on with *command*, which runs Compose v2."""

    def __init__(self, service: Service, command: t.Sequence[str], replicas: t.Sequence[str] = ()) -> None:
        """*replicas*: the names of the service's containers, of which Compose would otherwise keep one."""
        if not _compose_project.HAS_YAML:
            raise PooledError(MISSING_YAML)
        self.service = service
        self.command = list(command)
        self.replicas = list(replicas)

    def project(self) -> _compose_project.Project:
        texts = {path: _text(path) or "" for path in self.service.compose_files}
        variables = {path: text for path in self.service.variable_files for text in [_text(path)] if text is not None}
        return _compose_project.Project(self.service.directory, texts, variables, _text)

    def check_unchanged(self) -> None:
        """Raises PooledError where the files say something else by now than what the container was made from: bringing the
        service up would do that too."""
        # "config --hash" does not know about env_file; a rehearsal does.
        made = [name for name, step in self.rehearse() if step.lower().startswith(_MAKES)]
        if made:
            raise PooledError(
                f"the files of Compose project {self.service.project} were changed since {made[0]} was created from them, so"
                f" bringing the service {self.service.service} up would change more than its database's address; run docker"
                f" compose up -d {self.service.service} first, then this again",
                "method",
            )

    def rehearse(self, own: t.Collection[str] = ()) -> list[tuple[str, str]]:
        """What bringing the service up would do, as (container, step). Raises PooledError where it would end or make a container
        that is none of the service's own: of its replicas, and of *own*."""
        steps = rehearsed(self._run("--dry-run", *self._up()).stderr)
        check_steps(steps, {*self.replicas, *own})
        return steps

    def meaning(self, edited: t.Mapping[str, str] | None = None) -> dict[str, t.Any]:
        """What Compose makes of the files, or of them with the texts in *edited*."""
        with tempfile.TemporaryDirectory(prefix="pooled-odoo-") as folder:
            substitutes = {}
            for number, (path, text) in enumerate(sorted((edited or {}).items())):
                # Compose tells by the ending what a file is.
                substitutes[path] = os.path.join(folder, f"{number}-{os.path.basename(path)}")
                _files.replace(
                    substitutes[path],
                    text.encode("utf-8", "surrogateescape"),
                    _files.private(),
                )
            model: dict[str, t.Any] = json.loads(
                self._run("--profile", "*", "config", "--format", "json", substitutes=substitutes).stdout
            )
            return model

    def can_foresee(self, edited: t.Iterable[str], project: _compose_project.Project) -> bool:
        """Whether :meth:`meaning` can say what *edited* files will mean before they are written: not of those that other files
        name, be it the .env."""
        named = _compose_project.env_files(project)
        return set(edited) <= {*self.service.compose_files, *self.service.variable_files} - named

    def up(self, lock: t.Any) -> None:
        """Creates the service's containers anew where its files say something new, and touches no other service.

        Compose outlives a run that is killed meanwhile, and so keeps that run's *lock* (an open file) until it is through.
        """
        held = (lock.fileno(),) if lock else ()
        self._run(*self._up(), keep_open=held)

    def _up(self) -> list[str]:
        several = len(self.replicas) > 1
        scale = ["--scale", f"{self.service.service}={len(self.replicas)}"] if several else []
        return [*UP, *scale, self.service.service]

    def _run(
        self, *words: str, substitutes: t.Mapping[str, str] | None = None, keep_open: tuple[int, ...] = ()
    ) -> Output:
        own = substitutes or {}
        options = ["--project-name", self.service.project, "--project-directory", self.service.directory]
        for path in self.service.compose_files:
            options += ["--file", own.get(path, path)]
        for path in self.service.variable_files:
            if path in own or (self.service.named_variable_files and os.path.isfile(path)):
                options += ["--env-file", own.get(path, path)]
        try:
            done = subprocess.run(
                [*self.command, *options, *words],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                pass_fds=keep_open,
                timeout=UP_TIMEOUT,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise PooledError(
                f"{' '.join(self.command)} does not run ({error}); install the Compose plugin (version 2) for Docker",
                "compose_command",
            ) from error
        if done.returncode != 0:
            last = done.stderr.decode("utf-8", "replace").strip().splitlines()[-3:]
            raise PooledError(f"docker compose {' '.join(words)} failed: {' / '.join(last)}")
        return Output(done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))


def rehearsed(text: str) -> list[tuple[str, str]]:
    """The steps of a rehearsal (``--dry-run``) that are about containers, as (container, step). Pure."""
    found = (_STEP.search(line.rstrip()) for line in text.splitlines())
    return [(match.group("name"), match.group("step")) for match in found if match]


def check_steps(steps: t.Iterable[tuple[str, str]], own: t.Collection[str]) -> None:
    """Raises PooledError for a step that ends or makes a container that is not among the service's *own*. Pure."""
    for name, step in steps:
        # While Compose exchanges a container, the new one has an id before its name.
        if re.sub(r"^[0-9a-f]{12}_", "", name) not in own and step.lower().startswith((*_MAKES, *_ENDS)):
            raise PooledError(
                f"bringing the service up would touch {name} too (a rehearsal says: Container {name} {step}); run docker compose"
                " up -d with the scale that is wanted first, then this again",
                "method",
            )


def differences(before: t.Any, after: t.Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The places, as tuples of keys, where two of Compose's models differ. Pure."""
    if isinstance(before, dict) and isinstance(after, dict):
        keys = sorted(before.keys() | after.keys())
        return [place for key in keys for place in differences(before.get(key), after.get(key), (*path, key))]
    return [] if before == after else [path]


def _with_environments(model: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Compose's model, in which a service without an environment has an empty one."""
    services = {
        name: {**service, "environment": service.get("environment") or {}}
        for name, service in model["services"].items()
    }
    return {**model, "services": services}


def check_effect(before: t.Any, after: t.Any, services: t.Collection[str], variables: t.Collection[str]) -> None:
    """Raises PooledError unless only *variables* of *services* differ. Pure."""
    for place in differences(_with_environments(before), _with_environments(after)):
        allowed = len(place) == 4 and place[0] == "services" and place[2] == "environment" and place[3] in variables
        if not allowed or place[1] not in services:
            raise PooledError(
                f"{'.'.join(place)} would change too, because it is written together with the database's address; write the"
                f" address apart for each service (services.NAME.environment), or list the containers that may go along in"
                f" followers (pooled_odoo_followers)",
                "method",
            )


def same_elsewhere(model: t.Mapping[str, t.Any], service: str, variables: t.Collection[str]) -> list[str]:
    """Other services of the same image that have one of *variables* with the same value: what runs once, say. Pure."""
    services = _with_environments(model)["services"]
    own = services[service]
    return sorted(
        name
        for name, other in services.items()
        if name != service
        and other.get("image") == own.get("image")
        and any(v in own["environment"] and other["environment"].get(v) == own["environment"][v] for v in variables)
    )


def check_arrival(after: t.Any, service: str, variables: t.Mapping[str, str]) -> None:
    """Raises PooledError unless *service* has *variables* in Compose's model. Pure."""
    environment = after["services"].get(service, {}).get("environment") or {}
    for name, value in sorted(variables.items()):
        if environment.get(name) != value:
            raise PooledError(
                f"{name} of the service {service} would still be {environment.get(name)!r}: another of the project's files, or"
                f" the environment of the one who runs Compose, gives it its value. Write it there: {name}={value}",
                "method",
            )


def read(path: str) -> bytes | None:
    """A file of a project as Compose reads it, through a link too; None where there is none."""
    return _files.read(_files.behind_link(path))


def write(path: str, content: bytes) -> None:
    """A link stays one; what it leads to is written."""
    _files.rewrite(_files.behind_link(path), content)


def _text(path: str) -> str | None:
    content = read(path)
    return None if content is None else _files.text_of(content)
