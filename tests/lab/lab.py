# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real ERP in small: PostgreSQL, several Odoo containers (17, and 19 in prefork mode, unless asked otherwise), many tenants.

Everything that it makes carries the label ``pooled-odoo.lab``, and :meth:`Lab.down` removes by that label.
"""

from __future__ import annotations

import functools
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import typing as t
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import docker
import docker.errors
import psycopg2
import yaml
from docker.types import IPAMConfig, IPAMPool

from tests.lab.client import USER_PASSWORD
from tests.lab.odoo import Dialect, dialect

LABEL = "pooled-odoo.lab"
NETWORK = "pooled-lab"
SUBNET = "172.29.77.0/24"
DATABASE_ADDRESS = "172.29.77.10"
DATABASE = "pooled-lab-db"
POOLER = "pooled-lab-pgbouncer"
FILESTORE = "pooled-lab-filestore"
TEMPLATE = "tenant_template"
MODULES = "base,web,bus,mail"
POSTGRES_VERSION = os.environ.get("POOLED_ODOO_LAB_POSTGRES") or "17"
POSTGRES_IMAGE = f"pooled-lab-postgres:{POSTGRES_VERSION}"
# The Debian that has it.
POSTGRES_SUITES = {"13": "bullseye", "15": "bookworm", "17": "trixie", "18": "unstable"}
POSTGRES_IMAGES = [f"pooled-lab-postgres:{version}" for version in POSTGRES_SUITES]
# The lab's own, or another one by the official image's conventions.
ODOO_IMAGE = os.environ.get("POOLED_ODOO_LAB_IMAGE") or "pooled-lab-odoo:19"
# Those that it makes, by the folder of each.
ODOO_IMAGES = {"pooled-lab-odoo:19": "odoo", "pooled-lab-odoo:14": "odoo14"}
COMPOSE_IMAGE = "pooled-lab-compose:2"
PROXY_IMAGE = "pooled-lab-proxy:5"
STANDIN_IMAGE = "pooled-lab-standin:17"
# The Docker hosts of the molecule scenarios.
HOST_IMAGES = ("pooled-molecule-host:trixie", "pooled-molecule-host:unstable")
FIRST_PORT = 18069
IMAGES = Path(__file__).parent / "images"
# The role's images need Debian unstable as the lab's does.
UNSTABLE_FOR = Path(__file__).parents[2] / "roles" / "pooler" / "files" / "image" / "unstable-for.sh"
# Pinned, because Odoo's own version is not the only thing that its modules depend on.
WHEELS = ("odoo-addon-queue_job==19.0.2.4.0.1", "openupgradelib==3.13.7")
# An instance with a role, a database and a job runner of its own; only some tests have it.
JOBS, JOBS_ROLE, JOBS_TENANT = "pooled-lab-jobs", "jobs", "jobs1"

# What one user of the lab may have as a password: nothing that a shell, an ini file or a URL would leave alone.
ODOO_PASSWORD = "l4b 'odoo\" %pass=;#"
# The same as PostgreSQL reads it between quotes.
ODOO_PASSWORD_SQL = ODOO_PASSWORD.replace("'", "''")


class Size(t.NamedTuple):
    """How large a lab is. A prefork worker keeps one connection for each tenant that it has served, so
    ``containers * workers * tenants`` and the listeners are the connections of a busy lab."""

    containers: int
    workers: int
    tenants: int
    users: int
    max_connections: int

    @property
    def accounts(self) -> int:
        """Enough for a burst of ten times the users."""
        return 10 * self.users


SIZES = {
    "small": Size(containers=2, workers=2, tenants=9, users=6, max_connections=100),
    "demo": Size(containers=4, workers=4, tenants=14, users=12, max_connections=400),
    "seed": Size(containers=8, workers=4, tenants=16, users=16, max_connections=800),
    # One process with a thread for each request, as Odoo runs without workers.
    "threaded": Size(containers=2, workers=0, tenants=9, users=6, max_connections=200),
}


def stop_traffic(directory: Path) -> None:
    """Ends the users whom an earlier run has left at work."""
    try:
        pid = int((directory / "traffic.pid").read_text())
        if "locust" in Path(f"/proc/{pid}/cmdline").read_text():
            os.kill(pid, signal.SIGKILL)
    except (OSError, ValueError):
        return


class Odoo(t.NamedTuple):
    """An instance: its container, the port on this machine's loopback, and where its database address stands."""

    name: str
    port: int
    source: str

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def websocket_port(self) -> int:
        """Of the gevent server, to which a reverse proxy would send websockets."""
        return self.port + 100


