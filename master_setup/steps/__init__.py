"""The steps, in the order in which they are made; undone in reverse order."""

from __future__ import annotations

from typing import Final

from master_setup.steps import accounts, config, packages, program, shell, units
from master_setup.steps.base import Step

STEPS: Final[tuple[Step, ...]] = (
    packages,
    accounts,
    program,
    config,
    units,
    shell,
)
