#!/usr/bin/env bash
# One row of tests/matrix.txt: the unit tests on a version of ansible-core, and its sanity tests if they are asked for. bin/test runs
# it here where there is the Python that the row names, else in a container of a Debian that has it.
# Usage: _matrix.sh CORE PYTHON CHECKS TREE HOME
#   CHECKS  "unit" or "unit sanity"
#   TREE    a folder with a copy of the collection in ansible_collections/pooled/odoo, which is changed
#   HOME    a folder for the environment of this version, which is kept
set -euo pipefail
core=$1 python=$2 checks=$3 tree=$4 home=$5

# One that was made by another Python, in a container say, does not run here.
if ! "$home/venv/bin/ansible-test" --version >/dev/null 2>&1; then
    rm -rf "$home/venv"
    "$python" -m venv "$home/venv"
    # What the unit tests import; the collections that playbooks need are no part of them.
    "$home/venv/bin/pip" install -q "ansible-core~=$core.0" pytest hypothesis -r "$tree/ansible_collections/pooled/odoo/meta/ee-requirements.txt"
fi
export PATH=$home/venv/bin:$PATH
cd "$tree/ansible_collections/pooled/odoo"
# Read to its end: it fails where nobody listens any more.
ansible-galaxy --version | sed -n 1p
PYTHONPATH=$tree:$PWD ANSIBLE_COLLECTIONS_PATH=$tree python -m pytest -q -p no:cacheprovider tests/unit
case $checks in *sanity*) ;; *) exit 0 ;; esac

# Not the collection's: ansible-test would judge what is run on workstations alone.
rm -rf bin .ci
# A home of its own, so that what ansible-test keeps there is ours to remove. It downloads pip for its own environments; here the
# installed Python brings it.
mkdir -p "$home/home/.ansible/test/cache"
version=$(python - <<'END'
import inspect, re
from ansible_test._internal import python_requirements
print(re.search(r"pip='([\d.]+)'", inspect.getsource(python_requirements.get_venv_packages)).group(1))
END
)
cat >"$home/home/.ansible/test/cache/get_pip_${version//./_}.py" <<'END'
import subprocess, sys
subprocess.check_call([sys.executable, "-m", "ensurepip"])
wanted = [word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel")]
subprocess.check_call([sys.executable, "-m", "pip", "install", *wanted])
END
HOME=$home/home ansible-test sanity --local --requirements --color no \
    --python "$(python -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
