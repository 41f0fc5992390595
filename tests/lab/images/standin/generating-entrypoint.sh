#!/usr/bin/env bash
# As many images of users' own: odoo.conf is made anew at each start.
set -euo pipefail
printf '[options]\ndb_host = %s\ndb_port = %s\n' "$DB_HOST" "${DB_PORT:-5432}" > "$ODOO_RC"
exec "$@"
