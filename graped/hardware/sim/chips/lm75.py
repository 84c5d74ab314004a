"""LM75 / MAX7500: a thermometer with an over-temperature output.

Source: Maxim MAX7500 data sheet 19-3382, tables 2 to 5, and TI LM75B SNIS153, sections 7.3 (OS, fault queue) and 7.5
(registers). Power-on: T_OS 80 C, T_HYST 75 C, comparator mode, OS active low, a queue of one fault.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum, IntFlag


class Register(IntEnum):
    """Pointer values."""

    TEMPERATURE = 0
    CONFIG = 1
    T_HYST = 2
    T_OS = 3


class Config(IntFlag):
    """Bits of the configuration register; bits 3 and 4 are the fault queue."""

    SHUTDOWN = 1
    INTERRUPT = 2
    OS_ACTIVE_HIGH = 4


_QUEUE = (1, 2, 4, 6)
_NINE_BITS = 0xFF80


def word_of(celsius: float) -> int:
    """Quantise to the nine-bit register word; the converter ends at -55 and 125 C."""
    halves = round(max(-55.0, min(125.0, celsius)) * 2)
    return halves << 7 & _NINE_BITS


def celsius_of(word: int) -> float:
    """Read a register word."""
    word &= _NINE_BITS
    return (word - 0x10000 if word & 0x8000 else word) / 256


class Lm75:
    """``measure()`` is the air around the chip, in Celsius."""

    def __init__(self, measure: Callable[[], float]) -> None:
        self._measure = measure
        self.reset()

    def reset(self) -> None:
        """Come back with the power-on values."""
        self.config = 0
        self.t_hyst = word_of(75)
        self.t_os = word_of(80)
        self._pointer = 0
        self._word = word_of(self._measure())
        self._alarm = False
        self._above = False  # interrupt mode: which crossing comes next
        self._faults = 0

    @property
    def os_low(self) -> bool:
        """Whether the open-drain output pulls its line down."""
        return self._alarm != bool(self.config & Config.OS_ACTIVE_HIGH)

    def convert(self) -> None:
        """Take a sample and judge it; faults count only in a row."""
        if self.config & Config.SHUTDOWN:
            return
        self._word = word_of(self._measure())
        hot = celsius_of(self._word) >= celsius_of(self.t_os)
        cold = celsius_of(self._word) < celsius_of(self.t_hyst)
        crossing = cold if self._above else hot
        self._faults = self._faults + 1 if crossing else 0
        if self._faults < _QUEUE[self.config >> 3 & 3]:
            return
        self._faults = 0
        self._above = not self._above
        self._alarm = True if self.config & Config.INTERRUPT else self._above

    def write(self, data: bytes) -> None:
        """Set the pointer, then the register it names."""
        if not data:
            return
        self._pointer = data[0] & 3
        if self._pointer == Register.CONFIG and len(data) > 1:
            self.config = data[1] & 0x1F
        elif self._pointer >= Register.T_HYST and len(data) > 2:
            word = (data[1] << 8 | data[2]) & _NINE_BITS
            if self._pointer == Register.T_OS:
                self.t_os = word
            else:
                self.t_hyst = word

    def read(self, count: int) -> bytes:
        """Give the register under the pointer; in interrupt mode any read ends the alarm."""
        if self.config & Config.INTERRUPT:
            self._alarm = False
        if self._pointer == Register.CONFIG:
            return bytes([self.config]) * count
        pair = self._selected().to_bytes(2, "big")
        return (pair * (count // 2 + 1))[:count]

    def _selected(self) -> int:
        match self._pointer:
            case Register.T_HYST:
                return self.t_hyst
            case Register.T_OS:
                return self.t_os
            case _:
                if not self.config & Config.SHUTDOWN:
                    self._word = word_of(self._measure())
                return self._word
