"""Find power drivers by their entry points, and say what a driver is built from.

A driver from outside is a package with an entry point in the group ``grape.power_drivers`` that names a
:class:`graped.config.types.DriverSpec`. One that cannot be loaded is told apart and harms no other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Self

from graped.config.types import DriverSpec
from graped.hardware.bus import PatientBus
from graped.hardware.protocols import Gpio, PowerDriver
from graped.runner import Runner

GROUP = "grape.power_drivers"


@dataclass(frozen=True, slots=True, kw_only=True)
class StackLocation:
    """Where a board stack answers: bus number, and its address there (the jumpers' 0-7)."""

    bus: int
    address: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What ``spec.build(key, stack, resources)`` may use."""

    buses: Mapping[int, PatientBus] = field(default_factory=dict)
    gpio: Gpio | None = None
    runner: Runner | None = None
    deadline_s: float = 0.25  # one operation on an I2C port, retries included
    simulated_port: Callable[[int], PowerDriver] | None = None  # stands in for ``command`` stacks
    location: StackLocation | None = None  # board stacks: what the probe found

    def at(self, location: StackLocation) -> Self:
        """Return the same for the board stack at ``location``."""
        return replace(self, location=location)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drivers:
    """What the entry points gave: the usable drivers, and why the others are not."""

    specs: dict[str, DriverSpec]
    broken: dict[str, str]


@cache
def load() -> Drivers:
    """Load every installed driver, once a process."""
    return gather(entry_points(group=GROUP))


def find() -> dict[str, DriverSpec]:
    """Name the usable drivers."""
    return dict(load().specs)


def gather(found: Iterable[EntryPoint]) -> Drivers:
    """Load these entry points. A driver of the project wins over one from outside with its name."""
    specs: dict[str, DriverSpec] = {}
    broken: dict[str, str] = {}
    for point in sorted(found, key=_outside_last):
        if point.name in specs:
            continue
        try:
            spec = point.load()
        except Exception as error:  # somebody else's code: anything may come out of its import
            broken.setdefault(point.name, f"{point.value} cannot be loaded: {type(error).__name__}: {error}")
            continue
        if isinstance(spec, DriverSpec):
            specs[point.name] = spec
        else:
            broken.setdefault(point.name, f"{point.value} is a {type(spec).__name__}, not a DriverSpec")
    return Drivers(specs=specs, broken={name: why for name, why in broken.items() if name not in specs})


def _outside_last(point: EntryPoint) -> tuple[bool, str]:
    return not point.value.startswith("graped."), point.value
