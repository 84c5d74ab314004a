"""PCA9555: 16 pins in two ports, behind registers.

Source: NXP PCA9555 data sheet, section 6.2. Registers come in pairs; a word that is written to the first of a pair
puts its low byte into port 0 and its high byte into port 1, so SMBus words need no swapping.
"""

from __future__ import annotations

from enum import IntEnum

from graped.hardware.protocols import I2cBus


class Register(IntEnum):
    """Command bytes (section 6.2.1)."""

    INPUT_0 = 0x00
    INPUT_1 = 0x01
    OUTPUT_0 = 0x02
    OUTPUT_1 = 0x03
    POLARITY_0 = 0x04
    POLARITY_1 = 0x05
    CONFIGURATION_0 = 0x06  # 1 = input
    CONFIGURATION_1 = 0x07


class Pca9555:
    """One expander on a bus. Each method is one transaction and raises BusError."""

    def __init__(self, bus: I2cBus, address: int) -> None:
        self._bus = bus
        self.address = address

    def read(self, register: Register) -> int:
        """Read one register."""
        return self._bus.read_byte_data(self.address, register)

    def write(self, register: Register, value: int) -> None:
        """Write one register."""
        self._bus.write_byte_data(self.address, register, value)

    def read_pair(self, first: Register) -> tuple[int, int]:
        """Read both ports of a pair, given its first register."""
        word = self._bus.read_word_data(self.address, first)
        return word & 0xFF, word >> 8

    def write_pair(self, first: Register, port_0: int, port_1: int) -> None:
        """Write both ports of a pair: port 0 changes first, port 1 one byte later."""
        self._bus.write_word_data(self.address, first, port_1 << 8 | port_0)
