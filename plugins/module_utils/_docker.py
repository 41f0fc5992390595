# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Docker engine for modules, over the Docker SDK for Python.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import contextlib
import inspect
import json
import os
import subprocess
import sys
import time
import traceback
import typing as t

from ansible.module_utils.common.warnings import warn

from ansible_collections.pooled.odoo.plugins.module_utils import _container, _odoo_probe
from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError

DOCKER_ERROR: str | None
# What ends a module with a message: our own findings, and whatever the SDK and its HTTP client raise.
ERRORS: tuple[type[Exception], ...] = (PooledError,)
try:
    import docker
    import docker.errors
    import docker.utils
    import requests.exceptions
except ImportError:
    DOCKER_ERROR = traceback.format_exc()
else:
    DOCKER_ERROR = None
    ERRORS = (PooledError, docker.errors.DockerException, requests.exceptions.RequestException)

# The label of containers that are the collection's own: ``pooler``, or ``trial`` for a moment.
OWN_LABEL = "pooled.odoo"
# Whose they are: several installations may share a Docker host, or a PostgreSQL.
INSTALLATION_LABEL = "pooled.odoo.installation"
# The process that made a container which is to live for a moment only.
PROCESS_LABEL = "pooled.odoo.process"

# How often, and how far apart, a busy container is asked to stand still; meanwhile those that do stand still wait.
FREEZE_ATTEMPTS = 5
FREEZE_AGAIN_SECONDS = 0.1


def _start_of(pid: int | str) -> str:
    """When a process was started, in kernel ticks since boot (proc(5), field 22); empty for one that is gone."""
    try:
        with open(f"/proc/{pid}/stat") as handle:
            return handle.read().rpartition(")")[2].split()[19]
    except OSError:
        return ""


def _here() -> str:
    """This machine since its boot, and this space of process numbers."""
    with open("/proc/sys/kernel/random/boot_id") as handle:
        return f"{handle.read().strip()}/{os.stat('/proc/self/ns/pid').st_ino}"


def this_process() -> str:
    """This process, as :func:`is_gone` knows it again."""
    return f"{_here()}/{os.getpid()}/{_start_of('self')}"


def is_gone(process: str | None) -> bool:
    """Whether *process* has ended for sure: of one elsewhere, or of none, nobody can tell."""
    where, _slash, rest = (process or "").rpartition("/")
    where, _slash, pid = where.rpartition("/")
    return bool(process) and where == _here() and _start_of(pid) != rest


MISSING_DOCKER = (
    "the Docker SDK for Python is missing on this host; install python3-docker (Debian) or docker (PyPI) for the Python "
    "that Ansible uses there, or let the collection's playbooks do it with pooled_odoo_install_requirements=true"
)


# docker/docker-py#3256: requests 2.32 does not know the scheme that an older SDK gives it.
TOO_OLD_FOR_REQUESTS = (
    "the Docker SDK for Python {version} does not work with this host's requests, 2.32 or newer; install docker 7.1 or newer for"
    " the Python that Ansible uses there, or requests 2.31"
)


def argument_spec() -> dict[str, t.Any]:
    return {"docker_host": {"type": "str", "default": "unix:///var/run/docker.sock"}}


def connect(params: t.Mapping[str, t.Any]) -> t.Any:
    """A Docker client; raises PooledError when the SDK, the socket or the permission is missing."""
    if DOCKER_ERROR:
        raise PooledError(MISSING_DOCKER)
    try:
        client: t.Any = docker.DockerClient(base_url=params["docker_host"], timeout=120)
        client.ping()
        # The SDK keeps no address of a socket that another process could use.
        client.docker_host = params["docker_host"]
    except (docker.errors.DockerException, OSError) as error:
        if "http+docker" in str(error):
            raise PooledError(TOO_OLD_FOR_REQUESTS.format(version=docker.__version__)) from error
        raise PooledError(
            f"Docker does not answer at {params['docker_host']} ({error}); is the engine running there, and may this user"
            " use it (become, or the group docker)?",
            "docker_host",
        ) from error
    return client


def speaks(client: t.Any, version: str) -> bool:
    """Whether requests are made by this version of Docker's API or by a later one."""
    return bool(docker.utils.version_gte(client.api.api_version, version))


def gives_mac_addresses(client: t.Any) -> bool:
    """Whether a container can be given a hardware address on each network that it joins."""
    return speaks(client, "1.44") and int(docker.__version__.partition(".")[0]) >= 7


