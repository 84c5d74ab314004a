"""HD44780 LCD behind the display board's expander: text -> bytes -> what the expander's output ports must show.

Pure. Sources: Hitachi HD44780U data sheet, tables 4 (ROM code A00), 6 (instructions) and figure 23 (initialisation
by instruction, 8 bits); the board's wiring from its earlier drivers.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from enum import IntFlag

COLUMNS = 16
ROWS = 2
ROW_ADDRESSES = (0x00, 0x40)  # DDRAM address of each row's first cell


class Instruction(IntFlag):
    """Instruction codes (table 6), to be joined with their bits."""

    CLEAR = 0x01
    HOME = 0x02
    ENTRY_MODE = 0x04
    DISPLAY = 0x08
    FUNCTION_SET = 0x20
    SET_DDRAM = 0x80


class Bit(IntFlag):
    """Bits inside instructions (table 6)."""

    INCREMENT = 0x02  # of ENTRY_MODE
    DISPLAY_ON = 0x04  # of DISPLAY; without more: no cursor
    EIGHT_BITS = 0x10  # of FUNCTION_SET
    TWO_LINES = 0x08  # of FUNCTION_SET


class Control(IntFlag):
    """Output port 1 of the expander, as the board is wired. The LEDs light at 0."""

    ENABLE = 0x01
    READ = 0x02
    DATA = 0x04  # RS: 0 = instruction, 1 = data
    RED_OFF = 0x08
    GREEN_OFF = 0x10


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """One byte for the LCD, and how long it must then be left alone (s; 0: the bus is slower than the LCD)."""

    value: int
    data: bool = False  # into DDRAM instead of the instruction register
    wait_s: float = 0.0


POWER_ON_WAIT_S = 0.040  # figure 23: after Vcc reached 2.7 V
RESET = Instruction.FUNCTION_SET | Bit.EIGHT_BITS
CLEAR_WAIT_S = 0.002  # table 6: 1.52 ms at 270 kHz, and the oscillator may be slower
INITIALISE = (
    Transfer(value=RESET, wait_s=0.0045),  # > 4.1 ms
    Transfer(value=RESET, wait_s=0.00015),  # > 100 us
    Transfer(value=RESET),
    Transfer(value=RESET | Bit.TWO_LINES),
    Transfer(value=Instruction.DISPLAY),  # off
    Transfer(value=Instruction.CLEAR, wait_s=CLEAR_WAIT_S),
    Transfer(value=Instruction.ENTRY_MODE | Bit.INCREMENT),
    Transfer(value=Instruction.DISPLAY | Bit.DISPLAY_ON),
)
# Puts right whatever a disturbed instruction may have changed, without blanking the text.
REASSURE = (
    INITIALISE[3],
    Transfer(value=Instruction.HOME, wait_s=CLEAR_WAIT_S),  # undoes a shift
    *INITIALISE[6:],
)

# ROM A00 is ASCII but for these; its upper half holds a few signs that we use.
NOT_ASCII = {0x5C: "¥", 0x7E: "→", 0x7F: "←"}
UPPER = {0xA5: "·", 0xDF: "°", 0xE1: "ä", 0xE2: "ß", 0xE4: "µ", 0xEF: "ö", 0xF5: "ü", 0xF4: "Ω", 0xFD: "÷", 0xFF: "█"}
CODES = {sign: code for code, sign in (NOT_ASCII | UPPER).items()}
FALLBACKS = {"\\": "/", "~": "-", "–": "-", "—": "-", "…": ".", "μ": "µ", "•": "·", "’": "'", "“": '"', "”": '"'}  # noqa: RUF001
UNPRINTABLE = ord("?")


def encode_character(character: str) -> int:
    """Give the LCD's code of a character, or of the nearest one it has, or of a question mark."""
    character = FALLBACKS.get(character, character)
    if character in CODES:
        return CODES[character]
    plain = unicodedata.normalize("NFKD", character)[0]
    return ord(plain) if 0x20 <= ord(plain) < 0x7E and ord(plain) not in NOT_ASCII else UNPRINTABLE


def decode_character(code: int) -> str:
    """Give the sign that the LCD shows for a code (a question mark for signs that we never send)."""
    known = NOT_ASCII.get(code) or UPPER.get(code)
    return known or (chr(code) if 0x20 <= code < 0x7E else "?")


def encode_row(text: str) -> bytes:
    """Cut or fill a text to the 16 codes of one row."""
    return bytes(encode_character(character) for character in text[:COLUMNS].ljust(COLUMNS))


def place(row: int, column: int, codes: bytes) -> tuple[Transfer, ...]:
    """Write codes from a cell on, to the right."""
    address = Transfer(value=Instruction.SET_DDRAM | ROW_ADDRESSES[row] + column)
    return (address, *(Transfer(value=code, data=True) for code in codes))


def changes(old: bytes, new: bytes) -> list[tuple[int, bytes]]:
    """Cut out what differs between two rows: (column, codes). A gap of one cell costs no more than an address."""
    runs: list[tuple[int, bytes]] = []
    for column, (was, code) in enumerate(zip(old, new, strict=True)):
        if was == code:
            continue
        if runs and column - (runs[-1][0] + len(runs[-1][1])) <= 1:
            start = runs[-1][0]
            runs[-1] = (start, new[start : column + 1])
        else:
            runs.append((column, bytes([code])))
    return runs


def leds(red: bool, green: bool) -> Control:
    """Give the control bits that light these LEDs."""
    return (Control(0) if red else Control.RED_OFF) | (Control(0) if green else Control.GREEN_OFF)


def reverse_bits(value: int) -> int:
    """Swap bit 0 with 7, 1 with 6 and so on: the data bus is soldered the other way round."""
    return int(f"{value:08b}"[::-1], 2)


def strobe(transfer: Transfer, lamps: Control) -> tuple[tuple[int, int], ...]:
    """Give the (port 0, port 1) pairs that hand one byte over: set up, enable, and latch on E's falling edge."""
    data = reverse_bits(transfer.value)
    idle = lamps | (Control.DATA if transfer.data else Control(0))
    return (data, idle), (data, idle | Control.ENABLE), (data, idle)
