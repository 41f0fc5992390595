# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A whole PgBouncer configuration: checked as one thing, rendered to files, compared with another.

This module util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.pooled.odoo.plugins.module_utils import _hba, _ini, _userlist
from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError
from ansible_collections.pooled.odoo.plugins.module_utils._pgbouncer_options import (
    DATABASE_KEYS,
    PEER_KEYS,
    SECURITY_FIXES,
    SETTINGS,
    USER_KEYS,
)
from ansible_collections.pooled.odoo.plugins.module_utils._settings import (
    Version,
    check_keys,
    check_name,
    parse_version,
)

INI_FILE = "pgbouncer.ini"
USERLIST_FILE = "userlist.txt"
HBA_FILE = "pg_hba.conf"

MASK = "********"
_SECRET_KEYS = frozenset({"password", "auth_ldap_options"})

# Ordered by what it costs: the effect of several changes is the strongest one.
EFFECTS = ("none", "reload", "restart")

# PgBouncer's admin console answers to this database name, so no PostgreSQL database can be reached under it.
RESERVED_DATABASE = "pgbouncer"


class Config(t.NamedTuple):
    """A checked configuration. All values are text as PgBouncer reads it; ``hba`` holds one rule a line."""

    settings: dict[str, str]
    databases: dict[str, dict[str, str]]
    users: dict[str, dict[str, str]]
    peers: dict[str, dict[str, str]]
    userlist: dict[str, str]
    hba: list[str]


class Change(t.NamedTuple):
    """One difference. ``before`` and ``after`` are None where the key is absent; secrets are masked."""

    file: str
    section: str
    key: str
    before: str | None
    after: str | None
    effect: str


def build(params: t.Mapping[str, t.Any], version: Version) -> Config:
    """Checks everything that the module was given; raises PooledError naming the option at fault.

    ``params``: ``settings`` (dict), ``databases`` and ``users`` (lists of dicts with ``name``), ``peers`` (list of dicts
    with ``id``), ``userlist`` (list of ``{name, password}``), ``hba`` (list of rules), ``fixes_backported`` (whether the
    package mends what this version of PgBouncer has).
    """
    config = Config(
        settings=check_keys(SETTINGS, params.get("settings") or {}, version, "settings"),
        databases=_named(params.get("databases") or [], "databases", "database", DATABASE_KEYS, version),
        users=_named(params.get("users") or [], "users", "user", USER_KEYS, version),
        peers=_peers(params.get("peers") or [], version),
        userlist=_userlist.check(params.get("userlist") or []),
        hba=_hba.check(params.get("hba") or [], version),
    )
    if not params.get("fixes_backported"):
        _check_version(config, version)
    _check_authentication(config, version)
    _check_tls(config.settings)
    _check_pool_sizes(config)
    limit = params.get("server_connection_limit")
    if limit is not None:
        _check_connection_limit(config, limit)
    return config


def _named(
    entries: t.Sequence[t.Mapping[str, t.Any]], path: str, what: str, catalogue: t.Any, version: Version
) -> dict[str, dict[str, str]]:
    section: dict[str, dict[str, str]] = {}
    for index, entry in enumerate(entries):
        here = f"{path}[{index}]"
        name = check_name(entry.get("name"), f"{here}.name", what)
        if what == "database" and name == RESERVED_DATABASE:
            raise PooledError("this name is PgBouncer's own admin console; name the entry otherwise", f"{here}.name")
        if not _ini.can_name(name):
            advice = (
                "it is reached through the wildcard entry *"
                if what == "database"
                else "the global settings apply to it"
            )
            raise PooledError(
                f"{name!r} cannot be named in pgbouncer.ini, which takes ASCII letters, digits and _.- only; leave the entry"
                f" out, {advice}",
                f"{here}.name",
            )
        if name in section:
            raise PooledError(f"{what} {name!r} is listed twice", f"{here}.name")
        given = {key: value for key, value in entry.items() if key != "name" and value is not None}
        section[name] = check_keys(catalogue, given, version, here)
        if what == "database" and name == "*" and "dbname" in section[name]:
            raise PooledError(
                "a wildcard entry with dbname sends every client to that one database; remove dbname", f"{here}.dbname"
            )
    return section


