"""Power driver of the ClusterHAT v2 and v3: an XRA1200 whose pins 0-3 switch p1-p4.

The port's raw value is what the pins 0-3 read (also while they are inputs, as after a power-on) and what the output
register holds for pins 4-7 (LEDs, USB hub, alert), which are kept as they are. The direction register is written by
the first power command only: before it, the slots' pins are inputs and their nodes get what the board's resistors say.
"""

from __future__ import annotations

from dataclasses import dataclass

from graped.config.types import DriverSpec, Stack
from graped.core.agreement import settle
from graped.errors import DriverError
from graped.hardware.bus import PatientBus
from graped.hardware.chips.xra1200 import OUTPUT_AFTER_RESET, Register, Xra1200
from graped.hardware.drivers.registry import Resources
from graped.hardware.lanes import lane_of_bus
from graped.model import PortLayout, PortReading

SLOT_PINS = 0x0F
LAYOUT = PortLayout(
    bits={0: 0, 1: 1, 2: 2, 3: 3},
    active_low=False,
    width=8,
    reset=OUTPUT_AFTER_RESET & ~SLOT_PINS,  # resistors on the board keep the slots' pins low (inferred)
)
BUS = 1  # the header's own, where the stack names none
ADDRESS = 0x20
REGISTER_TRIES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """A ClusterHAT has none: its bus is a setting of the stack itself, its address is fixed."""


class ClusterHat:
    """The four slots of one HAT."""

    layout = LAYOUT

    def __init__(self, bus: PatientBus, address: int, deadline_s: float) -> None:
        self.lane = lane_of_bus(bus.number)
        self._bus = bus
        self._chip = Xra1200(bus, address)
        self._deadline_s = deadline_s

    @property
    def errors(self) -> int:
        """Transactions that failed on this port's bus so far."""
        return self._bus.errors

    def read(self, verified: int | None) -> PortReading:
        """Read until a value counts; raise PortUnsure or BusError."""
        with self._bus.deadline(self._deadline_s):
            return PortReading(value=settle(self._raw, verified), known=0xFF)

    def write(self, base: int, value: int) -> None:
        """Set the outputs; make the slots' pins outputs where they are not, after the levels are right."""
        with self._bus.deadline(self._deadline_s):
            direction = self._settled(Register.DIR)
            if direction & SLOT_PINS:
                self._ensure(Register.OUT, value)
                self._ensure(Register.DIR, direction & ~SLOT_PINS)
            else:
                with self._bus.once():
                    self._chip.write(Register.OUT, value)

    def _raw(self) -> int:
        pins, outputs = self._chip.read(Register.IN), self._chip.read(Register.OUT)
        return pins & SLOT_PINS | outputs & ~SLOT_PINS

    def _settled(self, register: Register) -> int:
        return settle(lambda: self._chip.read(register), None)

    def _ensure(self, register: Register, value: int) -> None:
        """Write a register until it reads back: a pin that becomes an output must find its level there."""
        for _ in range(REGISTER_TRIES):
            self._chip.write(register, value)
            if self._settled(register) == value:
                return
        raise DriverError(f"ClusterHAT on bus {self._bus.number}: register {register.name} does not take 0x{value:02x}")


def build(key: int, stack: Stack, resources: Resources) -> ClusterHat:
    """Make the driver of one HAT."""
    number = BUS if stack.bus is None else stack.bus
    if number not in resources.buses:
        raise DriverError(f"stack {key}: there is no I2C bus {number}", hint="Enable I2C (raspi-config).")
    return ClusterHat(resources.buses[number], ADDRESS, resources.deadline_s)


def _slots(options: Options) -> frozenset[int]:
    return frozenset(LAYOUT.bits)


def _pins(options: Options) -> dict[str, int]:
    return {}


spec = DriverSpec(options=Options, slots=_slots, pins=_pins, build=build)
