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

# The oid of the role that initdb makes (BOOTSTRAP_SUPERUSERID in pg_authid.dat).
BOOTSTRAP_OID = 10


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


# Everything in a database that is not the system's, an extension's or part of a table. A schema public that is the database
# owner's (from PostgreSQL 15 on) stays so.
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
      AND owner NOT IN (SELECT oid FROM pg_roles WHERE rolname IN ({role}, 'pg_database_owner'))
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = found.class AND d.objid = found.oid
                      AND (d.deptype = 'e' OR (kind = 'SEQUENCE' AND d.deptype IN ('a', 'i'))))
  LOOP
    EXECUTE statement;
  END LOOP;
END
$hand_over$;"""


def statements(role: str, oid: int, owners: t.Mapping[str, str]) -> list[str]:
    """What to run, in psql, line by line: *owners* are Odoo's databases and whose each is."""
    bootstrap = int(oid) == BOOTSTRAP_OID
    quoted = _identifier(role)
    lines = [
        f"-- {role} becomes an ordinary role that owns Odoo's databases. Stop Odoo, have a dump, and run this in psql as",
        "-- another superuser.",
    ]
    if bootstrap:
        former = _identifier(f"{role}_superuser")
        lines += [
            "-- It is the first role of the cluster, which has to stay a superuser, so another one gets its name. If there is no",
            "-- other superuser yet, make one as this one first: CREATE ROLE postgres SUPERUSER LOGIN PASSWORD '…';",
            "-- Below write the password that Odoo has.",
            f"ALTER ROLE {quoted} RENAME TO {former};",
            f"CREATE ROLE {quoted} LOGIN CREATEDB PASSWORD '…';",
        ]
    for name in sorted(owners):
        if bootstrap or owners[name] != role:
            lines.append(f"ALTER DATABASE {_identifier(name)} OWNER TO {quoted};")
        lines += [f"\\connect {_identifier(name)}", *_HAND_OVER.format(role=_literal(role)).splitlines()]
    if not bootstrap:
        lines.append(f"ALTER ROLE {quoted} NOSUPERUSER NOREPLICATION NOCREATEROLE CREATEDB;")
    return lines
