"""Rotary encoder and push button of the display board, from input port 1 of its expander. Pure.

Sources: Bourns PEC11R data sheet (quadrature table, one whole cycle a detent); wiring and the order of codes from
the board's earlier drivers. What nobody has measured on a board is a named constant below.
"""

from __future__ import annotations

from dataclasses import dataclass

BUTTON = 0x20  # port 1, bit 5
BUTTON_PRESSED_LOW = True  # inferred: to ground, with the expander's pull-up
ENCODER_SHIFT = 6  # port 1, bits 6-7
CLOCKWISE = {0: 1, 1: 3, 3: 2, 2: 0}  # inferred: which code follows which when turned to the right
TRANSITIONS_PER_CLICK = 4  # inferred: from detent to detent


@dataclass(frozen=True, slots=True, kw_only=True)
class Turned:
    """What a new value of the port means: clicks (right is positive), and whether the button went down."""

    clicks: int = 0
    pressed: bool = False


class Encoder:
    """Count clicks out of a sequence of port values.

    Contact bounce goes one code forth and back and so adds up to nothing. When two codes were missed the direction
    is unknown: the decoder goes on from the new code without counting.
    """

    def __init__(self, port: int, *, transitions_per_click: int = TRANSITIONS_PER_CLICK) -> None:
        self._per_click = transitions_per_click
        self._code = _code(port)
        self._pressed = _pressed(port)
        self._moved = 0  # transitions since the last click

    def feed(self, port: int) -> Turned:
        """Take the next value of input port 1."""
        code, pressed = _code(port), _pressed(port)
        if CLOCKWISE[self._code] == code:
            self._moved += 1
        elif CLOCKWISE[code] == self._code:
            self._moved -= 1
        clicks = int(self._moved / self._per_click)  # towards zero
        self._moved -= clicks * self._per_click
        down = pressed and not self._pressed
        self._code, self._pressed = code, pressed
        return Turned(clicks=clicks, pressed=down)


def _code(port: int) -> int:
    return port >> ENCODER_SHIFT & 0b11


def _pressed(port: int) -> bool:
    return bool(port & BUTTON) is not BUTTON_PRESSED_LOW
