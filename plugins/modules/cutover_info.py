#!/usr/bin/python
# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cutover_info
short_description: Tell which moves of Odoo instances are on record on a host
version_added: 0.2.0
description:
  - Reads the rollback tokens that M(pooled.odoo.odoo_dbhost) keeps, and the names of PostgreSQL that were given to a pooler.
    Asks neither Docker nor Odoo. No secret of a token is in the result.
extends_documentation_fragment:
  - pooled.odoo._attributes.info_module
options:
  state_dir:
    description:
      - Directory of the rollback tokens. One that does not exist holds none.
    type: path
    default: /var/lib/pooled-odoo/cutover
author:
  - The pooled.odoo developers (@pooled-odoo)
seealso:
  - module: pooled.odoo.odoo_dbhost
  - module: pooled.odoo.odoo_info
"""

EXAMPLES = r"""
- name: See what a rollback would bring back
  pooled.odoo.cutover_info:
  register: cutover
"""

RETURN = r"""
tokens:
  description: Names of the instances that have a rollback token, the last moved first, which is the order of a rollback.
  returned: success
  type: list
  elements: str
damaged:
  description: Those of them whose rollback token cannot be read, as a loss of power may leave it. Nothing else is known of these.
  returned: success
  type: list
  elements: str
  sample: []
interrupted:
  description:
    - Those of them whose move, or whose rollback, was begun and never seen to end. M(pooled.odoo.odoo_dbhost) finishes it, or
      takes it back.
  returned: success
  type: list
  elements: str
together:
  description:
    - Lists of names of instances that were moved by the same name of PostgreSQL, or by an odoo.conf that they share. None of them
      can be rolled back without the others.
  returned: success
  type: list
  elements: list
  sample: [[erp1, erp2]]
aliases:
  description: Names of PostgreSQL on a Docker network that were given to a pooler, with C(network), C(name) and C(poolers).
  returned: success
  type: list
  elements: dict
  sample: [{network: erp, name: db, poolers: [pooled-odoo]}]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pooled.odoo.plugins.module_utils import _alias_record
from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError
from ansible_collections.pooled.odoo.plugins.module_utils._move import journal


def main() -> None:
    module = AnsibleModule(
        argument_spec={"state_dir": {"type": "path", "default": "/var/lib/pooled-odoo/cutover"}},
        supports_check_mode=True,
    )
    state_dir: str = module.params["state_dir"]
    try:
        records, damaged = journal.readable(state_dir)
        found = {
            "tokens": journal.names(state_dir),
            "damaged": damaged,
            "interrupted": journal.interrupted(records),
            "together": journal.together(records),
            "aliases": [
                {"network": record["network"], "name": record["name"], "poolers": sorted(record["poolers"])}
                for record in _alias_record.load_all(state_dir)
            ],
        }
    except PooledError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
