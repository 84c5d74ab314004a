"""The wheels that a machine of the lab installs Grape from: everything that is locked, and Grape as it is here."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Final

from master_setup import wheels
from master_setup.targets import this_arch

SOURCE_TREE: Final = Path(__file__).parents[2]
PYTHON: Final = "3.11"  # of Debian 12


@functools.cache  # a session has one state of the source tree
def wheelhouse() -> Path:
    """Give a folder of wheels for Debian 12's own Python."""
    return wheels.wheelhouse(arch=this_arch(), pythons=(PYTHON,)).parent
