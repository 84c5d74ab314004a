"""Read ``[cluster.stacks]``: keys of stacks and slots, drivers with their options, devices."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from graped.config import mac
from graped.config.findings import Findings, Path, nearest
from graped.config.shape import build, read_fields
from graped.config.types import Device, DriverSpec, Stack

AT: Final[Path] = ("cluster", "stacks")
MAX_STACK: Final = 15  # two buses of eight addresses
_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,3}", re.ASCII)  # as a key: one way to write each number


def read_stacks(table: object, drivers: Mapping[str, DriverSpec], findings: Findings) -> dict[int, Stack]:
    """Return the stacks that can be made of the table, by key; note what is wrong with the others."""
    if not isinstance(table, dict):
        findings.refuse(AT, "a table", table)
        return {}
    stacks: dict[int, Stack] = {}
    for word, content in table.items():
        key = _number(word, MAX_STACK)
        if key is None:
            findings.refuse((*AT, word), f"a stack key, 0 to {MAX_STACK}", word)
        stack = _read_stack(content, (*AT, word), drivers, findings)
        if key is not None:
            stacks[key] = stack
    return dict(sorted(stacks.items()))


def _number(word: str, most: int) -> int | None:
    return int(word) if _NUMBER.fullmatch(word) and int(word) <= most else None


def _read_stack(table: object, path: Path, drivers: Mapping[str, DriverSpec], findings: Findings) -> Stack:
    values = read_fields(Stack, table, path, findings, apart=("options", "devices"))
    if not isinstance(table, dict):
        return Stack()
    values["options"] = _read_options(table, values.get("driver", Stack().driver), path, drivers, findings)
    values["devices"] = _read_devices(table.get("devices", {}), (*path, "devices"), findings)
    return Stack(**values)


def _read_options(
    table: dict[str, Any], driver: str, path: Path, drivers: Mapping[str, DriverSpec], findings: Findings
) -> Any:
    """Make the driver's options; an unknown driver is noted here, once."""
    if not findings.sound((*path, "driver")):
        return None
    if driver not in drivers:
        known = sorted(drivers)
        findings.refuse((*path, "driver"), f"a driver ({', '.join(known)})", driver, near=nearest(driver, known))
        return None
    return build(drivers[driver].options, table.get("options", {}), (*path, "options"), findings)


def _read_devices(table: object, path: Path, findings: Findings) -> dict[int, Device]:
    if not isinstance(table, dict):
        findings.refuse(path, "a table", table)
        return {}
    devices: dict[int, Device] = {}
    for word, content in table.items():
        slot = _number(word, 9999)
        if slot is None:
            findings.refuse((*path, word), "the number of a slot", word)
        device = _read_device(content, (*path, word), findings)
        if slot is not None and device is not None:
            devices[slot] = device
    return dict(sorted(devices.items()))


def _read_device(table: object, path: Path, findings: Findings) -> Device | None:
    """Return the device of a slot; None where ``mac = ""`` says that the slot is empty."""
    values = read_fields(Device, table, path, findings)
    if values.get("mac") == "":
        return None
    if "mac" in values:
        try:
            values["mac"] = mac.parse(values["mac"])
        except ValueError as error:
            findings.refuse((*path, "mac"), str(error), values.pop("mac"))
    return Device(**values)
