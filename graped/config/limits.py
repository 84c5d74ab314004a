"""What each value may be: its type, its bounds, and the words that tell them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field

from graped.config import types

LONGEST_SOCKET_PATH: Final = 107  # bytes, without the closing zero. Source: unix(7), sun_path
_HOST_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.IGNORECASE | re.ASCII)  # RFC 1123, 2.1
_GROUP: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Expected:
    """The words for what a value should be; found in a type's annotations."""

    words: str


def _number(least: float, most: float, unit: str, *, above: bool = False) -> Any:
    """A finite number of ``unit`` in bounds; ``above``: ``least`` itself is not allowed."""
    words = f"{unit}, above {least:g} and up to {most:g}" if above else f"{unit}, {least:g} to {most:g}"
    bound = Field(gt=least, le=most) if above else Field(ge=least, le=most)
    return Annotated[float, bound, Field(allow_inf_nan=False), Expected(f"a number of {words}")]


def _count(least: int, most: int, what: str = "a whole number") -> Any:
    return Annotated[int, Field(ge=least, le=most), Expected(f"{what}, {least} to {most}")]


def _text(rule: re.Pattern[str], words: str) -> Any:
    return Annotated[str, AfterValidator(lambda text: _matched(rule, text)), Expected(words)]


def _matched(rule: re.Pattern[str], text: str) -> str:
    if not rule.fullmatch(text):
        raise ValueError(text)
    return text


def _absolute(path: Path) -> Path:
    if not path.is_absolute() or "\0" in str(path):
        raise ValueError(path)
    return path


def _fits_a_socket(path: Path) -> Path:
    if len(str(path).encode()) > LONGEST_SOCKET_PATH:
        raise ValueError(path)
    return path


def _printable(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError(text)
    return text


_seconds = "seconds"
_watts = "watts"
_ABSOLUTE = Annotated[Path, AfterValidator(_absolute), Expected("an absolute path")]
_BUS = _count(0, 1, "an I2C bus")
_BCM_PIN = _count(0, 27, "a BCM pin number")
_FLAG = Annotated[bool, Expected("true or false")]
HOST_NAME = _text(_HOST_NAME, "a host name (letters, digits and inner dashes, at most 63)")

LIMITS: Final[dict[type, dict[str, Any]]] = {
    types.Device: {
        "mac": Annotated[str, Expected("a MAC address such as b8:27:eb:2c:c0:04")],
        "name": HOST_NAME,
        "watts": _number(0, 1000, _watts, above=True),
    },
    types.Stack: {
        "driver": Annotated[str, Expected("the name of a driver")],
        "bus": _BUS,
        "address": _count(0, 7, "the address set by A0, A1 and A2"),
        "meter": _FLAG,
        "shunt_ohms": _number(0, 1, "ohms", above=True),
        "budget_watts": _number(0, 100_000, _watts, above=True),
    },
    types.Cluster: {
        "name": Annotated[
            str, Field(max_length=64), AfterValidator(_printable), Expected("a name of 1 to 64 characters")
        ],
    },
    types.PowerPolicy: {
        "at_start": types.AtStart,
        "stagger_s": _number(0, 600, _seconds),
        "inrush_s": _number(0, 600, _seconds),
        "max_inrush": _count(1, 96),
        "max_booting": _count(1, 96),
        "boot_gate_s": _number(0, 3600, _seconds),
        "node_watts": _number(0, 1000, _watts, above=True),
        "cycle_off_s": _number(0, 3600, _seconds),
        "guard_max_s": _number(0, 86_400, _seconds),
        "soft_off_max_s": _number(0, 86_400, _seconds),
        "give_up_s": _number(0, 86_400, _seconds, above=True),
    },
    types.Poll: {
        "power_s": _number(0, 60, _seconds, above=True),
        "meters_s": _number(0, 3600, _seconds, above=True),
        "retry_max_s": _number(0, 3600, _seconds, above=True),
    },
    types.Bus: {"deadline_s": _number(0, 10, _seconds, above=True)},
    types.Api: {
        "socket": Annotated[
            Path,
            AfterValidator(_absolute),
            AfterValidator(_fits_a_socket),
            Expected(f"an absolute path of at most {LONGEST_SOCKET_PATH} bytes"),
        ],
        "group": _text(_GROUP, "the name of a group"),
    },
    types.Store: {
        "state_dir": _ABSOLUTE,
        "flush_s": _number(0, 3600, _seconds, above=True),
        "events_days": _number(0, 36_500, "days", above=True),
        "meters_raw_hours": _number(0, 8760, "hours", above=True),
        "meters_days": _number(0, 36_500, "days", above=True),
    },
    types.Display: {
        "enabled": _FLAG,
        "bus": _BUS,
        "address": _count(0x20, 0x27, "the address of a PCA9555"),
        "refresh_s": _number(0, 3600, _seconds, above=True),
    },
    types.Gpio: {"display_pin": _BCM_PIN, "overtemp_pin": _BCM_PIN},
    types.Temperature: {
        "overtemp_celsius": _number(-55, 125, "degrees Celsius"),
        "hysteresis_celsius": _number(-55, 125, "degrees Celsius"),
        "emergency_celsius": _number(-55, 125, "degrees Celsius"),
    },
}