def _peers(entries: t.Sequence[t.Mapping[str, t.Any]], version: Version) -> dict[str, dict[str, str]]:
    section: dict[str, dict[str, str]] = {}
    for index, entry in enumerate(entries):
        here = f"peers[{index}]"
        peer = str(entry.get("id"))
        if not re.fullmatch("[1-9][0-9]*", peer):
            raise PooledError("a peer's id is a whole number from 1 on", f"{here}.id")
        if peer in section:
            raise PooledError(f"peer {peer} is listed twice", f"{here}.id")
        given = {key: value for key, value in entry.items() if key != "id" and value is not None}
        section[peer] = check_keys(PEER_KEYS, given, version, here)
    return section


def _check_authentication(config: Config, version: Version) -> None:
    settings = config.settings
    auth_user = settings.get("auth_user")
    if "auth_query" in settings and not auth_user:
        raise PooledError("auth_query runs as auth_user; set settings.auth_user too", "settings.auth_query")
    own_userlist = settings.get("auth_file", "").endswith(f"/{USERLIST_FILE}")
    if auth_user and own_userlist and auth_user not in config.userlist:
        raise PooledError(
            f"{auth_user!r} has no entry in userlist, so PgBouncer could not log in as it", "settings.auth_user"
        )
    uses_hba = settings.get("auth_type") == "hba"
    if uses_hba and not config.hba and "auth_hba_file" not in settings:
        raise PooledError("auth_type hba needs rules; set hba", "settings.auth_type")
    if config.hba and not uses_hba:
        raise PooledError("hba rules count only with auth_type hba; set settings.auth_type: hba", "hba")
    if settings.get("auth_type") == "ldap" and version < (1, 25, 0):
        raise PooledError("PgBouncer knows ldap from 1.25 on", "settings.auth_type")
    tracked = [item.strip().lower() for item in settings.get("track_extra_parameters", "").split(",")]
    if "search_path" in tracked and auth_user and version < (1, 25, 1):
        raise PooledError(
            "search_path together with auth_user lets a client run SQL before it has logged in (CVE-2025-12819); "
            "use PgBouncer 1.25.1 or newer",
            "settings.track_extra_parameters",
        )


# pgbouncer#1418, mended in 1.25.1: the SCRAM keys of a client are lost when the server connection that they opened ends; so are
# those that PgBouncer makes of a password in its userlist.
_LOSES_KEYS = parse_version("1.25.0")


def _check_version(config: Config, version: Version) -> None:
    admins = {name.strip() for name in config.settings.get("admin_users", "").split(",")}
    plain = [name for name, secret in config.userlist.items() if not secret.startswith(("SCRAM-SHA-256$", "md5"))]
    if version == _LOSES_KEYS and (config.settings.get("auth_user") or set(plain) - admins):
        raise PooledError(
            "PgBouncer 1.25.0 refuses log-ins with SCRAM once a server connection has reached server_lifetime (pgbouncer#1418);"
            " use 1.25.1 or newer",
            "version",
        )


def _check_tls(settings: t.Mapping[str, str]) -> None:
    client = settings.get("client_tls_sslmode", "disable")
    for side in ("client", "server"):
        key, certificate = (settings.get(f"{side}_tls_{part}_file") for part in ("key", "cert"))
        if bool(key) != bool(certificate):
            raise PooledError(
                "key and certificate come together; set both or neither",
                f"settings.{side}_tls_{'cert' if key else 'key'}_file",
            )
        if settings.get(f"{side}_tls_sslmode", "") in ("verify-ca", "verify-full") and not settings.get(
            f"{side}_tls_ca_file"
        ):
            raise PooledError("verifying needs the authority's certificate; set it", f"settings.{side}_tls_ca_file")
    if client != "disable" and not settings.get("client_tls_key_file"):
        raise PooledError("TLS for clients needs a key and a certificate; set them", "settings.client_tls_key_file")
    if settings.get("auth_type") == "cert" and client != "verify-full":
        raise PooledError("auth_type cert needs verify-full here", "settings.client_tls_sslmode")


