"""Buses, chips and clocks that behave, for the I2C tests."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from graped.errors import BusError, BusNack, BusTimeout
from graped.hardware.protocols import current_purpose


class FakeClock:
    """A clock that moves when somebody sleeps, and by ``tick_s`` at each look."""

    def __init__(self, tick_s: float = 0.0) -> None:
        self.now = 100.0
        self.tick_s = tick_s

    def __call__(self) -> float:
        self.now += self.tick_s
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class PortChip:
    """A PCF8574: every byte written goes to the pins; pins in ``stuck`` keep their level."""

    def __init__(self, pins: int = 0xFF) -> None:
        self.latch = pins
        self.stuck: dict[int, bool] = {}

    def write(self, data: list[int]) -> None:
        for byte in data:
            self.latch = byte

    def read(self, count: int) -> list[int]:
        return [self.pins] * count

    @property
    def pins(self) -> int:
        value = self.latch
        for bit, level in self.stuck.items():
            value = value & ~(1 << bit) | level << bit
        return value


class RegisterChip:
    """A chip with a pointer and registers of ``width`` bytes, high byte first."""

    def __init__(self, registers: dict[int, int], width: int, read_only: frozenset[int] = frozenset()) -> None:
        self.power_on = dict(registers)
        self.registers = dict(registers)
        self.width = width
        self.read_only = read_only
        self.pointer = 0
        self.writes: list[tuple[int, int]] = []

    def reset(self) -> None:
        self.registers = dict(self.power_on)

    def write(self, data: list[int]) -> None:
        self.pointer = data[0]
        if len(data) > 1:
            value = int.from_bytes(bytes(data[1 : 1 + self.width]), "big")
            self.writes.append((self.pointer, value))
            if self.pointer not in self.read_only:
                self.registers[self.pointer] = value

    def read(self, count: int) -> list[int]:
        return list(self.registers[self.pointer].to_bytes(self.width, "big"))[:count]


@dataclass
class Noise:
    """How often what goes wrong. A flip changes one random bit of a transaction's data."""

    rng: random.Random = field(default_factory=lambda: random.Random(1))
    nack: float = 0.0
    timeout: float = 0.0
    flip: float = 0.0
    late_failure: float = 0.5  # of the failures of a write, how many happen after the byte has arrived


@dataclass(frozen=True)
class Seen:
    """One transaction on the wire."""

    op: str
    address: int
    data: int | None
    by: str


class FakeBus:
    """A bus of such chips. ``hung``: every transaction takes ``timeout_s`` and fails."""

    def __init__(self, number: int = 1, clock: FakeClock | None = None) -> None:
        self.number = number
        self.clock = clock or FakeClock()
        self.chips: dict[int, PortChip | RegisterChip] = {}
        self.noise = Noise()
        self.hung = False
        self.timeout_s = 0.05
        self.log: list[Seen] = []
        self.fail_next: list[BusError] = []

    def quick(self, address: int) -> None:
        self._begin("quick", address, None)

    def send_byte(self, address: int, value: int) -> None:
        self._write("send_byte", address, [value])

    def receive_byte(self, address: int) -> int:
        return self._read("receive_byte", address, None, 1)

    def write_byte_data(self, address: int, register: int, value: int) -> None:
        self._write("write_byte_data", address, [register, value])

    def read_byte_data(self, address: int, register: int) -> int:
        return self._read("read_byte_data", address, register, 1)

    def write_word_data(self, address: int, register: int, value: int) -> None:
        self._write("write_word_data", address, [register, value & 0xFF, value >> 8])

    def read_word_data(self, address: int, register: int) -> int:
        return self._read("read_word_data", address, register, 2)

    def close(self) -> None:
        pass

    def ops(self, address: int) -> list[str]:
        return [seen.op for seen in self.log if seen.address == address]

    def _write(self, op: str, address: int, data: list[int]) -> None:
        failure = self._failure()
        late = failure is not None and self.noise.rng.random() < self.noise.late_failure
        chip = self._begin(op, address, data[-1], None if late else failure)
        chip.write([*data[:-1], self._flipped(data[-1], 8)])
        if failure is not None:
            raise failure

    def _read(self, op: str, address: int, register: int | None, count: int) -> int:
        chip = self._begin(op, address, None, self._failure())
        if register is not None:
            chip.write([register])
        value = int.from_bytes(bytes(chip.read(count)), "little")
        return self._flipped(value, 8 * count)

    def _begin(
        self, op: str, address: int, data: int | None, failure: BusError | None = None
    ) -> PortChip | RegisterChip:
        self.log.append(Seen(op, address, data, current_purpose()))
        if self.hung:
            self.clock.sleep(self.timeout_s)
            raise BusTimeout("hung")
        if self.fail_next:
            raise self.fail_next.pop(0)
        if address not in self.chips:
            raise BusNack(f"nobody at 0x{address:02x} on bus {self.number}")
        if failure is not None:
            raise failure
        return self.chips[address]

    def _failure(self) -> BusError | None:
        dice = self.noise.rng.random()
        if dice < self.noise.nack:
            return BusNack("noise")
        return BusTimeout("noise") if dice < self.noise.nack + self.noise.timeout else None

    def _flipped(self, value: int, bits: int) -> int:
        if self.noise.rng.random() < self.noise.flip:
            return value ^ 1 << self.noise.rng.randrange(bits)
        return value
