#!/usr/bin/env bash
# An SSH server for the key in /key.pub, and the Docker engine.
set -euo pipefail
mkdir -p /run/sshd
install -m 600 /key.pub /root/.ssh/authorized_keys
/usr/sbin/sshd
# What an engine that was ended from outside leaves would make this one believe that it still runs.
rm -f /var/run/docker.pid
exec dockerd --storage-driver overlay2
