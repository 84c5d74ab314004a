"""The master's GPIO lines: outputs that keep their level when a daemon dies, inputs that follow the rack."""

from __future__ import annotations

from collections.abc import Callable

from graped.errors import PinError

_PINS = range(28)


class Lines:
    """BCM lines; all are inputs at first. ``outside(pin)`` is the level from the rack, ``moved(pin)`` is called."""

    def __init__(self, outside: Callable[[int], bool], moved: Callable[[int], None]) -> None:
        self._outside = outside
        self._moved = moved
        self._outputs: dict[int, bool] = {}

    def is_output(self, pin: int) -> bool:
        """Tell whether the line is driven by the master."""
        return _known(pin) in self._outputs

    def level(self, pin: int) -> bool:
        """Tell the level on the line."""
        return self._outputs[pin] if pin in self._outputs else self._outside(_known(pin))

    def drive(self, pin: int, level: bool) -> None:
        """Make the line an output with this level."""
        self._outputs[_known(pin)] = level
        self._moved(pin)

    def write(self, pin: int, level: bool) -> None:
        """Set the level of an output."""
        if _known(pin) not in self._outputs:
            raise PinError(f"GPIO {pin} is an input", hint="Claim it as an output first.")
        self.drive(pin, level)


def _known(pin: int) -> int:
    if pin not in _PINS:
        raise PinError(f"GPIO {pin}: there is no such line")
    return pin
