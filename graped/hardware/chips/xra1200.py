"""XRA1200: the eight-bit expander of the ClusterHAT.

Source: Exar XRA1200 data sheet, table 2 (registers, and their values after power-on).
"""

from __future__ import annotations

from enum import IntEnum

from graped.hardware.protocols import I2cBus

DIRECTION_AFTER_RESET = 0xFF  # all pins are inputs: nobody has set the board up since it got power
OUTPUT_AFTER_RESET = 0xFF


class Register(IntEnum):
    """Table 2; the names are those of the ClusterHAT's own software."""

    IN = 0x00  # GSR: levels on the pins, inputs and outputs alike
    OUT = 0x01  # OCR: levels of the outputs
    DIR = 0x03  # GCR: 1 = input
    PUR = 0x04  # pull-up resistors


class Xra1200:
    """One chip on a bus."""

    def __init__(self, bus: I2cBus, address: int) -> None:
        self._bus = bus
        self._address = address

    def read(self, register: Register) -> int:
        """Read a register."""
        return self._bus.read_byte_data(self._address, register)

    def write(self, register: Register, value: int) -> None:
        """Write a register."""
        self._bus.write_byte_data(self._address, register, value)
