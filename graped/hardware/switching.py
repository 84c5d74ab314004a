"""Switch a power port: read, write, read back, repair. Read one.

What holds whatever the wire does: no byte but ``value`` is ever written; nothing is written unless the last reading
that counts showed ``base``, or ``value`` with what one lost or flipped byte makes of it; ``VERIFIED`` was read.

Both readings around a write want six equal reads in a row (``verified=None``), also where two that equal the last
verified value would count in a poll: a poll that is fooled is put right by the next one, a write is not.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

from graped.core import port
from graped.core.events import SwitchEnd
from graped.errors import HardwareError, PortUnsure
from graped.hardware.protocols import PowerDriver
from graped.model import PortReading

MAX_WRITES = 10  # with one byte in five arriving changed, ten in a row do once in ten million commands


@runtime_checkable
class CountsErrors(Protocol):
    """A driver that counts the transactions that failed on its bus."""

    @property
    def errors(self) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PortLook:
    """A reading that counts, or the error that kept it from counting."""

    reading: PortReading | None = None
    error: HardwareError | None = None
    errors: int = 0  # transactions that failed on the way


@dataclass(frozen=True, slots=True, kw_only=True)
class Switched:
    """How a switch ended; the fields of ``core.events.PortSwitched`` that the hardware knows."""

    end: SwitchEnd
    reading: PortReading | None = None
    repairs: int = 0  # bytes written again because they arrived changed
    writes: int = 0  # bytes sent in all
    errors: int = 0
    code: str = ""
    message: str = ""


def look(driver: PowerDriver, verified: int | None) -> PortLook:
    """Read a port by the rule of :mod:`graped.core.agreement`, and count what failed on the way."""
    before = _errors(driver)
    try:
        reading = driver.read(verified)
    except HardwareError as error:
        return PortLook(error=error, errors=_errors(driver) - before)
    return PortLook(reading=reading, errors=_errors(driver) - before)


def read(driver: PowerDriver, verified: int | None) -> PortReading:
    """Read a port by the same rule; raise PortUnsure, BusError or DriverError."""
    return driver.read(verified)


def switch(
    driver: PowerDriver,
    base: int,
    value: int,
    *,
    repair: bool = False,
    deadline_s: float = 0.5,
    clock: Callable[[], float] = time.monotonic,
) -> Switched:
    """Write ``value`` over ``base`` and verify it.

    With ``repair``, ``value`` was in flight before and ``base`` is what was read back: a port that shows ``value`` by
    now is verified, and nothing is written. No byte is written again after ``deadline_s``; the operations that run
    then still end, so the whole takes at most that and the driver's own deadlines of one write and one read.
    """
    before = _errors(driver)
    attempt = _Attempt(driver=driver, base=base, value=value, repair=repair, clock=clock, until=clock() + deadline_s)
    end = attempt.run()
    return replace(end, repairs=attempt.repairs, writes=attempt.writes, errors=_errors(driver) - before)


@dataclass(slots=True, kw_only=True)
class _Attempt:
    """One byte on its way."""

    driver: PowerDriver
    base: int
    value: int
    repair: bool
    clock: Callable[[], float]
    until: float
    writes: int = 0
    repairs: int = 0
    failure: HardwareError | None = None  # of the last write

    def run(self) -> Switched:
        first = look(self.driver, None)
        if first.reading is None:
            return _ended(SwitchEnd.UNWRITTEN, error=first.error)
        if self.repair and port.equal(first.reading, self.value):
            return self._arrived(first.reading)
        if not port.equal(first.reading, self.base):
            return _ended(SwitchEnd.REFUSED, first.reading)
        return self._write_until_verified(first.reading)

    def _write_until_verified(self, reading: PortReading) -> Switched:
        while True:
            self._write(reading)
            back = look(self.driver, None)
            if back.reading is None:
                return _ended(SwitchEnd.UNVERIFIED, error=back.error)
            reading = back.reading
            if port.equal(reading, self.value):
                return self._arrived(reading)
            if not self._lost_or_flipped(reading) or self.writes >= MAX_WRITES:
                return self._failed(reading)
            if self.clock() >= self.until:
                return _ended(SwitchEnd.UNFINISHED, reading, self.failure)
            self.repairs += self._arrived_changed(reading)

    def _write(self, reading: PortReading) -> None:
        """Send the byte over what the port shows. A failure leaves open whether it arrived."""
        shown = reading.value & reading.known | self.base & ~reading.known
        self.writes += 1
        self.failure = None
        try:
            self.driver.write(shown, self.value)
        except HardwareError as error:
            self.failure = error

    def _lost_or_flipped(self, reading: PortReading) -> bool:
        return port.equal(reading, self.base) or port.one_bit_apart(self.driver.layout, reading, self.value)

    def _arrived_changed(self, reading: PortReading) -> bool:
        """Tell a byte that arrived changed (perhaps into ``base``) from one that was refused on the wire."""
        return self.failure is None or not port.equal(reading, self.base)

    def _arrived(self, reading: PortReading) -> Switched:
        """Judge a port that shows the byte: in all bits that should have changed, or only in those it can tell."""
        if (self.base ^ self.value) & ~reading.known:
            unsure = PortUnsure("written, but the port cannot tell what it is now")
            return _ended(SwitchEnd.UNVERIFIED, reading, unsure)
        return _ended(SwitchEnd.VERIFIED, reading)

    def _failed(self, reading: PortReading) -> Switched:
        """Judge a port that does not take the byte. A stuck bit that belongs to no slot does no harm."""
        wrong = (reading.value ^ self.value) & reading.known
        if not wrong & port.slot_bits(self.driver.layout):
            return self._arrived(reading)
        error = self.failure or HardwareError(
            f"0x{self.value:02x} was written {self.writes} times and 0x{reading.value:02x} read back"
        )
        return _ended(SwitchEnd.FOREIGN, reading, error)


def _ended(end: SwitchEnd, reading: PortReading | None = None, error: HardwareError | None = None) -> Switched:
    if error is None:
        return Switched(end=end, reading=reading)
    return Switched(end=end, reading=reading, code=error.code, message=error.detail)


def _errors(driver: PowerDriver) -> int:
    return int(getattr(driver, "errors", 0))  # asking isinstance of a protocol is slow: Python 3.11
