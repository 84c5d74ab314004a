"""INA219: voltage and current of a whole stack.

Source: TI INA219 data sheet SBOS448G: 8.6.1 (register map), table 4 (PGA), table 5 (ADC), 8.5.1 (calibration),
8.6.3.2 (bus voltage register). Power is voltage times current, as the chip itself computes it (8.5.1, equation 5):
reading it would cost a transaction and clear CNVR.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag

from graped.hardware.chips.words import swap, to_signed
from graped.hardware.protocols import I2cBus

ADDRESS_BASE = 0x40  # plus the stack's address
CONFIG = 0x2C1F  # 32 V range, PGA /2 (+-80 mV), 12 bit both, continuous both
CONFIG_AFTER_RESET = 0x399F
FULL_SCALE_V = 0.08  # of the shunt, with PGA /2
CALIBRATION_MAX = 0xFFFE  # bit 0 is always 0


class Register(IntEnum):
    """8.6.1, table 2."""

    CONFIG = 0
    SHUNT_VOLTAGE = 1
    BUS_VOLTAGE = 2
    POWER = 3
    CURRENT = 4
    CALIBRATION = 5


class BusVoltageBit(IntFlag):
    """8.6.3.2, figure 24."""

    OVERFLOW = 1 << 0  # OVF: power or current are out of range
    READY = 1 << 1  # CNVR: a conversion is complete


@dataclass(frozen=True, slots=True, kw_only=True)
class BusVoltage:
    """The bus voltage register."""

    voltage_mv: int
    ready: bool = True
    overflow: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What a stack draws."""

    voltage_mv: int
    current_ma: int

    @property
    def power_mw(self) -> int:
        """Voltage times current."""
        return round(self.voltage_mv * self.current_ma / 1000)


def current_lsb_ua(shunt_ohms: float) -> int:
    """Choose the current's step, in uA: the first of 1, 2, 5, 10 ... that holds the full scale in 15 bits.

    A shunt so large that a step of 1 uA would do gets no finer one; a tiny one is bounded by the calibration register.
    """
    least = max(FULL_SCALE_V / shunt_ohms / 0x7FFF, 0.04096 / CALIBRATION_MAX / shunt_ohms) * 1_000_000
    decade = 1
    while True:
        for step in (1, 2, 5):
            if step * decade >= least:
                return step * decade
        decade *= 10


def calibration(shunt_ohms: float, lsb_ua: int) -> int:
    """Compute the calibration register: trunc(0.04096 / (current LSB x shunt)), 8.5.1 equation 1; bit 0 is void."""
    exact = 0.04096 / (lsb_ua / 1_000_000 * shunt_ohms)
    value = int(exact + 1e-6)  # 20480 may come out as 20479.999999
    if not 0 < value <= 0xFFFF:
        raise ValueError(f"a shunt of {shunt_ohms} ohms cannot be calibrated with steps of {lsb_ua} uA")
    return value & CALIBRATION_MAX


def decode_bus_voltage(word: int) -> BusVoltage:
    """Decode register 2: bits 15..3 in steps of 4 mV, CNVR, OVF."""
    flags = BusVoltageBit(word & 0x3)
    return BusVoltage(
        voltage_mv=(word >> 3) * 4,
        ready=BusVoltageBit.READY in flags,
        overflow=BusVoltageBit.OVERFLOW in flags,
    )


def encode_bus_voltage(value: BusVoltage) -> int:
    """Encode register 2, as a chip would."""
    flags = BusVoltageBit.READY * value.ready | BusVoltageBit.OVERFLOW * value.overflow
    return value.voltage_mv // 4 << 3 | flags


def decode_shunt_uv(word: int) -> int:
    """Decode register 1: signed, in steps of 10 uV."""
    return to_signed(word) * 10


def decode_current_ma(word: int, lsb_ua: int) -> int:
    """Decode register 4: signed, in steps of the current LSB."""
    return round(to_signed(word) * lsb_ua / 1000)


class Ina219:
    """One chip on a bus."""

    def __init__(self, bus: I2cBus, address: int, shunt_ohms: float) -> None:
        self._bus = bus
        self._address = address
        self._lsb_ua = current_lsb_ua(shunt_ohms)
        self._calibration = calibration(shunt_ohms, self._lsb_ua)

    def configure(self) -> None:
        """Write configuration and calibration."""
        self._write(Register.CONFIG, CONFIG)
        self._write(Register.CALIBRATION, self._calibration)

    def configured(self) -> bool:
        """Whether the chip has our configuration and calibration: it loses both with its power."""
        return self._read(Register.CONFIG) == CONFIG and self._read(Register.CALIBRATION) == self._calibration

    def sample(self) -> Sample | None:
        """Read voltage and current; None where no conversion is complete yet or one is out of range."""
        voltage = decode_bus_voltage(self._read(Register.BUS_VOLTAGE))
        current_ma = decode_current_ma(self._read(Register.CURRENT), self._lsb_ua)
        if voltage.overflow or not voltage.ready:
            return None
        return Sample(voltage_mv=voltage.voltage_mv, current_ma=current_ma)

    def _read(self, register: Register) -> int:
        return swap(self._bus.read_word_data(self._address, register))

    def _write(self, register: Register, word: int) -> None:
        self._bus.write_word_data(self._address, register, swap(word))
