"""The LCD codec, byte for byte."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graped.hardware.chips import hd44780 as lcd
from graped.hardware.chips.hd44780 import Control, Transfer


def test_golden_initialisation() -> None:
    """Data sheet, figure 23: three times 0x30, then two lines, off, clear, increment; at last on."""
    assert [transfer.value for transfer in lcd.INITIALISE] == [0x30, 0x30, 0x30, 0x38, 0x08, 0x01, 0x06, 0x0C]
    assert not any(transfer.data for transfer in lcd.INITIALISE)
    assert lcd.INITIALISE[0].wait_s > 0.0041
    assert lcd.INITIALISE[1].wait_s > 0.0001
    assert lcd.INITIALISE[5].wait_s > 0.00152


def test_golden_strobes() -> None:
    dark = lcd.leds(red=False, green=False)
    assert dark == 0x18
    assert lcd.strobe(Transfer(value=0x01), dark) == ((0x80, 0x18), (0x80, 0x19), (0x80, 0x18))
    red = lcd.leds(red=True, green=False)
    # "A" = 0x41, reversed 0x82; RS set; the red LED lights at 0
    assert lcd.strobe(Transfer(value=0x41, data=True), red) == ((0x82, 0x14), (0x82, 0x15), (0x82, 0x14))


def test_golden_places() -> None:
    assert [t.value for t in lcd.place(0, 0, b"A")] == [0x80, 0x41]
    assert [t.value for t in lcd.place(1, 15, b"Z")] == [0xCF, 0x5A]
    assert [t.data for t in lcd.place(1, 15, b"Z")] == [False, True]


@given(st.integers(0, 255), st.booleans(), st.booleans(), st.booleans())
def test_a_strobe_only_moves_enable(value: int, data: bool, red: bool, green: bool) -> None:
    lamps = lcd.leds(red=red, green=green)
    pairs = lcd.strobe(Transfer(value=value, data=data), lamps)
    assert [bool(control & Control.ENABLE) for _, control in pairs] == [False, True, False]
    assert len({(byte, control & ~Control.ENABLE) for byte, control in pairs}) == 1
    assert all(not control & Control.READ for _, control in pairs)
    assert bool(pairs[1][1] & Control.DATA) is data
    assert (bool(pairs[1][1] & Control.RED_OFF), bool(pairs[1][1] & Control.GREEN_OFF)) == (not red, not green)


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("Grape 0", b"Grape 0"),
        ("41°C", b"41\xdfC"),
        ("█·?", b"\xff\xa5?"),
        ("Köln Ägäis", b"K\xefln Ag\xe1is"),
        ("a\\b~c", b"a/b-c"),
        ("→←¥", b"\x7e\x7f\x5c"),
        ("café ñ", b"cafe n"),
        ("日本\n\x00", b"????"),
        ("5µs 3Ω", b"5\xe4s 3\xf4"),
    ],
)
def test_characters_and_their_fallbacks(text: str, codes: bytes) -> None:
    assert lcd.encode_row(text) == codes.ljust(16)


@given(st.text())
def test_every_text_is_sixteen_codes_that_the_lcd_can_show(text: str) -> None:
    row = lcd.encode_row(text)
    assert len(row) == 16
    assert all(code >= 0x20 for code in row)  # never one of the user-defined signs


@given(st.characters())
def test_what_is_shown_encodes_to_the_same_code(character: str) -> None:
    code = lcd.encode_character(character)
    assert lcd.encode_character(lcd.decode_character(code)) == code


@given(st.integers(0, 255))
def test_reversing_twice_changes_nothing(value: int) -> None:
    assert lcd.reverse_bits(lcd.reverse_bits(value)) == value
    assert lcd.reverse_bits(value).bit_count() == value.bit_count()


rows = st.binary(min_size=16, max_size=16)
near = rows.flatmap(lambda old: st.tuples(st.just(old), st.lists(st.tuples(st.integers(0, 15), st.integers(0, 255)))))


@given(near)
def test_changes_turn_the_old_row_into_the_new_one(case: tuple[bytes, list[tuple[int, int]]]) -> None:
    old, edits = case
    new = bytearray(old)
    for column, code in edits:
        new[column] = code
    glass = bytearray(old)
    sent = 0
    for column, codes in lcd.changes(old, bytes(new)):
        glass[column : column + len(codes)] = codes
        sent += 1 + len(codes)
    assert glass == new
    assert sent <= 2 * sum(a != b for a, b in zip(old, new, strict=True))


def test_nothing_changed_is_nothing_sent() -> None:
    assert lcd.changes(b"x" * 16, b"x" * 16) == []
