"""The state of the cluster: one immutable value. Times are monotonic seconds."""

from __future__ import annotations

from dataclasses import dataclass, field

from graped.config.types import Config, Model
from graped.core.chore import Chore
from graped.core.jobs import Job
from graped.core.recovery_types import Look, Recovery, RecoveryHold
from graped.model import (
    Fault,
    MeterKind,
    PortLayout,
    PortReading,
    Power,
    Reading,
    SlotId,
    StackCondition,
    Stage,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StageMark:
    """When a node was first seen in a stage, and by what."""

    stage: Stage
    at: float
    evidence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BootCounts:
    """What a node asked for and got since its power came on or it started again by itself."""

    discovers: int = 0  # of its boot loader
    discover_at: float | None = None  # the last one
    files: int = 0  # sent whole
    file_bytes: int = 0
    last_file: str = ""
    missing: str = ""  # the file it asked for last, if that was not there
    model: Model | None = None  # told by its requests


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotState:
    """Desired, observed and fault of one slot: three facts. ``stage`` is its node's boot stage.

    ``timeline`` are the stages of the boot that is going on or was the last, as far as they were seen. ``late`` says
    why the node is beyond its stage's deadline ("" it is not).
    """

    desired: Power | None = None  # None: nothing asked, nothing adopted yet
    observed: Power = Power.UNKNOWN
    since: float | None = None  # since when ``observed`` is what it is
    fault: Fault | None = None
    stage: Stage | None = None
    stage_since: float | None = None
    stage_reason: str = ""
    on_since: float | None = None  # when we saw it come on (None: it was on when we came)
    gate_open: bool = True  # its boot no longer holds back others
    timeline: tuple[StageMark, ...] = ()
    boot: BootCounts = BootCounts()
    late: str = ""
    late_hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class InFlight:
    """A byte on its way into a port: ``unsure`` once it may have arrived but no read-back counted."""

    base: int
    value: int
    token: int
    jobs: tuple[int, ...]
    slots: frozenset[SlotId]  # whose change it carries
    unsure: bool = False
    repair: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StackState:
    """One stack: its port, how it answers, its meters."""

    layout: PortLayout | None = None
    bus: int | None = None
    address: int | None = None
    condition: StackCondition = StackCondition.STARTING
    fault: Fault | None = None
    reading: PortReading | None = None  # the last reading that counts
    read_at: float | None = None
    in_flight: InFlight | None = None
    adopted: bool = False  # its port was read at least once since graped started
    meters: dict[MeterKind, Reading] = field(default_factory=dict)
    meters_missing: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What happened on the wire since graped started."""

    writes: int = 0
    repairs: int = 0
    changed_before_write: int = 0
    changed_by_itself: int = 0
    bus_errors: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """What the store knew at the start: last wanted power, last byte recorded per stack, whether we were killed."""

    desired: dict[SlotId, Power] = field(default_factory=dict)
    ports: dict[int, int] = field(default_factory=dict)
    clean_stop: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """A client that is asked before these slots lose power, as long as its lease lasts."""

    name: str
    slots: frozenset[SlotId]
    lease_s: float
    until: float  # when the lease is over


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Everything the core knows. Replaced by the engine only; read by everybody."""

    config: Config
    revision: int = 1
    stacks: dict[int, StackState] = field(default_factory=dict)
    slots: dict[SlotId, SlotState] = field(default_factory=dict)
    jobs: dict[int, Job] = field(default_factory=dict)  # open ones, and the last ended
    chores: dict[int, Chore] = field(default_factory=dict)  # long work; ids are those of jobs
    claims: dict[SlotId, int] = field(default_factory=dict)  # slot -> the open job that works on it
    guards: dict[str, Guard] = field(default_factory=dict)  # by name; never remembered over a restart
    soft_off: frozenset[SlotId] = frozenset()
    held: str = ""  # why nothing is switched on at the moment
    faults: dict[str, Fault] = field(default_factory=dict)  # of the daemon itself, by code
    counts: Counts = Counts()
    remembered: Remembered = Remembered()
    watched: frozenset[SlotId] = frozenset()  # whose boot stages somebody tells; nothing waits for the others
    trusted: frozenset[SlotId] = frozenset()  # nodes whose host key is pinned
    recovery: dict[SlotId, Recovery] = field(default_factory=dict)  # nodes in trouble, and whose cycles still count
    recovery_holds: dict[str, RecoveryHold] = field(default_factory=dict)  # "all", "stack 0"
    looks: dict[SlotId, Look] = field(default_factory=dict)  # at nodes in trouble, and at those that prove our network
    wake: float | None = None  # when a Tick is due at the latest
    next_job: int = 1
    next_token: int = 1
    last_on: dict[int, float] = field(default_factory=dict)  # stack -> when one of its slots came on last
    over_temperature: bool = False
    hot: dict[int, Reading] = field(default_factory=dict)  # first reading at or above emergency, by stack
    look_at: float | None = None  # when temperatures are read again, while the line is low or a stack is hot
