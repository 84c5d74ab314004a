"""Meter values for people: integers in milli-units in, volts, amperes, watts and degrees out."""

from __future__ import annotations

KINDS = ("voltage", "current", "power", "temperature")
_SHOWN = {"mV": ("V", 2), "mA": ("A", 2), "mW": ("W", 1), "mCelsius": ("°C", 1)}


def human(value: int, unit: str) -> str:
    """Show a value in its whole unit: ``12.04 V``, ``41.5 °C``."""
    if unit not in _SHOWN:
        return f"{value} {unit}"
    name, places = _SHOWN[unit]
    return f"{value / 1000:.{places}f} {name}"


def whole(unit: str) -> str:
    """Name the whole unit of a milli-unit."""
    return _SHOWN.get(unit, (unit, 0))[0]
