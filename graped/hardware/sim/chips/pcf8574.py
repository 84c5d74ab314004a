"""PCF8574A: eight quasi-bidirectional pins and no registers at all.

Source: NXP PCF8574/PCF8574A data sheet, sections 8.1 (quasi-bidirectional I/Os), 8.2 (writing to the port) and 8.4
(power-on reset): every data byte after the address goes to the pins, so an SMBus ``write_byte_data(0, v)`` sets 0x00
first and ``read_byte_data(0)`` leaves 0x00 behind.
"""

from __future__ import annotations

from collections.abc import Callable

RESET_LATCH = 0xFF


def _nobody(pins: int) -> None:
    """Tell nobody."""


class Pcf8574:
    """``changed`` is called with the pins after each byte that arrives, so that no glitch goes unseen."""

    def __init__(self, changed: Callable[[int], None] = _nobody) -> None:
        self.latch = RESET_LATCH
        self._held_mask = 0
        self._held_levels = 0
        self._changed = changed

    @property
    def pins(self) -> int:
        """The levels on the pins: what is read, and what the slots follow."""
        return (self.latch & ~self._held_mask) | (self._held_levels & self._held_mask)

    def hold(self, mask: int, levels: int) -> None:
        """Hold the pins of ``mask`` at ``levels`` from outside; mask 0 lets all go."""
        self._held_mask, self._held_levels = mask, levels
        self._changed(self.pins)

    def write(self, data: bytes) -> None:
        """Latch each byte in turn."""
        for value in data:
            self.latch = value
            self._changed(self.pins)

    def read(self, count: int) -> bytes:
        """Give the pins, sampled for each byte."""
        return bytes([self.pins]) * count

    def reset(self) -> None:
        """Come back with all pins high."""
        self.latch = RESET_LATCH
        self._changed(self.pins)