def say(message: str) -> None:
    print(f"  {time.strftime('%H:%M:%S')} {message}", flush=True)


class Lab:
    """The lab in *directory*, which holds its secrets, odoo.conf files, inventory and the pooler's files."""

    def __init__(self, directory: Path, size: str) -> None:
        self.directory = directory
        self.size = SIZES[size]
        self.size_name = size
        self.client = docker.from_env(timeout=300)

    @property
    def instances(self) -> list[Odoo]:
        # The last one gets its address from the environment, all others from an odoo.conf on the host.
        last = self.size.containers
        return [
            Odoo(f"pooled-lab-odoo{number}", FIRST_PORT + number, "environment" if number == last else "file")
            for number in range(1, last + 1)
        ]

    @property
    def tenants(self) -> list[str]:
        return [f"tenant{number:02d}" for number in range(1, self.size.tenants + 1)]

    @property
    def inventory(self) -> Path:
        return self.directory / "inventory.yml"

    # --- up and down --------------------------------------------------------------------------------------------------

    def up(self) -> None:
        """A fresh lab; whatever was there of an earlier one is removed first."""
        self.down()
        self.directory.mkdir(parents=True, mode=0o755)
        self.build_images()
        self.client.networks.create(
            NETWORK, labels={LABEL: ""}, ipam=IPAMConfig(pool_configs=[IPAMPool(subnet=SUBNET)])
        )
        self.client.volumes.create(FILESTORE, labels={LABEL: ""})
        self.start_database()
        self.create_tenants()
        self.start_instances()
        self.write_inventory()

    def down(self) -> None:
        """Removes the lab's users, containers, network, volumes and files; not its images, which are dear to build."""
        stop_traffic(self.directory)
        everything: dict[str, t.Any] = {"filters": {"label": LABEL}}
        for container in self.client.containers.list(all=True, **everything):
            container.remove(force=True, v=True)
        # Made by the role, not by the lab, but for it.
        poolers = (POOLER, f"{POOLER}-2", f"{POOLER}-session")
        for name in (*poolers, *(f"{pooler}-version" for pooler in poolers)):
            for container in self.client.containers.list(all=True, filters={"name": f"^{name}$"}):
                container.remove(force=True, v=True)
        for network in self.client.networks.list(**everything):
            network.reload()
            for container in network.containers:
                network.disconnect(container, force=True)
            network.remove()
        for volume in self.client.volumes.list(**everything):
            volume.remove(force=True)
        shutil.rmtree(self.directory, ignore_errors=True)

    def remove_images(self) -> None:
        # Without force: an image that some other container uses stays.
        poolers = [tag for image in self.client.images.list("pooled-odoo-pgbouncer") for tag in image.tags]
        for image in (
            *ODOO_IMAGES,
            *POSTGRES_IMAGES,
            COMPOSE_IMAGE,
            PROXY_IMAGE,
            STANDIN_IMAGE,
            *HOST_IMAGES,
            *poolers,
        ):
            try:
                self.client.images.remove(image)
            except docker.errors.ImageNotFound:
                continue
            except docker.errors.APIError as error:
                say(f"{image} stays: {error.explanation}")

    def build_images(self) -> None:
        self.build_image(POSTGRES_IMAGE, "postgres", f"PostgreSQL {POSTGRES_VERSION}")
        if ODOO_IMAGE in ODOO_IMAGES:
            self.build_image(ODOO_IMAGE, ODOO_IMAGES[ODOO_IMAGE], "Odoo, 2 GB; some two minutes the first time")
            return
        say(f"image {ODOO_IMAGE}")
        try:
            self.client.images.get(ODOO_IMAGE)
        except docker.errors.ImageNotFound:
            self.client.images.pull(ODOO_IMAGE)

    @functools.cached_property
    def odoo(self) -> Dialect:
        """The Odoo of the lab, as its image calls itself."""
        variables = dict(line.partition("=")[::2] for line in self.client.images.get(ODOO_IMAGE).attrs["Config"]["Env"])
        if "ODOO_VERSION" in variables:
            return dialect(variables["ODOO_VERSION"])
        output: bytes = self.client.containers.run(
            ODOO_IMAGE, ["odoo", "--version"], labels={LABEL: ""}, remove=True, stderr=True
        )
        return dialect(output.decode())

    def build_image(self, image: str, folder: str, note: str) -> None:
        say(f"image {image} ({note})")
        with tempfile.TemporaryDirectory() as context:
            shutil.copytree(IMAGES / folder, context, dirs_exist_ok=True)
            # Docker sees only its own build folder.
            if folder == "odoo":
                shutil.copy(UNSTABLE_FOR, context)
                shutil.copytree(self.wheels(), Path(context) / "wheels")
            elif folder == "odoo14":
                shutil.copy(IMAGES / "odoo" / "entrypoint.sh", context)
            arguments = postgres_arguments() if folder == "postgres" else {}
            self.client.images.build(path=context, tag=image, rm=True, labels={LABEL: ""}, buildargs=arguments)

    def wheels(self) -> Path:
        """The folder with what the Odoo image takes from PyPI, which is reached from here for sure, but maybe not from
        inside a build."""
        folder = self.directory.parent / "wheels"
        if len(list(folder.glob("*.whl"))) < len(WHEELS):
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), *WHEELS]
            subprocess.run(command, check=True)
            for wheel in folder.glob("*.whl"):
                # Docker's cache looks at permissions too, which would be this user's mask.
                wheel.chmod(0o644)
        return folder

    def run(self, image: str, name: str, **options: t.Any) -> t.Any:
        containers: t.Any = self.client.containers
        return containers.run(
            image, name=name, detach=True, labels={LABEL: ""}, restart_policy={"Name": "unless-stopped"}, **options
        )

    # --- PostgreSQL ---------------------------------------------------------------------------------------------------

    @property
    def admin_password(self) -> str:
        return (self.directory / "secrets" / "postgres_password").read_text()

    def start_database(self) -> None:
        say(f"PostgreSQL with max_connections = {self.size.max_connections}")
        folder = self.directory / "secrets"
        folder.mkdir(mode=0o755)
        (folder / "postgres_password").write_text(secrets.token_urlsafe(24))
        network = self.client.networks.get(NETWORK)
        containers: t.Any = self.client.containers
        containers.create(
            POSTGRES_IMAGE,
            ["-c", f"max_connections={self.size.max_connections}", "-c", "fsync=off", "-c", "shared_buffers=512MB"],
            name=DATABASE,
            labels={LABEL: ""},
            restart_policy={"Name": "unless-stopped"},
            volumes={str(folder): {"bind": "/run/secrets", "mode": "ro"}},
            shm_size="256m",
            network_mode="none",
        )
        # Through the network's own connect, because a fixed address belongs to an endpoint.
        self.client.networks.get("none").disconnect(DATABASE)
        network.connect(DATABASE, aliases=["db"], ipv4_address=DATABASE_ADDRESS)
        self.client.containers.get(DATABASE).start()
        wait_until("PostgreSQL accepts connections", 60, self.query, "SELECT 1")
        self.query(f"CREATE ROLE odoo LOGIN CREATEDB PASSWORD '{ODOO_PASSWORD_SQL}'")

    def connect(self, dbname: str = "postgres") -> t.Any:
        connection = psycopg2.connect(
            host=DATABASE_ADDRESS, user="postgres", password=self.admin_password, dbname=dbname, connect_timeout=5
        )
        connection.autocommit = True
        return connection

    def query(self, statement: str, *arguments: t.Any, dbname: str = "postgres") -> list[tuple[t.Any, ...]]:
        connection = self.connect(dbname)
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement, arguments or None)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def connections(self) -> int:
        """Client connections of Odoo's role."""
        return self.query("SELECT count(*) FROM pg_stat_activity WHERE usename = 'odoo'")[0][0]

    def tenants_with_due_crons(self) -> int:
        """A new tenant has all of its crons due at once, and they have run a minute later."""
        due = "SELECT 1 FROM ir_cron WHERE active AND nextcall <= now() AT TIME ZONE 'utc' LIMIT 1"
        return sum(len(self.query(due, dbname=tenant)) for tenant in self.tenants)

    # --- Odoo ---------------------------------------------------------------------------------------------------------

    def create_tenants(self) -> None:
        say(f"a first tenant with {MODULES} (some 30 s)")
        output = self.odoo_once("-d", TEMPLATE, "-i", MODULES)
        if not self.query("SELECT 1 FROM pg_database WHERE datname = %s", TEMPLATE):
            raise RuntimeError(f"Odoo did not create the first tenant:\n{output[-3000:]}")
        self.create_users()
        say(f"{self.size.tenants} tenants cloned from it")
        for tenant in self.tenants:
            self.query(f'CREATE DATABASE "{tenant}" OWNER odoo TEMPLATE "{TEMPLATE}"')
        self.query(f'ALTER DATABASE "{TEMPLATE}" OWNER TO postgres')
        copies = "; ".join(f"cp -r filestore/{TEMPLATE} filestore/{tenant}" for tenant in self.tenants)
        self.client.containers.run(
            ODOO_IMAGE,
            ["bash", "-ec", f"cd /var/lib/odoo; if [ -d filestore/{TEMPLATE} ]; then {copies}; fi"],
            labels={LABEL: ""},
            volumes={FILESTORE: {"bind": "/var/lib/odoo"}},
            remove=True,
        )

    def create_users(self) -> None:
        """An account for each user of the traffic, and for those of a burst. Odoo writes to the account at a log-in and does not
        retry, so two people who log in as one at the same moment fail with or without a pooler."""
        script = (
            f"names = ['user%02d' % number for number in range({self.size.accounts + self.size.containers})]\n"
            "users = env['res.users'].create([{'name': name, 'login': name, 'email': name + '@example.com'} for name in names])\n"
            # What is written below must not be overwritten by what is not written yet.
            "env.cr.commit()\n"
            # One hash for all: each takes half a second, as it should.
            f"password = users._crypt_context().hash({USER_PASSWORD!r})\n"
            "env.cr.execute('UPDATE res_users SET password = %s WHERE id = ANY (%s)', (password, users.ids))\n"
            "env.cr.commit()\n"
        )
        login = '--db_host "$HOST" --db_user "$USER" --db_password "$PASSWORD"'
        shell = f"odoo shell -d {TEMPLATE} --no-http --log-level=error {login} <<'END'\n{script}END\n"
        self.client.containers.run(
            ODOO_IMAGE,
            ["bash", "-c", shell],
            labels={LABEL: ""},
            network=NETWORK,
            environment=self.environment(),
            volumes={FILESTORE: {"bind": "/var/lib/odoo"}},
            remove=True,
        )

    @staticmethod
    def environment(user: str = "odoo", host: str = "db") -> dict[str, str]:
        return {"HOST": host, "PORT": "5432", "USER": user, "PASSWORD": ODOO_PASSWORD}

    def odoo_once(self, *arguments: str, host: str = "db", user: str = "odoo") -> str:
        """Runs Odoo with *arguments* in a container of its own until it ends; what it logged."""
        output: bytes = self.client.containers.run(
            ODOO_IMAGE,
            ["odoo", *arguments, "--stop-after-init", "--without-demo=all", "--no-http"],
            labels={LABEL: ""},
            network=NETWORK,
            environment=self.environment(user, host),
            volumes={FILESTORE: {"bind": "/var/lib/odoo"}},
            stderr=True,
            remove=True,
        )
        return output.decode()

    def start_jobs(self) -> Odoo:
        """One more instance, of another role, with a tenant that has queue_job and with its job runner."""
        self.query(f"CREATE ROLE {JOBS_ROLE} LOGIN CREATEDB PASSWORD '{ODOO_PASSWORD_SQL}'")
        # Behind a move by name "db" is the pooler, which knows nothing of this role yet.
        endpoint = self.client.containers.get(DATABASE).attrs["NetworkSettings"]["Networks"][NETWORK]
        host = next((name for name in ("db", "db-direct") if name in endpoint["Aliases"]), DATABASE_ADDRESS)
        self.odoo_once("-d", JOBS_TENANT, "-i", f"{MODULES},queue_job", host=host, user=JOBS_ROLE)
        odoo = Odoo(JOBS, FIRST_PORT + self.size.containers + 1, "file")
        self.start_instance(
            odoo, host, db_user=JOBS_ROLE, dbfilter="", workers="2", server_wide_modules="base,rpc,web,queue_job"
        )
        wait_until(odoo.name, 120, answers, odoo)
        return odoo

    def stop_jobs(self) -> None:
        self.client.containers.get(JOBS).remove(force=True, v=True)
        self.query(f"DROP DATABASE IF EXISTS {JOBS_TENANT} WITH (FORCE)")
        self.query(f"DROP ROLE {JOBS_ROLE}")
        shutil.rmtree(self.directory / JOBS)

    def execute(self, name: str, *command: str) -> str:
        """Runs *command* in a running container; what it printed."""
        code, output = self.client.containers.get(name).exec_run(list(command))
        if code != 0:
            raise RuntimeError(f"{command[0]} in {name}: {output!r}")
        return t.cast(bytes, output).decode()

    def address(self, name: str) -> str:
        """The container's address on the lab's network."""
        networks = self.client.containers.get(name).attrs["NetworkSettings"]["Networks"]
        return networks[NETWORK]["IPAddress"]

    def start_instances(self) -> None:
        work = f"{self.size.workers} workers" if self.size.workers else "threads"
        say(f"{self.size.containers} Odoo {self.odoo.major} containers with {work} and 2 cron workers each")
        for odoo in self.instances:
            self.start_instance(odoo)
        with ThreadPoolExecutor() as pool:
            waits = [pool.submit(wait_until, odoo.name, 120, answers, odoo) for odoo in self.instances]
        for wait in waits:
            wait.result()

    def start_instance(self, odoo: Odoo, host: str = "db", **changes: str) -> None:
        options = {
            "data_dir": "/var/lib/odoo",
            "proxy_mode": "True",
            "workers": str(self.size.workers),
            "max_cron_threads": "2",
            "dbfilter": "^tenant[0-9]+$",
            "limit_time_real": "120",
            **changes,
        }
        volumes = {FILESTORE: {"bind": "/var/lib/odoo"}}
        environment: dict[str, str] = {}
        command = ["odoo"]
        if odoo.source == "file":
            folder = self.directory / odoo.name
            folder.mkdir(mode=0o755)
            write_odoo_conf(folder / "odoo.conf", host, options, odoo_uid(self.client))
            volumes[str(folder)] = {"bind": "/etc/odoo"}
        else:
            environment = self.environment()
            command += [f"--{key.replace('_', '-')}={value}" for key, value in options.items() if key in ARGUMENTS]
            command += ["--proxy-mode", "--data-dir=/var/lib/odoo"]
        self.run(
            ODOO_IMAGE,
            odoo.name,
            command=command,
            network=NETWORK,
            environment=environment,
            volumes=volumes,
            ports={"8069/tcp": ("127.0.0.1", odoo.port), "8072/tcp": ("127.0.0.1", odoo.websocket_port)},
            stop_signal="SIGTERM",
        )

    # --- Ansible ------------------------------------------------------------------------------------------------------

    def write_inventory(self) -> None:
        """An inventory as a user would write it, for this machine; the lab keeps its files out of /etc and /var."""
        variables = {
            "ansible_connection": "local",
            "ansible_python_interpreter": "{{ ansible_playbook_python }}",
            "ansible_become": os.geteuid() != 0,
            "pooled_odoo_postgres_host": DATABASE_ADDRESS,
            "pooled_odoo_postgres_admin_user": "postgres",
            "pooled_odoo_postgres_admin_password": self.admin_password,
            "pooled_odoo_pooler_name": POOLER,
            "pooled_odoo_config_dir": str(self.directory / "pooler"),
            "pooled_odoo_state_dir": str(self.directory / "state"),
            "pooled_odoo_socket_dir": str(self.directory / "socket"),
        }
        inventory = {
            "all": {
                "children": {
                    "odoo_hosts": {"hosts": {"localhost": {}}},
                    "pooler_hosts": {"hosts": {"localhost": {}}},
                },
                "vars": variables,
            }
        }
        write_private(self.inventory, yaml.safe_dump(inventory, sort_keys=False))

    def targets(self) -> list[dict[str, t.Any]]:
        """What the traffic generator needs to know."""
        return [
            {
                "instance": odoo.name,
                "url": odoo.url,
                # Without workers there is no server of its own for them.
                "websocket": f"127.0.0.1:{odoo.websocket_port if self.size.workers else odoo.port}",
                "source": odoo.source,
            }
            for odoo in self.instances
        ]

    def playbook(self, name: str, *arguments: str, artifacts: Path | None = None, **options: t.Any) -> t.Any:
        """Runs ``pooled.odoo.NAME`` on this lab, as a user would."""
        command = ["ansible-playbook", f"pooled.odoo.{name}", "-i", str(self.inventory), *arguments]
        command += ["-e", f"pooled_odoo_artifacts_dir={artifacts or self.directory / 'artifacts'}"]
        return subprocess.run(command, check=False, **options)

    def state(self) -> dict[str, t.Any]:
        """What deploy and rollback must leave as it was: containers as Docker knows them, files, databases, roles."""
        containers = {}
        for odoo in self.instances:
            attributes = self.client.containers.get(odoo.name).attrs
            containers[odoo.name] = {
                "id": attributes["Id"],
                "image": attributes["Image"],
                "config": attributes["Config"],
                "host_config": attributes["HostConfig"],
                "status": attributes["State"]["Status"],
                "networks": {
                    name: {key: network[key] for key in ("Aliases", "IPAMConfig")}
                    for name, network in attributes["NetworkSettings"]["Networks"].items()
                },
            }
        database = self.client.containers.get(DATABASE)
        endpoint = database.attrs["NetworkSettings"]["Networks"][NETWORK]
        return {
            "containers": containers,
            "names_of_postgresql": {
                "aliases": sorted(set(endpoint["Aliases"]) - {database.short_id}),
                "address": endpoint["IPAddress"],
                "ipam": endpoint["IPAMConfig"],
            },
            "all_containers": sorted(c.name for c in self.client.containers.list(all=True)),
            "files": file_states(self.directory, [odoo.name for odoo in self.instances]),
            "roles": self.query("SELECT rolname FROM pg_roles WHERE rolname !~ '^pg_' ORDER BY 1"),
            "schemas": self.query("SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' ORDER BY 1"),
        }

    def console(self, number: int = 1) -> dict[str, t.Any]:
        """How to log in to the admin console of a transaction pooler."""
        folder = self.directory / "pooler" / ("" if number == 1 else "second")
        socket_dir = self.directory / ("socket" if number == 1 else "socket-second")
        password = (folder / "secrets" / "admin_password").read_text()
        return {"login_host": str(socket_dir), "login_user": "pooled_odoo_admin", "login_password": password}

    def client_addresses(self) -> list[str]:
        """Where the connections of Odoo's role come from."""
        rows = self.query("SELECT DISTINCT host(client_addr) FROM pg_stat_activity WHERE usename = 'odoo' ORDER BY 1")
        return [row[0] for row in rows]


