"""PCA9555: sixteen pins with input, output, polarity and configuration registers, and an interrupt line.

Source: NXP PCA9555 data sheet, sections 6.2 (registers; the pointer alternates within a pair), 6.5 (interrupt: a
change on an input pin, cleared by reading that port or when the pin returns) and 6.3 (power-on: all inputs with
pull-ups).
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum


class Register(IntEnum):
    """Table 4."""

    INPUT_0 = 0
    INPUT_1 = 1
    OUTPUT_0 = 2
    OUTPUT_1 = 3
    POLARITY_0 = 4
    POLARITY_1 = 5
    CONFIG_0 = 6
    CONFIG_1 = 7


def _nobody() -> None:
    """Tell nobody."""


class Pca9555:
    """``changed()`` is called after each byte or outside level that may have moved a pin."""

    def __init__(self, changed: Callable[[], None] = _nobody) -> None:
        self._changed = changed
        self._outside = [0xFF, 0xFF]
        self._power_on()

    def reset(self) -> None:
        """Come back with all pins inputs."""
        self._power_on()
        self._changed()

    def _power_on(self) -> None:
        self.output = [0xFF, 0xFF]
        self.polarity = [0, 0]
        self.config = [0xFF, 0xFF]
        self._pointer = 0
        self._seen = [self.pins(0), self.pins(1)]

    def pins(self, port: int) -> int:
        """The levels on the pins of a port: driven ones, and what comes from outside."""
        config = self.config[port]
        return (self.output[port] & ~config) | (self._outside[port] & config)

    def drive(self, port: int, mask: int, levels: int) -> None:
        """Set the outside levels of the pins of ``mask``."""
        self._outside[port] = (self._outside[port] & ~mask) | (levels & mask)
        self._changed()

    @property
    def int_low(self) -> bool:
        """Whether the open-drain interrupt output pulls its line down."""
        return any((self.pins(port) ^ self._seen[port]) & self.config[port] for port in (0, 1))

    def write(self, data: bytes) -> None:
        """Set the pointer, then the registers of its pair in turn."""
        if not data:
            return
        self._pointer = data[0] & 7
        for value in data[1:]:
            match self._pointer & ~1:
                case Register.OUTPUT_0:
                    self.output[self._pointer & 1] = value
                case Register.POLARITY_0:
                    self.polarity[self._pointer & 1] = value
                case Register.CONFIG_0:
                    self.config[self._pointer & 1] = value
            self._pointer ^= 1
            self._changed()

    def read(self, count: int) -> bytes:
        """Give the registers of the pointer's pair in turn."""
        values = bytearray()
        for _ in range(count):
            values.append(self._register())
            self._pointer ^= 1
        self._changed()
        return bytes(values)

    def _register(self) -> int:
        port = self._pointer & 1
        match self._pointer & ~1:
            case Register.INPUT_0:
                self._seen[port] = self.pins(port)
                return self.pins(port) ^ self.polarity[port]
            case Register.OUTPUT_0:
                return self.output[port]
            case Register.POLARITY_0:
                return self.polarity[port]
            case _:
                return self.config[port]
