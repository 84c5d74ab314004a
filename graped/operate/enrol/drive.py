"""Drive one enrolment: what is asked becomes ordinary power jobs, what is seen and heard becomes events of its core."""

from __future__ import annotations

import asyncio
import queue
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Final, Protocol

from graped.core import enrol
from graped.core.enrolment import (
    UNEXPLAINED,
    Drew,
    Enrolment,
    Happening,
    Heard,
    Limits,
    Passed,
    Powered,
    Refused,
    Step,
    Switch,
)
from graped.core.jobs import Job, Result
from graped.core.state import State
from graped.errors import GrapeError
from graped.model import MeterKind, Power, SlotId, Verb
from graped.work import Work

LOOK_S: Final = 0.05
LAND_S: Final = 1.0  # a byte that is on its way when all is broken off
ASKING_S: Final = 30.0  # for the loop to take a power job: it waits for no hardware
METER_AFTER_S: Final = 2.0  # after a slot was switched: an earlier reading may be of the inrush, or of before
SUPPLY_V: Final = 12.0  # of a stack
DRAWS_PART: Final = 0.25  # of what the node is expected to draw


class Engine(Protocol):
    """The part of the engine that is needed."""

    @property
    def state(self) -> State: ...
    async def ask_power(self, verb: Verb, slots: tuple[SlotId, ...], *, by: str) -> Job: ...
    async def cancel(self, job_id: int, *, by: str) -> object: ...


class Ear(Protocol):
    """What tells of MAC addresses besides dnsmasq's log."""

    def heard(self, now: float) -> Iterator[Heard]: ...
    def close(self) -> None: ...


