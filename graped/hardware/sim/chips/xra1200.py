"""XRA1200: the eight-bit expander of the ClusterHAT.

Source: Exar XRA1200 data sheet, table 2 (registers and defaults). After power-on all pins are inputs while the output
register holds 0xFF: a pin that becomes an output before its level was written goes high, and its node goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum


class Register(IntEnum):
    """Table 2."""

    GSR = 0x00
    OCR = 0x01
    PIR = 0x02
    GCR = 0x03
    PUR = 0x04
    IER = 0x05
    TSCR = 0x06
    ISR = 0x07
    REIR = 0x08
    FEIR = 0x09
    IFR = 0x0A


_RESET = bytes((0, 0xFF, 0, 0xFF, 0, 0, 0, 0, 0, 0, 0xFF))
_READ_ONLY = (Register.GSR, Register.ISR)


def _nobody(pins: int) -> None:
    """Tell nobody."""


class Xra1200:
    """``pulled_down`` are pins with a resistor to ground, stronger than the chip's own pull-ups."""

    def __init__(self, changed: Callable[[int], None] = _nobody, pulled_down: int = 0x0F) -> None:
        self._changed = changed
        self._pulled_down = pulled_down
        self._held_mask = 0
        self._held_levels = 0
        self._registers = bytearray(_RESET)
        self._pointer = 0

    def reset(self) -> None:
        """Come back with the defaults of table 2."""
        self._registers = bytearray(_RESET)
        self._pointer = 0
        self._changed(self.pins)

    @property
    def pins(self) -> int:
        """The levels on the pins."""
        inputs = self._registers[Register.GCR] | self._registers[Register.TSCR]
        floating = self._registers[Register.PUR] & ~self._pulled_down
        pins = (self._registers[Register.OCR] & ~inputs) | (floating & inputs)
        return (pins & ~self._held_mask) | (self._held_levels & self._held_mask)

    def hold(self, mask: int, levels: int) -> None:
        """Hold the pins of ``mask`` at ``levels`` from outside; mask 0 lets all go."""
        self._held_mask, self._held_levels = mask, levels
        self._changed(self.pins)

    def write(self, data: bytes) -> None:
        """Set the pointer, then the register it names."""
        if not data:
            return
        self._pointer = data[0]
        if len(data) > 1 and self._pointer < len(_RESET) and self._pointer not in _READ_ONLY:
            self._registers[self._pointer] = data[1]
            self._changed(self.pins)

    def read(self, count: int) -> bytes:
        """Give the register under the pointer."""
        if self._pointer == Register.GSR:
            inverted = self._registers[Register.PIR] & self._registers[Register.GCR]
            return bytes([self.pins ^ inverted]) * count
        if self._pointer < len(_RESET):
            return bytes([self._registers[self._pointer]]) * count
        return b"\xff" * count
