"""PCF8574A: the eight-bit port that switches the six slots of a stack.

The chip has no registers: every byte after its address goes to the pins. A "write byte data" would first send its
register number to the port and so power all six slots. Only *send byte* and *receive byte* are ever used here.

Source: NXP PCF8574/PCF8574A data sheet, 8.2 (quasi-bidirectional I/Os, high after power-on), table 4 (addresses).
"""

from __future__ import annotations

from collections.abc import Iterable

from graped.hardware.protocols import I2cBus
from graped.model import PortLayout

ADDRESS_BASE = 0x38  # plus the stack's address
ALL_ON = 0x81
ALL_OFF = 0xFF

# A slot's pin is low while it is on. Inferred from the board's earlier software, not read off a schematic.
BOARD_LAYOUT = PortLayout(
    bits={0: 1, 1: 6, 2: 3, 3: 2, 4: 5, 5: 4},
    active_low=True,
    width=8,
    reset=ALL_OFF,
    spare_mask=0x81,  # bits 0 and 7 lead nowhere
    spare=0x81,
)


def encode(slots_on: Iterable[int]) -> int:
    """Return the port's byte with exactly these slots on."""
    return ALL_OFF & ~sum(1 << BOARD_LAYOUT.bits[slot] for slot in frozenset(slots_on))


def decode(value: int) -> frozenset[int]:
    """Return the slots that are on."""
    return frozenset(slot for slot, bit in BOARD_LAYOUT.bits.items() if not value >> bit & 1)


class Pcf8574:
    """One chip on a bus."""

    def __init__(self, bus: I2cBus, address: int) -> None:
        self._bus = bus
        self._address = address

    def read(self) -> int:
        """Read all pins."""
        return self._bus.receive_byte(self._address)

    def write(self, value: int) -> None:
        """Set all pins."""
        self._bus.send_byte(self._address, value)