class Drive:
    """Runs in the chore's thread; only ``state`` is read there, the rest is done in the loop."""

    def __init__(
        self,
        engine: Engine,
        loop: asyncio.AbstractEventLoop,
        enrolment: Enrolment,
        asked: tuple[Switch, ...],
        *,
        by: str,
        heard: queue.SimpleQueue[Heard],
        ear: Ear | None,
        told: Callable[[Enrolment], None],
        monotonic: Callable[[], float],
    ) -> None:
        self.enrolment = enrolment
        self._engine, self._loop = engine, loop
        self._asked = asked
        self._by = by
        self._heard, self._ear = heard, ear
        self._told = told
        self._monotonic = monotonic
        self._jobs: dict[int, tuple[SlotId, ...]] = {}
        self._events: list[Happening] = []
        self._seen: dict[SlotId, bool] = {
            slot: now.observed is not Power.OFF for slot, now in engine.state.slots.items()
        }
        self._idle_ma: dict[int, int] = {}  # of a stack with all slots off

    def run(self, work: Work) -> Enrolment:
        """Look at every slot. Raises: Cancelled; then nothing more is switched."""
        try:
            list(self._drew(self._monotonic()))  # what stacks draw as they are now
            while True:
                for switch in self._asked:
                    self._ask(switch)
                self._asked = ()
                self._tell(work)
                if self.enrolment.done and not self._jobs:
                    return self.enrolment
                time.sleep(LOOK_S)
                work.check()
                for event in self._happened():
                    self.enrolment, more = enrol.step(self.enrolment, event)
                    self._asked += more
        except BaseException:
            self._give_up()
            raise
        finally:
            if self._ear is not None:
                self._ear.close()

    def restore(self, work: Work) -> tuple[SlotId, ...]:
        """Switch on again what was on before; name what could not be. Raises: Cancelled."""
        wanted = tuple(slot for slot in self.enrolment.to_restore if not self._is(slot, Power.ON))
        if not wanted:
            return ()
        work.phase("switching on again what was on", len(wanted), "slots")
        try:
            self._ask(Switch(slots=wanted, on=True))
            while self._jobs:
                time.sleep(LOOK_S)
                work.check()
                list(self._ended())
        except BaseException:
            self._give_up()
            raise
        return tuple(slot for slot in wanted if not self._is(slot, Power.ON))

    # --- what happens -----------------------------------------------------------------------------------

    def _happened(self) -> Iterator[Happening]:
        """Give all since the last look; what power is comes first, so that what is heard falls to the right slot."""
        yield from self._powered()
        events, self._events = self._events, []
        yield from events
        yield from self._ended()
        while True:
            try:
                yield self._heard.get_nowait()
            except queue.Empty:
                break
        now = self._monotonic()
        if self._ear is not None:
            yield from self._ear.heard(now)
        yield from self._drew(now)
        yield Passed(at=now)

    def _powered(self) -> Iterator[Powered]:
        for slot, now in self._engine.state.slots.items():
            if now.observed is Power.UNKNOWN:
                continue
            on, at = now.observed is Power.ON, now.since or self._monotonic()
            place = self.enrolment.places.get(slot)
            if self._seen.get(slot) != on or (place is not None and place.step is Step.LEAVING and not on):
                self._seen[slot] = on
                yield Powered(slot=slot, on=on, at=at)

    def _ended(self) -> Iterator[Refused]:
        """Tell of each slot whose job did not do what was asked."""
        state = self._engine.state
        for number, slots in list(self._jobs.items()):
            job = state.jobs.get(number)
            if job is not None and job.ended is None:
                continue
            del self._jobs[number]
            for slot in slots:
                task = job.tasks.get(slot) if job else None
                if task is not None and task.result is not Result.DONE:
                    why = task.reason or f"power {job.verb.value if job else ''} was {task.result}"
                    yield Refused(slot=slot, why=why, at=self._monotonic())

    def _drew(self, now: float) -> Iterator[Drew]:
        """Tell whether the slot that is looked at draws current: only where nothing else in its stack is on."""
        state = self._engine.state
        for key, stack in state.stacks.items():
            reading = stack.meters.get(MeterKind.CURRENT)
            on = [slot for slot, seen in state.slots.items() if slot.stack == key and seen.observed is not Power.OFF]
            moved = max((seen.since or 0.0 for slot, seen in state.slots.items() if slot.stack == key), default=0.0)
            if reading is None or reading.at < moved + METER_AFTER_S:
                continue
            if not on:
                self._idle_ma[key] = reading.value
                continue
            place = self.enrolment.places.get(on[0])
            if len(on) > 1 or place is None or place.step not in UNEXPLAINED or place.draws is not None:
                continue
            if key in self._idle_ma:
                expected_ma = state.config.watts_of(on[0]) / SUPPLY_V * 1000
                yield Drew(slot=on[0], draws=reading.value - self._idle_ma[key] >= DRAWS_PART * expected_ma, at=now)

    # --- what is done -----------------------------------------------------------------------------------

    def _ask(self, switch: Switch) -> None:
        """Ask for a power job; where not all of it can be had, slot by slot."""
        try:
            self._jobs[self._begin(switch)] = switch.slots
        except GrapeError as error:
            if len(switch.slots) == 1:
                why = Refused(slot=switch.slots[0], why=error.detail, at=self._monotonic())
                self._events.append(why)
                return
            for slot in switch.slots:
                self._ask(Switch(slots=(slot,), on=switch.on))

    def _begin(self, switch: Switch) -> int:
        verb = Verb.ON if switch.on else Verb.OFF
        asking = self._engine.ask_power(verb, switch.slots, by=self._by)
        return asyncio.run_coroutine_threadsafe(asking, self._loop).result(ASKING_S).id

    def _give_up(self) -> None:
        """Switch nothing more: what of our power jobs still waits is cancelled."""
        for number in self._jobs:
            if not self._loop.is_closed():
                asyncio.run_coroutine_threadsafe(_cancelled(self._engine, number, self._by), self._loop)
        late = time.monotonic() + LAND_S
        while time.monotonic() < late and any(self._is_open(number) for number in self._jobs):
            time.sleep(LOOK_S)
        self._jobs = {}

    def _tell(self, work: Work) -> None:
        at = next((slot for slot, place in self.enrolment.places.items() if place.step in UNEXPLAINED), None)
        clearing = any(place.step is Step.CLEARING for place in self.enrolment.places.values())
        name = "" if at is None else self._engine.state.config.node_name(at)
        phase = "switching off" if clearing else f"looking at {name}" if name else "switching"
        now = work.progress
        if (now.phase, now.done) != (phase, self.enrolment.judged):
            work.phase(phase, len(self.enrolment.order), "slots")
            work.advance(self.enrolment.judged)
        self._told(self.enrolment)

    def _is_open(self, number: int) -> bool:
        job = self._engine.state.jobs.get(number)
        return job is not None and job.ended is None

    def _is(self, slot: SlotId, power: Power) -> bool:
        return self._engine.state.slots[slot].observed is power


async def _cancelled(engine: Engine, number: int, by: str) -> None:
    try:
        await engine.cancel(number, by=by)
    except GrapeError:
        pass  # it has ended


def begin(
    state: State,
    slots: tuple[SlotId, ...],
    *,
    consent: frozenset[SlotId],
    limits: Limits,
    heard_at: Mapping[str, float],
    now: float,
) -> tuple[Enrolment, tuple[Switch, ...]]:
    """Begin with the cluster as it is now."""
    on = {slot for slot, seen in state.slots.items() if seen.observed is not Power.OFF}
    known = {
        SlotId(key, number): device.mac
        for key, stack in state.config.cluster.stacks.items()
        for number, device in stack.devices.items()
        if device.mac
    }
    off_since = {slot: seen.since for slot, seen in state.slots.items() if slot not in on and seen.since is not None}
    return enrol.begin(
        slots, on=on, consent=consent, known=known, limits=limits, now=now, off_since=off_since, heard_at=heard_at
    )