def find(client: t.Any, name: str) -> t.Any:
    """The container *name*; raises PooledError where there is none. One that a killed run held goes on within a moment, and
    is waited for."""
    container = find_or_none(client, name)
    if container is None:
        raise PooledError(f"there is no container {name!r} on this host; 'docker ps -a' lists them", "name")
    deadline = time.monotonic() + HELD_SECONDS + LETTING_GO_SECONDS
    while container.status == "paused" and time.monotonic() < deadline:
        time.sleep(0.1)
        container.reload()
    return container


def join(network: t.Any, container: t.Any, endpoint: t.Mapping[str, t.Any], address: str | None = None) -> None:
    """Connects the container to *network* with what *endpoint* asks for, at *address* if there is one.

    *endpoint* is as Docker tells it of a connected container. The SDK knows no ``GwPriority``.
    """
    asked = endpoint.get("IPAMConfig") or {}
    options = (
        {"mac_address": endpoint["MacAddress"]}
        if "MacAddress" in endpoint and gives_mac_addresses(network.client)
        else {}
    )
    network.connect(
        container,
        aliases=endpoint.get("Aliases"),
        # Docker tells "container:name", the SDK wants pairs.
        links=[tuple(link.partition(":")[::2]) for link in endpoint.get("Links") or []],
        link_local_ips=asked.get("LinkLocalIPs"),
        driver_opt=endpoint.get("DriverOpts"),
        ipv4_address=address,
        ipv6_address=asked.get("IPv6Address"),
        **options,
    )


def check_runs(container: t.Any, option: str) -> None:
    """Raises PooledError for a container that does not run."""
    if container.status != "running":
        command = "unpause" if container.status == "paused" else "start"
        remedy = f"let it run ('docker {command} {container.name}'), or leave it out"
        raise PooledError(f"container {container.name!r} is {container.status}; {remedy}", option)


def find_or_none(client: t.Any, name: str | None) -> t.Any | None:
    try:
        return client.containers.get(name) if name else None
    except docker.errors.NotFound:
        return None


def replicas(client: t.Any, project: str, service: str, stopped: bool = False) -> list[str]:
    """The names of the running containers of a Compose service, those that are *stopped* too if asked for, without those that
    ``docker compose run`` has made."""
    labels = {"project": project, "service": service, "oneoff": "False"}
    filters = {"label": [f"com.docker.compose.{key}={value}" for key, value in labels.items()]}
    return sorted(
        container.name for container in client.containers.list(all=stopped, filters=filters, ignore_removed=True)
    )


def process_titles(container: t.Any) -> list[str]:
    try:
        top = container.top()
    except docker.errors.APIError:
        return []  # it stopped in between
    # Of one that has just ended Docker tells neither.
    titles, processes = top["Titles"] or [], top["Processes"] or []
    column = titles.index("CMD") if "CMD" in titles else -1
    return [process[column] for process in processes]


def runs_odoo(container: t.Any) -> bool:
    return container.status == "running" and _container.looks_like_odoo(process_titles(container))


JOB_RUNNER = "odoo.addons.queue_job.jobrunner"


def job_runners_with(client: t.Any, path: str, but: str) -> list[str]:
    """The containers beside *but* that run queue_job's runner as a process of its own and have the host's file *path* mounted."""
    return sorted(
        container.name
        for container in client.containers.list(ignore_removed=True)
        if container.name != but
        and _container.stays_inside(container.attrs, path)
        and any(JOB_RUNNER in title for title in process_titles(container))
    )


def probe(container: t.Any, request: dict[str, t.Any], python: str = "python3") -> dict[str, t.Any]:
    """Runs the probe inside *container*; its answer. Raises PooledError where there is none."""
    # inspect finds the text also in the zip file in which Ansible sends a module.
    command = [python, "-c", inspect.getsource(_odoo_probe), json.dumps(request)]
    try:
        code, (output, errors) = container.exec_run(command, demux=True)
    except docker.errors.APIError as error:
        raise PooledError(f"cannot look into container {container.name}: {error.explanation}") from error
    try:
        answer = json.loads(output or b"")
    except ValueError:
        # What it printed may be a password.
        words = (
            (errors or (b"" if request["do"] == "credentials" else output) or b"")
            .decode("utf-8", "replace")
            .strip()
            .splitlines()
        )
        raise PooledError(
            f"the probe in container {container.name} gave no answer (exit code {code}): {words[-1] if words else 'no output'}"
        ) from None
    if "failed" in answer:
        raise PooledError(f"container {container.name}: {answer['failed']}")
    return answer


