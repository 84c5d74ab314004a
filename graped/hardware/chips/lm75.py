"""LM75 / MAX7500: the temperature of a stack, and the limits of its over-temperature output.

Nine bits in bits 15..7 of a word, two's complement, in steps of 0.5 degrees Celsius.

Source: Maxim MAX7500 data sheet, tables 2 (data format), 3 (registers) and 5; LM75 compatible.
"""

from __future__ import annotations

from enum import IntEnum

from graped.hardware.chips.words import from_signed, swap, to_signed
from graped.hardware.protocols import I2cBus

ADDRESS_BASE = 0x48  # plus the stack's address
STEP_MC = 500
MIN_MC, MAX_MC = -55_000, 125_000  # what the chip is made for


class Register(IntEnum):
    """Table 3."""

    TEMPERATURE = 0
    CONFIG = 1
    T_HYST = 2
    T_OS = 3


def decode_mc(word: int) -> int:
    """Decode a temperature word into millidegrees Celsius; the seven low bits mean nothing."""
    return (to_signed(word) >> 7) * STEP_MC


def encode_mc(millidegrees: int) -> int:
    """Encode millidegrees Celsius, rounded to the nearest step and kept within what the chip is made for."""
    bounded = min(max(millidegrees, MIN_MC), MAX_MC)
    return from_signed((bounded + STEP_MC // 2) // STEP_MC << 7)


class Lm75:
    """One chip on a bus."""

    def __init__(self, bus: I2cBus, address: int) -> None:
        self._bus = bus
        self._address = address

    def temperature_mc(self) -> int:
        """Read the temperature."""
        return decode_mc(self._read(Register.TEMPERATURE))

    def set_limits(self, overtemp_mc: int, hysteresis_mc: int) -> None:
        """Write when the over-temperature output acts (T_OS) and when it lets go (T_HYST)."""
        self._write(Register.T_OS, encode_mc(overtemp_mc))
        self._write(Register.T_HYST, encode_mc(hysteresis_mc))

    def has_limits(self, overtemp_mc: int, hysteresis_mc: int) -> bool:
        """Whether the chip has these limits: it loses them with its power."""
        return all(
            decode_mc(self._read(register)) == decode_mc(encode_mc(wanted))
            for register, wanted in ((Register.T_OS, overtemp_mc), (Register.T_HYST, hysteresis_mc))
        )

    def _read(self, register: Register) -> int:
        return swap(self._bus.read_word_data(self._address, register))

    def _write(self, register: Register, word: int) -> None:
        self._bus.write_word_data(self._address, register, swap(word))
