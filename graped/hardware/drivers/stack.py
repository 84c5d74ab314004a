"""Power driver of the Grape stack: a PCF8574A on an I2C bus."""

from __future__ import annotations

from dataclasses import dataclass

from graped.config.types import DriverSpec, Stack
from graped.core.agreement import settle
from graped.errors import DriverError
from graped.hardware.bus import PatientBus
from graped.hardware.chips.pcf8574 import ADDRESS_BASE, BOARD_LAYOUT, Pcf8574
from graped.hardware.drivers.registry import Resources, StackLocation
from graped.hardware.lanes import lane_of_bus
from graped.model import PortReading


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """A Grape stack has none: bus, address and meter are settings of the stack itself."""


class StackPort:
    """The power port of one stack."""

    layout = BOARD_LAYOUT

    def __init__(self, bus: PatientBus, location: StackLocation, deadline_s: float) -> None:
        self.lane = lane_of_bus(location.bus)
        self.location = location
        self._bus = bus
        self._chip = Pcf8574(bus, ADDRESS_BASE + location.address)
        self._deadline_s = deadline_s

    @property
    def errors(self) -> int:
        """Transactions that failed on this port's bus so far."""
        return self._bus.errors

    def read(self, verified: int | None) -> PortReading:
        """Read until a value counts; raise PortUnsure or BusError."""
        with self._bus.deadline(self._deadline_s):
            return PortReading(value=settle(self._chip.read, verified), known=0xFF)

    def write(self, base: int, value: int) -> None:
        """Send the byte, once."""
        with self._bus.deadline(self._deadline_s):
            self._chip.write(value)


def build(key: int, stack: Stack, resources: Resources) -> StackPort:
    """Make the driver of the stack that answers at ``resources.location``."""
    location = resources.location
    if location is None:
        raise DriverError(f"stack {key}: nobody has found out where it answers")
    if location.bus not in resources.buses:
        raise DriverError(f"stack {key}: there is no I2C bus {location.bus}")
    return StackPort(resources.buses[location.bus], location, resources.deadline_s)


def _slots(options: Options) -> frozenset[int]:
    return frozenset(BOARD_LAYOUT.bits)


def _pins(options: Options) -> dict[str, int]:
    return {}


spec = DriverSpec(options=Options, slots=_slots, pins=_pins, build=build, board=True)
