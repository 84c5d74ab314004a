"""One step's worth of changes to a :class:`State`: the core's only mutable thing, thrown away after each event."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from graped.core.effects import Effect, Log, SaveDesired, SaveJob
from graped.core.jobs import Job, Result, Step, Task
from graped.core.state import Counts, SlotState, StackState, State
from graped.model import Fault, Power, SlotId

KEPT_JOBS = 200  # ended jobs that stay in the state; older ones are in the store


class Draft:
    """Collect changes and effects, then :meth:`done`. ``revision`` grows only when something visible changed."""

    def __init__(self, state: State, now: float) -> None:
        self.before = state
        self.now = now
        self.config = state.config
        self.stacks = dict(state.stacks)
        self.slots = dict(state.slots)
        self.jobs = dict(state.jobs)
        self.chores = dict(state.chores)
        self.claims = dict(state.claims)
        self.guards = dict(state.guards)
        self.last_on = dict(state.last_on)
        self.watched = state.watched
        self.other: dict[str, Any] = {}  # fields of State that change seldom
        self.effects: list[Effect] = []
        self.visible = False
        self.touched_jobs: set[int] = set()
        self.wakes: list[float] = []
        self._desired: dict[SlotId, str] = {}

    def set_stack(self, key: int, *, visible: bool = True, **changes: Any) -> StackState:
        """Replace fields of a stack."""
        new = replace(self.stacks[key], **changes)
        self.visible = self.visible or (visible and new != self.stacks[key])
        self.stacks[key] = new
        return new

    def set_slot(self, slot: SlotId, **changes: Any) -> SlotState:
        """Replace fields of a slot."""
        old = self.slots[slot]
        if all(getattr(old, name) == value for name, value in changes.items()):
            return old
        self.visible = True
        new = self.slots[slot] = replace(old, **changes)
        return new

    def want(self, slot: SlotId, power: Power) -> None:
        """Set what is wanted of a slot, and remember it."""
        if self.slots[slot].desired is not power:
            self.set_slot(slot, desired=power)
            self._desired[slot] = power.value

    def set_task(self, job: int, slot: SlotId, **changes: Any) -> Task:
        """Replace fields of one slot of a job."""
        old = self.jobs[job]
        task = old.tasks[slot]
        if all(getattr(task, name) == value for name, value in changes.items()):
            return task  # most calls tell a waiting slot the reason that it has already
        task = replace(task, **changes)
        self.jobs[job] = replace(old, tasks={**old.tasks, slot: task})
        self.touched_jobs.add(job)
        self.visible = True
        return task

    def end_task(self, job: int, slot: SlotId, result: Result, reason: str = "") -> None:
        """End one slot of a job and free the slot for others."""
        held = [hold.guard for hold in self.jobs[job].tasks[slot].holds if not hold.over]
        if held:
            self.log("guard.called_off", f"{self.name(slot)}: guards need not let go of it for job {job} any more",
                     slot=slot, job=job, guards=held)  # fmt: skip
        self.set_task(job, slot, step=Step.ENDED, result=result, reason=reason, until=None, holds=())
        if self.claims.get(slot) == job:
            del self.claims[slot]

    def fail_task(self, job: int, slot: SlotId, reason: str) -> None:
        """End one slot of a job that cannot be fulfilled: its fault says why."""
        self.end_task(job, slot, Result.FAILED, reason)
        self.set_slot(slot, fault=Fault(code="given_up", message=reason, since=self.now))

    def log(
        self,
        kind: str,
        message: str,
        *,
        stack: int | None = None,
        slot: SlotId | None = None,
        job: int | None = None,
        **fields: object,
    ) -> None:
        """Add a line for the event log."""
        if slot is not None and stack is None:
            stack = slot.stack
        self.effects.append(Log(kind=kind, message=message, stack=stack, slot=slot, job=job, fields=fields))

    def count(self, **more: int) -> None:
        """Add to the counters."""
        if not any(more.values()):
            return
        counts: Counts = self.other.get("counts", self.before.counts)
        self.other["counts"] = replace(counts, **{name: getattr(counts, name) + n for name, n in more.items()})

    def name(self, slot: SlotId) -> str:
        """The name of a slot's node."""
        return self.config.node_name(slot)

    def slots_of(self, stack: int) -> list[SlotId]:
        """All slots of a stack."""
        layout = self.stacks[stack].layout
        return [] if layout is None else [SlotId(stack, slot) for slot in layout.bits]

    def all_slots_of(self, stack: int) -> list[SlotId]:
        """All slots of a stack, also of one whose layout nobody knows."""
        return [slot for slot in self.slots if slot.stack == stack]

    @property
    def held(self) -> str:
        """Why nothing may be switched on at the moment ("" it may)."""
        held: str = self.other.get("held", self.before.held)
        return held

    @property
    def next_job(self) -> int:
        """The first job id that was not given out yet."""
        number: int = self.other.get("next_job", self.before.next_job)
        return number

    def next_token(self) -> int:
        """Number the next write."""
        token: int = self.other.get("next_token", self.before.next_token)
        self.other["next_token"] = token + 1
        return token

    def open_tasks(self) -> list[tuple[Job, Task]]:
        """Every slot that an open job works on."""
        return [(self.jobs[job], self.jobs[job].tasks[slot]) for slot, job in self.claims.items()]

    def wake_at(self, when: float) -> None:
        """Ask for a Tick at ``when`` at the latest."""
        self.wakes.append(when)

    def done(self) -> tuple[State, tuple[Effect, ...]]:
        """End the step: close jobs whose slots have all ended, and build the next state."""
        for number in sorted(self.touched_jobs):
            job = self.jobs[number]
            if job.ended is None and job.outcome.ended:
                job = self.jobs[number] = replace(job, ended=self.now)
                reasons = sorted({task.reason for task in job.tasks.values() if task.reason})
                self.log(f"job.{job.outcome}", _job_line(job, reasons), job=number, verb=job.verb.value, by=job.by)
            self.effects.append(SaveJob(job=job))
        if self._desired:
            self.effects.append(SaveDesired(desired=self._desired))
        state = replace(
            self.before,
            revision=self.before.revision + (1 if self.visible else 0),
            stacks=self.stacks,
            slots=self.slots,
            jobs=_prune(self.jobs),
            chores=self.chores,
            claims=self.claims,
            guards=self.guards,
            last_on=self.last_on,
            wake=min(self.wakes, default=None),
            **self.other,
        )
        return state, tuple(self.effects)


def _job_line(job: Job, reasons: list[str]) -> str:
    slots = f"{len(job.tasks)} slot{'s' * (len(job.tasks) != 1)}"
    line = f"job {job.id}: power {job.verb} of {slots} is {job.outcome.value.replace('_', ' ')}"
    return f"{line} ({'; '.join(reasons[:3])})" if reasons else line


def _prune(jobs: dict[int, Job]) -> dict[int, Job]:
    ended = [number for number, job in jobs.items() if job.ended is not None]
    for number in sorted(ended)[: max(0, len(ended) - KEPT_JOBS)]:
        del jobs[number]
    return jobs
