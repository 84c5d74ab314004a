"""The meters of one board stack: an INA219 for the whole stack, and its temperature chip."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from graped.config.types import Temperature
from graped.errors import BusError
from graped.hardware.bus import PatientBus
from graped.hardware.chips import ina219, lm75
from graped.model import MeterKind, Reading

METER_ADDRESSES = frozenset({0, 1, 4, 5})  # A1 = 0: what an INA219's two address pins reach
FIRST_PAUSE_S = 2.0  # before a chip that did not answer is asked again; doubles
CHECK_EVERY = 12  # reads after which a chip's settings are compared again
SETUP_TRIES = 3


@dataclass(slots=True, kw_only=True)
class _Chip:
    """How one chip answers, and when it is asked next."""

    why: str = ""  # it does not answer, and why
    seen: bool = False  # it answered once
    pause_s: float = FIRST_PAUSE_S
    ask_at: float = 0.0
    checks_in: int = 0  # reads until its settings are compared

    def answered(self) -> None:
        self.why, self.pause_s, self.seen = "", FIRST_PAUSE_S, True
        self.checks_in -= 1

    def failed(self, why: str, now: float, retry_max_s: float) -> None:
        self.why, self.ask_at = why, now + self.pause_s
        self.pause_s = min(self.pause_s * 2, retry_max_s)
        self.checks_in = 0  # it may have lost its power, and its settings with it


class BoardMeters:
    """Read a stack's chips. They are set up when they first answer, and again after they lost their settings.

    ``has_meter``: True (its absence is told), False (never asked), None (asked where the board allows one; its absence
    is told only once it was there). A chip that does not answer is asked again at growing intervals up to
    ``retry_max_s``.
    """

    def __init__(
        self,
        bus: PatientBus,
        address: int,
        shunt_ohms: float,
        has_meter: bool | None,
        temperature: Temperature,
        *,
        deadline_s: float = 0.25,
        retry_max_s: float = 30.0,
    ) -> None:
        self._bus = bus
        self._deadline_s = deadline_s
        self._retry_max_s = retry_max_s
        self._meter_wanted = address in METER_ADDRESSES if has_meter is None else has_meter
        self._may_lack_meter = has_meter is None
        self._ina219 = ina219.Ina219(bus, ina219.ADDRESS_BASE + address, shunt_ohms)
        self._lm75 = lm75.Lm75(bus, lm75.ADDRESS_BASE + address)
        self._limits_mc = (
            round(temperature.overtemp_celsius * 1000),
            round(temperature.hysteresis_celsius * 1000),
        )
        self._meter = _Chip()
        self._thermometer = _Chip()

    def read(self, now: float) -> tuple[tuple[Reading, ...], dict[str, str]]:
        """Sample what answers; name what should be there ("meter", "temperature") and does not, and why."""
        readings: list[Reading] = []
        missing: dict[str, str] = {}
        with self._bus.deadline(self._deadline_s):
            if self._meter_wanted:
                readings += self._ask(self._meter, self._read_meter, now)
            readings += self._ask(self._thermometer, self._read_temperature, now)
        if self._meter.why and (self._meter.seen or not self._may_lack_meter):
            missing["meter"] = self._meter.why
        if self._thermometer.why:
            missing["temperature"] = self._thermometer.why
        return tuple(readings), missing

    def _ask(self, chip: _Chip, sample: Callable[[], dict[MeterKind, int]], now: float) -> list[Reading]:
        if chip.why and now < chip.ask_at:
            return []
        try:
            values = sample()
        except BusError as error:
            chip.failed(error.detail, now, self._retry_max_s)
            return []
        chip.answered()
        return [Reading(kind=kind, value=value, at=now) for kind, value in values.items()]

    def _read_meter(self) -> dict[MeterKind, int]:
        if self._meter.checks_in <= 0:
            self._meter.checks_in = CHECK_EVERY
            if not self._set_up(self._ina219.configured, self._ina219.configure):
                self._meter.checks_in = 0
                return {}
        sample = self._ina219.sample()
        if sample is None:
            return {}
        if sample.current_ma == 0 and not self._ina219.configured():  # calibration 0, as after a power-on
            self._meter.checks_in = 0
            return {}
        return {
            MeterKind.VOLTAGE: sample.voltage_mv,
            MeterKind.CURRENT: sample.current_ma,
            MeterKind.POWER: sample.power_mw,
        }

    def _read_temperature(self) -> dict[MeterKind, int]:
        if self._thermometer.checks_in <= 0:
            set_up = self._set_up(
                lambda: self._lm75.has_limits(*self._limits_mc),
                lambda: self._lm75.set_limits(*self._limits_mc),
            )
            self._thermometer.checks_in = CHECK_EVERY if set_up else 0
        value = self._lm75.temperature_mc()
        if value >= min(self._limits_mc):  # hot enough to raise an alarm: one flipped bit must not
            value = min(value, self._lm75.temperature_mc())
        return {MeterKind.TEMPERATURE: value}

    def _set_up(self, is_set: Callable[[], bool], write: Callable[[], None]) -> bool:
        """Write a chip's settings until they read back; False where they do not this time."""
        for _ in range(SETUP_TRIES):
            if is_set():
                return True
            write()
        return is_set()
