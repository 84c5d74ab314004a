"""Faults on demand: which transactions of the simulated buses go wrong, and how."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from enum import StrEnum
from random import Random
from typing import Any

from graped.errors import Problem
from graped.hardware.sim.ops import OPS


class FaultKind(StrEnum):
    """What goes wrong."""

    NACK = "nack"  # nobody acknowledges; nothing arrives
    TIMEOUT = "timeout"  # takes all of the caller's time; a write may have arrived or not
    FLIP = "flip"  # one bit of what is read, or of what is on its way into the chip
    STUCK = "stuck"  # a pin of a power port is held at a level
    HANG = "hang"  # the whole bus: every transaction times out
    MISSING = "missing"  # as if it were not plugged in
    BROWNOUT = "brownout"  # at once: the chips lose power and come back at their reset values


@dataclass(frozen=True, slots=True, kw_only=True)
class SimFault:
    """One fault. None matches everything; the fields are those of the fault file and of the API."""

    kind: FaultKind
    id: int = 0
    bus: int | None = None
    address: int | None = None
    stack: int | None = None
    op: str | None = None
    probability: float = 1.0
    count: int | None = None  # so many hits, then gone
    for_s: float | None = None  # so long, then gone
    bit: int | None = None
    level: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Give every field by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


_RANGES: dict[str, tuple[float, float]] = {
    "bus": (0, 255),
    "address": (0, 0x7F),
    "stack": (0, 255),
    "probability": (0, 1),
    "count": (1, 1_000_000_000),
    "for_s": (0, 1_000_000),
    "bit": (0, 15),
    "level": (0, 1),
}
_FLOATS = ("probability", "for_s")


_KEYS = tuple(field.name for field in fields(SimFault) if field.name != "id")


def parse_fault(table: dict[str, Any], *, file: str = "", at: str = "") -> tuple[SimFault | None, list[Problem]]:
    """Read one fault from a table of plain values; give it, or every problem with it."""

    def problem(key: str, expected: str, valid: Iterable[str] = ()) -> Problem:
        near = get_close_matches(str(table.get(key, key)), list(valid), n=1)
        found = repr(table[key]) if key in table else "nothing"
        return Problem(file=file, key=f"{at}{key}", expected=expected, found=found, nearest=near[0] if near else "")

    problems = [
        Problem(file=file, key=f"{at}{key}", expected="a known key", found=repr(key), nearest=_nearest_key(key))
        for key in table
        if key not in (*_KEYS, "id")
    ]
    if table.get("kind") not in list(FaultKind):
        problems.append(problem("kind", f"one of {', '.join(FaultKind)}", FaultKind))
    if table.get("op") is not None and table["op"] not in OPS:
        problems.append(problem("op", f"one of {', '.join(OPS)}", OPS))
    for key, (least, most) in _RANGES.items():
        if table.get(key) is not None and not _in_range(table[key], least, most, fraction=key in _FLOATS):
            problems.append(problem(key, f"a number from {least:g} to {most:g}"))
    if problems:
        return None, problems
    values = {key: table[key] for key in _KEYS if table.get(key) is not None}
    return SimFault(**{**values, "kind": FaultKind(table["kind"])}), []


def _in_range(value: object, least: float, most: float, *, fraction: bool) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float) if fraction else int):
        return False
    return least <= value <= most


def _nearest_key(key: str) -> str:
    return next(iter(get_close_matches(key, _KEYS, n=1)), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """What happens to one transaction; ``bit`` of a flip is drawn already."""

    kind: FaultKind
    bit: int = 0

    @property
    def label(self) -> str:
        """The ``fault`` of a trace line."""
        return f"flip:{self.bit}" if self.kind is FaultKind.FLIP else self.kind.value


@dataclass(slots=True)
class _Armed:
    fault: SimFault
    left: int | None
    until: float | None
    from_file: bool


class Faults:
    """The faults in force. Not thread-safe: the rack asks under its lock."""

    def __init__(self, clock: Callable[[], float], seed: int = 1) -> None:
        self._clock = clock
        self.dice = Random(seed)  # noqa: S311  reproducible, not secret
        self._armed: dict[int, _Armed] = {}
        self._next_id = 1

    def add(self, fault: SimFault, *, from_file: bool = False) -> SimFault:
        """Arm a fault and give it with its id."""
        armed = replace(fault, id=self._next_id)
        self._next_id += 1
        until = None if fault.for_s is None else self._clock() + fault.for_s
        self._armed[armed.id] = _Armed(armed, fault.count, until, from_file)
        return armed

    def list(self) -> tuple[SimFault, ...]:
        """Give what is in force, with the hits and seconds that are left."""
        self.expire()
        now = self._clock()
        return tuple(
            replace(armed.fault, count=armed.left, for_s=None if armed.until is None else armed.until - now)
            for armed in self._armed.values()
        )

    def clear(self, number: int | None = None, *, from_file: bool | None = None) -> int:
        """Disarm one fault, those of the file, or all; tell how many."""
        gone = [
            key for key, armed in self._armed.items() if number in (None, key) and from_file in (None, armed.from_file)
        ]
        for key in gone:
            del self._armed[key]
        return len(gone)

    def expire(self) -> bool:
        """Drop what is over; tell whether anything was."""
        now = self._clock()
        over = [key for key, armed in self._armed.items() if armed.until is not None and armed.until <= now]
        for key in over:
            del self._armed[key]
        return bool(over)

    def stuck(self) -> Iterable[SimFault]:
        """Give the pins that are held."""
        return tuple(armed.fault for armed in self._armed.values() if armed.fault.kind is FaultKind.STUCK)

    def judge(self, *, bus: int | None, address: int | None, stack: int | None, op: str, bits: int) -> Hit | None:
        """Draw what happens to one transaction that carries so many bits of data; the first fault that hits wins."""
        if not self._armed:
            return None
        self.expire()
        for key, armed in self._armed.items():
            if not _concerns(armed.fault, bus, address, stack, op, bits):
                continue
            if armed.fault.probability < 1 and self.dice.random() >= armed.fault.probability:
                continue
            if armed.left is not None:
                armed.left -= 1
                if armed.left <= 0:
                    del self._armed[key]
            bit = armed.fault.bit
            return Hit(kind=armed.fault.kind, bit=self.dice.randrange(max(bits, 1)) if bit is None else bit)
        return None


def _concerns(fault: SimFault, bus: int | None, address: int | None, stack: int | None, op: str, bits: int) -> bool:
    if fault.kind in (FaultKind.STUCK, FaultKind.BROWNOUT):
        return False
    if fault.kind is FaultKind.FLIP and (fault.bit or 0) >= bits:
        return False
    if fault.bus not in (None, bus) or fault.op not in (None, op):
        return False
    if fault.kind is FaultKind.HANG:  # a bus hangs as a whole (the rack resolved its stack to a bus)
        return bus is not None
    return fault.address in (None, address) and fault.stack in (None, stack)
