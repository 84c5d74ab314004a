"""Plan the simulated rack that a configuration expects to find."""

from __future__ import annotations

from pathlib import Path
from random import Random

from graped.config.types import Config, Stack
from graped.hardware.drivers.gpio_relay import Options as RelayOptions
from graped.hardware.sim.blueprint import NodePlan, RackPlan, StackKind, StackPlan
from graped.hardware.sim.nodefile import NodesFile, read_nodes_file
from graped.model import SlotId

_KINDS = {"stack": StackKind.BOARD, "clusterhat": StackKind.CLUSTERHAT, "gpio_relay": StackKind.RELAYS}
_BOARD_SLOTS = frozenset(range(6))
_HAT_SLOTS = frozenset(range(4))
_HAT_ADDRESS = 0x20
_BOOT_S = (6.0, 10.0)
_MAKER = "b8:27:eb"  # the first octets of a Raspberry Pi's
_A1 = 0b010  # an INA219 cannot be strapped to the addresses of a stack with A1 = 1


def plan(config: Config, nodes_file: Path | None = None) -> RackPlan:
    """Make the plan; raise ConfigError for a nodes file with mistakes."""
    slots = {key: _slots(stack) for key, stack in config.cluster.stacks.items()}
    nodes = NodesFile() if nodes_file is None else read_nodes_file(nodes_file, slots)
    stacks = {key: _stack(config, key, slots[key], nodes) for key in config.cluster.stacks}
    return RackPlan(
        stacks=_untangled(config, stacks),
        display=_display(config, stacks),
        display_pin=config.gpio.display_pin,
        overtemp_pin=config.gpio.overtemp_pin,
        seed=nodes.seed,
    )


def _slots(stack: Stack) -> frozenset[int]:
    match _KINDS.get(stack.driver, StackKind.PORT):
        case StackKind.BOARD:
            return _BOARD_SLOTS
        case StackKind.CLUSTERHAT:
            return _HAT_SLOTS
        case StackKind.RELAYS:
            assert isinstance(stack.options, RelayOptions)
            return frozenset(stack.options.wiring)
        case _:  # the tool of a command stack, or a driver from outside
            return frozenset(getattr(stack.options, "slots", _BOARD_SLOTS))


def _stack(config: Config, key: int, slots: frozenset[int], nodes: NodesFile) -> StackPlan:
    stack = config.cluster.stacks[key]
    kind = _KINDS.get(stack.driver, StackKind.PORT)
    planned = {slot: _node(config, SlotId(key, slot), nodes) for slot in sorted(slots)}
    bus = 1 if stack.bus is None else stack.bus
    match kind:
        case StackKind.BOARD:
            address = config.address_of(key)
            meter = stack.meter is not False and not address & _A1
            return StackPlan(
                kind=kind, nodes=planned, bus=bus, address=address, meter=meter, shunt_ohms=stack.shunt_ohms
            )
        case StackKind.CLUSTERHAT:
            address = stack.address if stack.address is not None else _HAT_ADDRESS
            return StackPlan(kind=kind, nodes=planned, bus=bus, address=address)
        case StackKind.RELAYS:
            options = stack.options
            pins = dict.fromkeys(options.wiring.values())
            relays = {pin: tuple(slot for slot, at in options.wiring.items() if at == pin) for pin in pins}
            return StackPlan(kind=kind, nodes=planned, active_low=options.active_low, relays=relays)
        case _:
            return StackPlan(kind=kind, nodes=planned)


def _node(config: Config, slot: SlotId, nodes: NodesFile) -> NodePlan:
    entry = nodes.entry(slot)
    device = config.cluster.stacks[slot.stack].devices.get(slot.slot)
    dice = Random(f"{nodes.seed} {slot.stack} {slot.slot}")  # noqa: S311  reproducible, not secret
    boot_s = dice.uniform(*_BOOT_S) if entry.boot_s is None else entry.boot_s
    return NodePlan(
        kind=entry.kind,
        watts=config.watts_of(slot) if entry.watts is None else entry.watts,
        mac=entry.mac or (device.mac if device else None) or _made_up_mac(dice),
        boot_s=boot_s * nodes.scale,
        hang_at=entry.hang_at,
    )


def _made_up_mac(dice: Random) -> str:
    """Make the MAC address of a board that no file knows; as a Pi's, so that enrolling finds something to find."""
    return f"{_MAKER}:{dice.randbytes(3).hex(':')}"


def _untangled(config: Config, stacks: dict[int, StackPlan]) -> dict[int, StackPlan]:
    """Move a stack that names no bus off an address where another one sits already."""
    taken = {
        (stack.bus, stack.address)
        for key, stack in stacks.items()
        if stack.kind is StackKind.BOARD and config.cluster.stacks[key].bus is not None
    }
    placed: dict[int, StackPlan] = {}
    for key, stack in stacks.items():
        if stack.kind is StackKind.BOARD and config.cluster.stacks[key].bus is None and key < 8:
            if (stack.bus, stack.address) in taken:
                stack = stack.on_bus(0)
            taken.add((stack.bus, stack.address))
        placed[key] = stack
    return placed


def _display(config: Config, stacks: dict[int, StackPlan]) -> tuple[int, int] | None:
    display = config.display
    if display.enabled is False:
        return None
    hats = {(stack.bus, stack.address) for stack in stacks.values() if stack.kind is StackKind.CLUSTERHAT}
    if display.bus is not None:
        return display.bus, display.address
    return (0 if (1, display.address) in hats else 1), display.address
