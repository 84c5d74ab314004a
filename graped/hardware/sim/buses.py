"""Simulated buses as the drivers see them, and the one that lives in the caller's own process."""

from __future__ import annotations

import select
import time
from typing import Protocol

from graped.hardware.protocols import current_purpose
from graped.hardware.sim.ops import Op, Result, check, wire_time_s

_SPIN_S = 0.00012  # a sleep wakes up late by about half of this: the kernel's timer slack


class SimulatedBus:
    """SMBus operations as one ``transact``; implements hardware.protocols.I2cBus."""

    def __init__(self, number: int) -> None:
        self.number = number

    def transact(self, op: Op, address: int, register: int, value: int) -> tuple[Result, int]:
        """Do one transaction and give its result and the data read."""
        raise NotImplementedError

    def quick(self, address: int) -> None:
        """Address a chip for writing and send nothing."""
        self._run(Op.QUICK, address)

    def send_byte(self, address: int, value: int) -> None:
        """Send one byte without a register."""
        self._run(Op.SEND_BYTE, address, 0, value & 0xFF)

    def receive_byte(self, address: int) -> int:
        """Receive one byte without a register."""
        return self._run(Op.RECEIVE_BYTE, address)

    def write_byte_data(self, address: int, register: int, value: int) -> None:
        """Send a register and a byte."""
        self._run(Op.WRITE_BYTE_DATA, address, register, value & 0xFF)

    def read_byte_data(self, address: int, register: int) -> int:
        """Send a register, receive a byte."""
        return self._run(Op.READ_BYTE_DATA, address, register)

    def write_word_data(self, address: int, register: int, value: int) -> None:
        """Send a register and a word, low byte first."""
        self._run(Op.WRITE_WORD_DATA, address, register, value & 0xFFFF)

    def read_word_data(self, address: int, register: int) -> int:
        """Send a register, receive a word, low byte first."""
        return self._run(Op.READ_WORD_DATA, address, register)

    def close(self) -> None:
        """Let go of the bus."""

    def _run(self, op: Op, address: int, register: int = 0, value: int = 0) -> int:
        result, answer = self.transact(op, address, register, value)
        if result is not Result.OK:
            check(result, op=op, bus=self.number, address=address)
        return answer


class Transactions(Protocol):
    """What a bus needs of a rack."""

    def transact(
        self, op: Op, bus: int, address: int, register: int, value: int, *, timeout_s: float, by: str
    ) -> tuple[Result, int]: ...


class RackBus(SimulatedBus):
    """A bus of a rack in this process; with ``wire_hz`` each transaction takes its true time on the wire."""

    def __init__(
        self, rack: Transactions, number: int, *, wire_hz: float | None = None, timeout_s: float = 0.05
    ) -> None:
        super().__init__(number)
        self._rack = rack
        self._wire_hz = wire_hz
        self.timeout_s = timeout_s
        self.wire_s = 0.0  # the pure time on the wire of all transactions so far

    def transact(self, op: Op, address: int, register: int, value: int) -> tuple[Result, int]:
        """Do one transaction; the wire's time runs from the call on."""
        started = time.perf_counter()
        answer = self._rack.transact(
            op, self.number, address, register, value, timeout_s=self.timeout_s, by=current_purpose()
        )
        if self._wire_hz is not None:
            duration = wire_time_s(op, self._wire_hz)
            self.wire_s += duration
            _sleep_until(started + duration)
        return answer


def _sleep_until(end: float) -> None:
    """Sleep most of the way and spin the rest, giving way to other threads."""
    left = end - time.perf_counter()
    if left > _SPIN_S:
        time.sleep(left - _SPIN_S)
    while time.perf_counter() < end:
        select.select((), (), (), 0.0)  # at once; a sleep of 0 s takes as long as the timer slack
