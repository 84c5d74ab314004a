"""What the edges can do, as small protocols. Everything here blocks; it runs in a lane's worker thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum
from typing import Protocol

from graped.model import PortLayout, PortReading

_purpose: ContextVar[str] = ContextVar("purpose", default="")


@contextmanager
def purpose(text: str) -> Iterator[None]:
    """Name what the transactions inside are done for (the ``by`` of a trace line)."""
    token = _purpose.set(text)
    try:
        yield
    finally:
        _purpose.reset(token)


def current_purpose() -> str:
    """What the calling thread is doing its transactions for."""
    return _purpose.get()


class I2cBus(Protocol):
    """SMBus transactions on one bus. Each raises BusNack, BusTimeout or BusMissing; none retries.

    Words are in SMBus order (low byte first on the wire); chips that are big-endian swap.
    """

    number: int

    def quick(self, address: int) -> None: ...  # write quick
    def send_byte(self, address: int, value: int) -> None: ...
    def receive_byte(self, address: int) -> int: ...
    def write_byte_data(self, address: int, register: int, value: int) -> None: ...
    def read_byte_data(self, address: int, register: int) -> int: ...
    def write_word_data(self, address: int, register: int, value: int) -> None: ...
    def read_word_data(self, address: int, register: int) -> int: ...
    def close(self) -> None: ...


class Edge(StrEnum):
    """Which change of a line is reported."""

    RISING = "rising"
    FALLING = "falling"
    BOTH = "both"


class Function(StrEnum):
    """What a GPIO line is set to at the moment."""

    INPUT = "input"
    OUTPUT = "output"
    UNSEEN = "unseen"  # an output of whose level nothing can be told: whoever looked would let it go
    OTHER = "other"


class Gpio(Protocol):
    """GPIO lines by BCM number. Each raises PinError. ``cleanup`` is never called: lines keep their level."""

    def function(self, pin: int) -> Function: ...  # looks, claims nothing
    def level(self, pin: int) -> bool: ...  # looks, claims nothing
    def claim_output(self, pin: int, level: bool) -> None: ...  # output with this level, no glitch before it
    def write(self, pin: int, level: bool) -> None: ...
    def watch(self, pin: int, edge: Edge, seen: Callable[[], None]) -> None: ...  # called in any thread
    def keeps_outputs(self) -> bool: ...  # do outputs outlive the process that claimed them?
    def close(self) -> None: ...


class PowerDriver(Protocol):
    """One stack's power port."""

    layout: PortLayout
    lane: str  # operations of one lane never run at once: "i2c-0", "gpio", "command-3"

    def read(self, verified: int | None) -> PortReading:
        """Read the port until a value counts (see core.agreement); raise PortUnsure, BusError or DriverError."""
        ...

    def write(self, base: int, value: int) -> None:
        """Write ``value`` over ``base`` (the value read before); no read-back."""
        ...
