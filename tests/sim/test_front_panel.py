"""The front panel: PCA9555, HD44780 and knob, bit by bit and through the daemon's own driver."""

from __future__ import annotations

import pytest

from graped.hardware.chips.encoder import Encoder
from graped.hardware.panel import Panel
from graped.hardware.sim import hands
from graped.hardware.sim.chips.hd44780 import Hd44780
from graped.hardware.sim.chips.pca9555 import Pca9555, Register
from graped.hardware.sim.panel import click
from tests.sim.bench_rack import Bench, Clock

DISPLAY = 0x20
E, RS = 1, 4
LAMPS_OFF = 0x18


class BitBanger:
    """Drives the LCD pin by pin over the bus, as the board is wired."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        bench.bus.write_byte_data(DISPLAY, Register.OUTPUT_1, LAMPS_OFF)
        bench.bus.write_byte_data(DISPLAY, Register.CONFIG_0, 0x00)
        bench.bus.write_byte_data(DISPLAY, Register.CONFIG_1, 0xE0)

    def send(self, byte: int, rs: int = 0) -> None:
        bus = self.bench.bus
        bus.write_byte_data(DISPLAY, Register.OUTPUT_0, int(f"{byte:08b}"[::-1], 2))
        bus.write_byte_data(DISPLAY, Register.OUTPUT_1, LAMPS_OFF | rs | E)
        bus.write_byte_data(DISPLAY, Register.OUTPUT_1, LAMPS_OFF | rs)
        self.bench.clock.now += 0.0005

    def start(self) -> None:
        for command in (0x30, 0x30, 0x30, 0x38, 0x0C, 0x01):
            self.send(command)
        self.bench.clock.now += 0.002
        self.send(0x06)

    def text(self, text: str) -> None:
        for character in text.encode("latin-1"):
            self.send(character, RS)


def lines(bench: Bench) -> tuple[str, ...]:
    with bench.rack.touching_panel() as panel:
        return panel.shown().lines


def test_text_arrives_through_a_bit_banged_expander() -> None:
    bench = Bench()
    lcd = BitBanger(bench)
    assert lines(bench) == (" " * 16, " " * 16)
    lcd.start()
    lcd.text("grape 3/6")
    lcd.send(0x80 | 0x40)
    lcd.text("24\xdfC")
    assert lines(bench) == ("grape 3/6       ", "24°C            ")


def test_a_byte_counts_when_enable_falls_and_not_before() -> None:
    bench = Bench()
    lcd = BitBanger(bench)
    lcd.start()
    bench.bus.write_byte_data(DISPLAY, Register.OUTPUT_0, int(f"{ord('A'):08b}"[::-1], 2))
    bench.bus.write_byte_data(DISPLAY, Register.OUTPUT_1, LAMPS_OFF | RS | E)
    assert lines(bench)[0].strip() == ""
    bench.bus.write_byte_data(DISPLAY, Register.OUTPUT_1, LAMPS_OFF | RS)
    assert lines(bench)[0].strip() == "A"


def lcd_on() -> tuple[Hd44780, Clock]:
    clock = Clock()
    lcd = Hd44780(clock)
    for code in (0x38, 0x0C, 0x06):
        lcd.fall(rs=False, rw=False, data=code)
    return lcd, clock


def write(lcd: Hd44780, text: str) -> None:
    for character in text.encode():
        lcd.fall(rs=True, rw=False, data=character)


def test_ddram_lines_are_40_long_and_follow_each_other() -> None:
    lcd, _ = lcd_on()
    write(lcd, "x" * 40 + "second")
    assert lcd.lines() == ("x" * 16, "second          ")
    lcd.fall(rs=False, rw=False, data=0x80 | 0x67)
    write(lcd, "yz")
    assert lcd.lines()[0] == "z" + "x" * 15


def test_clear_takes_its_time_and_a_busy_controller_does_not_listen() -> None:
    lcd, clock = lcd_on()
    write(lcd, "old")
    lcd.fall(rs=False, rw=False, data=0x01)
    write(lcd, "lost")
    assert lcd.lines()[0].strip() == ""
    clock.now += 0.0016
    write(lcd, "new")
    assert lcd.lines()[0].strip() == "new"


def test_display_shift_and_cursor_moves() -> None:
    lcd, clock = lcd_on()
    write(lcd, "abcdef")
    lcd.fall(rs=False, rw=False, data=0x18)  # display left
    assert lcd.lines()[0].startswith("bcdef")
    lcd.fall(rs=False, rw=False, data=0x1C)  # and right
    lcd.fall(rs=False, rw=False, data=0x10)  # cursor left
    write(lcd, "F")
    assert lcd.lines()[0].startswith("abcdeF")
    assert lcd.cursor == 6
    lcd.fall(rs=False, rw=False, data=0x08)  # display off
    assert lcd.lines()[0].strip() == ""
    lcd.fall(rs=False, rw=False, data=0x02)
    clock.now += 0.002
    assert lcd.cursor == 0


def test_reads_change_nothing_and_cgram_is_not_text() -> None:
    lcd, _ = lcd_on()
    lcd.fall(rs=True, rw=True, data=ord("!"))
    lcd.fall(rs=False, rw=False, data=0x40)
    write(lcd, "\x1f\x1f")
    lcd.fall(rs=False, rw=False, data=0x80)
    write(lcd, "\x00ok")
    assert lcd.lines()[0] == "□ok             "
    assert lcd.cgram[:2] == b"\x1f\x1f"


def test_four_bit_mode_takes_two_nibbles() -> None:
    lcd, _ = lcd_on()
    lcd.fall(rs=False, rw=False, data=0x20)
    for nibble in (0x40, 0x10):
        lcd.fall(rs=True, rw=False, data=nibble)
    assert lcd.lines()[0].strip() == "A"


def test_pca9555_pointer_alternates_within_a_pair() -> None:
    chip = Pca9555()
    chip.write(bytes((Register.OUTPUT_0, 0x12, 0x34, 0x56)))
    assert chip.output == [0x56, 0x34]
    chip.write(bytes((Register.OUTPUT_1,)))
    assert chip.read(3) == bytes((0x34, 0x56, 0x34))


def test_pca9555_interrupt_is_of_inputs_and_of_its_port() -> None:
    chip = Pca9555()
    chip.drive(1, 0x20, 0)
    assert chip.int_low
    chip.write(bytes((Register.INPUT_0,)))
    chip.read(1)
    assert chip.int_low  # port 0 was read, port 1 had moved
    chip.write(bytes((Register.INPUT_1,)))
    assert chip.read(1)[0] == 0xDF
    assert not chip.int_low
    chip.drive(1, 0x20, 0x20)
    chip.drive(1, 0x20, 0)
    assert not chip.int_low  # it came back by itself
    chip.write(bytes((Register.CONFIG_1, 0xDF)))
    chip.drive(1, 0x20, 0x20)
    assert not chip.int_low  # an output


def test_pca9555_polarity_inverts_inputs() -> None:
    chip = Pca9555()
    chip.write(bytes((Register.POLARITY_1, 0x0F)))
    chip.write(bytes((Register.INPUT_1,)))
    assert chip.read(1)[0] == 0xF0


def test_the_daemons_panel_driver_shows_its_text_and_lamps() -> None:
    bench = Bench()
    panel = Panel(bench.bus, DISPLAY, sleep=bench.clock.sleep)
    assert panel.present()
    panel.show(("rack  5/6 on", "41.5°C 33 W"), red=True, green=False)
    with bench.rack.touching_panel() as shown:
        assert shown.shown().lines == ("rack  5/6 on    ", "41.5°C 33 W     ")
        assert (shown.shown().red, shown.shown().green) == (True, False)
        shown.reset()
    assert not panel.configured()


@pytest.mark.parametrize(("clicks", "counted"), [(1, 1), (3, 3), (-2, -2)])
def test_the_daemons_decoder_counts_the_clicks_of_the_knob(clicks: int, counted: int) -> None:
    bench = Bench()
    bench.bus.write_byte_data(DISPLAY, Register.CONFIG_1, 0xE0)
    read = lambda: bench.bus.read_byte_data(DISPLAY, Register.INPUT_1)  # noqa: E731
    decoder = Encoder(read())
    total = 0

    def look(seconds: float) -> None:
        nonlocal total
        assert bench.witness.lines[-1] == (17, False)  # each contact pulls the interrupt line
        total += decoder.feed(read()).clicks
        assert bench.witness.lines[-1] == (17, True)

    hands.turn(bench.rack, clicks, sleep=look)
    assert total == counted


def test_a_press_is_seen_and_released() -> None:
    bench = Bench()
    decoder = Encoder(bench.bus.read_byte_data(DISPLAY, Register.INPUT_1))
    pressed: list[bool] = []
    hands.press(
        bench.rack,
        sleep=lambda _: pressed.append(decoder.feed(bench.bus.read_byte_data(DISPLAY, Register.INPUT_1)).pressed),
    )
    assert pressed == [True, False]


def test_both_ways_of_a_click_start_and_end_at_rest() -> None:
    assert click(True)[-1] == click(False)[-1] == 3
    assert click(True)[:3] == click(False)[:3][::-1]
