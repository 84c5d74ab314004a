"""What the simulated wire showed: trace lines of power ports, and the slots behind a port's bits.

Written from the board's description, not from the product's code: the judge must not share its mistakes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

BIT_OF_SLOT = (1, 6, 3, 2, 5, 4)
ALL_OFF = 0xFF
FIRST_ADDRESS, LAST_ADDRESS = 0x38, 0x3F
_ADDRESS = re.compile(r'"address": ?(\d+)')
_JOBS = re.compile(r"(?P<what>switch|repair) stack (?P<stack>\d+) for job (?P<jobs>[\d,]+)")

Place = tuple[int, int]  # bus, address
Slot = tuple[int, int]  # stack, slot


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One transaction with a power port's address; ``before`` and ``after`` are its pins, None where no port is."""

    number: int
    t: float
    place: Place
    op: str
    data: int | None
    result: str
    by: str
    before: int | None = None
    after: int | None = None
    fault: str = ""

    @property
    def flipped(self) -> bool:
        """Whether one bit changed on its way."""
        return self.fault.startswith("flip")

    def __str__(self) -> str:
        data, before, after = ("--" if one is None else f"{one:02x}" for one in (self.data, self.before, self.after))
        bus, address = self.place
        return (
            f"{self.number:7} {self.t:.4f} bus {bus} 0x{address:02x} {self.op:12} data {data} {self.result:7} "
            f"port {before}->{after} {self.fault:9} {self.by}"
        )


def lines_of(texts: Iterable[str], first: int = 1) -> Iterator[Line]:
    """Read the lines that concern addresses of power ports, whatever is done there."""
    for number, text in enumerate(texts, first):
        found = _ADDRESS.search(text)
        if found is None or not FIRST_ADDRESS <= int(found[1]) <= LAST_ADDRESS:
            continue
        told = json.loads(text)
        yield Line(
            number=number,
            t=told["t"],
            place=(told["bus"], told["address"]),
            op=told["op"],
            data=told["data"],
            result=told["result"],
            by=told["by"],
            before=told.get("port_before"),
            after=told.get("port_after"),
            fault=told.get("fault", ""),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Purpose:
    """For which jobs a byte was sent, by what graped said of it."""

    stack: int
    jobs: tuple[int, ...]


def purpose_of(by: str) -> Purpose | None:
    """Read the purpose of a write; None where it names no job."""
    found = _JOBS.fullmatch(by)
    if found is None:
        return None
    return Purpose(stack=int(found["stack"]), jobs=tuple(map(int, found["jobs"].split(","))))


def is_on(port: int, slot: int) -> bool:
    """Tell a slot's power from the pins: low is on."""
    return not port >> BIT_OF_SLOT[slot] & 1


def changed_slots(before: int, after: int) -> dict[int, bool]:
    """Give the slots that differ, and whether they are on afterwards."""
    return {slot: is_on(after, slot) for slot in range(6) if is_on(before, slot) is not is_on(after, slot)}
