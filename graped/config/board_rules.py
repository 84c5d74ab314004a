"""Rules of the Grape board and of what else answers on its I2C buses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Final

from graped.config.findings import Findings, Path
from graped.config.stacks import AT
from graped.config.types import Config, DriverSpec, Stack

METER_ADDRESSES: Final = (0, 1, 4, 5)  # A1 = 0: what the two address pins of an INA219 reach
CLUSTERHAT: Final = "clusterhat"
CLUSTERHAT_BUS: Final = 1  # the ClusterHAT sits on the header's own bus
CLUSTERHAT_ADDRESS: Final = 0x20  # of its XRA1200
_FIRST_KEY_OF_BUS_1: Final = 8
_BOARD_ONLY: Final = ("bus", "address", "meter", "shunt_ohms")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Board:
    """A Grape stack: where it is on the buses. ``bus`` None: found by asking both."""

    key: int
    address: int
    bus: int | None

    @property
    def path(self) -> Path:
        return (*AT, str(self.key))


def judge_board(config: Config, drivers: Mapping[str, DriverSpec], findings: Findings) -> None:
    """Judge what depends on chips and addresses."""
    boards = []
    for key, stack in config.cluster.stacks.items():
        path = (*AT, str(key))
        if stack.driver not in drivers or not findings.sound((*path, "driver")):
            continue
        if not drivers[stack.driver].board:
            _board_keys_on_a_board_only(path, stack, findings)
        elif findings.sound((*path, "address")):
            _meter_where_it_answers(path, config.address_of(key), stack, findings)
            if findings.sound((*path, "bus")):
                boards.append(_Board(key=key, address=config.address_of(key), bus=bus_of(key, stack, drivers)))
    for one, other in combinations(boards, 2):
        _addresses_apart(one, other, findings)
    _expanders_apart(config, drivers, findings)


def bus_of(key: int, stack: Stack, drivers: Mapping[str, DriverSpec]) -> int | None:
    """Tell the bus that a stack is said to be on; None where it has none, or is found by asking both."""
    if stack.driver == CLUSTERHAT:
        return CLUSTERHAT_BUS if stack.bus is None else stack.bus
    if stack.driver not in drivers or not drivers[stack.driver].board:
        return None
    return 1 if stack.bus is None and key >= _FIRST_KEY_OF_BUS_1 else stack.bus


def _board_keys_on_a_board_only(path: Path, stack: Stack, findings: Findings) -> None:
    for name in _BOARD_ONLY:
        if findings.is_set((*path, name)) and not (name == "bus" and stack.driver == CLUSTERHAT):
            findings.note((*path, name), f"no {name} on a stack of driver {stack.driver}", f"{name} set")


def _meter_where_it_answers(path: Path, address: int, stack: Stack, findings: Findings) -> None:
    if stack.meter and address not in METER_ADDRESSES and findings.sound((*path, "meter")):
        findings.note(
            (*path, "meter"),
            "false, or a stack at address 0, 1, 4 or 5 (with jumper A1 set the meter chip, which has only two address "
            "pins, is out of reach)",
            f"true at address {address}",
        )


def _addresses_apart(one: _Board, other: _Board, findings: Findings) -> None:
    """Two boards with one address need to be on two buses, and both buses need to be said."""
    if one.address != other.address:
        return
    where = f"stack {one.key} has address {one.address}"
    if one.bus is None and other.bus is None:
        words = f"a bus for this stack and the other one for stack {one.key}, because {where} too"
        findings.note((*other.path, "bus"), words, "no bus on either")
    elif one.bus is None or other.bus is None:
        still_open, known = (one, other) if one.bus is None else (other, one)
        assert known.bus is not None
        words = f"bus = {1 - known.bus}, because stack {known.key} has address {known.address} on bus {known.bus}"
        findings.note((*still_open.path, "bus"), words, "no bus")
    elif one.bus == other.bus:
        path = (*other.path, "address")
        findings.note(path, f"an address of its own on bus {one.bus} ({where} there)", str(other.address))


def _expanders_apart(config: Config, drivers: Mapping[str, DriverSpec], findings: Findings) -> None:
    """Keep a ClusterHAT's expander, another one, and the display's off one address of one bus."""
    hats: dict[int, int] = {}
    for key, stack in config.cluster.stacks.items():
        path = (*AT, str(key), "bus")
        bus = bus_of(key, stack, drivers)
        if stack.driver != CLUSTERHAT or bus is None or not findings.sound((*path[:-1], "driver"), path):
            continue
        holder = hats.setdefault(bus, key)
        if holder != key:
            findings.note(path, f"a bus of its own (the ClusterHAT of stack {holder} is on bus {bus})", str(bus))
    for bus, key in hats.items():
        _display_apart(bus, key, config, findings)


def _display_apart(bus: int, key: int, config: Config, findings: Findings) -> None:
    """Refuse a display that is said to be where a ClusterHAT is; one that is looked for is not looked for there."""
    display = config.display
    if display.enabled is not False and display.bus == bus and display.address == CLUSTERHAT_ADDRESS:
        words = f"bus {1 - bus}, because the ClusterHAT of stack {key} is at {CLUSTERHAT_ADDRESS:#x} on bus {bus} too"
        findings.note(("display", "bus"), words, str(bus))
