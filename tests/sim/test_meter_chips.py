"""INA219 and LM75 against their data sheets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graped.hardware.sim.chips.ina219 import RESET_CONFIG, Ina219, Register, signed
from graped.hardware.sim.chips.lm75 import Config, Lm75, celsius_of, word_of
from graped.hardware.sim.chips.lm75 import Register as Lm75Register
from tests.sim.bench_rack import Bench, Clock

CONFIG = 0x2C1F  # 32 V, PGA /2, 12 bits, continuous


class Analogue:
    """The inputs of an INA219, set by the test."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.microvolts = 0.0
        self.millivolts = 0.0
        self.chip = Ina219(lambda: (self.microvolts, self.millivolts), self.clock)

    def write(self, register: int, word: int) -> None:
        self.chip.write(bytes((register, word >> 8, word & 0xFF)))

    def read(self, register: int) -> int:
        self.chip.write(bytes((register,)))
        return int.from_bytes(self.chip.read(2), "big")


def test_ina219_resets_to_the_values_of_its_table() -> None:
    meter = Analogue()
    assert meter.read(Register.CONFIG) == RESET_CONFIG == 0x399F
    assert meter.read(Register.CALIBRATION) == 0
    meter.write(Register.CONFIG, CONFIG)
    meter.write(Register.CALIBRATION, 0x5000)
    assert meter.read(Register.CONFIG) == CONFIG
    meter.write(Register.CONFIG, 0x8000 | CONFIG)
    assert meter.read(Register.CONFIG) == RESET_CONFIG
    assert meter.read(Register.CALIBRATION) == 0


def test_ina219_measures_the_example_of_its_data_sheet() -> None:
    """The worked example: 10 A through 2 mOhm at 11.98 V, current LSB 1 mA, power LSB 20 mW."""
    meter = Analogue()
    meter.microvolts, meter.millivolts = 20_000, 11_980
    meter.write(Register.CONFIG, 0x019F)  # 16 V, 40 mV
    assert meter.read(Register.SHUNT) == 2000
    assert meter.read(Register.BUS) >> 3 == 2995
    assert meter.read(Register.CURRENT) == 0  # not before the calibration is written
    assert meter.read(Register.POWER) == 0
    meter.write(Register.CALIBRATION, 0x5000)
    assert meter.read(Register.CURRENT) == 10_000
    assert meter.read(Register.POWER) == 5990


def test_ina219_current_is_signed_and_calibration_bit_0_is_void() -> None:
    meter = Analogue()
    meter.write(Register.CONFIG, CONFIG)
    meter.write(Register.CALIBRATION, 2049)
    assert meter.read(Register.CALIBRATION) == 2048
    meter.microvolts = -20_000
    assert signed(meter.read(Register.SHUNT)) == -2000
    assert signed(meter.read(Register.CURRENT)) == -1000


def test_ina219_clips_at_its_gain_and_says_overflow() -> None:
    meter = Analogue()
    meter.microvolts, meter.millivolts = 500_000, 40_000
    meter.write(Register.CONFIG, CONFIG)
    assert meter.read(Register.SHUNT) == 8000
    assert meter.read(Register.BUS) >> 3 == 8000  # 32 V
    assert not meter.read(Register.BUS) & 1
    meter.write(Register.CALIBRATION, 0xFFFE)
    assert meter.read(Register.BUS) & 1


def test_ina219_conversion_ready_rises_in_time_and_falls_when_power_is_read() -> None:
    meter = Analogue()
    meter.write(Register.CONFIG, CONFIG)
    assert not meter.read(Register.BUS) & 2
    meter.clock.now += 0.002
    assert meter.read(Register.BUS) & 2
    meter.read(Register.POWER)
    assert not meter.read(Register.BUS) & 2


def test_ina219_triggered_and_powered_down_modes_keep_their_sample() -> None:
    meter = Analogue()
    meter.millivolts = 5000
    meter.write(Register.CONFIG, 0x2C1B)  # shunt and bus, triggered
    meter.millivolts = 9000
    assert meter.read(Register.BUS) >> 3 == 1250
    meter.write(Register.CONFIG, 0x2C18)  # power down
    meter.clock.now += 1
    assert meter.read(Register.BUS) >> 3 == 1250
    assert not meter.read(Register.BUS) & 2


@given(st.integers(-110, 250))
def test_lm75_words_are_nine_bits_two_complement(halves: int) -> None:
    word = word_of(halves / 2)
    assert word & 0x7F == 0
    assert celsius_of(word) == halves / 2


@pytest.mark.parametrize(
    ("celsius", "word"),
    [(125, 0x7D00), (25, 0x1900), (0.5, 0x0080), (0, 0), (-0.5, 0xFF80), (-25, 0xE700), (-55, 0xC900)],
)
def test_lm75_table_of_the_data_sheet(celsius: float, word: int) -> None:
    assert word_of(celsius) == word


class Air:
    """The air around an LM75."""

    def __init__(self) -> None:
        self.celsius = 20.0
        self.chip = Lm75(lambda: self.celsius)

    def samples(self, *celsius: float) -> list[bool]:
        out = []
        for value in celsius:
            self.celsius = value
            self.chip.convert()
            out.append(self.chip.os_low)
        return out


def test_lm75_comparator_output_follows_limit_and_hysteresis() -> None:
    air = Air()
    assert air.samples(79.5, 80, 76, 75, 74.5, 79) == [False, True, True, True, False, False]


def test_lm75_fault_queue_wants_faults_in_a_row() -> None:
    air = Air()
    air.chip.write(bytes((Lm75Register.CONFIG, 0b01 << 3)))  # two
    assert air.samples(90, 20, 90, 90, 20, 90, 20, 20) == [False, False, False, True, True, True, True, False]


def test_lm75_interrupt_mode_is_cleared_by_any_read() -> None:
    air = Air()
    air.chip.write(bytes((Lm75Register.CONFIG, Config.INTERRUPT)))
    assert air.samples(85) == [True]
    air.chip.read(2)
    assert not air.chip.os_low
    assert air.samples(85, 85, 70) == [False, False, True]


def test_lm75_limits_are_written_and_read_back_and_lost_with_the_power() -> None:
    bench = Bench()
    bench.bus.write_word_data(0x48, Lm75Register.T_OS, int.from_bytes(word_of(70.5).to_bytes(2, "big"), "little"))
    assert bench.bus.read_word_data(0x48, Lm75Register.T_OS) == 0x8046
    bench.rack.stacks[0].brown_out()
    assert bench.bus.read_word_data(0x48, Lm75Register.T_OS) == 0x0050  # 80 C
    assert bench.bus.read_word_data(0x48, Lm75Register.T_HYST) == 0x004B


def test_lm75_shut_down_keeps_its_last_sample() -> None:
    air = Air()
    air.chip.write(bytes((Lm75Register.CONFIG, Config.SHUTDOWN)))
    air.celsius = 99
    air.chip.write(bytes((Lm75Register.TEMPERATURE,)))
    assert air.chip.read(2) == bytes((20, 0))


def test_an_overheated_board_pulls_the_shared_line_low() -> None:
    bench = Bench()
    assert bench.rack.lines.level(27)
    bench.rack.force_temperature(0, 90.0)
    bench.clock.now += 1
    bench.rack.tick()
    assert not bench.rack.lines.level(27)
    assert bench.witness.lines[-1] == (27, False)
    assert bench.bus.read_word_data(0x48, 0) == 90
    bench.rack.force_temperature(0, None)
    bench.clock.now += 1
    bench.rack.tick()
    assert bench.witness.lines[-1] == (27, True)
