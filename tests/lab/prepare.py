"""Make everything that is made once and cached, so that a suite need not: ``python -m tests.lab.prepare``."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.lab import binfmt
from tests.lab.archive import archive
from tests.lab.debian import bare
from tests.lab.grown import master
from tests.lab.kernel.build import kernel
from tests.lab.kernel.stub import i2c_stub
from tests.lab.master_image import image
from tests.lab.packages import slave_packages
from tests.lab.roots import RECIPES, root
from tests.lab.swarm_roots import swarm_root
from tests.lab.swarm_seed import seed
from tests.lab.voting import base as voting_base
from tests.lab.wheelhouse import wheelhouse


def main() -> None:
    """Make what is not there yet, and say how long that took."""
    if trouble := binfmt.register():
        print(f"programs of arm64 will not run: {trouble}", file=sys.stderr)
    roots = (partial(root, name) for name in RECIPES)
    makers: list[Callable[[], Path]] = [kernel, i2c_stub, *roots, bare, archive, wheelhouse, master]
    makers += [slave_packages, image, partial(swarm_root, "slave"), partial(swarm_root, "master"), seed, voting_base]
    for make in makers:
        started = time.monotonic()
        path = make()
        print(f"{path}: {time.monotonic() - started:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
