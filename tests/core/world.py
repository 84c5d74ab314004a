"""A rack for the core alone: ports with raw bytes, virtual time, and a judge of every byte that is sent.

The world carries out effects as the edges do (a switch reads the port, refuses unless it is the base, writes, reads
back, repairs) and lets each of these go wrong. Nothing here runs by a real clock or by chance.
"""

from __future__ import annotations

import heapq
import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from graped.config.types import AtStart, Cluster, Config, Device, Model, Netboot, PowerPolicy, Stack, Temperature
from graped.core import asking, port
from graped.core.effects import (
    AskGuards,
    AskSoftOff,
    Effect,
    Log,
    ReadPort,
    ReadTemperatures,
    SaveDesired,
    SaveJob,
    SwitchPort,
)
from graped.core.events import (
    BootFact,
    BootSeen,
    CancelAsked,
    ConfigChanged,
    Event,
    GuardRegistered,
    GuardReleased,
    GuardTold,
    MetersRead,
    OverTemperature,
    PortRead,
    PortSwitched,
    PortUnread,
    PowerAsked,
    PowerOnHeld,
    SlotsWatched,
    SoftOffChanged,
    SoftOffEnded,
    SoftOffTold,
    StackFound,
    StageSeen,
    SwitchEnd,
    Tick,
)
from graped.core.jobs import Job, Result, Task
from graped.core.state import Remembered, SlotState, State
from graped.core.step import initial, step
from graped.model import MeterKind, PortLayout, PortReading, Power, Reading, SlotId, Stage, Verb

BOARD = PortLayout(bits=dict(enumerate((1, 6, 3, 2, 5, 4))), active_low=True, reset=0xFF, spare_mask=0x81, spare=0x81)
RELAY = PortLayout(bits={0: 0, 1: 0, 2: 0, 3: 1}, active_low=False, width=2)  # slots 0-2 behind one relay
ALL_OFF = 0xFF
GUARD = "docker"
WIRE_S = 0.01  # one operation on the wire
MAX_WRITES = 10


def slots(stack: int, *numbers: int) -> tuple[SlotId, ...]:
    """Name slots of one stack; all six where no number is given."""
    return tuple(SlotId(stack, number) for number in numbers or range(6))


def byte(*on: int) -> int:
    """The raw value of a board on which exactly these slots are on."""
    return port.encode(BOARD, ALL_OFF, dict.fromkeys(on, True))


def make_config(
    stacks: Iterable[int] = (0, 1),
    *,
    devices: Iterable[int] = range(6),
    watts: dict[SlotId, float] | None = None,
    budgets: dict[int, float] | None = None,
    emergency: float | None = None,
    at_start: AtStart = AtStart.ADOPT,
    netboot: Netboot = Netboot(),  # noqa: B008
    **policy: Any,
) -> Config:
    """Build a configuration of board stacks; ``policy`` are fields of the power policy."""
    expected, limits = watts or {}, budgets or {}
    table = {
        key: Stack(
            budget_watts=limits.get(key),
            devices={slot: Device(watts=expected.get(SlotId(key, slot))) for slot in devices},
        )
        for key in stacks
    }
    return Config(
        cluster=Cluster(stacks=table),
        power=PowerPolicy(at_start=at_start, **policy),
        temperature=Temperature(emergency_celsius=emergency),
        netboot=netboot,
    )


@dataclass
class Port:
    """A port and everything that is wrong with it."""

    layout: PortLayout
    value: int
    known: int = 0xFF
    silent: bool = False  # answers nothing, takes nothing
    flips: list[int] = field(default_factory=list)  # masks on the next bytes on their way in
    lose: int = 0  # next bytes that do not arrive
    deaf: int = 0  # next read-backs that nobody answers
    deaf_before: int = 0  # next reads before a write that nobody answers
    hurry: bool = False  # no time to write a byte again
    slow_s: float = 0.0  # how long a byte waits for its bus
    stuck: int = 0  # pins that keep their level
    corrupted: int = 0  # bits that one of our bytes changed on its way in
    broke_off: bool = False  # changed by others between the read before a write and the write

    @property
    def all_bits(self) -> int:
        return (1 << self.layout.width) - 1

    def reading(self) -> PortReading:
        return PortReading(value=self.value, known=self.known & self.all_bits)

    def arrive(self, value: int) -> None:
        """Take a byte from the wire, with whatever happens to it there."""
        if self.lose:
            self.lose -= 1
            return
        flip = self.flips.pop(0) if self.flips else 0
        after = (value ^ flip) & ~self.stuck | self.value & self.stuck
        self.corrupted = (after ^ value) & ~self.stuck
        self.value = after

    def is_on(self, slot: int) -> bool:
        return bool(self.value >> self.layout.bits[slot] & 1) is not self.layout.active_low


