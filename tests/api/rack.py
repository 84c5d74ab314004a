"""A small cluster in memory behind the API: the real core, engine and journal over ports that are plain integers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from graped.api.types import ConfigReport, ConfigValue, ConfigView, SimDisplay, SimFault
from graped.clock import SystemClock
from graped.config.types import Cluster, Config, Device, Poll, PowerPolicy, Role, Stack
from graped.core import step
from graped.core.chore import Chore
from graped.core.effects import SwitchPort
from graped.core.events import (
    ConfigChanged,
    GuardEvent,
    MetersRead,
    PortRead,
    PortSwitched,
    PortUnread,
    StackFound,
    StageSeen,
    SwitchEnd,
)
from graped.core.jobs import Job, Outcome, Result, Step
from graped.core.state import Remembered, State
from graped.engine import Engine
from graped.errors import NotFound
from graped.model import MeterKind, PortLayout, PortReading, Reading, SlotId, Stage, Verb
from graped.store.events import LoggedEvent
from graped.store.jobs import Stored, StoredJob, StoredTask
from graped.store.journal import Journal
from graped.store.marks import Ids
from tests.api.access import Access
from tests.api.operations import Operations
from tests.api.provision import Provision

BITS = {0: 1, 1: 6, 2: 3, 3: 2, 4: 5, 5: 4}
LAYOUT = PortLayout(bits=BITS, active_low=True, reset=0xFF, spare_mask=0x81, spare=0x81)


def config_of(stacks: int = 2, devices: int = 5) -> Config:
    """Some stacks of six slots, the first ``devices`` of each with a node."""
    table = {
        key: Stack(
            bus=key // 8, devices={slot: Device(mac=f"02:00:00:00:{key:02x}:{slot:02x}") for slot in range(devices)}
        )
        for key in range(stacks)
    }
    policy = PowerPolicy(stagger_s=0.0, inrush_s=0.0, max_inrush=10_000, max_booting=10_000, cycle_off_s=0.05)
    return Config(cluster=Cluster(name="test", stacks=table), power=policy, poll=Poll(meters_s=5.0))


@dataclass(frozen=True)
class Point:
    at: float
    mean: int
    least: int
    most: int


class History:
    """One sample a minute since 1970, which is asked for in small pieces only."""

    async def query(self, stack: int, kind: MeterKind, since: float, until: float, step_s: float) -> list[Point]:
        width = max(step_s, 60.0)
        count = int((until - since) / width) + 1
        assert count <= 5002, "the API asks for more points than it may answer"
        if kind is MeterKind.TEMPERATURE:
            return []
        return [Point(since + n * width, 1000 + n, 900, 1200 + n) for n in range(count) if since + n * width < until]


class Archive:
    """Jobs of an earlier run."""

    def __init__(self) -> None:
        task = StoredTask(slot=SlotId(0, 1), step=Step.ENDED, result=Result.DONE, reason="", way=("cut",))
        self.kept: dict[int, Stored] = {
            number: StoredJob(
                id=number, verb=Verb.OFF, by="uid 0 (root) pid 1", asked=1e9, ended=1e9 + 1, outcome=Outcome.DONE,
                force=False, off_s=None, request_id="old", tasks=(task,),
            )
            for number in (1, 2, 3)
        }  # fmt: skip

    async def jobs(self, limit: int, before: int | None = None) -> list[Stored]:
        newest = sorted(self.kept.values(), key=lambda job: -job.id)
        return [job for job in newest if before is None or job.id < before][:limit]

    async def job(self, job_id: int) -> Stored | None:
        return self.kept.get(job_id)


class Simulator:
    def __init__(self) -> None:
        self.armed: dict[int, SimFault] = {}
        self.turned = 0
        self.pressed = 0

    async def faults(self) -> list[SimFault]:
        return list(self.armed.values())

    async def add(self, fault: SimFault) -> SimFault:
        fault = replace(fault, id=max(self.armed, default=0) + 1)
        self.armed[fault.id] = fault
        return fault

    async def clear(self, fault_id: int | None) -> None:
        if fault_id is None:
            self.armed.clear()
        elif self.armed.pop(fault_id, None) is None:
            raise NotFound(f"there is no fault {fault_id}")

    async def display(self) -> SimDisplay:
        return SimDisplay(lines=(f"test  turn {self.turned}", f"pressed {self.pressed}"), red=False, green=True)

    async def knob(self, turn: int, press: bool) -> None:
        self.turned += turn
        self.pressed += press


class Memory:
    """Nothing outlives a test."""

    async def record_write(self, jobs: Sequence[Job], stack: int, value: int) -> None: ...
    def save_job(self, job: Job) -> None: ...
    def save_chore(self, chore: Chore) -> None: ...
    def save_desired(self, desired: Mapping[SlotId, str]) -> None: ...
    def save_port(self, stack: int, value: int) -> None: ...


@dataclass
class Rack:
    """Implements ``backend.Backend``. ``ports`` are the truth; ``held`` stacks do not finish their writes."""

    config: Config = field(default_factory=config_of)
    simulated: bool = True
    ports: dict[int, int] = field(default_factory=dict)
    held: set[int] = field(default_factory=set)
    netboot: bool = True  # images and roots, in memory
    broken: bool = False  # every journal read is a bug

    def __post_init__(self) -> None:
        self.clock = SystemClock()
        self.started = self.clock.monotonic()
        self.version = "0.1.0"
        self.archive = Archive()
        self.history = History()
        self.journal: Any = Journal(self.clock, Ids(1000, last=1000), self._no_disk, lambda: None)
        self.simulator = Simulator() if self.simulated else None
        self.by: list[str] = []
        stacks = self.config.cluster.stacks
        layouts = {key: frozenset(BITS) for key in stacks}
        watched = frozenset(SlotId(key, slot) for key, slots in layouts.items() for slot in slots)
        state = step.initial(self.config, Remembered(), layouts=layouts, next_job=10, watched=watched)
        self.engine = Engine(state, self.clock, self, Memory(), self.journal)
        self.provision = Provision(self.engine) if self.netboot else None
        self.access = Access(self.engine)
        self.operations = Operations(self.engine)
        for key in stacks:
            self.ports[key] = 0xFF
            self.engine.post(StackFound(stack=key, layout=LAYOUT, bus=key // 8, address=key % 8))
            self.read_soon(key)
            self.meter(key, 5100)

    # --- what the API asks ---

    @property
    def state(self) -> State:
        return self.engine.state

    async def changed(self, revision: int, timeout_s: float) -> State:
        return await self.engine.changed(revision, timeout_s)

    async def ask_power(self, verb: Verb, slots: tuple[SlotId, ...], **how: Any) -> Job:
        self.by.append(how["by"])
        return await self.engine.ask_power(verb, slots, **how)

    async def cancel(self, job_id: int, *, by: str) -> Job | Chore:
        return await self.engine.cancel(job_id, by=by)

    def plan_power(self, verb: Verb, slots: tuple[SlotId, ...], **how: Any) -> Any:
        return self.engine.plan_power(verb, slots, **how)

    def guard(self, event: GuardEvent) -> None:
        self.engine.guard(event)

    def set_roles(self, slots: tuple[SlotId, ...], role: str | None) -> None:
        stacks = dict(self.config.cluster.stacks)
        for slot in slots:
            devices = stacks[slot.stack].devices
            device = replace(devices[slot.slot], role=Role(role or "worker"))
            stacks[slot.stack] = replace(stacks[slot.stack], devices={**devices, slot.slot: device})
        self.config = replace(self.config, cluster=replace(self.config.cluster, stacks=stacks))
        self.engine.post(ConfigChanged(config=self.config))

    def config_view(self) -> ConfigView:
        value = ConfigValue(key="cluster.name", value="test", source="default")
        return ConfigView(files=("config.toml",), toml='[cluster]\nname = "test"\n', values=(value,))

    def check_config(self) -> ConfigReport:
        return ConfigReport(ok=False, problems=("config.toml: cluster.nam: no such key",), changed=(), needs_restart=())

    async def reload(self) -> ConfigReport:
        return ConfigReport(ok=True, problems=(), changed=("poll.power_s",), needs_restart=("api.socket",))

    # --- what the engine asks ---

    async def switch(self, effect: SwitchPort) -> PortSwitched:
        while effect.stack in self.held:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        self.ports[effect.stack] = effect.value
        reading = PortReading(value=effect.value, known=0xFF)
        return PortSwitched(
            stack=effect.stack, token=effect.token, end=SwitchEnd.VERIFIED, at=self.clock.monotonic(), reading=reading
        )

    def read_soon(self, stack: int) -> None:
        reading = PortReading(value=self.ports[stack], known=0xFF)
        self.engine.post(PortRead(stack=stack, reading=reading, at=self.clock.monotonic()))

    def read_temperatures(self) -> None: ...

    async def _no_disk(self, query: Any) -> list[LoggedEvent] | None:
        return None

    # --- what tests make happen ---

    def meter(self, stack: int, millivolts: int, age_s: float = 0.0) -> None:
        reading = Reading(kind=MeterKind.VOLTAGE, value=millivolts, at=self.clock.monotonic() - age_s)
        self.engine.post(MetersRead(stack=stack, readings=(reading,), missing={"temperature": "no answer"}))

    def lose(self, stack: int) -> None:
        now = self.clock.monotonic()
        self.engine.post(PortUnread(stack=stack, code="bus_nack", message="no answer", at=now))

    def stage(self, stack: int, slot: int, stage: Stage) -> None:
        self.engine.post(StageSeen(slot=SlotId(stack, slot), stage=stage))
