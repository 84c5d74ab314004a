"""The contract of the simulated rack; ``graped.api.types`` has all of it. Standard library alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class SimFault:
    """A fault injected into the simulated rack; the fields are those of the fault file."""

    kind: Literal["nack", "timeout", "flip", "stuck", "hang", "missing", "brownout"]
    id: int = 0  # given by the rack
    bus: int | None = None  # None: every bus
    address: int | None = None  # None: every address (of the stack, where one is named)
    stack: int | None = None
    op: str | None = None  # a trace op; None: every op
    probability: float = 1.0
    count: int | None = None  # so many hits, then gone; None: until cleared
    for_s: float | None = None  # so long, then gone
    bit: int | None = None  # flip, stuck: which bit (None: a random one)
    level: int | None = None  # stuck: 0 or 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SimDisplay:
    """What stands on the simulated LCD."""

    lines: tuple[str, ...]
    red: bool
    green: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SimKnob:
    """A turn of the simulated encoder (steps, clockwise is positive), then perhaps a press."""

    turn: int = 0
    press: bool = False
