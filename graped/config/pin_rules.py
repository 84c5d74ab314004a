"""GPIO lines: each BCM pin has one use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from graped.config.board_rules import bus_of
from graped.config.claims import Claim, once
from graped.config.findings import DEFAULT, Findings, Path
from graped.config.stacks import AT
from graped.config.types import Config, DriverSpec

I2C_PINS: Final = {0: (0, 1), 1: (2, 3)}  # SDA and SCL of the two buses on the header


def one_use_of_a_pin(
    config: Config, drivers: Mapping[str, DriverSpec], findings: Findings, ranks: Mapping[str, int]
) -> None:
    """Note each pin that is claimed a second time: by a driver, an interrupt line, or a bus that a stack is on."""
    claims = [*_of_buses(config, drivers, findings), *_of_interrupts(config, findings)]
    for key in config.cluster.stacks:
        claims += _of_driver(key, config, drivers, findings)
    once(claims, "a BCM pin of its own", findings, ranks)


def _of_buses(config: Config, drivers: Mapping[str, DriverSpec], findings: Findings) -> Iterator[Claim]:
    """Claim the pins of each bus that some stack is said to be on; one that is found by asking claims none."""
    told: set[int] = set()
    for key, stack in config.cluster.stacks.items():
        path = (*AT, str(key))
        bus = bus_of(key, stack, drivers) if findings.sound((*path, "driver"), (*path, "bus")) else None
        if bus is not None and bus not in told:
            told.add(bus)
            for pin in I2C_PINS[bus]:
                yield Claim(pin, (*path, "bus"), findings.sources.get((*path, "bus"), DEFAULT))


def _of_interrupts(config: Config, findings: Findings) -> Iterator[Claim]:
    lines = {"display_pin": config.gpio.display_pin, "overtemp_pin": config.gpio.overtemp_pin}
    for name, pin in lines.items():
        path: Path = ("gpio", name)
        if pin is not None and findings.sound(path):
            yield Claim(pin, path, findings.sources.get(path, DEFAULT))


def _of_driver(key: int, config: Config, drivers: Mapping[str, DriverSpec], findings: Findings) -> list[Claim]:
    stack = config.cluster.stacks[key]
    path = (*AT, str(key), "options")
    if stack.options is None or not findings.sound((*path[:-1], "driver"), path):
        return []
    try:
        pins = drivers[stack.driver].pins(stack.options)
    except Exception as error:  # code from outside: its failure is told, not spread
        findings.note(path, f"driver {stack.driver} cannot tell its pins: {error}")
        return []
    places = {(*path, *name.split(".")): pin for name, pin in pins.items()}
    return [Claim(pin, place, findings.source(place)) for place, pin in places.items()]
