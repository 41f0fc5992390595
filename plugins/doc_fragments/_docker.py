# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How modules reach the Docker engine. This fragment is PRIVATE to the collection."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
requirements:
  - >-
    docker 5.0.3 or newer on the host where the module runs (C(python3-docker) in Debian, C(docker) on PyPI); 7.1 or newer where
    requests is 2.32 or newer
options:
  docker_host:
    description:
      - Address of the Docker engine.
    type: str
    default: unix:///var/run/docker.sock
"""