def _check_pool_sizes(config: Config) -> None:
    default = int(config.settings.get("default_pool_size", "20"))
    smallest = int(config.settings.get("min_pool_size", "0"))
    if smallest > default:
        raise PooledError(f"{smallest} is more than default_pool_size, {default}", "settings.min_pool_size")
    for index, (name, entry) in enumerate(config.databases.items()):
        size = int(entry.get("pool_size", default))
        if int(entry.get("min_pool_size", "0")) > size:
            raise PooledError(f"is more than the pool_size of {name}, {size}", f"databases[{index}].min_pool_size")


def _check_connection_limit(config: Config, limit: int) -> None:
    bound, reason = server_connection_bound(config)
    if bound is None:
        raise PooledError(
            f"nothing bounds the server connections ({reason}); set settings.max_user_connections", "settings"
        )
    if bound > limit:
        raise PooledError(
            f"the pools can open {bound} server connections ({reason}), server_connection_limit allows {limit}; "
            "lower settings.max_user_connections or the pool sizes, or raise max_connections in PostgreSQL",
            "settings.max_user_connections",
        )


def server_connection_bound(config: Config) -> tuple[int | None, str]:
    """The most server connections that PgBouncer can open, and the sum behind it; None where nothing bounds them.

    Pools are per user and database (PgBouncer's manual, ``default_pool_size``), caps per user or per database, so the sum
    is over the users that can log in; where auth_query lets in any, there is none.
    """
    users = _who_may_log_in(config)
    if users is None:
        return None, "auth_query lets in every role of PostgreSQL; name the roles in hba"
    total = 0
    parts = []
    for user in sorted(users):
        bound = _user_bound(config, user)
        if bound is None:
            return None, f"user {user} may open pools on any database of the wildcard entry"
        total += bound
        parts.append(f"{user} {bound}")
    return total, " + ".join(parts)


def _who_may_log_in(config: Config) -> set[str] | None:
    """The users that can have server connections, or None for any: those that log in, and the one that looks up
    passwords."""
    own = {config.settings["auth_user"]} if "auth_user" in config.settings else set()
    if not config.hba:
        return None if own else set(config.userlist)
    named: set[str] = set()
    for rule in config.hba:
        kind, database, user, *rest = _hba.fields(rule)
        if rest[-1] != "reject" and database != [RESERVED_DATABASE]:
            named |= set(user)
    if "all" in named:
        return None if own else set(config.userlist)
    return named | own


def _user_bound(config: Config, user: str | None) -> int | None:
    settings = config.settings
    own = config.users.get(user or "", {})
    cap = int(own.get("max_user_connections", settings.get("max_user_connections", "0")))
    pools = 0
    unbounded = False
    for name, entry in config.databases.items():
        size = int(own.get("pool_size", entry.get("pool_size", settings.get("default_pool_size", "20"))))
        reserve = entry.get("reserve_pool_size", entry.get("reserve_pool", settings.get("reserve_pool_size", "0")))
        reserve = own.get("reserve_pool_size", reserve)
        database_cap = int(entry.get("max_db_connections", settings.get("max_db_connections", "0")))
        unbounded = unbounded or name == "*"
        pool = size + int(reserve)
        pools += min(pool, database_cap) if database_cap else pool
    if unbounded:
        return cap or None
    return min(cap, pools) if cap else pools


# From 1.20, which reads the parameter options, to the version that mends it.
_OPTIONS_HANG = parse_version("1.20.0"), parse_version("1.26.1")


def setting_warnings(config: Config, version: Version) -> list[str]:
    """What of these settings opens a hole, also in a package that has other fixes."""
    ignored = [name.strip() for name in config.settings.get("ignore_startup_parameters", "").split(",")]
    if any(ignored) and "options" not in ignored and _OPTIONS_HANG[0] <= version < _OPTIONS_HANG[1]:
        return [
            "settings.ignore_startup_parameters without options lets a client that has not logged in stop PgBouncer before 1.26.1"
            " (CVE-2026-107349); add options to it, or leave it out"
        ]
    return []


