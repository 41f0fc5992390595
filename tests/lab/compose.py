# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A Compose project of four Odoo services on the lab's network, each with its database's address somewhere else."""

from __future__ import annotations

import shutil
import tempfile
import typing as t

from tests.lab.lab import (
    COMPOSE_IMAGE,
    FILESTORE,
    LABEL,
    NETWORK,
    ODOO_IMAGE,
    ODOO_PASSWORD,
    Lab,
    fetch,
    wait_until,
    write_private,
)

TOOL = "pooled-lab-compose"
PROJECT = "pooled-lab-erp"
# How the tests run Compose: in a container that sees the project's directory under the same path.
COMMAND = ["docker", "exec", TOOL, "docker", "compose"]
# Service: the port on this machine's loopback.
SERVICES = {"mapping": 18081, "listed": 18082, "by-file": 18083, "by-variable": 18084}

OPTIONS = "--workers=2 --max-cron-threads=1 --proxy-mode --data-dir=/var/lib/odoo --db-filter=^tenant01$$ --limit-time-real=120"
# The quotes, comments, blank lines and anchors are part of the test: nothing of them may change.
COMPOSE = f"""\
# the company's ERP; ask IT before you touch it
name: {PROJECT}

x-odoo: &odoo
  image: {ODOO_IMAGE}   # pinned
  command: odoo {OPTIONS}
  networks: [lab]
  volumes: ["filestore:/var/lib/odoo"]
  labels: {{{{{LABEL}: ""}}}}
  stop_signal: SIGTERM

services:
  mapping:
    <<: *odoo
    ports: ["127.0.0.1:{SERVICES["mapping"]}:8069"]
    environment:
      USER: odoo
      HOST:   'db'     # PostgreSQL
      PASSWORD: &password {{password}}

  listed:
    <<: *odoo
    ports:
      - "127.0.0.1:{SERVICES["listed"]}:8069"
    environment:
    - USER=odoo
    - "HOST=db"
    - {{listed_password}}
  by-file:
    <<: *odoo
    ports: ["127.0.0.1:{SERVICES["by-file"]}:8069"]
    env_file: ./odoo.env
    environment: {{{{USER: odoo, PASSWORD: *password}}}}
  by-variable:
    <<: *odoo
    ports: ["127.0.0.1:{SERVICES["by-variable"]}:8069"]
    environment:
      HOST: ${{{{DB_HOST:?set it in .env}}}}
      USER: odoo
      PASSWORD: *password

networks:
  lab: {{{{name: {NETWORK}, external: true}}}}
volumes:
  filestore: {{{{name: {FILESTORE}, external: true}}}}
"""


class ComposeProject:
    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.directory = lab.directory / "erp"

    def container(self, service: str) -> str:
        return f"{PROJECT}-{service}-1"

    def up(self) -> None:
        self.lab.build_image(COMPOSE_IMAGE, "compose", "Compose 2")
        self.directory.mkdir(mode=0o755)
        quoted = "'" + ODOO_PASSWORD.replace("'", "''") + "'"
        listed = "'PASSWORD=" + ODOO_PASSWORD.replace("'", "''") + "'"
        write_private(self.directory / "compose.yaml", COMPOSE.format(password=quoted, listed_password=listed))
        write_private(self.directory / "odoo.env", "# from the wiki\nexport HOST=db   # PostgreSQL\nTZ=UTC\n")
        write_private(self.directory / ".env", 'TAG="19"\nDB_HOST="db"\n')
        socket = "/var/run/docker.sock"
        folder = str(self.directory)
        # What an edit would mean is asked with copies in the folder for temporary files.
        temporary = tempfile.gettempdir()
        volumes = {path: {"bind": path, "mode": "rw"} for path in (socket, folder, temporary)}
        self.lab.run(COMPOSE_IMAGE, TOOL, volumes=volumes)
        self.run("up", "--detach")
        for service, port in SERVICES.items():
            wait_until(service, 120, fetch, f"http://127.0.0.1:{port}/web/health")

    def down(self) -> None:
        self.run("down", "--timeout", "5")
        self.lab.client.containers.get(TOOL).remove(force=True)
        shutil.rmtree(self.directory)

    def run(self, *words: str) -> str:
        return self.lab.execute(TOOL, "docker", "compose", "--project-directory", str(self.directory), *words)

    def files(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in sorted(self.directory.iterdir())}

    def containers(self) -> dict[str, t.Any]:
        """What Compose made of the files, without what Docker names anew for each container."""
        found = {}
        for service in SERVICES:
            attributes = self.lab.client.containers.get(self.container(service)).attrs
            labels = dict(attributes["Config"]["Labels"])
            labels.pop("com.docker.compose.replace", None)
            config = {key: value for key, value in attributes["Config"].items() if key not in ("Hostname", "Labels")}
            # Compose hands a mapping on in no order.
            config["Env"] = sorted(config["Env"])
            found[service] = {"config": config, "labels": labels, "host_config": attributes["HostConfig"]}
        return found