class NoServer(PooledError):
    """What runs in the container is no Odoo server, though it may be another of Odoo's commands."""


def describe(container: t.Any) -> dict[str, t.Any]:
    """The probe's ``describe``; raises NoServer for a container that runs no Odoo server."""
    nothing = NoServer(f"container {container.name!r} runs no Odoo server; name only Odoo containers", "name")
    try:
        found = probe(container, {"do": "describe"})
    except PooledError:
        # Without Python inside the probe cannot run; then the processes as the host sees them decide.
        if runs_odoo(container):
            raise
        raise nothing from None
    if not found["odoo"]:
        raise nothing
    return found


# A leave and a join take a tenth of a second; whoever is still held after this long is let go by the guard.
HELD_SECONDS = 5
# So long the engine may take to freeze one for which it was asked just before the run died.
LETTING_GO_SECONDS = 2

# Its standard input ends with the run that holds the containers, however that ends.
GUARD = """
import select, sys, time, docker
address, held, letting_go, *names = sys.argv[1:]
client = docker.DockerClient(base_url=address)
select.select([sys.stdin], [], [], float(held))
deadline = time.monotonic() + float(letting_go)
while names and time.monotonic() < deadline:
    for name in list(names):
        try:
            client.containers.get(name).unpause()
        except docker.errors.NotFound:
            pass
        except docker.errors.APIError:
            continue  # not frozen, or not yet
        names.remove(name)
    time.sleep(0.1)
"""


@contextlib.contextmanager
def held(client: t.Any, containers: t.Sequence[t.Any]) -> t.Iterator[None]:
    """Freezes *containers* meanwhile, so that they wait where they would fail. A process of its own lets them go when this
    one is killed, and after HELD_SECONDS whatever this one does."""
    # One that has ended, or that somebody has frozen already, is none of ours.
    running = [container for container in containers if container.status == "running"]
    if not running:
        yield
        return
    seconds = [str(HELD_SECONDS), str(LETTING_GO_SECONDS)]
    with subprocess.Popen(
        [sys.executable, "-c", GUARD, client.docker_host, *seconds, *(container.id for container in running)],
        start_new_session=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as guard:
        frozen: list[t.Any] = []
        try:
            for container, error in _freeze(running, frozen):
                _tell_of_free(container, error)
            yield
        finally:
            # All of them, also behind one that does not.
            gone_on = [_let_go(container) for container in frozen]
            if all(gone_on):
                guard.kill()


def _freeze(containers: t.Sequence[t.Any], frozen: list[t.Any]) -> list[tuple[t.Any, t.Any]]:
    """Freezes *containers*, each of which is added to *frozen* at once; those that cannot be frozen, each with why.

    Linux cannot stop a process in the midst of some calls, and with version 1 of its control groups a container whose processes
    are busy is refused now and then; a moment later it is not. All are asked before one is asked again, because whoever is
    frozen waits for the last."""
    left: list[tuple[t.Any, t.Any]] = [(container, None) for container in containers]
    for attempt in range(FREEZE_ATTEMPTS):
        time.sleep(FREEZE_AGAIN_SECONDS if attempt and left else 0)
        refused = []
        for container, _error in left:
            try:
                container.pause()
                frozen.append(container)
            except docker.errors.APIError as error:
                refused.append((container, error))
        left = refused
    return left


def _tell_of_free(container: t.Any, error: t.Any) -> None:
    try:
        container.reload()
    except docker.errors.NotFound:
        return
    # One that has ended since, or that somebody else has frozen, connects to nothing.
    if container.status == "running":
        warn(
            f"{container.name} cannot be frozen ({error.explanation}), so a connection that it opens in the milliseconds in"
            " which a name moves may fail"
        )


def _let_go(container: t.Any) -> bool:
    """Whether it goes on for sure; else it is left to the guard."""
    try:
        container.unpause()
    except docker.errors.APIError:
        # The guard was faster, or the container has ended.
        with contextlib.suppress(docker.errors.NotFound):
            container.reload()
            return bool(container.status != "paused")
    return True


def is_pooler(container: t.Any) -> bool:
    """Whether this collection made it as a PgBouncer."""
    return bool((container.labels or {}).get(OWN_LABEL) == "pooler")
