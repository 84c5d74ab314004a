"""A rack in this process with a clock that only the test moves."""

from __future__ import annotations

from graped.hardware.sim.blueprint import NodePlan, RackPlan, StackKind, StackPlan
from graped.hardware.sim.buses import RackBus
from graped.hardware.sim.rack import Rack

NODES = {slot: NodePlan(boot_s=8.0) for slot in range(6)}


class Clock:
    """Seconds that pass when somebody sleeps or says so."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def board(**fields: object) -> StackPlan:
    """A Grape stack at address 0 of bus 1, with a meter, unless said otherwise."""
    values: dict[str, object] = {"bus": 1, "address": 0, "meter": True, "nodes": NODES}
    return StackPlan(kind=StackKind.BOARD, **(values | fields))  # type: ignore[arg-type]


class Witness:
    """Remembers what the rack tells."""

    def __init__(self) -> None:
        self.power: list[tuple[int, int, bool]] = []
        self.stages: list[tuple[int, int, str | None]] = []
        self.lines: list[tuple[int, bool]] = []

    def slot_switched(self, t: float, stack: int, slot: int, on: bool) -> None:
        self.power.append((stack, slot, on))

    def stage_changed(self, t: float, stack: int, slot: int, stage: str | None) -> None:
        self.stages.append((stack, slot, stage))

    def line_moved(self, t: float, pin: int, level: bool) -> None:
        self.lines.append((pin, level))

    def woken(self) -> None:
        pass


class Bench:
    """A rack, its clock, its witness, and buses on demand."""

    def __init__(self, plan: RackPlan | None = None) -> None:
        self.clock = Clock()
        self.rack = Rack(
            plan or RackPlan(stacks={0: board()}, display=(1, 0x20)),
            clock=self.clock,
            wall=self.clock,
            sleep=self.clock.sleep,
        )
        self.witness = Witness()
        self.rack.watcher = self.witness
        self.bus = self.on(1)

    def on(self, number: int) -> RackBus:
        return RackBus(self.rack, number, timeout_s=0.05)

    def lit(self, stack: int = 0) -> set[int]:
        """The slots that have power."""
        return {slot for slot, since in self.rack.stacks[stack].on_since.items() if since is not None}

    def stage(self, slot: int, stack: int = 0) -> str | None:
        self.rack.tick()
        return self.rack.told_stages()[stack, slot]
