"""What must hold between values, judged after the merge. The board's own rules are in ``board_rules``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from graped.config.board_rules import judge_board
from graped.config.claims import Claim, once
from graped.config.docker_rules import judge_docker
from graped.config.findings import Findings, Path, dotted, shown
from graped.config.netboot_rules import judge_netboot
from graped.config.pin_rules import one_use_of_a_pin
from graped.config.relay_rules import relays_fit_the_policy
from graped.config.stacks import AT
from graped.config.types import Config, Device, DriverSpec
from graped.model import SlotId

_DEFAULT_NAME: Final = re.compile(r"worker-(0|[1-9][0-9]*)-(0|[1-9][0-9]*)", re.ASCII | re.IGNORECASE)


def judge(config: Config, drivers: Mapping[str, DriverSpec], findings: Findings, order: tuple[str, ...]) -> None:
    """Judge every rule; one whose values are wrong by themselves is passed over."""
    slots = _slots(config, drivers, findings)
    ranks = {name: rank for rank, name in enumerate(order)}
    judge_board(config, drivers, findings)
    _known_slots(config, slots, findings)
    _one_mac_each(config, findings, ranks)
    _one_name_each(config, findings, ranks)
    _no_default_name_of_another(config, slots, findings)
    one_use_of_a_pin(config, drivers, findings, ranks)
    relays_fit_the_policy(config, drivers, findings)
    _limits_in_order(config, findings)
    _budget_holds_a_node(config, findings)
    judge_netboot(config, findings, ranks)
    judge_docker(config, findings)
    if not config.cluster.stacks and not findings.problems:
        findings.warnings.append("cluster.stacks: no stack is configured, so there is nothing to switch")


def _slots(config: Config, drivers: Mapping[str, DriverSpec], findings: Findings) -> dict[int, frozenset[int]]:
    """Ask each stack's driver for its slots; stacks that cannot be asked are left out."""
    slots: dict[int, frozenset[int]] = {}
    for key, stack in config.cluster.stacks.items():
        path = (*AT, str(key))
        if stack.options is None or not findings.sound((*path, "driver"), (*path, "options")):
            continue
        try:
            slots[key] = frozenset(drivers[stack.driver].slots(stack.options))
        except Exception as error:  # code from outside: its failure is told, not spread
            findings.spoil((*path, "options"))
            findings.note((*path, "options"), f"driver {stack.driver} cannot tell its slots: {error}")
    return slots


def _known_slots(config: Config, slots: Mapping[int, frozenset[int]], findings: Findings) -> None:
    for key, known in slots.items():
        for slot in sorted(config.cluster.stacks[key].devices.keys() - known):
            findings.note((*AT, str(key), "devices", str(slot)), f"a slot of this stack ({_span(known)})", str(slot))


def _span(numbers: Iterable[int]) -> str:
    """Write 0, 1, 2, 4 as ``0-2, 4``."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs) or "it has none"


def _device_claim(what: str, slot: SlotId, key: str, findings: Findings) -> Claim:
    path = (*_device_path(slot), key)
    return Claim(what, path, findings.source(path))


def _one_mac_each(config: Config, findings: Findings, ranks: Mapping[str, int]) -> None:
    claims = [_device_claim(device.mac, slot, "mac", findings) for slot, device in _devices(config) if device.mac]
    once(claims, "a MAC address of its own", findings, ranks)


def _one_name_each(config: Config, findings: Findings, ranks: Mapping[str, int]) -> None:
    names = [(slot, device.name) for slot, device in _devices(config) if device.name]
    claims = [_device_claim(name.lower(), slot, "name", findings) for slot, name in names]
    once(claims, "a name of its own", findings, ranks)


def _no_default_name_of_another(config: Config, slots: Mapping[int, frozenset[int]], findings: Findings) -> None:
    for slot, device in _devices(config):
        match = _DEFAULT_NAME.fullmatch(device.name or "")
        other = SlotId(int(match[1]), int(match[2])) if match else slot
        if other != slot and other.slot in slots.get(other.stack, ()):
            words = f"another name: this is what the node in slot {other.slot} of stack {other.stack} is called"
            findings.note((*_device_path(slot), "name"), words, shown(device.name))


def _limits_in_order(config: Config, findings: Findings) -> None:
    heat = config.temperature
    _not_above(
        ("bus", "deadline_s"), config.bus.deadline_s, ("poll", "power_s"), config.poll.power_s, findings, equal=False
    )
    low, high = ("temperature", "hysteresis_celsius"), ("temperature", "overtemp_celsius")
    _not_above(low, heat.hysteresis_celsius, high, heat.overtemp_celsius, findings, equal=False)
    if heat.emergency_celsius is not None:
        top = ("temperature", "emergency_celsius")
        _not_above(high, heat.overtemp_celsius, top, heat.emergency_celsius, findings, equal=True)


def _not_above(low: Path, least: float, high: Path, most: float, findings: Findings, *, equal: bool) -> None:
    """Note where ``least`` is above ``most`` (or equal), at the key that a file sets."""
    if not findings.sound(low, high) or least < most or (equal and least == most):
        return
    if findings.is_set(low) or not findings.is_set(high):
        words = f"at most {dotted(high)} ({most:g})" if equal else f"less than {dotted(high)} ({most:g})"
        findings.note(low, words, f"{least:g}")
    else:
        words = f"at least {dotted(low)} ({least:g})" if equal else f"more than {dotted(low)} ({least:g})"
        findings.note(high, words, f"{most:g}")


def _budget_holds_a_node(config: Config, findings: Findings) -> None:
    """Note a budget that some node of the stack alone goes beyond: that node could never be on."""
    for key, stack in config.cluster.stacks.items():
        path = (*AT, str(key), "budget_watts")
        nodes = [SlotId(key, slot) for slot in stack.devices]
        if stack.budget_watts is None or not findings.sound(
            path, ("power", "node_watts"), *((*_device_path(node), "watts") for node in nodes)
        ):
            continue
        needs = [(config.watts_of(node), config.node_name(node)) for node in nodes]
        most, who = max(needs, default=(config.power.node_watts, "a node"))
        if stack.budget_watts < most:
            findings.note(path, f"at least the {most:g} W of {who}", f"{stack.budget_watts:g}")


def _device_path(slot: SlotId) -> Path:
    return (*AT, str(slot.stack), "devices", str(slot.slot))


def _devices(config: Config) -> Iterator[tuple[SlotId, Device]]:
    for key, stack in config.cluster.stacks.items():
        for slot, device in stack.devices.items():
            yield SlotId(key, slot), device
