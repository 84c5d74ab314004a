"""The steps, in the order in which they are made; undone in reverse order."""

from __future__ import annotations

from typing import Final

from master_setup.steps import (
    accounts,
    boot,
    clock,
    clock_swap,
    config,
    dnsmasq,
    docker,
    gpio,
    grape_docker,
    nat,
    network,
    nfs,
    packages,
    program,
    registry,
    shell,
    swarm,
    units,
)
from master_setup.steps.base import Step

STEPS: Final[tuple[Step, ...]] = (
    clock_swap,
    packages,
    accounts,
    boot,
    program,
    gpio,
    config,
    units,
    shell,
    dnsmasq,
    nfs,
    clock,
    nat,
    network,  # late: until somebody confirms it, its time runs
    docker,
    registry,
    swarm,
    grape_docker,
)