def security_warnings(version: Version) -> list[str]:
    """The vulnerabilities that upstream fixed after *version*."""
    return [
        f"PgBouncer {'.'.join(map(str, version))} is older than {fixed}, which fixes {', '.join(cves)};"
        " use that version, or one into which your distribution has backported the fixes"
        for fixed, cves in SECURITY_FIXES.items()
        if version < parse_version(fixed)
    ]


def render(config: Config, heading: str) -> dict[str, str]:
    """``{file name: text}``; the hba file only where there are rules."""
    files = {
        INI_FILE: _ini.render(config.settings, config.databases, config.users, config.peers, heading),
        USERLIST_FILE: _userlist.render(config.userlist),
    }
    if config.hba:
        files[HBA_FILE] = _hba.render(config.hba)
    return files


def parse(files: t.Mapping[str, str], faults: list[str] | None = None) -> Config:
    """The configuration that lies in *files* (as :func:`render` returns them; missing ones are empty). What cannot be read of
    pgbouncer.ini raises PooledError, or is noted in *faults*."""
    ini = _ini.parse(files.get(INI_FILE, ""), faults)
    return Config(
        settings=ini["pgbouncer"],
        databases=ini["databases"],
        users=ini["users"],
        peers=ini["peers"],
        userlist=_userlist.parse(files.get(USERLIST_FILE, "")),
        hba=_hba.parse(files.get(HBA_FILE, "")),
    )


def _flatten(config: Config) -> dict[tuple[str, str, str], str]:
    flat = {(INI_FILE, "pgbouncer", key): value for key, value in config.settings.items()}
    for section in ("databases", "users", "peers"):
        for name, entry in getattr(config, section).items():
            # The entry itself counts, also one without keys.
            flat[(INI_FILE, section, name)] = ""
            flat.update({(INI_FILE, section, f"{name}.{key}"): value for key, value in entry.items()})
    flat.update({(USERLIST_FILE, "userlist", name): secret for name, secret in config.userlist.items()})
    if config.hba:
        flat[(HBA_FILE, "hba", "rules")] = "\n".join(config.hba)
    return flat


def _is_secret(place: tuple[str, str, str]) -> bool:
    return place[1] == "userlist" or place[2].rsplit(".", 1)[-1] in _SECRET_KEYS


def compare(before: Config, after: Config) -> list[Change]:
    """All differences, sorted by file, section and key; secrets masked but their change visible."""
    old, new = _flatten(before), _flatten(after)
    changes = []
    for place in sorted(set(old) | set(new)):
        was, becomes = old.get(place), new.get(place)
        if was == becomes:
            continue
        if _is_secret(place):
            becomes = None if becomes is None else MASK + (" (changed)" if was is not None else "")
            was = None if was is None else MASK
        changes.append(Change(*place, was, becomes, _effect(place, becomes is None, after)))
    return changes


def _effect(place: tuple[str, str, str], removed: bool, after: Config) -> str:
    _file, section, key = place
    if section == "pgbouncer":
        option = SETTINGS.get(key)
        return "reload" if option is None or option.reloadable else "restart"
    # A user that a RELOAD misses in the userlist stays known without a password, and auth_query is never asked for it.
    if section == "userlist" and removed and after.settings.get("auth_user"):
        return "restart"
    return "reload"


def strongest_effect(effects: t.Iterable[str]) -> str:
    """The effect that covers all of *effects*; ``none`` for none."""
    return max(effects, key=EFFECTS.index, default="none")


def describe(config: Config) -> dict[str, t.Any]:
    """The configuration as plain data for a diff, secrets masked."""

    def masked(section: t.Mapping[str, t.Mapping[str, str]]) -> dict[str, dict[str, str]]:
        return {
            name: {key: MASK if key in _SECRET_KEYS else value for key, value in entry.items()}
            for name, entry in section.items()
        }

    return {
        INI_FILE: {
            "databases": masked(config.databases),
            "users": masked(config.users),
            "peers": masked(config.peers),
            "pgbouncer": masked({"": config.settings})[""],
        },
        USERLIST_FILE: dict.fromkeys(sorted(config.userlist), MASK),
        HBA_FILE: list(config.hba),
    }
