#!/usr/bin/env bash
# As the official image's until 2026-05: an argument for each key, from odoo.conf if that has it.
set -euo pipefail
said() { [ -r "$ODOO_RC" ] && sed -n "s/^$1 = //p" "$ODOO_RC"; }
host=$(said db_host || true)
port=$(said db_port || true)
for word in /entrypoint.sh odoo; do [ "${1:-}" = "$word" ] && shift; done
exec odoo "$@" --db_host "${host:-${HOST:-db}}" --db_port "${port:-${PORT:-5432}}"
