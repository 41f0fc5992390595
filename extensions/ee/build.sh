#!/usr/bin/env bash
# Builds the execution environment of this folder. Usage: build.sh IMAGE [ENGINE]
#
# Needs ansible-builder, ansible-galaxy, and docker or podman as ENGINE. The collections that this one needs come with PyPI's package
# ansible; set POOLED_ODOO_GALAXY=1 to take them from the Galaxy server that ansible-galaxy is set up for instead. POOLED_ODOO_CA is a
# file with the authorities of a network that inspects TLS; the image trusts them, too.
set -euo pipefail
image=${1:?usage: build.sh IMAGE [ENGINE]} engine=${2:-docker}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# The version of PyPI's ansible whose collections are taken, and the Python that it is made for.
ansible=14.5.0 python=3.13

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$here/execution-environment.yml" "$here/bindep.txt" "$work"
mkdir -p "$work/collections/ansible_collections" "$work/ca"
[ -z "${POOLED_ODOO_CA:-}" ] || cp "$POOLED_ODOO_CA" "$work/ca/authorities.crt"
[ -f "$here/../../galaxy.yml" ] || { echo "build.sh: run it from a checkout of the repository" >&2; exit 1; }
ansible-galaxy collection build --output-path "$work" "$here/../.." >/dev/null
tarball=("$work"/pooled-odoo-*.tar.gz)
if [ -n "${POOLED_ODOO_GALAXY:-}" ]; then
    ansible-galaxy collection install --force-with-deps -p "$work/collections" "${tarball[0]}"
else
    python3 -m pip download -q --no-deps --only-binary :all: --python-version "$python" --dest "$work" "ansible==$ansible"
    python3 - "$work"/ansible-*.whl "$work/collections" <<'END'
import sys, zipfile
wanted = tuple(f"ansible_collections/community/{name}/" for name in ("docker", "postgresql", "library_inventory_filtering_v1"))
with zipfile.ZipFile(sys.argv[1]) as wheel:
    wheel.extractall(sys.argv[2], [name for name in wheel.namelist() if name.startswith(wanted)])
END
    ansible-galaxy collection install --force --no-deps -p "$work/collections" "${tarball[0]}"
fi
for name in pooled/odoo community/docker community/postgresql; do
    [ -d "$work/collections/ansible_collections/$name/plugins" ] || { echo "build.sh: $name was not installed" >&2; exit 1; }
done

cd "$work"
ansible-builder create -f execution-environment.yml -c context --output-filename Dockerfile
# apt-get has no "clean all", which other package managers know.
"$engine" build --build-arg PKGMGR_PRESERVE_CACHE=always -t "$image" context
