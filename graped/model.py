"""Domain types: identities, power, ports, readings. Plain frozen values, no behaviour beyond themselves."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class SlotId(NamedTuple):
    """One switchable position: the key of its stack in the config, and 0-5."""

    stack: int
    slot: int

    @property
    def default_name(self) -> str:
        """The node name where the configuration gives none."""
        return f"worker-{self.stack}-{self.slot}"


class Power(StrEnum):
    """What a slot's power is, as far as anybody knows."""

    ON = "on"
    OFF = "off"
    UNKNOWN = "unknown"


class Verb(StrEnum):
    """What can be asked of a slot's power."""

    ON = "on"
    OFF = "off"
    CYCLE = "cycle"


class Stage(StrEnum):
    """How far a node's boot has come, by evidence only."""

    OFF = "off"
    POWERED = "powered"
    DHCP = "dhcp"
    TFTP = "tftp"
    KERNEL = "kernel"
    ROOT = "root"
    UP = "up"
    LOST = "lost"


class StackCondition(StrEnum):
    """How well a stack answers."""

    STARTING = "starting"  # not read yet since graped started
    OK = "ok"
    DEGRADED = "degraded"  # answers, but with errors, or a part of it does not
    MISSING = "missing"  # does not answer
    UNKNOWN = "unknown"  # answers in two places, or its reads disagree: not written


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Why something is not as it should be: stable ``code``, one sentence, since when (monotonic s), a hint."""

    code: str
    message: str
    since: float
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PortLayout:
    """How the slots of one stack sit in its port's raw value (an int of ``width`` bits).

    ``bits[slot]`` is the bit of that slot. Slots behind one relay share a bit. Bits that belong to no slot are
    written as ``spare`` (in ``spare_mask``) or kept as read. ``reset`` is the value after the port itself lost
    power, None where it cannot be told (then nothing is ever taken for an outage).
    """

    bits: dict[int, int]
    active_low: bool
    width: int = 8
    reset: int | None = None
    spare_mask: int = 0
    spare: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PortReading:
    """One agreed reading of a port: raw ``value``, valid only in the bits of ``known``."""

    value: int
    known: int


class MeterKind(StrEnum):
    """What a meter measures; the unit is in the name of ``MeterKind.unit``."""

    VOLTAGE = "voltage"
    CURRENT = "current"
    POWER = "power"
    TEMPERATURE = "temperature"

    @property
    def unit(self) -> str:
        """The unit of a reading's integer value."""
        return {"voltage": "mV", "current": "mA", "power": "mW", "temperature": "mCelsius"}[self.value]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One sample: integer in milli-units of its kind, taken at ``at`` (monotonic s)."""

    kind: MeterKind
    value: int
    at: float
