"""The stacks of the rack: how chips, lines and ports are wired to slots."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import assert_never

from graped.hardware.sim.blueprint import NodePlan, StackKind, StackPlan
from graped.hardware.sim.chips.chip import Chip
from graped.hardware.sim.chips.ina219 import Ina219
from graped.hardware.sim.chips.lm75 import Lm75
from graped.hardware.sim.chips.pcf8574 import Pcf8574
from graped.hardware.sim.chips.xra1200 import Xra1200
from graped.hardware.sim.lines import Lines
from graped.hardware.sim.physics import BOARD_WATTS, Warmth, node_watts, noisy, shunt_uv, supply_mv, warmed

PORT_BASE, METER_BASE, THERMOMETER_BASE, HAT_ADDRESS = 0x38, 0x40, 0x48, 0x20
BOARD_BITS = (1, 6, 3, 2, 5, 4)  # slot 0..5 -> bit of the PCF8574A; low = on

Switched = Callable[[int, int, bool], None]  # stack, slot, on


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a stack needs of the rack."""

    clock: Callable[[], float]
    seed: int
    lines: Lines
    switched: Switched


class SimStack:
    """Slots whose power follows a port. Kinds differ in ``port`` (raw value), ``_is_on`` and their chips."""

    def __init__(self, key: int, plan: StackPlan, around: Surroundings) -> None:
        self.key = key
        self.plan = plan
        self.around = around
        self.on_since: dict[int, float | None] = dict.fromkeys(plan.nodes)
        self._warmth = Warmth(at=around.clock())
        self.thermometer: Lm75 | None = None
        self.power_address: int | None = None
        self.chips: dict[int, Chip] = {}

    @property
    def port(self) -> int:
        """The levels of the power port's pins."""
        raise NotImplementedError

    def hold(self, mask: int, levels: int) -> None:
        """Hold pins of the power port from outside."""

    def _is_on(self, slot: int) -> bool:
        raise NotImplementedError

    def unplug(self) -> None:
        """Cut the power of every slot."""
        for slot in self.on_since:
            self._switch(slot, on=False)

    def brown_out(self) -> None:
        """Lose power for a moment: every node stops, chips come back at their reset values."""
        self.unplug()
        for chip in self.chips.values():
            chip.reset()
        self.follow()

    def follow(self) -> None:
        """Let the slots follow the port."""
        for slot in self.on_since:
            self._switch(slot, on=self._is_on(slot))

    def _switch(self, slot: int, *, on: bool) -> None:
        if on == (self.on_since[slot] is not None):
            return
        self._advance()
        self.on_since[slot] = self.around.clock() if on else None
        self.around.switched(self.key, slot, on)

    def exchange_nodes(self, plan: StackPlan) -> None:
        """Put other nodes into the same hardware; slots keep their power."""
        for slot in self.on_since.keys() - plan.nodes.keys():
            self._switch(slot, on=False)
        self.plan = plan
        self.on_since = {slot: self.on_since.get(slot) for slot in plan.nodes}
        self.follow()

    def node(self, slot: int) -> NodePlan:
        """Give the node in a slot."""
        return self.plan.nodes[slot]

    def on_for_s(self, slot: int) -> float | None:
        """Tell how long a slot has been on (None: it is off)."""
        since = self.on_since[slot]
        return None if since is None else self.around.clock() - since

    def watts(self) -> float:
        """Sum what the slots and the board itself draw."""
        return BOARD_WATTS + sum(node_watts(self.node(slot), self.on_for_s(slot)) for slot in self.on_since)

    def celsius(self) -> float:
        """Tell what the thermometer feels now."""
        self._advance()
        return self._warmth.felt

    def force_temperature(self, celsius: float | None) -> None:
        """Make the thermometer feel this; None ends it."""
        self._warmth = replace(self._warmth, forced=celsius)

    def _advance(self) -> None:
        self._warmth = warmed(self._warmth, watts=self.watts(), now=self.around.clock())

    def supply(self) -> tuple[float, float]:
        """Give the shunt's microvolts and the supply's millivolts."""
        now = self.around.clock()
        watts = noisy(self.watts(), seed=self.around.seed, stack=self.key, now=now)
        return shunt_uv(watts, self.plan.shunt_ohms), supply_mv(watts)


