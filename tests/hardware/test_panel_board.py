"""The panel over a board that behaves: expander, LCD, LEDs, knob."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graped.errors import BusError
from graped.hardware.panel import Panel
from tests.hardware.panel_fakes import BoardBus

HELLO = ("grape      12/96", "41°C        120W")


def make() -> tuple[BoardBus, Panel]:
    bus = BoardBus()
    panel = Panel(bus, 0x20, bus.sleep)
    panel.configure()
    return bus, panel


def test_text_and_leds_appear_on_the_board() -> None:
    bus, panel = make()
    panel.show(HELLO, red=True, green=False)
    shown = bus.board.shown()
    assert (shown.lines, shown.red, shown.green) == (HELLO, True, False)


def test_a_configured_board_is_blank_and_dark() -> None:
    bus, _ = make()
    shown = bus.board.shown()
    assert (shown.lines, shown.red, shown.green) == ((" " * 16,) * 2, False, False)
    assert (bus.board.lcd.display_on, bus.board.lcd.cursor_on) == (True, False)


def test_nothing_new_sends_nothing_and_little_new_sends_little() -> None:
    bus, panel = make()
    panel.show(HELLO, red=False, green=True)
    before = bus.bytes_sent
    panel.show(HELLO, red=False, green=True)
    assert bus.bytes_sent == before
    panel.show((HELLO[0], "42°C        120W"), red=False, green=True)
    assert bus.bytes_sent - before <= 14  # one address, one character: seven bytes each
    before = bus.bytes_sent
    panel.show((HELLO[0], "42°C        120W"), red=True, green=False)
    assert bus.bytes_sent - before == 2


@settings(max_examples=40)
@given(st.lists(st.tuples(st.text("ab█°!", max_size=20), st.text("xy z", max_size=20), st.booleans()), max_size=4))
def test_whatever_came_before_the_glass_shows_the_last_text(pages: list[tuple[str, str, bool]]) -> None:
    bus, panel = make()
    for first, second, red in pages:
        panel.show((first, second), red=red, green=not red)
        shown = bus.board.shown()
        assert shown.lines == (first[:16].ljust(16), second[:16].ljust(16))
        assert (shown.red, shown.green) == (red, not red)


def test_an_lcd_left_in_the_middle_of_anything_is_initialised() -> None:
    bus, panel = make()
    for code in (0x20, 0x04 | 0x01, 0x40):  # four bits, backwards and shifting, into CGRAM
        bus.board.lcd.fall(rs=False, rw=False, data=code)
    panel.configure()
    panel.show(HELLO, red=False, green=False)
    assert bus.board.shown().lines == HELLO


def test_a_board_that_lost_its_power_is_noticed_and_set_up_again() -> None:
    bus, panel = make()
    panel.show(HELLO, red=False, green=True)
    assert panel.configured()
    bus.board.reset()
    assert not panel.configured()
    panel.configure()
    panel.show(HELLO, red=False, green=True)
    assert bus.board.shown().lines == HELLO


def test_no_pin_is_driven_before_its_level_is_set() -> None:
    bus = BoardBus()
    outputs: list[tuple[int, int]] = []
    changed = bus.board.expander._changed

    def spy() -> None:
        if bus.board.expander.config[1] != 0xFF:
            outputs.append((bus.board.expander.output[1] & 0x01, bus.board.expander.output[1] & 0x18))
        changed()

    bus.board.expander._changed = spy
    Panel(bus, 0x20, bus.sleep).configure()
    assert outputs[0] == (0, 0x18)


@pytest.mark.parametrize("works", range(0, 130, 7))
def test_a_bus_that_fails_anywhere_is_repaired_by_the_next_show(works: int) -> None:
    bus, panel = make()
    panel.show(HELLO, red=False, green=True)
    bus.fail_after = works
    try:
        panel.show(("another text    ", "on both lines   "), red=True, green=False)
    except BusError:
        pass
    bus.fail_after = None
    panel.show(HELLO, red=True, green=True)
    shown = bus.board.shown()
    assert (shown.lines, shown.red, shown.green) == (HELLO, True, True)


@given(st.integers(0, 255).filter(lambda code: not 0x20 <= code <= 0x2F), st.binary(max_size=3))
def test_repainting_undoes_what_noise_did_to_the_lcd(instruction: int, letters: bytes) -> None:
    bus, panel = make()
    panel.show(HELLO, red=False, green=True)
    bus.board.lcd.fall(rs=False, rw=False, data=instruction)  # all but the change to four bits
    for letter in letters:
        bus.board.lcd.fall(rs=True, rw=False, data=letter)
    bus.sleep(0.01)
    panel.repaint()
    panel.show(HELLO, red=False, green=True)
    shown = bus.board.shown()
    assert (shown.lines, shown.red, shown.green) == (HELLO, False, True)


def test_repainting_does_not_blank_what_is_shown() -> None:
    bus, panel = make()
    panel.show(HELLO, red=False, green=True)
    panel.repaint()
    assert bus.board.shown().lines == HELLO


def test_reading_the_inputs_releases_the_interrupt() -> None:
    bus, panel = make()
    panel.inputs()
    bus.board.press(True)
    assert bus.board.expander.int_low
    assert panel.inputs() & 0x20 == 0
    assert not bus.board.expander.int_low


def test_presence_is_asked_without_a_write() -> None:
    bus = BoardBus()
    panel = Panel(bus, 0x20, bus.sleep)
    assert panel.present()
    assert bus.board.expander.config == [0xFF, 0xFF]
    bus.plugged = False
    assert not panel.present()
    with pytest.raises(BusError):
        panel.inputs()
