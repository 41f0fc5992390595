# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where an Odoo instance has its database address from, and how that address could be changed.

This module util is PRIVATE to the collection. It can have breaking changes at any time.

Every image has its own precedence of command line, environment and odoo.conf. The running process has the last word:
what stands in its arguments is what it uses, whatever should have won.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.pooled.odoo.plugins.module_utils._odoo_versions import facts


class Family(t.NamedTuple):
    """An image family: which environment variables give host and port, first one first, and what stands in for them.

    ``entrypoint_arguments``: the entrypoint hands the address to Odoo as arguments, unless the odoo.conf that $ODOO_RC names has
    it. ``generated_conf``: odoo.conf in the container is made from the environment at each start, so editing it does not last.
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
    # A key of the file that the image's entrypoint asks, which is not the one that Odoo reads (-c).
    entry_file: bool = False

    def __str__(self) -> str:
        where = {
            "argument": "the command",
            "environment": "the environment",
            "file": "odoo.conf",
            "default": "the image",
        }
        return f"{self.name}={self.value} ({where[self.kind]})"


class Address(t.NamedTuple):
    """The address in use, host and port each with its source.

    ``fixed`` tells which of the two stand in the running process's arguments, so that no reload can change them. ``shadowed`` are
    other sources with another value, ``equal`` other sources with the same, each with its
    part. ``generated``: odoo.conf is written anew at each
    start. ``conf_wins``: the parts that odoo.conf would decide if they were written there. ``variables``: the environment
    variable that gives each part, or would. ``how``: how the host's source is known, in words.
    """

    host: str
    port: int
    host_source: Source
    port_source: Source
    fixed: frozenset[str]
    shadowed: tuple[Source, ...]
    equal: tuple[tuple[str, Source], ...] = ()
    generated: bool = False
    conf_wins: frozenset[str] = frozenset()
    variables: t.Mapping[str, str] = {}
    how: str = ""


class Evidence(t.NamedTuple):
    """What was found: the arguments of the running Odoo that are about its database, the container's own command (entrypoint and
    command as configured), its environment, the keys of the odoo.conf that Odoo reads.

    ``entry_conf``: the keys of the file that the entrypoint asks ($ODOO_RC), where that is another one. ``unset``: keys that
    stand in Odoo's file with a value that Odoo takes for none. ``conf_is_young``: that file was written while the container
    started. ``variables``: those that the user names, by part. ``exported``: what libpq reads in
    the environment of the process, though the container's own does not have it.
    """

    family: str
    major: int | None
    argv: tuple[str, ...]
    command: tuple[str, ...]
    environment: t.Mapping[str, str]
    conf: t.Mapping[str, str]
    entry_conf: t.Mapping[str, str] | None = None
    unset: t.Collection[str] = ()
    conf_is_young: bool = False
    variables: t.Mapping[str, str] = {}
    exported: t.Mapping[str, str] = {}


def _occurrences(argv: t.Sequence[str], name: str) -> list[str]:
    """The values of every ``--name value`` and ``--name=value``, as optparse would take them."""
    values = []
    for index, word in enumerate(argv):
        if word == f"--{name}" and index + 1 < len(argv):
            values.append(argv[index + 1])
        elif word.startswith(f"--{name}="):
            values.append(word.partition("=")[2])
    return values


def argument(argv: t.Sequence[str], name: str) -> str | None:
    """The value of the last ``--name``, which is the one that counts."""
    return next(reversed(_occurrences(argv, name)), None)


# What may name the database's host for a script of an image's own: a word that says so right before, or HOST alone. Not a backup
# tool's, a replica's or another database's.
_NAMES_THE_HOST = re.compile(
    r"(?:(?P<before>\w+_)?(?P<word>DB|PG|POSTGRES|POSTGRESQL|DATABASE)_?)?(?P<part>HOST|SERVER|ADDR|ADDRESS)\Z"
)
_NAMES_ANOTHER = re.compile(
    r"(?:^|_)(?:BACKUP|DUMP|REPLICA|STANDBY|READ|QUEUE|JOBRUNNER|MYSQL|MSSQL|OLD|NEW|SOURCE|TARGET|TEST)(?:_|$)"
)


def explaining(environment: t.Mapping[str, str], host: str) -> list[str]:
    """The variables that hold *host* and whose names say that it could be the database's. A script of the image's own may hand
    any of them to Odoo, so more than one tell nothing. Pure."""
    return [
        name
        for name, value in sorted(environment.items())
        if value == host and host and _named_host(name) and not _NAMES_ANOTHER.search(name.upper())
    ]


def _named_host(name: str) -> bool:
    match = _NAMES_THE_HOST.match(name.upper())
    # Without a word for the database only HOST itself, which the official image reads.
    return match is not None and bool(match.group("word") or name.upper() == "HOST")


def _own_variables(evidence: Evidence, host: str, port: str) -> dict[str, str]:
    """The variables from which a script of the image's own makes the running *host* and *port*: those that the user names where
    they hold these, else the only one that explains the host, and its sibling if that holds the port. *port* is empty where
    neither arguments nor odoo.conf tell it."""
    given = evidence.environment
    named = evidence.variables.get("host", "")
    if host and given.get(named) == host:
        found = [named]
        sibling = evidence.variables.get("port")
        # An unset one is the user's word.
        fits = sibling and (not port or given.get(sibling, port) == port)
        return {"host": named, **({"port": sibling} if sibling and fits else {})}
    found = explaining(given, host)
    if len(found) != 1:
        return {}
    wanted = _NAMES_THE_HOST.sub(lambda match: match.group()[: -len(match.group("part"))] + "PORT", found[0].upper())
    sibling = next(
        (name for name, value in given.items() if name.upper() == wanted and value == (port or DEFAULT_PORT)), None
    )
    return {"host": found[0], **({"port": sibling} if sibling else {})}


def understood(evidence: Evidence) -> tuple[Family, bool]:
    """The family as which the instance is taken, and whether its odoo.conf is written anew at each start.

    What runs has to be explained: by what the family reads, else by variables of a script of the image's own, else by nothing,
    and then nothing is offered."""
    family = FAMILIES[evidence.family]
    running = {part: argument(evidence.argv, key) or evidence.conf.get(key) or "" for part, key in _CONF_KEYS.items()}
    own = _own_variables(evidence, running["host"], running["port"])
    ports = tuple(name for name in (own.get("port"),) if name)
    passed = _is_passed(evidence, "host")
    if own and own["host"] == evidence.variables.get("host"):
        return Family((own["host"],), ports, entrypoint_arguments=passed, generated_conf=not passed), not passed
    if passed:
        if family.entrypoint_arguments and _explains(family, evidence, running["host"]):
            return family, False
        return Family((own["host"],) if own else (), ports, entrypoint_arguments=bool(own)), False
    if family.generated_conf:
        # Without any of its variables it only looks like one of the family.
        made = any(evidence.environment.get(name) for name in family.host)
        return (family, True) if made else (FAMILIES["unknown"], False)
    strange = bool(own) and own["host"] not in (*family.host, _PG_VARIABLES["host"])
    if evidence.conf_is_young and strange:
        return Family((own["host"],), ports, generated_conf=True), True
    return family, evidence.conf_is_young and not family.entrypoint_arguments


def _explains(family: Family, evidence: Evidence, host: str) -> bool:
    """Whether the host with which the process runs is what the family's entrypoint would pass."""
    asked = evidence.conf if evidence.entry_conf is None else evidence.entry_conf
    given = [asked.get("db_host"), *(evidence.environment.get(name) for name in family.host), family.default_host]
    return host in [value for value in given if value]


