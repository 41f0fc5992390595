# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where an Odoo instance has its database address from, and how that address could be changed.

This module util is PRIVATE to the collection. It can have breaking changes at any time.

Every image has its own precedence of command line, environment and odoo.conf. The running process has the last word:
what stands in its arguments is what it uses, whatever should have won.
"""

from __future__ import annotations

import typing as t

from ansible_collections.pooled.odoo.plugins.module_utils._odoo_versions import facts


class Family(t.NamedTuple):
    """An image family: which environment variables give host and port, first one first, and what stands in for them.

    ``entrypoint_arguments``: the entrypoint hands the address to Odoo as arguments. ``generated_conf``: odoo.conf in the
    container is made from the environment at each start, so editing it does not last.
    """

    host: tuple[str, ...]
    port: tuple[str, ...]
    default_host: str | None = None
    entrypoint_arguments: bool = False
    generated_conf: bool = False


FAMILIES: dict[str, Family] = {
    # odoo/docker entrypoint.sh. PGHOST and PGPORT count since 2026-05 (odoo/docker#573).
    "official": Family(
        ("HOST", "DB_PORT_5432_TCP_ADDR", "PGHOST"),
        ("PORT", "DB_PORT_5432_TCP_PORT", "PGPORT"),
        default_host="db",
        entrypoint_arguments=True,
    ),
    # Tecnativa/doodba, conf.d/20-database.conf.
    "doodba": Family(("PGHOST",), ("PGPORT",), default_host="db", generated_conf=True),
    # camptocamp/docker-odoo-project: odoo.cfg.tmpl knows no port, env_postgres.sh exports PGPORT from DB_PORT.
    "camptocamp": Family(("DB_HOST",), ("DB_PORT",), generated_conf=True),
    # acsone/odoo-bedrock.
    "acsone": Family(("DB_HOST",), ("DB_PORT",), generated_conf=True),
    # bitnami: the environment counts at the first start only, then the kept odoo.conf rules.
    "bitnami": Family((), ()),
    # No entrypoint that we know: only what Odoo and libpq read themselves.
    "unknown": Family(("PGHOST",), ("PGPORT",)),
}

_CONF_KEYS = {"host": "db_host", "port": "db_port"}
_PG_VARIABLES = {"host": "PGHOST", "port": "PGPORT"}
DEFAULT_PORT = "5432"


class Source(t.NamedTuple):
    """Where a value stands: ``argument`` (in the container's own command), ``environment``, ``file`` or ``default``;
    ``name`` is the variable or key."""

    kind: str
    name: str
    value: str
    # An argument that stands as a word of its own in the container's command, and so can be exchanged there.
    replaceable: bool = True

    def __str__(self) -> str:
        where = {
            "argument": "the command",
            "environment": "the environment",
            "file": "odoo.conf",
            "default": "the image",
        }
        return f"{self.name}={self.value} ({where[self.kind]})"


class Address(t.NamedTuple):
    """The address in use, host and port each with its source; ``fixed`` tells which of the two stand in the running
    process's arguments, so that no reload can change them. ``shadowed`` are other sources with another value."""

    host: str
    port: int
    host_source: Source
    port_source: Source
    fixed: frozenset[str]
    shadowed: tuple[Source, ...]


class Evidence(t.NamedTuple):
    """What was found: the arguments of the running Odoo, the container's own command (entrypoint and command as
    configured), its environment, the keys of its odoo.conf."""

    family: str
    major: int | None
    argv: tuple[str, ...]
    command: tuple[str, ...]
    environment: t.Mapping[str, str]
    conf: t.Mapping[str, str]


def argument(argv: t.Sequence[str], name: str) -> str | None:
    """The value of the last ``--name value`` or ``--name=value``, as optparse would take it."""
    value = None
    for index, word in enumerate(argv):
        if word == f"--{name}" and index + 1 < len(argv):
            value = argv[index + 1]
        elif word.startswith(f"--{name}="):
            value = word.partition("=")[2]
    return value


def resolve(evidence: Evidence) -> Address:
    """The address that the running instance uses."""
    host = _effective("host", evidence)
    port = _effective("port", evidence)
    shadowed = [
        candidate
        for part, winner in (("host", host), ("port", port))
        for candidate in _candidates(part, evidence)
        if candidate.value != winner.value and candidate[:2] != winner[:2]
    ]
    fixed = frozenset(part for part in ("host", "port") if argument(evidence.argv, _CONF_KEYS[part]) is not None)
    number = int(port.value) if port.value.isdigit() else int(DEFAULT_PORT)
    return Address(host.value, number, host, port, fixed, tuple(shadowed))


def _candidates(part: str, evidence: Evidence) -> list[Source]:
    """Every place that names a value, in no order of precedence."""
    family = FAMILIES[evidence.family]
    found = []
    key = _CONF_KEYS[part]
    written = argument(evidence.command, key)
    if written is not None:
        found.append(Source("argument", f"--{key}", written))
    if evidence.conf.get(key) and not family.generated_conf:
        found.append(Source("file", key, evidence.conf[key]))
    names = dict.fromkeys(getattr(family, part) + (_PG_VARIABLES[part],))
    found += [
        Source("environment", name, evidence.environment[name]) for name in names if evidence.environment.get(name)
    ]
    return found


def _effective(part: str, evidence: Evidence) -> Source:
    family = FAMILIES[evidence.family]
    candidates = _candidates(part, evidence)
    running = argument(evidence.argv, _CONF_KEYS[part])
    default = Source("default", part, (family.default_host or "") if part == "host" else DEFAULT_PORT)
    if running is None:
        return _without_argument(part, evidence, candidates) or default
    if not family.entrypoint_arguments:
        key = _CONF_KEYS[part]
        return Source("argument", f"--{key}", running, argument(evidence.command, key) is not None)
    # The entrypoint made this argument, from odoo.conf (older images), else from the first variable that is set. It
    # appends its own last, so an argument in the command counts only when nothing else explains the value.
    order = {"file": 0, "environment": 1, "argument": 2}
    for candidate in sorted(candidates, key=lambda source: order[source.kind]):
        if candidate.value == running:
            return candidate
    return default._replace(value=running)


def _without_argument(part: str, evidence: Evidence, candidates: t.Sequence[Source]) -> Source | None:
    """What Odoo itself finds, in its version's order."""
    family = FAMILIES[evidence.family]
    from_file = [source for source in candidates if source.kind == "file"]
    variable = _PG_VARIABLES[part]
    from_environment = [source for source in candidates if source.name == variable]
    if family.generated_conf:
        own = [source for source in candidates if source.name in getattr(family, part)]
        return next(iter(own + from_environment), None)
    if facts(evidence.major).pg_environment_first:
        return next(iter(from_environment + from_file), None)
    return next(iter(from_file + from_environment), None)


class Circumstances(t.NamedTuple):
    """What decides how an instance can be moved. ``conf_on_host``: odoo.conf lies in a bind mount or volume.
    ``name_is_fixed``: why the name by which it reaches PostgreSQL cannot be given to a pooler, None where it can.
    ``no_compose_files``: why no Compose project can be edited for it, None where one can."""

    address: Address
    family: str
    major: int | None
    workers: int
    conf_on_host: bool
    managed_by: str | None
    name_is_fixed: str | None = "nobody has looked whose name it is"
    no_compose_files: str | None = "nobody has looked for them"


def parts_to_move(address: Address, host: str, port: int) -> dict[str, str]:
    """What has to change to get to *host* and *port*: ``{"host": …, "port": …}`` or a part of it."""
    moves = {}
    if address.host != host:
        moves["host"] = host
    if address.port != port:
        moves["port"] = str(port)
    return moves


def sources(circumstances: Circumstances, parts: t.Collection[str]) -> list[Source]:
    """Where these parts of the address come from."""
    both = {"host": circumstances.address.host_source, "port": circumstances.address.port_source}
    return [both[part] for part in sorted(parts)]
