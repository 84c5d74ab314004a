"""The firmware's ``config.txt`` of a Raspberry Pi: what it says of our settings, and which lines it lacks. Pure.

The firmware reads it from top to bottom; what comes later wins. ``[pi4]`` and the like make what follows conditional,
up to ``[all]``. Parameters after ``dtoverlay=NAME`` belong to that overlay first; an empty ``dtoverlay=`` ends that.
Sources: Raspberry Pi documentation, config_txt (gpio, conditional filters) and configuration (device trees);
``bcm2712-rpi.dtsi`` of the Raspberry Pi's Linux: ``i2c_vc`` is bus 0 (pins 27, 28 of the header) on a Pi 5 too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

PINS: Final = (17, 27)  # the display's interrupt, over-temperature: as outputs they could switch stacks on
BUSES: Final = {"i2c_arm": "bus 1", "i2c_vc": "bus 0"}
ALIASES: Final = {
    "i2c": "i2c_arm",
    "i2c1": "i2c_arm",
    "i2c0": "i2c_vc",
}  # but for the very first Pi, where both are on anyway
ON: Final = frozenset({"", "on", "yes", "y", "true", "1", "okay"})
FUNCTIONS: Final = ("ip", "op", "a0", "a1", "a2", "a3", "a4", "a5")
PULLS: Final = ("pu", "pd", "pn", "np")
_FILTER: Final = re.compile(r"\[(.*)]")
_USES_PIN: Final = re.compile(r"[a-z_]*(?:gpio|pin)[a-z_]*\d?=(\d+)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One setting of one line. ``always``: no filter stands before it."""

    number: int
    line: str
    key: str  # "i2c_arm", "17"
    value: str  # "on"; "ip,np"
    always: bool


def lacking(text: str, *, buses: bool = True) -> tuple[str, ...]:
    """Return the lines that have to be added at the end of ``text``; none where it says all of it.

    Without ``buses``: the pins alone.
    """
    said = tuple(_read(text))
    off = [f"dtparam={bus}=on" for bus in BUSES if buses and not _is_on(said, bus)]
    pins = [str(pin) for pin in PINS if not _is_input(said, pin)]
    lines = (["dtoverlay=", *off] if off else []) + ([f"gpio={','.join(pins)}=ip,np"] if pins else [])
    return ("[all]", *lines) if lines else ()


def contradictions(text: str) -> tuple[str, ...]:
    """Tell, one sentence each, what ``text`` says against what is needed, and who else wants our pins."""
    said = tuple(_read(text))
    return tuple(_against(said)) + tuple(_users_of_pins(text))


def _against(said: tuple[Said, ...]) -> Iterator[str]:
    for each in said:
        if each.key in BUSES and each.value not in ON:
            yield f"line {each.number}, {each.line}, switches I2C {BUSES[each.key]} off: a later line has it on"
        elif each.key.isdigit() and _function(each.value) not in ("", "ip"):
            yield f"line {each.number}, {each.line}, makes pin {each.key} no input: a later line makes it one again"


def _users_of_pins(text: str) -> Iterator[str]:
    """Find overlays that are given one of our pins: that no later line takes back."""
    for number, line in _lines(text):
        name, _, rest = line.partition("=")
        if name not in ("dtoverlay", "device_tree_overlay"):
            continue
        for part in rest.split(","):
            found = _USES_PIN.match(part.strip())
            if found and int(found[1]) in PINS:
                yield f"line {number}, {line}, uses pin {found[1]}, which belongs to the stacks: give it another pin"


def _is_on(said: tuple[Said, ...], bus: str) -> bool:
    """Tell whether a bus is on whatever the filters: the last unconditional word, and no conditional one against it."""
    mine = [each for each in said if each.key == bus]
    always = [index for index, each in enumerate(mine) if each.always]
    return bool(always) and all(each.value in ON for each in mine[always[-1] :])


def _is_input(said: tuple[Said, ...], pin: int) -> bool:
    """Tell whether a pin is an input whatever the filters. Which pull it has is the administrator's affair."""
    mine = [each for each in said if each.key == str(pin) and _function(each.value)]
    always = [index for index, each in enumerate(mine) if each.always]
    return bool(always) and all(_function(each.value) == "ip" for each in mine[always[-1] :])


def _function(value: str) -> str:
    return next((word for word in value.split(",") if word in FUNCTIONS), "")


def _read(text: str) -> Iterator[Said]:
    """Go through the settings that concern us."""
    always = True
    for number, line in _lines(text):
        if found := _FILTER.fullmatch(line):
            always = found[1].strip().lower() == "all"
            continue
        name, _, rest = line.partition("=")
        for key, value in _settings(name.strip(), rest.strip()):
            yield Said(number=number, line=line, key=key, value=value, always=always)


def _settings(name: str, rest: str) -> Iterator[tuple[str, str]]:
    if name in ("dtparam", "device_tree_param"):
        for part in rest.split(","):
            key, _, value = part.strip().partition("=")
            key = ALIASES.get(key, key)
            if key in BUSES:
                yield key, value.strip().lower()
    elif name == "gpio":
        pins, _, value = rest.partition("=")
        wanted = _pins(pins)
        for pin in PINS:
            if pin in wanted:
                yield str(pin), value.replace(" ", "").lower()


def _pins(text: str) -> frozenset[int]:
    """Read ``3-4,6``; what is no number is passed over, as the firmware does."""
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        if first.isdigit() and (last or first).isdigit():
            found |= set(range(int(first), min(int(last or first), 99) + 1))
    return frozenset(found)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if line and not line.startswith("#"):
            yield number, line