def postgres_arguments() -> dict[str, str]:
    """What PostgreSQL's image is built with."""
    suite = POSTGRES_SUITES[POSTGRES_VERSION]
    return {"BASE_IMAGE": f"debian:{suite}-slim", "POSTGRES_VERSION": POSTGRES_VERSION}


# Options that Odoo takes on its command line; the rest goes into odoo.conf only.
ARGUMENTS = ("workers", "max_cron_threads", "limit_time_real")


def write_odoo_conf(path: Path, host: str, options: dict[str, str], uid: int) -> None:
    options = {"db_user": "odoo", **options}
    lines = ["[options]", "; who serves this company's ERP", f"db_host = {host}", "db_port = 5432"]
    lines += [f"db_password = {ODOO_PASSWORD}", "", "# sizes"]
    lines += [f"{key} = {value}" for key, value in options.items()]
    write_private(path, "\n".join(lines) + "\n")
    os.chown(path, uid, uid)


def odoo_uid(client: t.Any) -> int:
    return int(client.containers.run(ODOO_IMAGE, ["id", "-u"], labels={LABEL: ""}, remove=True))


def write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as handle:
        handle.write(text)


def file_states(directory: Path, folders: list[str]) -> dict[str, t.Any]:
    found = {}
    for folder in folders:
        for path in sorted((directory / folder).glob("**/*")):
            status = path.stat()
            found[str(path.relative_to(directory))] = [
                status.st_mode,
                status.st_uid,
                status.st_gid,
                path.read_bytes().hex() if path.is_file() else None,
            ]
    return found


def fetch(url: str) -> int:
    with urllib.request.urlopen(url, timeout=5) as response:
        return response.status


def answers(odoo: Odoo) -> None:
    """Raises an OSError as long as the instance serves nobody. Not every version has a page for that."""
    try:
        fetch(f"{odoo.url}/web/health")
    except urllib.error.HTTPError as error:
        if error.code != 404:
            raise


def wait_until(what: str, seconds: float, function: t.Callable[..., t.Any], *arguments: t.Any) -> t.Any:
    deadline = time.monotonic() + seconds
    while True:
        try:
            return function(*arguments)
        except (OSError, psycopg2.Error, socket.timeout, json.JSONDecodeError) as error:
            if time.monotonic() > deadline:
                raise TimeoutError(f"not within {seconds:g} s: {what} ({error})") from error
            time.sleep(0.5)
