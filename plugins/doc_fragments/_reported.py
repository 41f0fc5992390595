# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""By which names a module's options are known to whoever reads its messages. This fragment is PRIVATE to the collection."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  reported_as:
    description:
      - For roles and playbooks - the variables from which they take this module's options, by option. A message about an option
        then names the variable, which is what its reader has set. See C(group/pooled.odoo.reported) in C(module_defaults).
    type: dict
    default: {}
"""
