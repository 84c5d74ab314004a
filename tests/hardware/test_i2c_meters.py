"""A stack's meters: set up once, set up again after a power loss, asked less often while missing."""

from __future__ import annotations

import random

import pytest

from graped.config.types import Temperature
from graped.hardware.bus import PatientBus
from graped.hardware.chips.lm75 import decode_mc
from graped.hardware.chips.words import from_signed
from graped.hardware.meters import CHECK_EVERY, BoardMeters
from graped.model import MeterKind
from tests.hardware.i2c_fakes import FakeBus, FakeClock, Noise, RegisterChip

LSB_UA = 200  # of a 20 mOhm shunt


class Ina219(RegisterChip):
    """Current reads 0 until the calibration is written."""

    def __init__(self, voltage_mv: int, current_ma: int) -> None:
        super().__init__({0: 0x399F, 1: 0, 2: 0, 3: 0, 4: 0, 5: 0}, 2, frozenset({1, 2, 3, 4}))
        self.voltage_mv, self.current_ma = voltage_mv, current_ma

    def read(self, count: int) -> list[int]:
        self.registers[2] = self.voltage_mv // 4 << 3 | 0b10
        self.registers[4] = from_signed(self.current_ma * 1000 // LSB_UA) if self.registers[5] else 0
        return super().read(count)


class Rig:
    def __init__(self, address: int = 0, has_meter: bool | None = None, *, meter: bool = True, heat: bool = True):
        self.clock = FakeClock()
        self.wire = FakeBus(1, self.clock)
        self.ina219 = Ina219(5_000, 2_400)
        self.lm75 = RegisterChip({0: 0x1900, 1: 0, 2: 0x4B00, 3: 0x5000}, 2, frozenset({0}))
        self.meter_at, self.heat_at = 0x40 + address, 0x48 + address
        if meter:
            self.wire.chips[self.meter_at] = self.ina219
        if heat:
            self.wire.chips[self.heat_at] = self.lm75
        bus = PatientBus(self.wire, clock=self.clock, sleep=self.clock.sleep)
        self.meters = BoardMeters(bus, address, 0.02, has_meter, Temperature())

    def read(self, now: float = 0.0) -> tuple[dict[MeterKind, int], dict[str, str]]:
        readings, missing = self.meters.read(now)
        assert all(reading.at == now for reading in readings)
        return {reading.kind: reading.value for reading in readings}, missing


ALL = {
    MeterKind.VOLTAGE: 5_000,
    MeterKind.CURRENT: 2_400,
    MeterKind.POWER: 12_000,
    MeterKind.TEMPERATURE: 25_000,
}


def test_all_meters_of_a_stack() -> None:
    rig = Rig()
    assert rig.read() == (ALL, {})
    assert rig.ina219.writes == [(0, 0x2C1F), (5, 10_240)]
    assert rig.lm75.writes == [(3, 0x4600), (2, 0x4100)]  # 70 and 65 degrees


def test_a_poll_costs_three_words() -> None:
    rig = Rig()
    rig.read()
    rig.wire.log.clear()
    assert rig.read(5.0) == (ALL, {})
    assert [seen.op for seen in rig.wire.log] == ["read_word_data"] * 3
    assert len(rig.ina219.writes) == 2


def test_chips_that_lost_their_power_are_set_up_again() -> None:
    rig = Rig()
    rig.read()
    rig.ina219.reset()
    rig.lm75.reset()
    assert rig.read(5.0)[0].keys() == {MeterKind.TEMPERATURE}  # current 0 without calibration is no reading
    assert rig.read(10.0)[0] == ALL
    for turn in range(CHECK_EVERY):
        rig.read(15.0 + turn)
    assert rig.lm75.registers[3] == 0x4600


def test_no_load_is_a_reading() -> None:
    rig = Rig()
    rig.ina219.current_ma = 0
    values = rig.read()[0]
    assert (values[MeterKind.CURRENT], values[MeterKind.POWER]) == (0, 0)


@pytest.mark.parametrize("address", [2, 3, 6, 7])
def test_no_meter_is_looked_for_where_the_board_cannot_have_one(address: int) -> None:
    rig = Rig(address)
    assert rig.read() == ({MeterKind.TEMPERATURE: 25_000}, {})
    assert rig.wire.ops(0x40 + address) == []


def test_a_meter_that_was_switched_off_in_the_config_is_not_asked() -> None:
    rig = Rig(has_meter=False)
    rig.read()
    assert rig.wire.ops(0x40) == []


@pytest.mark.parametrize(("has_meter", "told"), [(None, False), (True, True)])
def test_an_absent_meter_is_told_only_where_it_should_be_there(has_meter: bool | None, told: bool) -> None:
    values, missing = Rig(has_meter=has_meter, meter=False).read()
    assert values == {MeterKind.TEMPERATURE: 25_000}
    assert ("meter" in missing) == told


def test_a_meter_that_was_there_is_missed() -> None:
    rig = Rig()
    rig.read()
    del rig.wire.chips[0x40]
    assert "0x40" in rig.read(5.0)[1]["meter"]
    rig.wire.chips[0x40] = rig.ina219
    assert rig.read(10.0) == (ALL, {})


def test_what_is_missing_is_asked_for_at_growing_intervals() -> None:
    rig = Rig(has_meter=True, meter=False, heat=False)
    asked = []
    for now in range(0, 200, 1):
        rig.wire.log.clear()
        values, missing = rig.read(float(now))
        assert (values, sorted(missing)) == ({}, ["meter", "temperature"])
        if rig.wire.ops(0x48):
            asked.append(now)
    assert asked == [0, 2, 6, 14, 30, 60, 90, 120, 150, 180]


def test_a_hung_bus_costs_one_deadline() -> None:
    rig = Rig()
    rig.wire.hung = True
    start = rig.clock.now
    assert rig.read()[0] == {}
    assert rig.clock.now - start < 0.25 + rig.wire.timeout_s


def test_one_flipped_bit_raises_no_alarm() -> None:
    rig = Rig()
    rig.read()
    rig.wire.chips[0x48] = Flips({**rig.lm75.registers}, at=0)
    assert rig.read(5.0)[0][MeterKind.TEMPERATURE] == 25_000
    rig.wire.chips[0x48] = RegisterChip({**rig.lm75.registers, 0: 0x5A00}, 2)
    assert rig.read(10.0)[0][MeterKind.TEMPERATURE] == 90_000


class Flips(RegisterChip):
    """The first read comes with bit 14 flipped: 25 degrees read as 89."""

    def __init__(self, registers: dict[int, int], at: int) -> None:
        super().__init__(registers, 2)
        self.reads = 0
        self.at = at

    def read(self, count: int) -> list[int]:
        high, low = super().read(count)
        self.reads += 1
        return [high ^ 0x40 if self.reads == self.at + 1 else high, low]


def test_noise_leaves_the_settings_right_in_the_end() -> None:
    for seed in range(30):
        rig = Rig()
        rig.wire.noise = Noise(rng=random.Random(seed), nack=0.1, flip=0.2)
        for now in range(0, 100, 5):
            rig.read(float(now))
        rig.wire.noise = Noise()
        for now in range(100, 200, 5):
            rig.read(float(now))
        assert (rig.ina219.registers[0], rig.ina219.registers[5]) == (0x2C1F, 10_240)
        assert [decode_mc(rig.lm75.registers[register]) for register in (3, 2)] == [70_000, 65_000]
        assert rig.read(300.0) == (ALL, {})
