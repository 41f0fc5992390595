# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What modules are told of Odoo's images. This fragment is PRIVATE to the collection."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  address_variables:
    description:
      - The environment variables from which an image with a start script of its own makes its odoo.conf or Odoo's arguments, by
        C(host) and C(port), such as C(host=DB_HOST, port=DB_PORT). They count for every container that has the one for the
        host. Without them a variable is taken that holds the running host, if there is exactly one and its name says so.
    type: dict
    default: {}
"""
