"""Faults that change the rack itself instead of single transactions: stuck pins and brown-outs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from random import Random

from graped.hardware.sim.faults import FaultKind, Faults, SimFault
from graped.hardware.sim.stacks import SimStack


def resolved(fault: SimFault, stacks: Mapping[int, SimStack], dice: Random) -> SimFault:
    """Draw what a stuck pin leaves open; find the bus that a stack hangs."""
    if fault.kind is FaultKind.STUCK:
        bit = dice.randrange(8) if fault.bit is None else fault.bit
        return replace(fault, bit=bit, level=dice.randrange(2) if fault.level is None else fault.level)
    if fault.kind is FaultKind.HANG and fault.bus is None and fault.stack is not None and fault.stack in stacks:
        return replace(fault, bus=stacks[fault.stack].plan.bus)
    return fault


def away(fault: SimFault) -> SimFault | None:
    """Give the absence that follows a brown-out with a duration: the chips have no power meanwhile."""
    if not fault.for_s:
        return None
    return replace(fault, kind=FaultKind.MISSING, count=None, op=None, probability=1.0)


def matching(fault: SimFault, stacks: Mapping[int, SimStack]) -> list[SimStack]:
    """Give the stacks that a fault concerns."""
    return [
        stack
        for stack in stacks.values()
        if fault.stack in (None, stack.key)
        and fault.bus in (None, stack.plan.bus)
        and (fault.address is None or fault.address in stack.chips)
    ]


def concerns_panel(fault: SimFault, where: tuple[int, int] | None) -> bool:
    """Tell whether a brown-out reaches the front panel at (bus, address)."""
    return (
        where is not None
        and fault.stack is None
        and fault.bus in (None, where[0])
        and fault.address in (None, where[1])
    )


def hold_stuck_pins(faults: Faults, stacks: Mapping[int, SimStack]) -> None:
    """Hold the pins that faults say, let go of all others."""
    held = dict.fromkeys(stacks, (0, 0))
    for fault in faults.stuck():
        bit = 1 << (fault.bit or 0)
        for stack in matching(fault, stacks):
            mask, levels = held[stack.key]
            held[stack.key] = (mask | bit, levels & ~bit | (bit if fault.level else 0))
    for key, (mask, levels) in held.items():
        stacks[key].hold(mask, levels)
