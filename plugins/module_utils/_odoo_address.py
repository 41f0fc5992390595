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


# What may name the database's host: not a proxy's, a mail server's or the container's own name.
_NAMES_A_HOST = re.compile(r"(^|_|PG|DB)(?:HOST|SERVER|ADDR|ADDRESS)\Z")
_NAMES_A_DATABASE = re.compile(r"DB|PG|POSTGRES|SQL|DATABASE")
_NAMES_ANOTHER = re.compile(
    r"HTTP|XMLRPC|LONGPOLLING|GEVENT|PROXY|REDIS|MAIL|SMTP|RABBIT|S3|BASE_URL|REPLICA|QUEUE_JOB"
)


def explaining(environment: t.Mapping[str, str], host: str) -> list[str]:
    """The variables that hold *host* and whose names say that it could be the database's, those first choice alone that name a
    database. A script of the image's own may hand any of them to Odoo. Pure."""
    found = [
        name
        for name, value in sorted(environment.items())
        if value == host and host and _NAMES_A_HOST.search(name.upper()) and not _NAMES_ANOTHER.search(name.upper())
    ]
    return [name for name in found if _NAMES_A_DATABASE.search(name.upper())] or found


def _own_variables(evidence: Evidence, host: str) -> dict[str, str]:
    """The variables from which a script of the image's own makes the address, by part: those that the user names where the
    container has them, else the only one that explains the running host, and its sibling for the port."""
    named = {part: name for part, name in evidence.variables.items() if name in evidence.environment}
    if "host" in named:
        return dict(evidence.variables)
    found = explaining(evidence.environment, host)
    if len(found) != 1:
        return {}
    sibling = _NAMES_A_HOST.sub(r"\1PORT", found[0].upper())
    port = next((name for name in evidence.environment if name.upper() == sibling), None)
    return {"host": found[0], **({"port": port} if port else {})}


def understood(evidence: Evidence) -> tuple[Family, bool]:
    """The family as which the instance is taken, and whether its odoo.conf is written anew at each start.

    An image with a start script of its own makes odoo.conf, or arguments, from variables of its own: so where the user says it;
    where the file is as young as the container and a variable that the family does not know holds the very host; where there
    are arguments that neither the command has nor the family's entrypoint makes."""
    family = FAMILIES[evidence.family]
    if family.generated_conf:
        return family, True
    passed = _is_passed(evidence, "host")
    own = _own_variables(evidence, argument(evidence.argv, "db_host") or evidence.conf.get("db_host") or "")
    strange = bool(own) and own["host"] not in (*family.host, _PG_VARIABLES["host"])
    named = bool(own) and own["host"] == evidence.variables.get("host")
    young = evidence.conf_is_young and not passed and (strange or not family.entrypoint_arguments)
    if passed and not family.entrypoint_arguments and own:
        # It hands on what it was given, be it what the official image would read (HOST=db beside --db_host=db).
        port = own.get("port") or ("PORT" if own["host"] == "HOST" else None)
        return Family((own["host"],), (port,) if port else (), entrypoint_arguments=True), False
    if named or (strange and young):
        ports = tuple(name for name in (own.get("port"),) if name)
        return Family((own["host"],), ports, entrypoint_arguments=passed, generated_conf=not passed), not passed
    return family, young


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
    variables = {part: names[0] for part, names in (("host", family.host), ("port", family.port)) if names}
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
    if family.generated_conf:
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
    if exported:
        found.append(Source("environment", _PG_VARIABLES[part], exported, False))
    return found


def _effective(part: str, evidence: Evidence, family: Family) -> Source:
    candidates = _candidates(part, evidence, family)
    key = _CONF_KEYS[part]
    running = argument(evidence.argv, key)
    default = Source("default", part, (family.default_host or "") if part == "host" else DEFAULT_PORT)
    if running is None:
        return _without_argument(part, evidence, family, candidates) or default
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
    if not getattr(family, part):
        return Source("argument", f"--{key}", running, False)
    return default._replace(value=running)


def _without_argument(part: str, evidence: Evidence, family: Family, candidates: t.Sequence[Source]) -> Source | None:
    """What Odoo itself finds, in its version's order."""
    from_file = [source for source in candidates if source.kind == "file" and not source.entry_file]
    variable = _PG_VARIABLES[part]
    from_environment = [source for source in candidates if source.name == variable]
    if family.generated_conf:
        own = [source for source in candidates if source.name in getattr(family, part)]
        return next(iter(own + from_environment), None)
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