def _is_passed(evidence: Evidence, part: str) -> bool:
    """Whether something behind the container's own command passes this part as an argument."""
    key = _CONF_KEYS[part]
    return len(_occurrences(evidence.argv, key)) > len(_occurrences(evidence.command, key))


def resolve(evidence: Evidence) -> Address:
    """The address that the running instance uses."""
    family, generated = understood(evidence)
    sources = {part: _effective(part, evidence, family) for part in ("host", "port")}
    shadowed: list[Source] = []
    equal: list[tuple[str, Source]] = []
    for part, winner in sources.items():
        for candidate in _candidates(part, evidence, family):
            if candidate[:2] != winner[:2] or candidate.entry_file != winner.entry_file:
                if candidate.value == winner.value:
                    equal.append((part, candidate))
                else:
                    shadowed.append(candidate)
    host, port = sources["host"], sources["port"]
    fixed = frozenset(part for part in sources if argument(evidence.argv, _CONF_KEYS[part]) is not None)
    number = int(port.value) if port.value.isdigit() else int(DEFAULT_PORT)
    wins = frozenset(
        part for part, source in sources.items() if _conf_would_win(part, source, evidence, family, generated)
    )
    variables = {
        part: names[0]
        for part, names in (("host", family.host), ("port", family.port))
        # One that holds something else is used for something else.
        if names and evidence.environment.get(names[0], sources[part].value) in ("", sources[part].value)
    }
    return Address(
        host=host.value,
        port=number,
        host_source=host,
        port_source=port,
        fixed=fixed,
        shadowed=tuple(shadowed),
        equal=tuple(equal),
        generated=generated,
        conf_wins=wins,
        variables=variables,
        how=_how(host, evidence, family),
    )


def _how(host: Source, evidence: Evidence, family: Family) -> str:
    """How it is known that *host* is where the host comes from. The running process has the last word."""
    if host.kind == "argument":
        return "the process runs with it, and the command has it" if host.replaceable else "the process runs with it"
    if argument(evidence.argv, "db_host") is not None:
        return "the process runs with it: its start script has it from here"
    if family.generated_conf and host.kind == "environment":
        return "odoo.conf, which is made at each start, says the same"
    if host.kind == "environment":
        return "no argument has it, and Odoo or libpq reads this variable"
    return "no argument has it, and this is what Odoo reads" if host.value else "nothing says it"


