"""Chips: the data sheets' own examples, both ends of each range, signs, and there and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graped.hardware.chips import ina219, lm75, pcf8574
from graped.hardware.chips.ina219 import BusVoltage, Ina219
from graped.hardware.chips.lm75 import Lm75
from graped.hardware.chips.words import from_signed, swap, to_signed
from graped.hardware.chips.xra1200 import Register, Xra1200
from tests.hardware.i2c_fakes import FakeBus, PortChip, RegisterChip

SLOTS = st.frozensets(st.integers(0, 5))


# --- PCF8574A -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("slots", "value"),
    [((), 0xFF), (range(6), 0x81), ((0,), 0xFD), ((1,), 0xBF), ((2,), 0xF7), ((3,), 0xFB), ((4,), 0xDF), ((5,), 0xEF)],
)
def test_port_bytes_of_the_board(slots: tuple[int, ...], value: int) -> None:
    assert pcf8574.encode(slots) == value
    assert pcf8574.decode(value) == frozenset(slots)


@given(SLOTS)
def test_port_byte_there_and_back(slots: frozenset[int]) -> None:
    value = pcf8574.encode(slots)
    assert pcf8574.decode(value) == slots
    assert value & pcf8574.BOARD_LAYOUT.spare_mask == pcf8574.BOARD_LAYOUT.spare


def test_port_is_touched_by_send_and_receive_byte_only() -> None:
    bus = FakeBus()
    bus.chips[0x3B] = PortChip(0xFF)
    chip = pcf8574.Pcf8574(bus, 0x3B)
    chip.write(0xFD)
    assert chip.read() == 0xFD
    assert bus.ops(0x3B) == ["send_byte", "receive_byte"]


# --- words --------------------------------------------------------------------------------------------


@given(st.integers(0, 0xFFFF))
def test_words_there_and_back(word: int) -> None:
    assert swap(swap(word)) == word
    assert from_signed(to_signed(word)) == word


def test_words_by_hand() -> None:
    assert swap(0x1234) == 0x3412
    assert (to_signed(0x7FFF), to_signed(0x8000), to_signed(0xFFFF)) == (32767, -32768, -1)
    with pytest.raises(ValueError, match="16 bits"):
        from_signed(0x8000)


# --- INA219 (SBOS448G, 8.5.2 and tables 8 ff.: 2 mOhm, 15 A, current LSB 1 mA) --------------------------


def test_ina219_data_sheet_example() -> None:
    assert ina219.calibration(0.002, 1000) == 0x5000
    assert ina219.decode_bus_voltage(0x5D98).voltage_mv == 11_980
    assert ina219.decode_shunt_uv(0x07D0) == 20_000
    assert ina219.decode_current_ma(0x2710, 1000) == 10_000


def test_ina219_shunt_voltage_of_both_signs() -> None:
    # Figures 20 to 23 of the data sheet: full scale of each PGA setting
    assert ina219.decode_shunt_uv(0x7D00) == 320_000
    assert ina219.decode_shunt_uv(0x8300) == -320_000
    assert ina219.decode_shunt_uv(0x1F40) == 80_000
    assert ina219.decode_shunt_uv(0xE0C0) == -80_000


def test_ina219_bus_voltage_flags_and_ends() -> None:
    assert ina219.decode_bus_voltage(0x0000) == BusVoltage(voltage_mv=0, ready=False)
    assert ina219.decode_bus_voltage(0x1F40 << 3 | 0b10) == BusVoltage(voltage_mv=32_000)
    assert ina219.decode_bus_voltage(0b11) == BusVoltage(voltage_mv=0, ready=True, overflow=True)


@given(st.integers(0, 8000), st.booleans(), st.booleans())
def test_ina219_bus_voltage_there_and_back(steps: int, ready: bool, overflow: bool) -> None:
    value = BusVoltage(voltage_mv=steps * 4, ready=ready, overflow=overflow)
    assert ina219.decode_bus_voltage(ina219.encode_bus_voltage(value)) == value


@given(st.floats(0.0005, 10.0))
def test_ina219_steps_hold_the_full_scale(shunt_ohms: float) -> None:
    lsb_ua = ina219.current_lsb_ua(shunt_ohms)
    full_scale_ua = ina219.FULL_SCALE_V / shunt_ohms * 1_000_000
    assert lsb_ua * 0x7FFF >= full_scale_ua * 0.999999
    calibration = ina219.calibration(shunt_ohms, lsb_ua)
    assert 0 < calibration <= ina219.CALIBRATION_MAX
    assert calibration % 2 == 0


def test_ina219_steps_of_the_boards_shunt() -> None:
    assert ina219.current_lsb_ua(0.02) == 200
    assert ina219.calibration(0.02, 200) == 10_240


def test_ina219_calibration_out_of_reach() -> None:
    with pytest.raises(ValueError, match="calibrated"):
        ina219.calibration(0.000001, 1)


def ina219_chip(voltage_mv: int, current: int) -> RegisterChip:
    voltage = ina219.encode_bus_voltage(BusVoltage(voltage_mv=voltage_mv))
    return RegisterChip({0: 0x399F, 1: 0, 2: voltage, 3: 0, 4: current, 5: 0}, 2, frozenset({1, 2, 3, 4}))


def test_ina219_on_the_wire() -> None:
    bus = FakeBus()
    bus.chips[0x40] = chip = ina219_chip(5_000, from_signed(-1500))
    meter = Ina219(bus, 0x40, 0.02)
    assert not meter.configured()
    meter.configure()
    assert chip.writes == [(0, 0x2C1F), (5, 10_240)]
    assert meter.configured()
    sample = meter.sample()
    assert sample is not None
    assert (sample.voltage_mv, sample.current_ma, sample.power_mw) == (5_000, -300, -1_500)
    chip.registers[2] &= ~0b10
    assert meter.sample() is None  # no conversion yet


# --- LM75 / MAX7500 (data format table) ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "millidegrees"),
    [
        (0x7D00, 125_000),
        (0x1900, 25_000),
        (0x0080, 500),
        (0x0000, 0),
        (0xFF80, -500),
        (0xE700, -25_000),
        (0xC900, -55_000),
    ],
)
def test_lm75_data_sheet_table(word: int, millidegrees: int) -> None:
    assert lm75.decode_mc(word) == millidegrees
    assert lm75.encode_mc(millidegrees) == word


def test_lm75_low_bits_mean_nothing() -> None:
    assert lm75.decode_mc(0x197F) == 25_000
    assert lm75.decode_mc(0xFFFF) == -500


@given(st.integers(-110, 250))
def test_lm75_there_and_back(steps: int) -> None:
    assert lm75.decode_mc(lm75.encode_mc(steps * 500)) == steps * 500


@given(st.integers(-200_000, 200_000))
def test_lm75_rounds_to_the_nearest_step_within_its_range(millidegrees: int) -> None:
    bounded = min(max(millidegrees, -55_000), 125_000)
    assert abs(lm75.decode_mc(lm75.encode_mc(millidegrees)) - bounded) <= 250


def test_lm75_limits_on_the_wire() -> None:
    bus = FakeBus()
    bus.chips[0x49] = chip = RegisterChip({0: 0x1900, 1: 0, 2: 0x4B00, 3: 0x5000}, 2, frozenset({0}))
    thermometer = Lm75(bus, 0x49)
    assert thermometer.temperature_mc() == 25_000
    assert thermometer.has_limits(80_000, 75_000)  # as after a power-on
    thermometer.set_limits(70_000, 65_000)
    assert (chip.registers[3], chip.registers[2]) == (0x4600, 0x4100)
    assert thermometer.has_limits(70_000, 65_000)
    assert not thermometer.has_limits(70_000, 64_000)


def test_xra1200_on_the_wire() -> None:
    bus = FakeBus()
    bus.chips[0x20] = RegisterChip({0: 0, 1: 0xFF, 3: 0xFF, 4: 0}, 1, frozenset({0}))
    chip = Xra1200(bus, 0x20)
    chip.write(Register.OUT, 0xF3)
    assert (chip.read(Register.OUT), chip.read(Register.DIR)) == (0xF3, 0xFF)
