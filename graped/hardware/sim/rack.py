"""The rack: buses, lines, stacks, nodes, faults and trace tied together. Thread-safe."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from graped.errors import NotFound
from graped.hardware.sim.blueprint import RackPlan, StackPlan
from graped.hardware.sim.breakage import away, concerns_panel, hold_stuck_pins, matching, resolved
from graped.hardware.sim.chips.chip import Chip
from graped.hardware.sim.exchange import attempt
from graped.hardware.sim.faults import FaultKind, Faults, Hit, SimFault
from graped.hardware.sim.lines import Lines
from graped.hardware.sim.ops import DATA_BITS, READS, WITH_REGISTER, Op, Result
from graped.hardware.sim.panel import FrontPanel
from graped.hardware.sim.stacks import Outlet, SimStack, Surroundings, build_stack
from graped.hardware.sim.stages import Stages
from graped.hardware.sim.trace import Trace
from graped.hardware.sim.watcher import Watcher

BUSES = (0, 1)  # every Pi's header has these two
TICK_S = 0.3  # a thermometer's conversion time


class Rack:
    """Everything that is simulated. ``tick`` must be called when the seconds it gave are over."""

    def __init__(
        self,
        plan: RackPlan,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.lock = threading.RLock()
        self.watcher: Watcher | None = None
        self.faults = Faults(clock, plan.seed)
        self.trace = Trace()
        self.lines = Lines(self._outside, self._line_set)
        self.plan = RackPlan(stacks={})
        self.stacks: dict[int, SimStack] = {}
        self.panel: FrontPanel | None = None
        self._clock, self._wall, self._sleep = clock, wall, sleep
        self._stages = Stages()
        self._bus_locks: defaultdict[int, threading.Lock] = defaultdict(threading.Lock)
        self._chips: dict[tuple[int, int], Chip] = {}
        self._owners: dict[tuple[int, int], SimStack] = {}
        self._buses = frozenset(BUSES)
        self._told_lines: dict[int, bool] = {}
        self._converts_at = clock()
        self.apply(plan)

    # --- what stands in the rack --------------------------------------------------------------------------

    def apply(self, plan: RackPlan) -> None:
        """Make the rack what the plan says; hardware that stays keeps its state, seed included."""
        with self.lock:
            if plan == self.plan:
                return
            if plan.seed != self.plan.seed:
                self.faults.dice.seed(plan.seed)
            for key in [key for key in self.stacks if key not in plan.stacks]:
                self._unplug(key)
            around = Surroundings(clock=self._clock, seed=plan.seed, lines=self.lines, switched=self._switched)
            for key, stack in plan.stacks.items():
                self._place(key, stack, around)
            if plan.display != self.plan.display or self.panel is None:
                self.panel = FrontPanel(self._clock) if plan.display else None
            self.plan = plan
            self._wire()
            self._broken()

    def _place(self, key: int, plan: StackPlan, around: Surroundings) -> None:
        there = self.stacks.get(key)
        if there is not None and there.plan.wiring() == plan.wiring():
            there.around = around
            there.exchange_nodes(plan)
            return
        if there is not None:
            self._unplug(key)
        self.stacks[key] = build_stack(key, plan, around)
        self.stacks[key].follow()

    def _unplug(self, key: int) -> None:
        self.stacks.pop(key).unplug()
        self._stages.forget(key)

    def _wire(self) -> None:
        self._chips, self._owners = {}, {}
        for stack in self.stacks.values():
            if stack.plan.bus is None:
                continue
            for address, chip in stack.chips.items():
                where = (stack.plan.bus, address)
                if where not in self._chips:  # two stacks at one address: the second is not plugged in
                    self._chips[where], self._owners[where] = chip, stack
        if self.panel is not None and self.plan.display is not None:
            self._chips.setdefault(self.plan.display, self.panel.expander)
        self._buses = frozenset(BUSES) | {bus for bus, _ in self._chips}

    # --- transactions -------------------------------------------------------------------------------------

    def transact(
        self, op: Op, bus: int, address: int, register: int, value: int, *, timeout_s: float, by: str
    ) -> tuple[Result, int]:
        """Do one SMBus transaction; a timeout takes all of ``timeout_s`` and keeps the bus busy for so long."""
        if bus not in self._buses:
            return Result.NO_BUS, 0
        with self._bus_locks[bus]:
            with self.lock:
                result, answer = self._traced(op, bus, address, register, value, by)
            if result is Result.TIMEOUT:
                self._sleep(timeout_s)
        return result, answer

    def _traced(self, op: Op, bus: int, address: int, register: int, value: int, by: str) -> tuple[Result, int]:
        began = self._wall()
        owner = self._owners.get((bus, address))
        stack = owner if owner is not None and owner.power_address == address else None
        before = stack.port if stack else 0
        key = owner.key if owner else None
        hit = self.faults.judge(bus=bus, address=address, stack=key, op=op, bits=DATA_BITS[op])
        chip = self._chips.get((bus, address))
        result, answer = attempt(chip, op, register, value, hit=hit, dice=self.faults.dice)
        if self.trace.open:
            sent = None if op is Op.QUICK else value
            self.trace.write(
                t=began,
                bus=bus,
                address=address,
                op=op.value,
                register=register if op in WITH_REGISTER else None,
                data=(answer if result is Result.OK else None) if op in READS else sent,
                result=result.value,
                by=by,
                ports=(before, stack.port) if stack else None,
                fault=hit.label if hit else None,
            )
        if self.panel is not None and owner is None:
            self._tell_lines()
        return result, answer

    # --- faults -------------------------------------------------------------------------------------------

    def add_fault(self, fault: SimFault, *, from_file: bool = False) -> SimFault:
        """Arm a fault; a brown-out happens now (and ``for_s`` keeps its stacks away for so long)."""
        with self.lock:
            if fault.kind is FaultKind.BROWNOUT:
                self._brown_out(fault)
            else:
                fault = self.faults.add(resolved(fault, self.stacks, self.faults.dice), from_file=from_file)
            self._broken()
            return fault

    def clear_faults(self, number: int | None = None, *, from_file: bool | None = None) -> int:
        """Disarm one fault or all; raise NotFound for a number that is not there."""
        with self.lock:
            gone = self.faults.clear(number, from_file=from_file)
            if number is not None and not gone:
                raise NotFound(f"there is no simulated fault {number}")
            self._broken()
            return gone

    def _brown_out(self, fault: SimFault) -> None:
        for stack in matching(fault, self.stacks):
            stack.brown_out()
        if self.panel is not None and concerns_panel(fault, self.plan.display):
            self.panel.reset()
        absence = away(fault)
        if absence is not None:
            self.faults.add(absence)

    def _broken(self) -> None:
        hold_stuck_pins(self.faults, self.stacks)
        self._tell()

    # --- ports, lines and the panel -----------------------------------------------------------------------

    def outlet(self, stack: int) -> Outlet:
        """Give the port of a ``command`` stack; raise NotFound where there is none."""
        found = self.stacks.get(stack)
        if not isinstance(found, Outlet):
            raise NotFound(f"stack {stack} has no simulated outlet")
        return found

    def judge_outlet(self, stack: int, op: str) -> Hit | None:
        """Draw what goes wrong with one access to an outlet."""
        with self.lock:
            return self.faults.judge(bus=None, address=None, stack=stack, op=op, bits=0)

    @contextmanager
    def touching_panel(self) -> Iterator[FrontPanel]:
        """Lend the front panel under the lock; raise NotFound without one."""
        with self.lock:
            if self.panel is None:
                raise NotFound("the simulated rack has no display")
            yield self.panel
            self._tell_lines()

    def force_temperature(self, stack: int, celsius: float | None) -> None:
        """Make a stack's thermometer feel this; None ends it."""
        with self.lock:
            if stack not in self.stacks:
                raise NotFound(f"there is no stack {stack}")
            self.stacks[stack].force_temperature(celsius)

    def trace_to(self, path: Path | None) -> None:
        """Trace into this file from now on."""
        with self.lock:
            self.trace.write_to(path)

    def _outside(self, pin: int) -> bool:
        """Tell the level that the rack gives a line: pulled up interrupts, relays at rest, else low."""
        if pin == self.plan.display_pin:
            return not (self.panel is not None and self.panel.expander.int_low)
        if pin == self.plan.overtemp_pin:
            return not any(stack.thermometer and stack.thermometer.os_low for stack in self.stacks.values())
        return any(stack.plan.active_low for stack in self.stacks.values() if pin in (stack.plan.relays or {}))

    def _line_set(self, pin: int) -> None:
        for stack in self.stacks.values():
            if pin in (stack.plan.relays or {}):
                stack.follow()

    # --- time and what is told ----------------------------------------------------------------------------

    def tick(self) -> float:
        """Let time pass: conversions, stages, faults that end. Give the seconds to the next tick."""
        with self.lock:
            if self.faults.expire():
                hold_stuck_pins(self.faults, self.stacks)
            if self._clock() >= self._converts_at:
                self._converts_at = self._clock() + TICK_S
                for stack in self.stacks.values():
                    if stack.thermometer is not None:
                        stack.thermometer.convert()
            return min(TICK_S, self._tell())

    def told_stages(self) -> dict[tuple[int, int], str | None]:
        """Give the stage of each (stack, slot) as told last."""
        return self._stages.told()

    def _tell(self) -> float:
        self._tell_lines()
        changes, next_s = self._stages.changes(self.stacks.values())
        for stack, slot, stage in changes:
            if self.watcher is not None:
                self.watcher.stage_changed(self._wall(), stack, slot, stage)
        return next_s

    def _tell_lines(self) -> None:
        for pin in (self.plan.display_pin, self.plan.overtemp_pin):
            if pin is None:
                continue
            level = self.lines.level(pin)
            if self._told_lines.get(pin) != level:
                self._told_lines[pin] = level
                if self.watcher is not None:
                    self.watcher.line_moved(self._wall(), pin, level)

    def _switched(self, stack: int, slot: int, on: bool) -> None:
        if self.watcher is not None:
            self.watcher.slot_switched(self._wall(), stack, slot, on)
            self.watcher.woken()
