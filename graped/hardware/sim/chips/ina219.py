"""INA219: shunt and bus voltage converters with a calibrated current and power register.

Source: TI INA219 data sheet SBOS448G, sections 8.5 (programming) and 8.6 (register maps). Registers are 16 bits, most
significant byte first.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum

RESET_CONFIG = 0x399F
_RST = 1 << 15
_BRNG_32V = 1 << 13
_MODE_CONTINUOUS = 1 << 2
_CNVR = 1 << 1
_OVF = 1 << 0
_CONVERSION_S = 0.000532 * 2  # 12 bits, shunt and bus (table 5)


class Register(IntEnum):
    """Table 2."""

    CONFIG = 0
    SHUNT = 1
    BUS = 2
    POWER = 3
    CURRENT = 4
    CALIBRATION = 5


def signed(word: int) -> int:
    """Read 16 bits as two's complement."""
    return word - 0x10000 if word & 0x8000 else word


class Ina219:
    """``measure()`` gives the analogue inputs: shunt microvolts (signed) and bus millivolts."""

    def __init__(self, measure: Callable[[], tuple[float, float]], clock: Callable[[], float]) -> None:
        self._measure = measure
        self._clock = clock
        self.reset()

    def reset(self) -> None:
        """Come back with the values of table 2."""
        self.config = RESET_CONFIG
        self.calibration = 0
        self._pointer = 0
        self._sample = (0, 0)  # shunt in 10 uV, bus in 4 mV
        self._cleared_at = self._clock()

    def write(self, data: bytes) -> None:
        """Set the pointer, then the register it names if two more bytes follow."""
        if data:
            self._pointer = data[0]
        if len(data) < 3:
            return
        word = data[1] << 8 | data[2]
        if self._pointer == Register.CONFIG:
            self._configure(word)
        elif self._pointer == Register.CALIBRATION:
            self.calibration = word & 0xFFFE  # FS0 is void

    def read(self, count: int) -> bytes:
        """Give the register under the pointer, again and again."""
        pair = self._register(self._pointer).to_bytes(2, "big")
        return (pair * (count // 2 + 1))[:count]

    def _configure(self, word: int) -> None:
        if word & _RST:
            self.reset()
            return
        self.config = word
        self._cleared_at = self._clock()
        if not word & _MODE_CONTINUOUS and word & 0x3:  # triggered: one conversion now
            self._convert()

    def _convert(self) -> None:
        microvolts, millivolts = self._measure()
        gain = 40_000 << (self.config >> 11 & 0x3)  # PGA full scale, uV (table 4)
        shunt = round(max(-gain, min(gain, microvolts)) / 10)
        top = 8000 if self.config & _BRNG_32V else 4000
        self._sample = (shunt, max(0, min(top, round(millivolts / 4))))

    def _register(self, pointer: int) -> int:
        if self.config & _MODE_CONTINUOUS and self.config & 0x3:
            self._convert()
        shunt, bus = self._sample
        current = shunt * self.calibration // 4096 if shunt >= 0 else -(-shunt * self.calibration // 4096)
        power = abs(current) * bus // 5000
        overflow = not -0x8000 <= current <= 0x7FFF or power > 0xFFFF
        match pointer:
            case Register.CONFIG:
                return self.config
            case Register.SHUNT:
                return shunt & 0xFFFF
            case Register.BUS:
                return bus << 3 | (_CNVR if self._converted() else 0) | (_OVF if overflow else 0)
            case Register.POWER:
                self._cleared_at = self._clock()
                return power & 0xFFFF
            case Register.CURRENT:
                return current & 0xFFFF
            case Register.CALIBRATION:
                return self.calibration
            case _:
                return 0

    def _converted(self) -> bool:
        return bool(self.config & 0x7 not in (0, 4)) and self._clock() - self._cleared_at >= _CONVERSION_S
