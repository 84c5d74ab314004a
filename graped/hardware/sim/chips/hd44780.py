"""HD44780: a character LCD controller on an eight-bit bus, behind a 16x2 glass.

Source: Hitachi HD44780U data sheet, tables 4 (character ROM A00), 6 (instructions and times), figures 11 and 25
(display shift, initialisation) and section "Reset function". A byte is taken when E falls.
"""

from __future__ import annotations

from collections.abc import Callable

COLUMNS, ROWS = 16, 2
_LINE = 40
_SECOND = 0x40
_SLOW_S = 0.00152  # clear and home; every other instruction ends before I2C can bring the next
_ROM = {0x5C: "¥", 0x7E: "→", 0x7F: "←", 0xA5: "·", 0xDF: "°", 0xE4: "µ", 0xFF: "█"}


def glyph(code: int) -> str:
    """Show one character code of ROM A00 (□ for a user-defined one)."""
    if code < 0x10:
        return "□"
    if code in _ROM:
        return _ROM[code]
    return chr(code) if 0x20 <= code < 0x7E else "?"


class Hd44780:
    """What the controller holds, and ``lines()``: what a person in front of it reads."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.reset()

    def reset(self) -> None:
        """Do what the internal reset circuit does: clear, display off, eight bits, one line."""
        self.ddram = bytearray(b" " * (_LINE * 2))
        self.cgram = bytearray(64)
        self._address = 0
        self._in_cgram = False
        self._step = 1
        self._shifting = False
        self._shift = 0
        self.display_on = False
        self.cursor_on = False
        self._two_lines = False
        self._eight_bits = True
        self._nibble: int | None = None
        self._busy_until = 0.0

    @property
    def cursor(self) -> int:
        """The DDRAM address (0x00-0x27, 0x40-0x67) that the next character goes to."""
        row, column = divmod(self._address, _LINE)
        return row * _SECOND + column

    def lines(self) -> tuple[str, ...]:
        """The text on the glass: blank while the display is off; an uninitialised second line stays dark."""
        if not self.display_on:
            return (" " * COLUMNS,) * ROWS
        shown = [self._window(row) for row in range(ROWS)]
        return (shown[0], shown[1] if self._two_lines else " " * COLUMNS)

    def _window(self, row: int) -> str:
        start = row * _LINE
        return "".join(glyph(self.ddram[start + (column + self._shift) % _LINE]) for column in range(COLUMNS))

    def fall(self, *, rs: bool, rw: bool, data: int) -> None:
        """E falls with these levels on the lines."""
        if rw or self._clock() < self._busy_until:
            return  # a read changes nothing here; a busy controller does not listen
        if not self._eight_bits:
            if self._nibble is None:
                self._nibble = data & 0xF0
                return
            data, self._nibble = self._nibble | data >> 4, None
        if rs:
            self._character(data)
        else:
            self._instruction(data)

    def _character(self, code: int) -> None:
        if self._in_cgram:
            self.cgram[self._address % 64] = code
            self._address = (self._address + self._step) % 64
            return
        self.ddram[self._address] = code
        self._address = (self._address + self._step) % (_LINE * 2)
        if self._shifting:
            self._shift = (self._shift + self._step) % _LINE

    def _instruction(self, code: int) -> None:
        match code.bit_length():
            case 8:  # set DDRAM address
                self._in_cgram = False
                row, column = divmod(code & 0x7F, _SECOND)
                self._address = row * _LINE + column % _LINE
            case 7:  # set CGRAM address
                self._in_cgram, self._address = True, code & 0x3F
            case 6:  # function set: DL, N, F
                self._eight_bits, self._two_lines = bool(code & 0x10), bool(code & 0x08)
            case 5:  # move: S/C, R/L
                self._move(display=bool(code & 0x08), step=1 if code & 0x04 else -1)
            case 4:  # display control: D, C, B
                self.display_on, self.cursor_on = bool(code & 0x04), bool(code & 0x02)
            case 3:  # entry mode: I/D, S
                self._step, self._shifting = (1 if code & 0x02 else -1), bool(code & 0x01)
            case 2:
                self._home()
            case 1:
                self.ddram[:] = b" " * (_LINE * 2)
                self._step = 1
                self._home()

    def _move(self, *, display: bool, step: int) -> None:
        if display:
            self._shift = (self._shift - step) % _LINE
        else:
            self._address = (self._address + step) % (_LINE * 2)

    def _home(self) -> None:
        self._in_cgram, self._address, self._shift = False, 0, 0
        self._busy_until = self._clock() + _SLOW_S