def _candidates(part: str, evidence: Evidence, family: Family) -> list[Source]:
    """Every place that names a value, in no order of precedence."""
    found = []
    key = _CONF_KEYS[part]
    written = argument(evidence.command, key)
    if written is not None:
        found.append(Source("argument", f"--{key}", written))
    if not family.generated_conf:
        if evidence.conf.get(key):
            found.append(Source("file", key, evidence.conf[key]))
        if evidence.entry_conf is not None and evidence.entry_conf.get(key) and family.entrypoint_arguments:
            found.append(Source("file", key, evidence.entry_conf[key], entry_file=True))
    names = dict.fromkeys(getattr(family, part) + (_PG_VARIABLES[part],))
    found += [
        Source("environment", name, evidence.environment[name]) for name in names if evidence.environment.get(name)
    ]
    exported = evidence.exported.get(_PG_VARIABLES[part])
    # Such images export it themselves, from their own variable.
    if exported and not (family.generated_conf and getattr(family, part)):
        found.append(Source("environment", _PG_VARIABLES[part], exported, False))
    return found


def _effective(part: str, evidence: Evidence, family: Family) -> Source:
    candidates = _candidates(part, evidence, family)
    key = _CONF_KEYS[part]
    running = argument(evidence.argv, key)
    default = Source("default", part, (family.default_host or "") if part == "host" else DEFAULT_PORT)
    if running is None:
        # A default that an entrypoint passes is an argument; without one Odoo has none.
        unsaid = default._replace(value="") if part == "host" and family.entrypoint_arguments else default
        return _without_argument(part, evidence, family, candidates) or unsaid
    if not _is_passed(evidence, part):
        return Source("argument", f"--{key}", running)
    if not family.entrypoint_arguments:
        return Source("argument", f"--{key}", running, False)
    # The entrypoint made this argument, from the odoo.conf that it asks (older images), else from the first variable that is set.
    # It appends its own last, so an argument in the command counts only when nothing else explains the value.
    asks_entry = evidence.entry_conf is not None
    explained = [one for one in candidates if one.kind != "file" or one.entry_file == asks_entry]
    order = {"file": 0, "environment": 1, "argument": 2}
    for candidate in sorted(explained, key=lambda source: order[source.kind]):
        if candidate.value == running:
            return candidate
    if running == default.value:
        return default
    return Source("argument", f"--{key}", running, False)


def _without_argument(part: str, evidence: Evidence, family: Family, candidates: t.Sequence[Source]) -> Source | None:
    """What Odoo itself finds, in its version's order."""
    from_file = [source for source in candidates if source.kind == "file" and not source.entry_file]
    variable = _PG_VARIABLES[part]
    from_environment = [source for source in candidates if source.name == variable]
    if family.generated_conf:
        written = evidence.conf.get(_CONF_KEYS[part])
        own = [source for source in candidates if source.name in getattr(family, part)] + from_environment
        found = next((source for source in own if written in (None, source.value)), None)
        if written and not own and getattr(family, part):
            # Its variable is not set, so its script has a value of its own.
            return Source("default", part, written)
        return found or (Source("file", _CONF_KEYS[part], written) if written else None)
    if facts(evidence.major).pg_environment_first:
        found = next(iter(from_environment + from_file), None)
    else:
        found = next(iter(from_file + from_environment), None)
    key = _CONF_KEYS[part]
    if found is None and key in evidence.unset:
        # Written as False: libpq's own default counts, and the line is where another value belongs.
        return Source("file", key, "" if part == "host" else DEFAULT_PORT)
    return found


def _conf_would_win(part: str, source: Source, evidence: Evidence, family: Family, generated: bool) -> bool:
    """Whether a line in odoo.conf would decide this part, wherever it comes from now."""
    if source.kind == "file":
        return not generated
    if generated or source.kind == "argument":
        return False
    if family.entrypoint_arguments and (family.host != FAMILIES["official"].host or evidence.entry_conf is not None):
        return False
    variable = _PG_VARIABLES[part]
    given = evidence.environment.get(variable) or evidence.exported.get(variable)
    return not (facts(evidence.major).pg_environment_first and given)


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


def by_part(address: Address, parts: t.Collection[str]) -> dict[str, Source]:
    """Where each of these parts of the address comes from."""
    both = {"host": address.host_source, "port": address.port_source}
    return {part: both[part] for part in parts}


def sources(circumstances: Circumstances, parts: t.Collection[str]) -> list[Source]:
    """Where these parts of the address come from."""
    return [source for _part, source in sorted(by_part(circumstances.address, parts).items())]