class Board(SimStack):
    """The Grape stack: PCF8574A, LM75 and, where the plan says so, an INA219."""

    def __init__(self, key: int, plan: StackPlan, around: Surroundings) -> None:
        super().__init__(key, plan, around)
        self._port = Pcf8574(lambda pins: self.follow())
        self.thermometer = Lm75(self.celsius)
        s = plan.address or 0
        self.power_address = PORT_BASE + s
        self.chips = {self.power_address: self._port, THERMOMETER_BASE + s: self.thermometer}
        if plan.meter:
            self.chips[METER_BASE + s] = Ina219(self.supply, around.clock)

    @property
    def port(self) -> int:
        """The levels of the PCF8574A's pins."""
        return self._port.pins

    def hold(self, mask: int, levels: int) -> None:
        """Hold pins of the PCF8574A."""
        self._port.hold(mask, levels)

    def _is_on(self, slot: int) -> bool:
        return not self._port.pins >> BOARD_BITS[slot] & 1


class Hat(SimStack):
    """ClusterHAT: bits 0 to 3 of an XRA1200, high = on."""

    def __init__(self, key: int, plan: StackPlan, around: Surroundings) -> None:
        super().__init__(key, plan, around)
        self._port = Xra1200(lambda pins: self.follow())
        self.power_address = HAT_ADDRESS if plan.address is None else plan.address
        self.chips = {self.power_address: self._port}

    @property
    def port(self) -> int:
        """The levels of the XRA1200's pins."""
        return self._port.pins

    def hold(self, mask: int, levels: int) -> None:
        """Hold pins of the XRA1200."""
        self._port.hold(mask, levels)

    def _is_on(self, slot: int) -> bool:
        return bool(self._port.pins >> slot & 1)


class Relays(SimStack):
    """Relays on GPIO lines. A line that is still an input is pulled to its relay's resting level."""

    @property
    def port(self) -> int:
        """The slots that are on, as bits."""
        return sum(1 << slot for slot in self.on_since if self._is_on(slot))

    def _is_on(self, slot: int) -> bool:
        pin = next(pin for pin, slots in (self.plan.relays or {}).items() if slot in slots)
        lines = self.around.lines
        return lines.is_output(pin) and lines.level(pin) != self.plan.active_low


class Outlet(SimStack):
    """What a command-line tool would switch: bit n is slot n, high = on."""

    def __init__(self, key: int, plan: StackPlan, around: Surroundings) -> None:
        super().__init__(key, plan, around)
        self._value = 0
        self._held = (0, 0)

    @property
    def port(self) -> int:
        """The slots that are on, as bits."""
        mask, levels = self._held
        return (self._value & ~mask) | (levels & mask)

    def hold(self, mask: int, levels: int) -> None:
        """Hold slots as they are."""
        self._held = (mask, levels)
        self.follow()

    def set(self, value: int) -> None:
        """Switch the slots."""
        self._value = value
        self.follow()

    def brown_out(self) -> None:
        """Come back with everything off."""
        self._value = 0
        super().brown_out()

    def _is_on(self, slot: int) -> bool:
        return bool(self.port >> slot & 1)


def build_stack(key: int, plan: StackPlan, around: Surroundings) -> SimStack:
    """Make the model of one stack."""
    match plan.kind:
        case StackKind.BOARD:
            return Board(key, plan, around)
        case StackKind.CLUSTERHAT:
            return Hat(key, plan, around)
        case StackKind.RELAYS:
            return Relays(key, plan, around)
        case StackKind.PORT:
            return Outlet(key, plan, around)
        case _:
            assert_never(plan.kind)
