"""The contract: what the API says and takes. Frozen dataclasses, standard library alone.

Times are RFC 3339 strings in UTC with milliseconds. Meter values are integers in the milli-unit that is named beside
them. FastAPI makes the OpenAPI document of these types; the CLI reads the same JSON.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from graped.api.facts_types import NodeBrief as NodeBrief
from graped.api.guard_types import Guard as Guard
from graped.api.guard_types import GuardHold as GuardHold
from graped.api.job_words import JobKindWord as JobKindWord
from graped.api.netboot_types import BootWord as BootWord
from graped.api.netboot_types import Change as Change
from graped.api.netboot_types import Check as Check
from graped.api.netboot_types import Image as Image
from graped.api.netboot_types import Kept as Kept
from graped.api.netboot_types import ModelWord as ModelWord
from graped.api.netboot_types import NodeChanges as NodeChanges
from graped.api.netboot_types import RoleWord as RoleWord
from graped.api.netboot_types import Root as Root
from graped.api.netboot_types import StrategyWord as StrategyWord
from graped.api.netboot_types import WantedStrategyWord as WantedStrategyWord
from graped.api.netboot_types import Workspace as Workspace
from graped.api.recovery_types import NodeRecovery as NodeRecovery
from graped.api.sim_types import SimDisplay as SimDisplay
from graped.api.sim_types import SimFault as SimFault
from graped.api.sim_types import SimKnob as SimKnob
from graped.api.ssh_types import ClientKey as ClientKey
from graped.api.ssh_types import HostKey as HostKey
from graped.api.ssh_types import HostKeyWord as HostKeyWord
from graped.api.ssh_types import NodeSsh as NodeSsh

PowerWord = Literal["on", "off", "unknown"]
WantedWord = Literal["on", "off"]
VerbWord = Literal["on", "off", "cycle"]
StageWord = Literal["off", "powered", "dhcp", "tftp", "kernel", "root", "up", "lost"]
StackWord = Literal["starting", "ok", "degraded", "missing", "unknown"]
OutcomeWord = Literal["queued", "running", "done", "completed_with_errors", "failed", "cancelled", "interrupted"]
ResultWord = Literal["done", "failed", "cancelled", "superseded", "interrupted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Why something is not as it should be."""

    code: str
    message: str
    since: str
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """The newest sample of a meter; ``stale`` when it is older than three polls."""

    value: int
    unit: str
    at: str
    stale: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePower:
    """Asked for, read back, why it is not so, and since when ``observed`` is what it is."""

    desired: WantedWord | None
    observed: PowerWord
    fault: Fault | None
    since: str | None
    read_at: str | None  # the newest reading that counts


