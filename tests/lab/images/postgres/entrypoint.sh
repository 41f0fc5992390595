#!/usr/bin/env bash
# Creates the cluster at the first start; the superuser's password is read from a file, never from the environment.
set -euo pipefail
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    # The first role is postgres, as the user who runs this, unless a test wants another one.
    initdb --username="${LAB_FIRST_ROLE:-postgres}" --auth-host=scram-sha-256 --auth-local=peer --encoding=UTF8 --locale=C.UTF-8 \
        --pwfile=/run/secrets/postgres_password >/dev/null
    printf '%s\n' "listen_addresses = '*'" "unix_socket_directories = '/tmp'" >>"$PGDATA/postgresql.conf"
    echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
fi
exec postgres "$@"
