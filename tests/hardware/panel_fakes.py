"""A display board on a bus, with a clock that moves by what the wire and the sleeps take."""

from __future__ import annotations

from graped.errors import BusNack
from graped.hardware.sim.panel import FrontPanel

BYTE_S = 9 / 100_000


class BoardBus:
    """An I2cBus that carries one display board at 0x20 and nothing else."""

    def __init__(self, number: int = 1) -> None:
        self.number = number
        self.now = 0.0
        self.board = FrontPanel(lambda: self.now)
        self.plugged = True
        self.fail_after: int | None = None  # transactions that still work
        self.bytes_sent = 0
        self.transactions = 0

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def _transact(self, address: int, count: int) -> None:
        self.transactions += 1
        self.now += (count + 1) * BYTE_S
        if self.fail_after is not None:
            self.fail_after -= 1
        if address != 0x20 or not self.plugged or (self.fail_after is not None and self.fail_after < 0):
            raise BusNack(f"nobody answers at {address:#x}")
        self.bytes_sent += count

    def quick(self, address: int) -> None:
        raise AssertionError("never used on a display")

    def send_byte(self, address: int, value: int) -> None:
        raise AssertionError("never used on a display")

    def receive_byte(self, address: int) -> int:
        raise AssertionError("never used on a display")

    def write_byte_data(self, address: int, register: int, value: int) -> None:
        self._transact(address, 2)
        self.board.expander.write(bytes((register, value)))

    def read_byte_data(self, address: int, register: int) -> int:
        self._transact(address, 3)
        self.board.expander.write(bytes((register,)))
        return self.board.expander.read(1)[0]

    def write_word_data(self, address: int, register: int, value: int) -> None:
        self._transact(address, 3)
        self.board.expander.write(bytes((register, value & 0xFF, value >> 8)))

    def read_word_data(self, address: int, register: int) -> int:
        self._transact(address, 4)
        self.board.expander.write(bytes((register,)))
        return int.from_bytes(self.board.expander.read(2), "little")

    def close(self) -> None: ...
