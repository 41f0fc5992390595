# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How Odoo's role, a superuser, becomes an ordinary owner of its databases. Pure.

This module util is PRIVATE to the collection. It can have breaking changes at any time.

The first role of a cluster (the one that POSTGRES_USER names in the official image, say) has to stay a superuser, and
``REASSIGN OWNED`` refuses it because the system's own objects are its. So what is Odoo's is handed over one by one.
Source: PostgreSQL's manual, ALTER ROLE and REASSIGN OWNED.
"""

from __future__ import annotations

import typing as t

from ansible_collections.pooled.odoo.plugins.module_utils import _sql

# The oid of the role that initdb makes (BOOTSTRAP_SUPERUSERID in pg_authid.dat).
BOOTSTRAP_OID = 10


# What superusers own in a database, but for the system's, an extension's and parts of tables. What is another ordinary role's
# stays its own, and so does a schema public that is the database owner's (from PostgreSQL 15 on). A commit for each: a database
# of Odoo has more tables than one transaction can lock.
_HAND_OVER = """\
DO $hand_over$
DECLARE statement text;
BEGIN
  FOR statement IN
    SELECT format('ALTER %s %s OWNER TO %I', kind, name, {role}) FROM (
      SELECT 'SCHEMA' AS kind, format('%I', nspname) AS name, nspname, nspowner AS owner, oid, 'pg_namespace'::regclass AS class
        FROM pg_namespace
      UNION ALL
      SELECT CASE relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE'
             WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END, c.oid::regclass::text, nspname, relowner, c.oid, 'pg_class'::regclass
        FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
      UNION ALL
      SELECT 'ROUTINE', p.oid::regprocedure::text, nspname, proowner, p.oid, 'pg_proc'::regclass
        FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace
      UNION ALL
      SELECT 'TYPE', t.oid::regtype::text, nspname, typowner, t.oid, 'pg_type'::regclass
        FROM pg_type t JOIN pg_namespace n ON n.oid = typnamespace LEFT JOIN pg_class c ON c.oid = typrelid
        WHERE typtype IN ('e', 'd', 'r') OR (typtype = 'c' AND relkind = 'c')
    ) found
    WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
      AND owner IN (SELECT oid FROM pg_roles WHERE rolsuper AND rolname <> {role})
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = found.class AND d.objid = found.oid
                      AND (d.deptype = 'e' OR (kind = 'SEQUENCE' AND d.deptype IN ('a', 'i'))))
  LOOP
    EXECUTE statement;
    COMMIT;
  END LOOP;
END
$hand_over$;"""


class Superuser(t.NamedTuple):
    """A role as which Odoo logs in: ``owned``, all databases that are its; ``served``, by name of each that Odoo uses as this
    role its owner."""

    name: str
    oid: int
    owned: t.Sequence[str]
    served: t.Mapping[str, str]


def describe(found: t.Mapping[str, t.Any], instances: t.Sequence[t.Mapping[str, t.Any]]) -> Superuser:
    """*found*: ``name``, ``oid`` and the ``owners`` of all databases. One that Odoo uses as another role too is left to that."""
    name, owners = str(found["name"]), found["owners"]
    own = {database for one in instances if one["db_user"] == name for database in one["databases"]}
    others = {database for one in instances if one["db_user"] != name for database in one["databases"]}
    served = sorted(own - others)
    owned = sorted(db for db, owner in owners.items() if owner == name)
    return Superuser(name, int(found["oid"]), owned, {db: owners[db] for db in served if db in owners})


def statements(role: Superuser) -> list[str]:
    """What to run, as the lines of a file for psql."""
    quoted, former = _sql.identifier(role.name), _sql.identifier(f"{role.name}_superuser")
    bootstrap = role.oid == BOOTSTRAP_OID
    left = sorted(set(role.owned) - set(role.served))
    lines = [
        f"-- {role.name} becomes an ordinary role that owns Odoo's databases. Stop Odoo, have a dump, and run this file by",
        "-- psql -f as another superuser. It can be run again where it was interrupted, without the lines that are done.",
        "\\set ON_ERROR_STOP on",
    ]
    if bootstrap:
        lines += [
            "-- It is the first role of the cluster, which has to stay a superuser, so another one gets its name, and it may",
            "-- not log in any more. If there is no other superuser yet, make one first:",
            "-- CREATE ROLE postgres SUPERUSER LOGIN PASSWORD '…';",
            "-- Below write the password that Odoo has. Settings and memberships of the role are not taken along.",
            f"ALTER ROLE {quoted} RENAME TO {former};",
            f"ALTER ROLE {former} NOLOGIN;",
            f"CREATE ROLE {quoted} LOGIN CREATEDB PASSWORD '…';",
        ]
        if left:
            lines.append(f"-- The databases {', '.join(left)}, which no instance here serves, stay with {former}.")
    for name, owner in sorted(role.served.items()):
        if bootstrap or owner != role.name:
            lines.append(f"ALTER DATABASE {_sql.identifier(name)} OWNER TO {quoted};")
        lines += [f"\\connect {_sql.identifier(name)}", *_HAND_OVER.format(role=_sql.literal(role.name)).splitlines()]
    if not bootstrap:
        lines.append(f"ALTER ROLE {quoted} NOSUPERUSER NOREPLICATION NOCREATEROLE CREATEDB;")
    return lines