@dataclass(frozen=True)
class Sent:
    """One byte on the wire."""

    at: float
    stack: int
    before: int
    value: int
    after: int
    repair: bool


class World:
    """The core, its edges, its rack and its clock in one."""

    def __init__(
        self,
        config: Config | None = None,
        *,
        ports: dict[int, int] | None = None,
        layouts: dict[int, PortLayout] | None = None,
        remembered: Remembered | None = None,
        boot_evidence: bool = False,
        found: bool = True,
        poll_s: float | None = 1.0,
        start: float = 1000.0,
    ) -> None:
        config = config or make_config()
        values = ports or {}
        self.now = start
        self.poll_s = poll_s
        self.ports: dict[int, Port] = {}
        for key in config.cluster.stacks:
            layout = (layouts or {}).get(key, BOARD)
            default = layout.reset if layout.reset is not None else 0
            self.ports[key] = Port(layout=layout, value=values.get(key, default))
        all_slots = frozenset(SlotId(key, slot) for key, one in self.ports.items() for slot in one.layout.bits)
        self.state: State = initial(
            config,
            remembered or Remembered(),
            layouts={key: frozenset(one.layout.bits) for key, one in self.ports.items()},
            next_job=1,
            watched=all_slots if boot_evidence else frozenset(),
        )
        self.logs: list[Log] = []
        self.saved_desired: dict[SlotId, str] = {}
        self.saved_jobs: dict[int, Job] = {}
        self.sent: list[Sent] = []
        self.asked_guards: list[AskGuards] = []
        self.asked_soft_off: list[AskSoftOff] = []
        self.stopped: set[tuple[int, SlotId]] = set()  # ever asked
        self.temperature_reads: list[float] = []
        self.celsius: dict[int, float] = {}
        self.raced = 0
        self.indistinct = 0
        self.came_on: dict[SlotId, float] = {}  # by a byte that wanted it
        self.others_on: set[SlotId] = set()
        self.writing: dict[int, SwitchPort] = {}
        self.last_end: dict[int, SwitchEnd] = {}
        self.original: dict[int, SwitchPort] = {}
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._reads: set[int] = set()
        if found:
            for key, one in self.ports.items():
                self.send(StackFound(stack=key, layout=one.layout, bus=1, address=key % 8))
        if poll_s is not None:
            self.at(poll_s, self._poll)

    # --- time ---------------------------------------------------------------------------------------------------

    def at(self, delay: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._queue, (self.now + delay, next(self._order), action))

    def run(self, seconds: float) -> None:
        """Let time pass: whatever is due happens, and the core is woken when it wants."""
        end = self.now + seconds
        for _ in range(200_000):
            wake = self.state.wake
            due = self._queue[0][0] if self._queue else float("inf")
            if wake is not None and wake <= min(due, end):
                assert self.state.wake is not None
                self.now = max(self.now, wake)
                self.send(Tick())
                assert self.state.wake is None or self.state.wake > self.now, "it wants to be woken again at once"
            elif due <= end:
                self.now, _, action = heapq.heappop(self._queue)
                action()
            else:
                self.now = end
                return
        raise AssertionError("the world does not come to rest")

    def settle(self) -> None:
        """Let what is on the wire end."""
        self.run(0.5)

    def _poll(self) -> None:
        for key in self.ports:
            self._read(key)
        assert self.poll_s is not None
        self.at(self.poll_s, self._poll)

    # --- the core -----------------------------------------------------------------------------------------------

    def send(self, event: Event) -> None:
        before = self.state
        self.state, effects = step(before, event, self.now)
        self._judge_state(before)
        for effect in effects:
            self._carry_out(effect)

    def _judge_state(self, before: State) -> None:
        visible = ("slots", "jobs", "claims", "faults", "over_temperature", "config")
        changed = any(getattr(before, name) != getattr(self.state, name) for name in visible)
        changed = changed or any(
            (old.condition, old.fault, old.meters) != (new.condition, new.fault, new.meters)
            for old, new in ((before.stacks.get(key, new), new) for key, new in self.state.stacks.items())
        )
        assert self.state.revision >= before.revision
        if changed:
            assert self.state.revision > before.revision, "something visible changed, the revision did not"
        for slot, number in self.state.claims.items():
            assert self.state.jobs[number].tasks[slot].result is None
        for job in self.state.jobs.values():
            assert (job.ended is not None) is job.outcome.ended
            for slot, task in job.tasks.items():
                assert task.result is not None or self.state.claims[slot] == job.id
        for slot, one in self.state.slots.items():
            self._judge_boot(before.slots.get(slot), one)
            stack = self.state.stacks[slot.stack]
            if one.observed is Power.UNKNOWN and stack.adopted:
                assert one.since is not None, "unknown since when?"
                assert stack.fault is not None or one.fault is not None, "unknown, and nobody says why"

    def _judge_boot(self, old: SlotState | None, new: SlotState) -> None:
        """Stages of one boot come in order, each once; without power there is none, and nobody is late."""
        order = [*Stage]
        ranks = [order.index(mark.stage) for mark in new.timeline]
        assert ranks == sorted(set(ranks)), "stages out of order"
        assert [mark.at for mark in new.timeline] == sorted(mark.at for mark in new.timeline)
        if new.timeline and new.stage is not None:
            assert new.timeline[-1].stage is new.stage
        if new.observed is Power.OFF:
            assert new.stage in (None, Stage.OFF)
            assert not new.timeline
        if new.late:
            assert new.stage in order[1:6]
            assert new.gate_open
            assert new.late_hint
        if old is not None and old.timeline and new.timeline and new.timeline[0] is old.timeline[0]:
            assert order.index(new.timeline[-1].stage) >= order.index(old.timeline[-1].stage) or (
                old.stage is Stage.LOST
            ), "backward in one boot"

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case SwitchPort():
                self._judge_switch(effect)
                self.writing[effect.stack] = effect
                if not effect.repair:
                    self.original[effect.stack] = effect
                self.at(WIRE_S, lambda: self._begin(effect))
            case ReadPort():
                if effect.stack not in self._reads:
                    self._reads.add(effect.stack)
                    self.at(WIRE_S, lambda: self._read(effect.stack))
            case Log():
                self.logs.append(effect)
            case SaveJob():
                self.saved_jobs[effect.job.id] = effect.job
            case SaveDesired():
                self.saved_desired |= effect.desired
            case AskGuards():
                self.asked_guards.append(effect)
            case AskSoftOff():
                self.asked_soft_off.append(effect)
                self.stopped.add((effect.job, effect.slot))
            case ReadTemperatures():
                self.temperature_reads.append(self.now)
                self.at(WIRE_S, self.read_temperatures)

    # --- reading ------------------------------------------------------------------------------------------------

    def _read(self, key: int) -> None:
        self._reads.discard(key)
        if key in self.writing or self.state.stacks[key].layout is None:
            return  # the lane is busy with the write, or nobody knows the port
        one = self.ports[key]
        if one.silent:
            self.send(PortUnread(stack=key, code="bus_nack", message="no answer", at=self.now))
            return
        self.send(PortRead(stack=key, reading=one.reading(), at=self.now))
        if self.state.stacks[key].in_flight is None:
            self.others_on -= {slot for slot in self.others_on if slot.stack == key}
            self._judge_observed(key)

    def _judge_observed(self, key: int) -> None:
        one = self.ports[key]
        for slot in one.layout.bits:
            observed = self.state.slots[SlotId(key, slot)].observed
            known = bool(one.known >> one.layout.bits[slot] & 1)
            truth = Power.ON if one.is_on(slot) else Power.OFF
            assert observed is (truth if known else Power.UNKNOWN), f"slot {key}-{slot} is {truth}, said {observed}"

    def read_temperatures(self) -> None:
        """Deliver what the thermometers say, as the meter poll does."""
        for key, celsius in self.celsius.items():
            reading = Reading(kind=MeterKind.TEMPERATURE, value=round(celsius * 1000), at=self.now)
            self.send(MetersRead(stack=key, readings=(reading,)))

    # --- switching ----------------------------------------------------------------------------------------------

    def _judge_switch(self, effect: SwitchPort) -> None:
        """Judge a byte before it goes out: it asks for nothing that nobody asked for, and it has room."""
        key, one = effect.stack, self.ports[effect.stack]
        assert key not in self.writing, "two writes in flight for one port"
        if effect.repair:
            original = self.original[key]
            assert effect.value == original.value, "a repair writes the byte that was in flight, and no other"
            assert port.one_bit_apart(one.layout, PortReading(value=effect.base, known=one.known), effect.value)
            if self.last_end.get(key) is not SwitchEnd.UNFINISHED:
                assert effect.base != one.layout.reset, "that is an outage, not a flipped bit"
            assert effect.base != original.base, "that byte never arrived: it is planned anew"
            return
        spare = one.layout.spare_mask
        assert effect.value & spare == one.layout.spare & spare
        coming = []
        for slot, bit in one.layout.bits.items():
            place = SlotId(key, slot)
            if not (effect.base ^ effect.value) >> bit & 1:
                continue
            number = self.state.claims.get(place)
            assert number is not None, f"nobody asked to switch {place}"
            assert number in effect.jobs
            job = self.state.jobs[number]
            on = bool(effect.value >> bit & 1) is not one.layout.active_low
            stops = (number, place) in self.stopped  # what is to be on, and whose system stops, is cut first
            assert job.verb is Verb.CYCLE or stops or (job.verb is Verb.ON) is on, f"{place}: {job.verb}, not {on}"
            coming += [place] if on else []
        self._judge_room(key, coming)

    def _judge_room(self, key: int, coming: list[SlotId]) -> None:
        policy = self.state.config.power
        if not coming or policy.inrush_s == 0:
            return
        recent = {slot for slot, when in self.came_on.items() if when + policy.inrush_s > self.now}
        flying = {SlotId(s, n) for s in self.writing for n in self._turned_on(self.original[s])}
        assert len(recent | flying | set(coming)) <= policy.max_inrush, "too many slots in their inrush window"
        budget = self.state.config.cluster.stacks[key].budget_watts
        if budget is None:
            return
        on = {SlotId(key, n) for n in self.ports[key].layout.bits if self.ports[key].is_on(n)} - self.others_on
        watts = sum(map(self.state.config.watts_of, on | set(coming)))
        assert watts <= budget + 1e-6, "over the watt budget"

    def _turned_on(self, effect: SwitchPort) -> list[int]:
        layout = self.ports[effect.stack].layout
        return [
            slot
            for slot, bit in layout.bits.items()
            if (effect.base ^ effect.value) >> bit & 1 and bool(effect.value >> bit & 1) is not layout.active_low
        ]

    def _begin(self, effect: SwitchPort) -> None:
        one = self.ports[effect.stack]
        reading = one.reading()
        if one.silent or one.deaf_before:
            one.deaf_before = max(0, one.deaf_before - 1)
            self._end(effect, SwitchEnd.UNWRITTEN, code="bus_nack", message="no answer")
        elif effect.repair and port.equal(reading, effect.value):
            self._end(effect, SwitchEnd.VERIFIED, reading)
        elif not port.equal(reading, effect.base):
            self._end(effect, SwitchEnd.REFUSED, reading)
        else:
            one.broke_off = False
            self.at(WIRE_S + one.slow_s, lambda: self._byte(effect, 0, 0))

    def _byte(self, effect: SwitchPort, writes: int, repairs: int) -> None:
        one = self.ports[effect.stack]
        if not one.silent:
            self._judge_byte(effect, one)
            before = one.value
            on_before = {slot for slot in one.layout.bits if one.is_on(slot)}
            one.arrive(effect.value)
            self.sent.append(
                Sent(
                    at=self.now,
                    stack=effect.stack,
                    before=before,
                    value=effect.value,
                    after=one.value,
                    repair=effect.repair or writes > 0,
                )
            )
            for slot in one.layout.bits:
                if not one.is_on(slot):
                    self.came_on.pop(SlotId(effect.stack, slot), None)  # what is off draws nothing
                elif slot in self._turned_on(self.original[effect.stack]) and slot not in on_before:
                    self.came_on[SlotId(effect.stack, slot)] = self.now
        self.at(WIRE_S, lambda: self._back(effect, writes + 1, repairs))

    def _judge_byte(self, effect: SwitchPort, one: Port) -> None:
        """Judge a byte at the port: bits that differ and were not asked for are ours to repair, or a lost race."""
        asked = self.original[effect.stack].base ^ self.original[effect.stack].value
        extra = (one.value ^ effect.value) & ~asked & ~one.corrupted & one.known & ~one.layout.spare_mask & ~one.stuck
        if extra and effect.repair and one.value == effect.base:
            self.indistinct += 1  # others changed one bit while nobody could look: it reads as a flipped one
        elif extra:
            assert one.broke_off, f"byte {effect.value:#x} over {one.value:#x} changes what nobody asked to change"
            self.raced += 1

    def _back(self, effect: SwitchPort, writes: int, repairs: int) -> None:
        one = self.ports[effect.stack]
        reading = one.reading()
        if one.silent or one.deaf:
            one.deaf = max(0, one.deaf - 1)
            self._end(effect, SwitchEnd.UNVERIFIED, repairs=repairs, code="bus_timeout", message="no answer")
        elif port.equal(reading, effect.value):
            unsure = (effect.base ^ effect.value) & ~reading.known
            end = SwitchEnd.UNVERIFIED if unsure else SwitchEnd.VERIFIED
            code = "port_unsure" if unsure else ""
            self._end(effect, end, reading, repairs=repairs, code=code, message=code and "cannot tell what it is now")
        elif one.hurry and (port.equal(reading, effect.base) or port.one_bit_apart(one.layout, reading, effect.value)):
            one.hurry = False
            self._end(effect, SwitchEnd.UNFINISHED, reading, repairs=repairs)
        elif writes < MAX_WRITES and (
            port.equal(reading, effect.base) or port.one_bit_apart(one.layout, reading, effect.value)
        ):
            self.at(WIRE_S, lambda: self._byte(effect, writes, repairs + 1))
        else:
            wrong = (reading.value ^ effect.value) & reading.known & port.slot_bits(one.layout)
            end = SwitchEnd.FOREIGN if wrong else SwitchEnd.VERIFIED  # a stuck pin of no slot does no harm
            self._end(effect, end, reading, repairs=repairs, code="hardware", message="not taken")

    def _end(
        self,
        effect: SwitchPort,
        end: SwitchEnd,
        reading: PortReading | None = None,
        *,
        repairs: int = 0,
        code: str = "",
        message: str = "",
    ) -> None:
        del self.writing[effect.stack]
        self.last_end[effect.stack] = end
        for slot in self.ports[effect.stack].layout.bits:
            if not self.ports[effect.stack].is_on(slot):
                self.came_on.pop(SlotId(effect.stack, slot), None)
        self.send(
            PortSwitched(
                stack=effect.stack, token=effect.token, end=end, at=self.now, reading=reading, repairs=repairs,
                code=code, message=message,
            )
        )  # fmt: skip

    # --- people -------------------------------------------------------------------------------------------------

    def ask(
        self, verb: Verb, targets: Sequence[SlotId], *, force: bool = False, off_s: float | None = None, by: str = "me"
    ) -> int:
        """Ask as the engine does: checked, then accepted as a job."""
        asking.check(self.state, verb, tuple(targets))
        number = self.state.next_job
        self.send(PowerAsked(job=number, verb=verb, slots=tuple(targets), by=by, force=force, off_s=off_s))
        return number

    def cancel(self, job: int) -> None:
        self.send(CancelAsked(job=job, by="me"))

    def guard(
        self, guarded: Iterable[SlotId] = (), soft_off: Iterable[SlotId] = (), *, name: str = GUARD,
        lease_s: float = 100_000.0,
    ) -> None:  # fmt: skip
        self.send(GuardRegistered(name=name, slots=frozenset(guarded), lease_s=lease_s))
        self.send(SoftOffChanged(slots=frozenset(soft_off)))

    def tell(self, job: int, slot: SlotId, note: str, *, name: str = GUARD) -> None:
        self.send(GuardTold(name=name, job=job, slot=slot, note=note))

    def let_go(self, job: int, slot: SlotId, note: str = "", *, name: str = GUARD) -> None:
        self.send(GuardReleased(name=name, job=job, slot=slot, note=note))

    def told_down(self, job: int, slot: SlotId, note: str, *, down: bool = False) -> None:
        self.send(SoftOffTold(job=job, slot=slot, note=note, down=down))

    def down(self, job: int, slot: SlotId, note: str = "") -> None:
        self.send(SoftOffEnded(job=job, slot=slot, note=note))

    def fact(
        self, slot: SlotId, what: BootFact, path: str = "", size_bytes: int = 0, model: Model | None = None
    ) -> None:
        """Tell what a booting node asked for or got."""
        self.send(BootSeen(slot=slot, what=what, path=path, size_bytes=size_bytes, model=model))

    def stage(self, slot: SlotId, stage: Stage | None, evidence: str = "", *, initial: bool = False) -> None:
        self.send(StageSeen(slot=slot, stage=stage, evidence=evidence, initial=initial))

    def watch(self, slots: Iterable[SlotId]) -> None:
        self.send(SlotsWatched(slots=frozenset(slots)))

    def configure(self, config: Config) -> None:
        self.send(ConfigChanged(config=config))

    def hold(self, reason: str) -> None:
        self.send(PowerOnHeld(reason=reason))

    def line(self, *, low: bool) -> None:
        self.send(OverTemperature(low=low))

    # --- misfortune ---------------------------------------------------------------------------------------------

    def others_write(self, key: int, value: int) -> None:
        """Somebody else writes the port."""
        one = self.ports[key]
        before = {slot for slot in one.layout.bits if one.is_on(slot)}
        one.value = value & ~one.stuck | one.value & one.stuck
        one.broke_off = True
        one.corrupted = 0
        after = {slot for slot in one.layout.bits if one.is_on(slot)}
        self.others_on |= {SlotId(key, slot) for slot in after - before}
        for slot in before - after:
            self.came_on.pop(SlotId(key, slot), None)
            self.others_on.discard(SlotId(key, slot))

    def brown_out(self, key: int) -> None:
        """The port loses its power and comes back at its reset value."""
        reset = self.ports[key].layout.reset
        self.others_write(key, 0 if reset is None else reset)

    def heal(self) -> None:
        """All faults are gone (a port keeps what it has)."""
        for one in self.ports.values():
            one.silent = one.hurry = False
            one.flips.clear()
            one.lose = one.deaf = one.deaf_before = one.stuck = 0

    # --- looking ------------------------------------------------------------------------------------------------

    def task(self, job: int, slot: SlotId) -> Task:
        return self.state.jobs[job].tasks[slot]

    def result(self, job: int, slot: SlotId) -> Result | None:
        return self.task(job, slot).result

    def observed(self, slot: SlotId) -> Power:
        return self.state.slots[slot].observed

    def messages(self) -> list[str]:
        return [one.message for one in self.logs]

    def kinds(self) -> list[str]:
        return [one.kind for one in self.logs]

    def on_times(self) -> dict[SlotId, float]:
        """When each slot was first switched on by a byte."""
        times: dict[SlotId, float] = {}
        for one in self.sent:
            layout = self.ports[one.stack].layout
            for slot, bit in layout.bits.items():
                on = bool(one.value >> bit & 1) is not layout.active_low
                if (one.before ^ one.value) >> bit & 1 and on:
                    times.setdefault(SlotId(one.stack, slot), one.at)
        return times

    def groups(self) -> dict[int, list[Sent]]:
        """The bytes sent to each port, in order."""
        found: dict[int, list[Sent]] = defaultdict(list)
        for one in self.sent:
            found[one.stack].append(one)
        return found
