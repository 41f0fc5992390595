# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``python -m tests.lab up|down|status|build-images|remove-images``: the lab by hand."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from tests.lab.lab import SIZES, Lab


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.lab", description=__doc__)
    parser.add_argument("action", choices=["up", "down", "status", "build-images", "remove-images"])
    parser.add_argument("--size", choices=SIZES, default="demo")
    arguments = parser.parse_args()
    lab = Lab(Path(os.environ["POOLED_ODOO_HOME"]) / "lab", arguments.size)
    if arguments.action == "up":
        lab.up()
    elif arguments.action == "down":
        lab.down()
    elif arguments.action == "build-images":
        lab.build_images()
    elif arguments.action == "remove-images":
        lab.remove_images()
    else:
        print(f"{lab.connections()} connections of Odoo's role, from {', '.join(lab.client_addresses())}")


if __name__ == "__main__":
    main()
