"""The node's clock: swarm's certificates are not valid yet, or not any more, on a node that is years off."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from grape_docker.nodes.look import look_at_machine
from grape_docker.nodes.remote import Remote, said
from grape_docker.nodes.trouble import Code, NodeTrouble
from grape_docker.nodes.values import Machine
from graped.errors import CommandFailed

MAX_SKEW_S: Final = 10.0  # certificates stand an hour; logs of one service on several nodes do not
REPAIR_S: Final = 30.0
_UNITS: Final = ((31_557_600.0, "years"), (86_400.0, "days"), (3600.0, "hours"), (60.0, "minutes"))
_MAKESTEP: Final = "command -v chronyc >/dev/null && timeout 10 chronyc makestep >/dev/null 2>&1; exit 0"
_SET: Final = """date -u -s "@$1" >/dev/null || exit 1
[ -e /dev/rtc ] && timeout 10 hwclock --utc --systohc >/dev/null 2>&1
exit 0"""


def is_off(machine: Machine) -> bool:
    """Whether the clock is certainly too far from ours: a slow answer alone is no skew. Pure."""
    return abs(machine.skew_s) - machine.skew_error_s > MAX_SKEW_S


def words(skew_s: float) -> str:
    """Say a skew to people: "2.0 years behind". Pure."""
    size = abs(skew_s)
    number = next((f"{size / unit:.1f} {name}" for unit, name in _UNITS if size >= unit), f"{size:.0f} seconds")
    return f"{number} {'ahead' if skew_s > 0 else 'behind'}"


def repair(node: Remote, machine: Machine, wall: Callable[[], float] = time.time) -> str:
    """Set the clock by ours and see that it took; return what was done. Raises: NodeTrouble.

    Where chrony runs and knows better, its word counts; else ours, to within the time of one round trip.
    """
    node.script(_MAKESTEP, what="asking chrony to step", timeout_s=REPAIR_S)
    if is_off(look_at_machine(node, wall)):
        try:
            node.script(_SET, f"{wall():.3f}", what="setting the clock", timeout_s=REPAIR_S)
        except CommandFailed as error:
            raise _trouble(machine, f"cannot be set: {said(error)}") from error
        after = look_at_machine(node, wall)
        if is_off(after):
            raise _trouble(machine, f"was set, and is {words(after.skew_s)} again: something there resets or fakes it")
    return f"clock set: it was {words(machine.skew_s)}"


def _trouble(machine: Machine, what: str) -> NodeTrouble:
    hint = "set the node's clock (date -s, or chrony with the master as its source); the master's own must be right"
    return NodeTrouble(Code.CLOCK, f"its clock is {words(machine.skew_s)} and {what}", hint=hint)
