"""The front panel: a 16x2 LCD, two LEDs and a knob behind a PCA9555, wired as on the board."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from graped.hardware.sim.chips.hd44780 import Hd44780
from graped.hardware.sim.chips.pca9555 import Pca9555

_E, _RW, _RS, _RED, _GREEN, _BUTTON = (1 << bit for bit in range(6))
_KNOB_SHIFT = 6
_KNOB_MASK = 0b11 << _KNOB_SHIFT
# One click of the knob: its two contacts close and open again, in Gray code, from both open to both open.
_CLICK = (0b10, 0b00, 0b01, 0b11)
_REVERSED = tuple(int(f"{value:08b}"[::-1], 2) for value in range(256))


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a person in front of the panel sees."""

    lines: tuple[str, ...]
    red: bool
    green: bool


class FrontPanel:
    """The chip behind the panel's address is ``expander``."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.lcd = Hd44780(clock)
        self._before = 0xFF
        self.expander = Pca9555(self._moved)

    def reset(self) -> None:
        """Lose power and come back."""
        self.expander.reset()
        self.lcd.reset()

    def shown(self) -> Shown:
        """Read the glass and the LEDs (active low)."""
        pins = self.expander.pins(1)
        return Shown(lines=self.lcd.lines(), red=not pins & _RED, green=not pins & _GREEN)

    def press(self, down: bool) -> None:
        """Push the button, or let it go; it closes to ground."""
        self.expander.drive(1, _BUTTON, 0 if down else _BUTTON)

    def contacts(self, state: int) -> None:
        """Set the knob's two contacts."""
        self.expander.drive(1, _KNOB_MASK, state << _KNOB_SHIFT)

    def _moved(self) -> None:
        now, before = self.expander.pins(1), self._before
        self._before = now
        if before & _E and not now & _E:
            data = _REVERSED[self.expander.pins(0)]
            self.lcd.fall(rs=bool(before & _RS), rw=bool(before & _RW), data=data)


def click(clockwise: bool) -> tuple[int, ...]:
    """Give the contacts' states of one click, in order."""
    return _CLICK if clockwise else (*_CLICK[-2::-1], _CLICK[-1])
