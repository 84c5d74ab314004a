"""Jobs: what was asked, by whom, and how far each slot of it has come."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from graped.model import SlotId, Verb


class Step(StrEnum):
    """Where one slot of a job is on its way. The way of an off: guards, soft_off, cut; of an on: queue, on."""

    QUEUED = "queued"  # waits for its turn (``reason`` says for what)
    GUARDS = "guards"  # lifecycle guards hold it
    SOFT_OFF = "soft_off"  # the operating system is stopping
    CUT = "cut"  # the port is being written off
    RESTING = "resting"  # cycle: off, until the off time is over
    ON = "on"  # the port is being written on
    ENDED = "ended"


class Result(StrEnum):
    """How one slot of a job ended."""

    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"  # a later job asked something else of the slot
    INTERRUPTED = "interrupted"  # graped stopped in the middle


class Outcome(StrEnum):
    """The state of a whole job."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    WITH_ERRORS = "completed_with_errors"
    FAILED = "failed"
    CANCELLED = "cancelled"  # by a cancel or a later job: none failed, but not all were switched
    INTERRUPTED = "interrupted"

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self not in (Outcome.QUEUED, Outcome.RUNNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """One guard's hold on a slot that is to lose power."""

    guard: str  # its name
    since: float  # monotonic s
    note: str = ""  # what it last told
    over: str = ""  # how it ended; "": it holds


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One slot of a job."""

    slot: SlotId
    step: Step = Step.QUEUED
    result: Result | None = None
    reason: str = ""  # what it waits for, or why it failed
    queued_at: float = 0.0  # monotonic s: its place in the queue of slots to switch on
    until: float | None = None  # monotonic s: when this step must be over
    blocked_since: float | None = None  # monotonic s: since when the stack does not let it go on
    holds: tuple[Hold, ...] = ()  # of the guards that were asked, while the step is GUARDS
    settling: bool = False  # its system is down, and has a moment to settle
    guarded_until: float | None = None  # monotonic s: how long an earlier job had its guards hold the slot at most
    way: tuple[str, ...] = ()  # the steps that ran or were skipped, told to the user
    cut_done: bool = False  # cycle: the off half is over
    refused: str = ""  # why its port did not take the last byte for it
    refused_since: float | None = None  # monotonic s: when that happened first
    again_at: float | None = None  # monotonic s: not written again before

    @property
    def started(self) -> bool:
        """Whether anything was done for it: one that queues again did start."""
        return self.step is not Step.QUEUED or self.cut_done or self.refused != ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A power command: accepted with an id, per-slot results, an outcome of its own."""

    id: int
    verb: Verb
    by: str
    asked: float  # monotonic s
    tasks: dict[SlotId, Task] = field(default_factory=dict)
    force: bool = False
    off_s: float | None = None
    request_id: str = ""
    ended: float | None = None

    @property
    def outcome(self) -> Outcome:
        """Fold the results of all slots into one word."""
        results = [task.result for task in self.tasks.values()]
        if any(result is None for result in results):
            started = any(task.started for task in self.tasks.values())
            return Outcome.RUNNING if started else Outcome.QUEUED
        kinds = set(results)
        if kinds <= {Result.DONE}:
            return Outcome.DONE
        if Result.INTERRUPTED in kinds:
            return Outcome.INTERRUPTED
        if Result.FAILED in kinds:
            return Outcome.WITH_ERRORS if Result.DONE in kinds else Outcome.FAILED
        return Outcome.CANCELLED