@dataclass(frozen=True, slots=True, kw_only=True)
class StageMark:
    """When a node was first seen in a boot stage, and by what."""

    stage: StageWord
    at: str
    evidence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What a node asked for and got since its power came on or it started again by itself."""

    discovers: int = 0  # DHCP requests of its boot loader
    files: int = 0  # boot files sent whole
    file_bytes: int = 0
    last_file: str = ""
    missing: str = ""  # the file it asked for last, if that was not there


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One slot and the node in it. ``configured`` is false for a slot that no device is configured for.

    ``timeline`` has the stages of the boot that is going on or was the last, as far as they were seen. ``late`` says
    why the node is beyond the deadline of its stage ("" it is not). Image and strategy are as configured.
    """

    name: str
    stack: int
    slot: int
    mac: str | None
    configured: bool
    watts: float
    power: NodePower
    stage: StageWord | None
    stage_reason: str = ""
    stage_since: str | None = None
    watched: bool = False  # its boot stages are told: by netboot, by SSH, or in a simulation
    timeline: tuple[StageMark, ...] = ()
    fetched: Fetched = Fetched()
    late: str = ""
    late_hint: str = ""
    address: str | None = None
    trusted: bool | None = None  # whether its host key is pinned; None: it has no address
    boot: BootWord | None = None  # None: no device is configured
    model: ModelWord | None = None  # as configured, else as its requests tell
    image: str | None = None
    strategy: WantedStrategyWord | None = None
    role: RoleWord | None = None  # in the Docker swarm, as configured
    recovery: NodeRecovery | None = None  # None: no device is configured
    job: int | None = None  # the open job that works on it
    facts: NodeBrief | None = None  # of a node that is up and was asked since


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """One board."""

    id: int
    driver: str
    bus: int | None
    address: int | None
    state: StackWord
    fault: Fault | None
    read_at: str | None
    meters: dict[str, Meter]  # by voltage, current, power, temperature; absent where there is none
    meters_missing: dict[str, str]  # meters that should be there and do not answer: why
    budget_watts: float | None
    expected_watts: float  # of the slots that are on
    slots: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """What the daemon has seen since it started."""

    writes: int  # bytes or levels sent to power ports
    repairs: int  # bytes written again because they arrived changed
    changed_before_write: int  # ports that changed between the last read and the write
    changed_by_itself: int
    bus_errors: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The whole cluster at one revision."""

    revision: int
    cluster: str
    simulated: bool
    time: str
    stacks: tuple[Stack, ...]
    nodes: tuple[Node, ...]
    faults: tuple[Fault, ...]  # of the daemon itself: store, display, gpio, a bus
    counters: Counters


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerRequest:
    """``nodes`` is a node set expression, or the names that a plan expanded."""

    nodes: str | tuple[str, ...]
    verb: VerbWord
    force: bool = False
    off_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanStep:
    """One slot of a plan: when it is switched (seconds from now), and what its stack then draws."""

    name: str
    at_s: float
    action: Literal["on", "off", "none", "never"]
    watts: float
    stack_watts: float
    observed: PowerWord
    stage: StageWord | None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerPlan:
    """What a power request would do; nothing is done."""

    verb: VerbWord
    names: tuple[str, ...]
    folded: str
    running: tuple[str, ...]  # nodes that are on now and would lose power
    steps: tuple[PlanStep, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerGroup:
    """Nodes that share one answer."""

    state: PowerWord
    reason: str
    folded: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One slot of a job."""

    name: str
    step: str
    result: ResultWord | None
    reason: str
    way: tuple[str, ...]
    observed: PowerWord
    stage: StageWord | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far one phase of long work is; ``total`` is null where it is not known."""

    phase: str
    done: int
    total: int | None
    unit: str  # "bytes", "files", "" ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A power command, or long work on images and roots (``kind``): then ``verb`` is null.

    ``tasks`` are the nodes it works on, where it works on nodes. ``code``, ``reason`` and ``hint`` say why it failed.
    """

    id: int
    kind: JobKindWord
    verb: VerbWord | None
    by: str
    outcome: OutcomeWord
    asked: str
    ended: str | None
    force: bool
    request_id: str
    folded: str
    tasks: tuple[Task, ...]
    subject: str = ""  # what it works on, in words
    progress: Progress | None = None  # null: it has not begun, or has nothing to tell
    code: str = ""
    reason: str = ""
    hint: str = ""
    result: str = ""  # what it made, e.g. an image version
    version: int = 0  # differs whenever the job has come further; for ``?differs_from=`` of a long poll


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOutput:
    """What a command that a job runs inside an image has written. The last lines are kept, in memory alone."""

    lines: tuple[str, ...]  # without control characters; long ones are cut
    last: int  # the number of the last line that was written: ask on with ``after`` it
    left_out: int  # lines behind ``after`` that are not kept any more
    ended: bool  # the job has ended: nothing will follow


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line of the event log. Ids grow and are never used twice."""

    id: int
    time: str
    kind: str
    message: str
    stack: int | None = None
    node: str | None = None
    job: int | None = None
    fields: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class StackMeters:
    """The newest readings of one stack."""

    stack: int
    meters: dict[str, Meter]  # by voltage, current, power, temperature
    meters_missing: dict[str, str]  # meters that should be there and do not answer: why


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterPoint:
    """One point of a meter's history: mean, least and most of the samples in ``[time, time + step)``."""

    time: str
    mean: int
    least: int
    most: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterHistory:
    """One meter's history, oldest first."""

    stack: int
    kind: str
    unit: str
    step_s: float
    points: tuple[MeterPoint, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """Grows whenever anything in ``Status`` but its times changes."""

    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSet:
    """A node set expression, resolved against one snapshot."""

    revision: int
    folded: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Whether the daemon does its work."""

    ok: bool
    faults: tuple[Fault, ...]
    uptime_s: float
    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """Which graped answers, and which API it speaks."""

    version: str
    api: str
    simulated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigValue:
    """One effective value and the file it comes from ("default" where none sets it)."""

    key: str
    value: object
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigView:
    """The effective configuration."""

    files: tuple[str, ...]
    toml: str
    values: tuple[ConfigValue, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigReport:
    """The outcome of a check or a reload: problems (then nothing is applied), changes, what needs a restart."""

    ok: bool
    problems: tuple[str, ...]
    changed: tuple[str, ...]
    needs_restart: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """An error answer (RFC 9457, application/problem+json). ``code`` is stable."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    hint: str = ""
    request_id: str = ""
    problems: tuple[str, ...] = ()
