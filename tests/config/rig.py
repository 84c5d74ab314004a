"""Made-up drivers, and files in a temporary folder: what all tests of the configuration need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from graped.config.files import merge
from graped.config.load import Loaded, load, validate
from graped.config.types import DriverSpec
from graped.errors import ConfigError, Problem

MAC = "b8:27:eb:2c:c0:04"
OTHER_MAC = "b8:27:eb:ef:37:6e"
PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHLZ+LeIHnOUaTxTsyoyzP6pgyHFuJJZQxDqC4QjTvWp ann@laptop"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoOptions:
    """A board and a ClusterHAT need none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """A dataclass inside options."""

    colour: str
    length_mm: int = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayOptions:
    """One relay a slot, or one for all."""

    pins: dict[int, int] = field(default_factory=dict)
    pin: int | None = None
    slots: tuple[int, ...] = (0, 1, 2, 3, 4, 5)
    active_low: bool = True
    wire: Wire | None = None
    spare: int | None = 9

    def __post_init__(self) -> None:
        if self.pins and self.pin is not None:
            raise ValueError("give pins or pin, not both")


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolOptions:
    """Options without defaults."""

    on: tuple[str, ...]
    off: tuple[str, ...]
    wire: Wire = Wire(colour="red")
    mode: int | str = 1


def _relay_slots(options: RelayOptions) -> frozenset[int]:
    return frozenset(options.pins or options.slots)


def _relay_pins(options: RelayOptions) -> dict[str, int]:
    if options.pin is not None:
        return {"pin": options.pin}
    return {f"pins.{slot}": pin for slot, pin in options.pins.items()}


def _spec(
    options: type, slots: Any, pins: Any = lambda _: {}, groups: Any = lambda _: (), *, board: bool = False
) -> DriverSpec:
    return DriverSpec(options=options, slots=slots, pins=pins, groups=groups, build=lambda *_: None, board=board)


def _relay_groups(options: RelayOptions) -> tuple[frozenset[int], ...]:
    return (frozenset(options.slots),) if options.pin is not None else ()


def _broken(_options: object) -> frozenset[int]:
    raise RuntimeError("no idea")


DRIVERS: Mapping[str, DriverSpec] = {
    "stack": _spec(NoOptions, lambda _: frozenset(range(6)), board=True),
    "gpio_relay": _spec(RelayOptions, _relay_slots, _relay_pins, _relay_groups),
    "clusterhat": _spec(NoOptions, lambda _: frozenset(range(4))),
    "tool": _spec(ToolOptions, lambda _: frozenset(range(2))),
    "broken": _spec(NoOptions, _broken),
    "pinless": _spec(NoOptions, lambda _: frozenset({0}), _broken),
}


def write(folder: Path, text: str, **drop_ins: str) -> Path:
    """Write ``config.toml``, and drop-ins as ``config.d/NAME.toml``."""
    path = folder / "config.toml"
    path.write_text(text)
    for name, content in drop_ins.items():
        (folder / "config.d").mkdir(exist_ok=True)
        (folder / "config.d" / f"{name}.toml").write_text(content)
    return path


def accept(folder: Path, text: str, **drop_ins: str) -> Loaded:
    """Load files that are right."""
    return load(write(folder, text, **drop_ins), DRIVERS)


def problems(folder: Path, text: str, **drop_ins: str) -> tuple[Problem, ...]:
    """Load files that are wrong, and return what is told about them."""
    path = write(folder, text, **drop_ins)
    with pytest.raises(ConfigError) as caught:
        load(path, DRIVERS)
    return caught.value.problems


def only(folder: Path, text: str, **drop_ins: str) -> Problem:
    """As ``problems``, where exactly one is right."""
    found = problems(folder, text, **drop_ins)
    assert len(found) == 1, [str(problem) for problem in found]
    return found[0]


def accept_tables(*tables: dict[str, Any]) -> Loaded:
    """Validate tables without any file."""
    return validate(merge([(f"file-{number}", table) for number, table in enumerate(tables)]), DRIVERS)
