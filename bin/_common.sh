# Shared by bin/demo and bin/test: prepares a Debian machine, and can take back what it prepared.
# Sourced, never run. Everything that it keeps lives under $POOLED_ODOO_HOME.
# shellcheck shell=bash

REPO=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
POOLED_ODOO_HOME=${POOLED_ODOO_HOME:-$HOME/.cache/pooled-odoo}
VENV=$POOLED_ODOO_HOME/venv
COLLECTIONS=$POOLED_ODOO_HOME/collections
DOCKERD_PID=$POOLED_ODOO_HOME/dockerd.pid
export REPO POOLED_ODOO_HOME

STARTED_AT=$(date +%s)

say() { printf '\033[1m[%4ds] %s\033[0m\n' "$(($(date +%s) - STARTED_AT))" "$*"; }
die() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; exit 2; }

# quietly LABEL COMMAND…: the command's output goes to a log; it is shown only when the command fails.
quietly() {
    local label=$1 log
    shift
    log=$POOLED_ODOO_HOME/logs/$(printf %s "$label" | tr -c 'a-zA-Z0-9' '-').log
    mkdir -p "$(dirname "$log")"
    say "$label"
    if ! "$@" >"$log" 2>&1; then
        tail -n 40 "$log" >&2
        die "$label failed; the whole log is $log"
    fi
}

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

need_packages() {
    local missing=() package
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return
    command -v apt-get >/dev/null || die "needs ${missing[*]}; this machine has no apt-get, install them by hand"
    quietly "refresh Debian's package lists" as_root apt-get update
    quietly "install ${missing[*]}" as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y --no-install-recommends "${missing[@]}"
    printf '%s\n' "${missing[@]}" >>"$POOLED_ODOO_HOME/installed-packages"
}

docker_answers() { docker info >/dev/null 2>&1; }

need_docker() {
    docker_answers && return
    if [ "$(id -u)" != 0 ] && as_root docker info >/dev/null 2>&1; then
        die "Docker runs, but $(id -un) may not use it; add yourself to the group docker and log in again, or run this as root"
    fi
    need_packages docker.io ca-certificates iptables
    # From Debian 13 on the client is a package of its own.
    command -v docker >/dev/null || need_packages docker-cli
    if [ -d /run/systemd/system ]; then
        docker_answers || quietly "start Docker through systemd" as_root systemctl start docker
    else
        # No service manager (a container, a bare chroot): run the engine ourselves, and remember that it is ours.
        local old
        old=$(cat /var/run/docker.pid 2>/dev/null || true)
        if [ -n "$old" ] && [ "$(cat "/proc/$old/comm" 2>/dev/null)" = dockerd ]; then
            die "dockerd runs (process $old) but does not answer 'docker info'; is DOCKER_HOST or a docker context set?"
        fi
        say "start dockerd (no systemd here)"
        # What an unclean stop left would make it believe that it still runs.
        as_root rm -f /var/run/docker.pid
        as_root setsid dockerd >"$POOLED_ODOO_HOME/logs/dockerd.log" 2>&1 </dev/null &
        STARTED_DOCKER=1
    fi
    for _ in $(seq 60); do
        if docker_answers; then
            [ -z "${STARTED_DOCKER:-}" ] || cat /var/run/docker.pid >"$DOCKERD_PID"
            return
        fi
        sleep 0.5
    done
    die "Docker does not answer; see $POOLED_ODOO_HOME/logs/dockerd.log or 'journalctl -u docker'"
}

# Stops the engine only if need_docker started it.
stop_own_docker() {
    [ -s "$DOCKERD_PID" ] || return 0
    local pid
    pid=$(cat "$DOCKERD_PID")
    if [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = dockerd ]; then
        say "stop the dockerd that this script started"
        as_root kill "$pid"
        for _ in $(seq 60); do [ -d "/proc/$pid" ] || break; sleep 0.5; done
    fi
    rm -f "$DOCKERD_PID"
}

need_python() {
    need_packages python3-venv
    local wanted
    wanted=$(cat "$REPO/tests/requirements.txt" "$REPO/meta/ee-requirements.txt" | sha256sum)
    if [ "$(cat "$VENV/.requirements" 2>/dev/null)" != "$wanted" ]; then
        quietly "create a Python environment" python3 -m venv "$VENV"
        quietly "install ansible, molecule, locust and the other Python tools" \
            "$VENV/bin/pip" install -q -r "$REPO/tests/requirements.txt" -r "$REPO/meta/ee-requirements.txt"
        printf %s "$wanted" >"$VENV/.requirements"
    fi
    # Ansible finds a collection only under ansible_collections/NAMESPACE/NAME.
    mkdir -p "$COLLECTIONS/ansible_collections/pooled"
    ln -sfn "$REPO" "$COLLECTIONS/ansible_collections/pooled/odoo"
    export PATH=$VENV/bin:$PATH ANSIBLE_COLLECTIONS_PATH=$COLLECTIONS ANSIBLE_HOME=$POOLED_ODOO_HOME/ansible
    export PYTHONPATH=$COLLECTIONS:$REPO
}

# need_base_image SUITE: Debian's image, trixie's is the base of every image here. A registry is asked first; where none is
# reachable, it is built from Debian's packages.
need_base_image() {
    local suite=$1 image options=''
    image=debian:$suite-slim
    # A mirror's copy of unstable may be older than the week for which it is valid.
    [ "$suite" != unstable ] || options="--aptopt='Acquire::Check-Valid-Until \"false\"'"
    docker image inspect "$image" >/dev/null 2>&1 && return
    if timeout 60 docker pull -q "$image" >/dev/null 2>&1; then
        say "pulled $image"
    else
        need_packages mmdebstrap
        quietly "build $image from Debian's packages (no registry answers)" bash -o pipefail -c \
            "mmdebstrap --variant=apt --quiet $options $suite | docker import - $image"
    fi
    printf '%s\n' "$image" >>"$POOLED_ODOO_HOME/built-base-image"
}

[ "$(id -u)" = 0 ] || command -v sudo >/dev/null || die "run this as root, or install sudo"
if [ -d "$POOLED_ODOO_HOME" ] && [ -n "$(ls -A "$POOLED_ODOO_HOME")" ] && [ ! -e "$POOLED_ODOO_HOME/.pooled-odoo" ]; then
    die "POOLED_ODOO_HOME=$POOLED_ODOO_HOME has other files in it; name an empty or new folder"
fi
mkdir -p "$POOLED_ODOO_HOME/logs"
touch "$POOLED_ODOO_HOME/.pooled-odoo"
