#!/usr/bin/env bash
# The database address by the precedence of the official Odoo 19 image (2026): a set PG* variable is left to Odoo
# itself; else a line in odoo.conf counts; else HOST, PORT, USER and PASSWORD become arguments; else db:5432.
set -euo pipefail

in_conf() { [ -r "$ODOO_RC" ] && grep -qE "^\s*$1\s*=" "$ODOO_RC"; }

arguments=()
# argument KEY PG_VARIABLE VALUE
argument() {
    [ -n "${!2+set}" ] && return
    in_conf "$1" && return
    arguments+=("--$1" "$3")
}
password=${PASSWORD:-odoo}
[ -n "${PASSWORD_FILE:-}" ] && password=$(cat "$PASSWORD_FILE")
argument db_host PGHOST "${HOST:-db}"
argument db_port PGPORT "${PORT:-5432}"
argument db_user PGUSER "${USER:-odoo}"
argument db_password PGPASSWORD "$password"

case ${1:-odoo} in
    odoo | -*)
        [ "${1:-}" = odoo ] && shift
        exec odoo "$@" "${arguments[@]}" ;;
    *) exec "$@" ;;
esac
