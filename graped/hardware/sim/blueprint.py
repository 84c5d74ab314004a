"""What stands in the rack: plain values that travel to the rack's process as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from graped.model import SlotId

DISPLAY_PIN = 17
OVERTEMP_PIN = 27


class NodeKind(StrEnum):
    """What sits in a slot."""

    SIMULATED = "simulated"
    EMPTY = "empty"
    EXTERNAL = "external"  # a machine that somebody else runs: nothing about its boot is invented


class StackKind(StrEnum):
    """Which hardware switches a stack."""

    BOARD = "board"  # PCF8574A, LM75 and perhaps INA219
    CLUSTERHAT = "clusterhat"
    RELAYS = "relays"  # on GPIO lines
    PORT = "port"  # whatever a command-line tool would switch


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePlan:
    """One slot: its node, how long that takes to boot, and the stage it never leaves."""

    kind: NodeKind = NodeKind.SIMULATED
    watts: float = 7.0
    mac: str | None = None
    boot_s: float = 8.0
    hang_at: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StackPlan:
    """One stack. ``relays`` maps a BCM pin to the slots behind it."""

    kind: StackKind
    nodes: dict[int, NodePlan]
    bus: int | None = None
    address: int | None = None
    meter: bool = False
    shunt_ohms: float = 0.02
    active_low: bool = True
    relays: dict[int, tuple[int, ...]] | None = None

    def wiring(self) -> StackPlan:
        """Strip what may change without the hardware being exchanged."""
        return replace(self, nodes={})

    def on_bus(self, bus: int) -> StackPlan:
        """Plug it into another bus."""
        return replace(self, bus=bus)


@dataclass(frozen=True, slots=True, kw_only=True)
class RackPlan:
    """The whole rack; ``display`` is (bus, address) of the front panel."""

    stacks: dict[int, StackPlan]
    display: tuple[int, int] | None = None
    display_pin: int | None = DISPLAY_PIN
    overtemp_pin: int | None = OVERTEMP_PIN
    seed: int = 1

    def slots(self, kind: NodeKind) -> frozenset[SlotId]:
        """Name the slots in which such a node sits."""
        return frozenset(
            SlotId(key, slot)
            for key, stack in self.stacks.items()
            for slot, node in stack.nodes.items()
            if node.kind is kind
        )

    def to_json(self) -> dict[str, Any]:
        """Give a value that ``json.dumps`` takes."""
        return asdict(self)


def rack_plan(value: dict[str, Any]) -> RackPlan:
    """Read what ``to_json`` gave, after its way through JSON."""
    display = value["display"]
    return RackPlan(
        stacks={int(key): _stack_plan(stack) for key, stack in value["stacks"].items()},
        display=None if display is None else (display[0], display[1]),
        display_pin=value["display_pin"],
        overtemp_pin=value["overtemp_pin"],
        seed=value["seed"],
    )


def _stack_plan(value: dict[str, Any]) -> StackPlan:
    relays = value["relays"]
    return StackPlan(
        kind=StackKind(value["kind"]),
        nodes={int(slot): _node_plan(node) for slot, node in value["nodes"].items()},
        bus=value["bus"],
        address=value["address"],
        meter=value["meter"],
        shunt_ohms=value["shunt_ohms"],
        active_low=value["active_low"],
        relays=None if relays is None else {int(pin): tuple(slots) for pin, slots in relays.items()},
    )


def _node_plan(value: dict[str, Any]) -> NodePlan:
    return NodePlan(
        kind=NodeKind(value["kind"]),
        watts=value["watts"],
        mac=value["mac"],
        boot_s=value["boot_s"],
        hang_at=value["hang_at"],
    )
