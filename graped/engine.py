"""THE single writer: inbox -> core.step -> effects -> an immutable snapshot that everybody else reads.

Everything here runs in the event loop's thread; other threads use ``loop.call_soon_threadsafe(engine.post, event)``.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol, assert_never

from graped.api.times import rfc3339
from graped.clock import Clock
from graped.core import asking, guards, plan, port
from graped.core.chore import Chore, ChoreKind
from graped.core.effects import (
    AskGuards,
    AskSoftOff,
    CancelChore,
    Effect,
    Log,
    LookAtNode,
    ReadPort,
    ReadTemperatures,
    SaveChore,
    SaveDesired,
    SaveJob,
    SaveQuarantine,
    SoftReboot,
    SwitchPort,
)
from graped.core.events import CancelAsked, ChoreBegun, Event, GuardEvent, PortSwitched, PowerAsked, SwitchEnd, Tick
from graped.core.jobs import Job
from graped.core.state import StackState, State
from graped.core.step import step
from graped.errors import Conflict, NotFound
from graped.model import SlotId, Verb

log = logging.getLogger("graped.engine")

# At a stop: how long writes may take to end (a disk may be slow), how long to wait for a port that a byte was sent to
# and that does not answer, and how often to look.
WRITES_END_S, UNSURE_S, LOOK_S = 5.0, 1.0, 0.02

AFTER_BUG_S = 1.0  # how long the core is left alone after it failed


WARNINGS = ("stack.missing", "stack.unknown", "power.changed_by_itself", "power.not_taken", "power.repaired",
            "port.changed", "temperature.alarm", "temperature.emergency", "meter.missing", "fault.",
            "guard.lapsed", "guard.overdue", "soft_off.overdue")  # fmt: skip
CHORES = ("image.", "node.")  # their failures are warnings


def _level(kind: str) -> int:
    """Tell how loud an event is in the log."""
    if kind.startswith(WARNINGS) or (kind.startswith(CHORES) and kind.endswith((".failed", "_errors"))):
        return logging.WARNING
    return logging.DEBUG if kind.startswith("stage.") else logging.INFO


class Edges(Protocol):
    """What carries out effects on hardware."""

    async def switch(self, effect: SwitchPort) -> PortSwitched: ...
    def read_soon(self, stack: int) -> None: ...
    def read_temperatures(self) -> None: ...


class Memory(Protocol):
    """What is remembered over restarts."""

    async def record_write(self, jobs: Sequence[Job], stack: int, value: int) -> None: ...
    def save_job(self, job: Job) -> None: ...
    def save_chore(self, chore: Chore) -> None: ...
    def save_desired(self, desired: Mapping[SlotId, str]) -> None: ...
    def save_port(self, stack: int, value: int) -> None: ...


class Journal(Protocol):
    """The event log."""

    def append(
        self,
        kind: str,
        message: str,
        *,
        stack: int | None = None,
        node: str | None = None,
        job: int | None = None,
        fields: Mapping[str, object] | None = None,
    ) -> object: ...


def _port_moved(old: StackState | None, new: StackState) -> bool:
    """Whether the port is to be remembered: it changed, or the byte that was recorded for it never arrived."""
    if new is old:
        return False
    if old is None or new.reading != old.reading:
        return True
    ended = old.in_flight if new.in_flight is None else None
    return ended is not None and new.reading is not None and not port.equal(new.reading, ended.value)


class Engine:
    """Own the state. ``alive`` is called at least every ``heartbeat_s`` while the loop turns (systemd's watchdog)."""

    def __init__(
        self,
        state: State,
        clock: Clock,
        edges: Edges,
        memory: Memory,
        journal: Journal,
        *,
        alive: Callable[[], None] = lambda: None,
        heartbeat_s: float = 5.0,
    ) -> None:
        self._state = state
        self._clock = clock
        self._edges = edges
        self._memory = memory
        self._journal = journal
        self._alive = alive
        self._heartbeat_s = heartbeat_s
        self.cancel_chore: Callable[[int], None] = lambda _: None  # who does chores wants to know
        self.ask_node: Callable[[AskSoftOff | LookAtNode | SoftReboot], None] = lambda _: (
            None
        )  # who talks to nodes; answers: events
        self.keep_quarantine: Callable[[SlotId, str], None] = lambda *_: None  # who writes settings of devices
        self._inbox: deque[Event] = deque()
        self._draining = False
        self._changed = asyncio.Event()
        self._woken = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False

    @property
    def state(self) -> State:
        """The current snapshot."""
        return self._state

    def post(self, event: Event) -> None:
        """Take an event into the state now (or right after the one that is being taken)."""
        self._inbox.append(event)
        if self._draining:
            return
        self._draining = True
        try:
            while self._inbox:
                self._take(self._inbox.popleft())
        finally:
            self._draining = False

    def _take(self, event: Event) -> None:
        before = self._state
        now = self._clock.monotonic()
        try:
            self._state, effects = step(before, event, now)
        except Exception:
            log.exception("the core failed on %s; the event is dropped", type(event).__name__)
            self._state = replace(before, wake=now + AFTER_BUG_S)  # else a tick that fails is due again at once
            return
        for effect in effects:
            self._try(self._carry_out, effect)
        for key, stack in self._state.stacks.items():
            if _port_moved(before.stacks.get(key), stack) and stack.reading is not None:
                self._try(self._memory.save_port, key, stack.reading.value)
        if self._state.revision != before.revision:
            self._changed.set()
            self._changed = asyncio.Event()
        if self._state.wake != before.wake:
            self._woken.set()

    def _try(self, work: Callable[..., None], *arguments: object) -> None:
        """Let nothing that an edge raises keep the other effects from being carried out."""
        try:
            work(*arguments)
        except Exception:
            log.exception("%s failed", getattr(work, "__qualname__", work))

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case SwitchPort() if self._stopping and not effect.repair:
                pass  # its job is told as interrupted
            case SwitchPort():
                task = asyncio.create_task(self._switch(effect))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            case ReadPort():
                self._edges.read_soon(effect.stack)
            case ReadTemperatures():
                self._edges.read_temperatures()
            case Log():
                node = self._state.config.node_name(effect.slot) if effect.slot else None
                log.log(_level(effect.kind), "%s", effect.message)
                self._journal.append(
                    effect.kind, effect.message, stack=effect.stack, node=node, job=effect.job, fields=effect.fields
                )
            case SaveJob():
                self._memory.save_job(effect.job)
            case SaveChore():
                self._memory.save_chore(effect.chore)
            case CancelChore():
                self.cancel_chore(effect.chore)
            case SaveDesired():
                self._memory.save_desired(effect.desired)
            case AskGuards():
                self._ask_guards(effect)
            case AskSoftOff() | LookAtNode() | SoftReboot():
                self.ask_node(effect)
            case SaveQuarantine():
                self.keep_quarantine(effect.slot, effect.reason)
            case _:
                assert_never(effect)

    def _ask_guards(self, effect: AskGuards) -> None:
        """Tell the guards of a slot over the event log: their clients follow it."""
        node, names = self._state.config.node_name(effect.slot), ", ".join(effect.guards)
        text = f"{node}: power {effect.verb} waits for guard {names}"
        log.info("%s", text)
        fields = {
            "guards": list(effect.guards), "verb": effect.verb.value,
            "deadline": rfc3339(self._clock.wall_of(effect.deadline)),
        }  # fmt: skip
        self._journal.append(
            "guard.asked", text, stack=effect.slot.stack, node=node, job=effect.job, fields=fields
        )  # fmt: skip

    async def _switch(self, effect: SwitchPort) -> None:
        """Record the byte, let it go out, and take its end. What fails on the way ends the write as unverified.

        A byte that cannot be recorded goes out all the same: a full disk does not keep slots from being switched.
        """
        jobs = [self._state.jobs[number] for number in effect.jobs if number in self._state.jobs]
        try:
            await self._memory.record_write(jobs, effect.stack, effect.value)
        except Exception:
            log.exception("the byte for stack %d cannot be recorded", effect.stack)
        try:
            end = await self._edges.switch(effect)
        except Exception as error:
            log.exception("a write to stack %d failed inside graped", effect.stack)
            end = PortSwitched(
                stack=effect.stack,
                token=effect.token,
                end=SwitchEnd.UNVERIFIED,
                at=self._clock.monotonic(),
                code="internal",
                message=f"graped failed while writing ({type(error).__name__})",
            )
        self.post(end)

    async def run(self, stop: asyncio.Event) -> None:
        """Tick when the core wants it, and say that we are alive, until ``stop``; then let writes end.

        The edges have to go on until this returns.
        """
        stopping = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                self._alive()
                self._woken.clear()
                wake = self._state.wake
                pause = self._heartbeat_s
                if wake is not None:
                    pause = min(pause, max(0.0, wake - self._clock.monotonic()))
                woken = asyncio.create_task(self._woken.wait())
                await asyncio.wait({woken, stopping}, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
                woken.cancel()
                wake = self._state.wake
                if wake is not None and self._clock.monotonic() >= wake:
                    self.post(Tick())
        finally:
            stopping.cancel()
            await self._land()

    async def _land(self) -> None:
        """Let bytes on their way end and repair what arrived changed; wait for no port that does not answer."""
        self._stopping = True
        began = self._clock.monotonic()
        while (late := self._clock.monotonic() - began) < WRITES_END_S:
            unsure = any(stack.in_flight and stack.in_flight.unsure for stack in self._state.stacks.values())
            if not self._tasks and (not unsure or late >= UNSURE_S):
                return
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=LOOK_S)
            else:
                await asyncio.sleep(LOOK_S)

    async def changed(self, revision: int, timeout_s: float) -> State:
        """Wait until the revision differs from ``revision``, at most ``timeout_s``; return the state then."""
        deadline = self._clock.monotonic() + timeout_s
        while self._state.revision == revision:
            left = deadline - self._clock.monotonic()
            if left <= 0:
                break
            try:
                async with asyncio.timeout(left):  # wait_for (3.11) loses a cancellation at a change
                    await self._changed.wait()
            except TimeoutError:
                break
        return self._state

    async def ask_power(
        self,
        verb: Verb,
        slots: tuple[SlotId, ...],
        *,
        by: str,
        force: bool = False,
        off_s: float | None = None,
        request_id: str = "",
    ) -> Job:
        """Accept a power command as a job.

        Raises: NoTarget, UnknownNode, SharedRelay, OverBudget.
        """
        asking.check(self._state, verb, slots)
        number = self._state.next_job
        self.post(
            PowerAsked(job=number, verb=verb, slots=slots, by=by, force=force, off_s=off_s, request_id=request_id)
        )
        return self._state.jobs[number]

    async def cancel(self, job_id: int, *, by: str) -> Job | Chore:
        """Cancel what of a job still waits; a chore is asked to stop, and ends a little later.

        Raises: NotFound, Conflict (it has ended).
        """
        job = self._job(job_id)
        if job is None:
            raise NotFound(f"there is no job {job_id}")
        if job.ended is not None:
            raise Conflict(f"job {job_id} has ended: {job.outcome.value}")
        self.post(CancelAsked(job=job_id, by=by))
        return self._job(job_id) or job

    def guard(self, event: GuardEvent) -> None:
        """Take what the owner of a lifecycle guard says. Raises: NotFound, Conflict."""
        guards.check(self._state, event)
        self.post(event)

    def begin_chore(
        self, kind: ChoreKind, subject: str, *, by: str, slots: tuple[SlotId, ...] = (), request_id: str = ""
    ) -> Chore:
        """Accept a chore under the next job id; whoever calls this does it, and posts how far it is and its end."""
        number = self._state.next_job
        self.post(
            ChoreBegun(chore=number, kind=kind, subject=subject, by=by, slots=slots, request_id=request_id)
        )  # fmt: skip
        return self._state.chores[number]

    def _job(self, job_id: int) -> Job | Chore | None:
        return self._state.jobs.get(job_id) or self._state.chores.get(job_id)

    def plan_power(
        self, verb: Verb, slots: tuple[SlotId, ...], *, force: bool = False, off_s: float | None = None
    ) -> tuple[plan.Planned, ...]:
        """Lay out what a power command would do."""
        return plan.plan(self._state, verb, slots, self._clock.monotonic(), force=force, off_s=off_s)
