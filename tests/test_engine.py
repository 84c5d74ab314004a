"""The engine with edges, memory and journal that are made up, and behave."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from graped import engine as engine_module
from graped.core.effects import AskSoftOff, SwitchPort
from graped.core.events import (
    Event,
    GuardRegistered,
    GuardReleased,
    GuardTold,
    OverTemperature,
    PortRead,
    PortSwitched,
    StackFound,
    SwitchEnd,
    Tick,
)
from graped.core.jobs import Job, Outcome, Result
from graped.core.state import Remembered, State
from graped.core.step import initial, step
from graped.engine import Engine
from graped.errors import Conflict, NotFound, SharedRelay, UnknownNode
from graped.model import PortReading, Power, SlotId, Verb
from tests.core.world import ALL_OFF, BOARD, byte, make_config, slots

A = SlotId(0, 0)


class Time:
    """A clock that follows the loop's, and can be pushed forward."""

    def __init__(self) -> None:
        self.ahead = 1000.0

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time() + self.ahead

    def wall(self) -> float:
        return self.monotonic()

    def wall_of(self, monotonic: float) -> float:
        return monotonic


class Rig:
    """One stack: its port, what was remembered of it, and the order in which things happened."""

    def __init__(self, value: int = ALL_OFF) -> None:
        self.clock = Time()
        self.port = value
        self.happened: list[str] = []
        self.recorded: dict[int, int] = {}
        self.saved_jobs: dict[int, Job] = {}
        self.saved_desired: dict[SlotId, str] = {}
        self.saved_ports: list[tuple[int, int]] = []
        self.journal: list[tuple[str, str | None, int | None]] = []
        self.hurdle: Callable[[SwitchPort], Coroutine[Any, Any, None]] | None = None
        self.broken: set[str] = set()
        self.beats = 0
        self.temperatures = 0
        self.asked: list[dict[str, Any]] = []  # of guards
        self.asked_at = 0.0
        self.engine: Engine

    # edges

    async def switch(self, effect: SwitchPort) -> PortSwitched:
        self.happened.append(f"switch {effect.value:#04x}")
        if self.hurdle is not None:
            await self.hurdle(effect)
        await asyncio.sleep(0)
        if self.port != effect.base:
            end, repairs = SwitchEnd.REFUSED, 0
        else:
            self.port, end, repairs = effect.value, SwitchEnd.VERIFIED, 0
        return PortSwitched(
            stack=effect.stack, token=effect.token, end=end, at=self.clock.monotonic(), reading=self.reading(),
            repairs=repairs,
        )  # fmt: skip

    def read_soon(self, stack: int) -> None:
        if "read_soon" in self.broken:
            raise RuntimeError("no lane")
        asyncio.get_running_loop().call_later(0.001, self.read)

    def read(self) -> None:
        self.engine.post(PortRead(stack=0, reading=self.reading(), at=self.clock.monotonic()))

    def reading(self) -> PortReading:
        return PortReading(value=self.port, known=0xFF)

    def read_temperatures(self) -> None:
        self.temperatures += 1

    # nodes

    def ask_node(self, effect: AskSoftOff) -> None:
        raise AssertionError("nobody can be asked")

    # memory

    async def record_write(self, jobs: Sequence[Job], stack: int, value: int) -> None:
        if "record_write" in self.broken:
            raise OSError(28, "No space left on device")
        await asyncio.sleep(0.002)
        self.recorded[stack] = value
        self.happened.append(f"recorded {value:#04x} for {[job.id for job in jobs]}")

    def save_job(self, job: Job) -> None:
        self.saved_jobs[job.id] = job

    def save_desired(self, desired: Mapping[SlotId, str]) -> None:
        self.saved_desired |= desired

    def save_port(self, stack: int, value: int) -> None:
        self.saved_ports.append((stack, value))

    # journal

    def append(
        self,
        kind: str,
        message: str,
        *,
        stack: int | None = None,
        node: str | None = None,
        job: int | None = None,
        fields: Mapping[str, object] | None = None,
    ) -> object:
        if "journal" in self.broken:
            raise OSError(28, "No space left on device")
        self.journal.append((kind, node, job))
        if kind == "guard.asked":
            self.asked.append(dict(fields or {}))
            self.asked_at = asyncio.get_running_loop().time()
            self.engine.post(GuardReleased(name="docker", job=job or 0, slot=A, note="answered at once"))
        return None

    def beat(self) -> None:
        self.beats += 1

    async def until(self, wanted: Callable[[State], bool], timeout_s: float = 20.0) -> State:
        """Wait for a state, by the engine's own means."""
        async with asyncio.timeout(timeout_s):
            while not wanted(self.engine.state):
                await self.engine.changed(self.engine.state.revision, 0.2)
        return self.engine.state

    def ended(self, job: int) -> Callable[[State], bool]:
        return lambda state: state.jobs[job].ended is not None


def drive(
    scenario: Callable[[Rig], Coroutine[Any, Any, None]],
    *,
    value: int = ALL_OFF,
    heartbeat_s: float = 5.0,
    **policy: Any,
) -> Rig:
    """Run a scenario with an engine that turns, and stop it in order."""
    rig = Rig(value)

    async def whole() -> None:
        config = make_config((0,), stagger_s=0.01, inrush_s=0.02, **policy)
        start = initial(config, Remembered(), layouts={0: frozenset(range(6))}, next_job=1)
        rig.engine = Engine(start, rig.clock, rig, rig, rig, alive=rig.beat, heartbeat_s=heartbeat_s)
        rig.engine.ask_node = rig.ask_node
        stop = asyncio.Event()
        turning = asyncio.create_task(rig.engine.run(stop))
        rig.engine.post(StackFound(stack=0, layout=BOARD, bus=1, address=0))
        await rig.until(lambda state: state.stacks[0].adopted)
        await scenario(rig)
        assert not turning.done(), "the loop stopped by itself"
        stop.set()
        await asyncio.wait_for(turning, 20)

    asyncio.run(whole())
    return rig


def test_a_byte_is_recorded_before_it_goes_out() -> None:
    async def scenario(rig: Rig) -> None:
        job = await rig.engine.ask_power(Verb.ON, (A,), by="uid 1000", request_id="r1")
        assert job.id == 1
        assert (await rig.until(rig.ended(1))).jobs[1].outcome is Outcome.DONE

    rig = drive(scenario)
    assert rig.happened == [f"recorded {byte(0):#04x} for [1]", f"switch {byte(0):#04x}"]
    assert rig.port == byte(0)
    assert rig.saved_jobs[1].outcome is Outcome.DONE
    assert rig.saved_jobs[1].request_id == "r1"
    assert rig.saved_desired[A] == "on"
    assert rig.saved_ports[0] == (0, ALL_OFF)
    assert rig.saved_ports[-1] == (0, byte(0))
    assert ("power.on", "worker-0-0", 1) in rig.journal


def test_a_byte_that_cannot_be_recorded_goes_out_all_the_same() -> None:
    async def scenario(rig: Rig) -> None:
        rig.broken.add("record_write")
        await rig.engine.ask_power(Verb.ON, (A,), by="me")
        await rig.until(rig.ended(1))

    assert drive(scenario).port == byte(0)


def test_an_exception_in_an_edge_ends_the_write_as_unverified() -> None:
    ends: list[PortSwitched] = []

    async def scenario(rig: Rig) -> None:
        async def raise_once(effect: SwitchPort) -> None:
            rig.hurdle = None
            raise ZeroDivisionError

        rig.hurdle = raise_once
        post = rig.engine.post

        def listen(event: Event) -> None:
            if isinstance(event, PortSwitched):
                ends.append(event)
            post(event)

        rig.engine.post = listen  # type: ignore[method-assign]
        await rig.engine.ask_power(Verb.ON, (A,), by="me")
        await rig.until(lambda state: state.slots[A].observed is Power.UNKNOWN)
        fault = rig.engine.state.stacks[0].fault
        assert fault is not None
        assert "ZeroDivisionError" in fault.message
        await rig.until(rig.ended(1))

    rig = drive(scenario, give_up_s=20.0)
    assert ends[0].end is SwitchEnd.UNVERIFIED
    assert ends[0].code == "internal"
    assert rig.port == byte(0)  # read back as never arrived, and sent again


def test_what_an_edge_raises_keeps_no_other_effect_from_being_carried_out(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(rig: Rig) -> None:
        rig.broken |= {"journal", "read_soon"}
        await rig.engine.ask_power(Verb.ON, (A,), by="me")
        await rig.until(rig.ended(1))

    assert drive(scenario).port == byte(0)
    assert "No space left" in caplog.text
    assert "no lane" in caplog.text


def test_the_core_is_woken_when_it_wants() -> None:
    async def scenario(rig: Rig) -> None:
        await rig.engine.ask_power(Verb.CYCLE, (A,), by="me", off_s=0.05)
        await rig.until(rig.ended(1))  # nobody polls, and the heart beats far too seldom
        assert rig.happened[-1] == f"switch {byte(0):#04x}"

    drive(scenario, value=byte(0), heartbeat_s=60.0)


def test_alive_is_called_while_nothing_happens() -> None:
    async def scenario(rig: Rig) -> None:
        before = rig.beats
        async with asyncio.timeout(20):  # with the heartbeat of all other tests it would be 25 s
            while rig.beats - before < 5:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    drive(scenario, heartbeat_s=0.02)


def test_changed_wakes_at_a_change_and_at_its_timeout() -> None:
    async def scenario(rig: Rig) -> None:
        engine = rig.engine
        revision = engine.state.revision
        began = rig.clock.monotonic()
        assert (await engine.changed(revision, 0.05)).revision == revision
        assert rig.clock.monotonic() - began >= 0.045
        assert await engine.changed(revision - 1, 5) is engine.state
        waiting = [asyncio.create_task(engine.changed(revision, 5)) for _ in range(3)]
        await asyncio.sleep(0)
        engine.post(OverTemperature(low=True))
        assert {state.revision for state in await asyncio.gather(*waiting)} == {revision + 1}
        assert rig.temperatures == 1

    drive(scenario)


def test_who_waits_for_a_change_can_be_told_to_stop_as_one_comes() -> None:
    """A part of graped that missed that would run on, and graped would never end."""

    async def scenario(rig: Rig) -> None:
        engine = rig.engine
        waiting = asyncio.create_task(engine.changed(engine.state.revision, 60.0))
        await asyncio.sleep(0.01)
        assert not waiting.done()
        engine.post(OverTemperature(low=True))
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    drive(scenario)


def test_a_bug_in_the_core_drops_the_event_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ticks = 0

    def buggy(state: State, event: Event, now: float) -> Any:
        nonlocal ticks
        if isinstance(event, Tick):
            ticks += 1
            raise KeyError("bug")
        return step(state, event, now)

    async def scenario(rig: Rig) -> None:
        monkeypatch.setattr(engine_module, "step", buggy)
        await rig.engine.ask_power(Verb.CYCLE, (A,), by="me", off_s=0.02)
        async with asyncio.timeout(20):
            while not ticks:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.3)
        assert ticks <= 3, "it does not spin on a tick that fails"
        monkeypatch.setattr(engine_module, "step", step)
        rig.read()
        await rig.until(rig.ended(1))

    assert drive(scenario, value=byte(0)).port == byte(0)
    assert "the core failed on Tick" in caplog.text


def test_events_posted_while_one_is_taken_are_taken_after_it() -> None:
    """A guard that answers inside the call that asks it does not see, or make, half a step."""

    async def scenario(rig: Rig) -> None:
        rig.engine.guard(GuardRegistered(name="docker", slots=frozenset([A]), lease_s=9.0))
        await rig.engine.ask_power(Verb.OFF, (A,), by="me")
        state = await rig.until(rig.ended(1))
        assert state.jobs[1].tasks[A].way[0] == "guards: docker: answered at once"

    rig = drive(scenario, value=byte(0))
    (asked,) = rig.asked
    assert (asked["guards"], asked["verb"]) == (["docker"], "off")
    deadline = datetime.fromisoformat(asked["deadline"]).timestamp() - 1000 - rig.asked_at
    assert deadline == pytest.approx(120, abs=5), "by the clock on the wall, guard_max_s from now"
    assert rig.port == byte()


def test_a_guard_lives_as_long_as_its_lease_and_what_it_cannot_say_is_refused() -> None:
    async def scenario(rig: Rig) -> None:
        with pytest.raises(NotFound, match="there is no guard docker"):
            rig.engine.guard(GuardTold(name="docker", job=1, slot=A, note="draining"))
        rig.engine.guard(GuardRegistered(name="docker", slots=frozenset([A]), lease_s=0.05))
        with pytest.raises(Conflict, match="does not hold worker-0-0 for job 1"):
            rig.engine.guard(GuardReleased(name="docker", job=1, slot=A))
        await rig.until(lambda state: not state.guards)

    assert "guard.lapsed" in [kind for kind, _, _ in drive(scenario, value=byte(0)).journal]


def test_requests_are_refused_before_they_are_jobs() -> None:
    async def scenario(rig: Rig) -> None:
        with pytest.raises(UnknownNode):
            await rig.engine.ask_power(Verb.ON, (SlotId(4, 0),), by="me")
        with pytest.raises(NotFound):
            await rig.engine.cancel(7, by="me")
        await rig.engine.ask_power(Verb.OFF, (A,), by="me")
        await rig.until(rig.ended(1))
        with pytest.raises(Conflict, match="job 1 has ended: done"):
            await rig.engine.cancel(1, by="me")
        layout = {**BOARD.bits, 0: BOARD.bits[1]}
        rig.engine.post(StackFound(stack=0, layout=replace(BOARD, bits=layout)))
        with pytest.raises(SharedRelay):
            rig.engine.plan_power(Verb.ON, (A,))
        assert len(rig.engine.state.jobs) == 1

    drive(scenario)


def test_cancel_ends_what_waits_and_says_so() -> None:
    async def scenario(rig: Rig) -> None:
        await rig.engine.ask_power(Verb.ON, slots(0, 0, 1), by="me")
        job = await rig.engine.cancel(1, by="you")
        assert job.tasks[SlotId(0, 1)].result is Result.CANCELLED
        assert "cancelled by you" in job.tasks[SlotId(0, 1)].reason
        await rig.until(rig.ended(1))

    assert drive(scenario, max_inrush=1).port == byte(0)


def test_a_plan_is_laid_out_and_nothing_is_done() -> None:
    async def scenario(rig: Rig) -> None:
        steps = rig.engine.plan_power(Verb.ON, slots(0, 0, 1))
        assert [one.action for one in steps] == ["on", "on"]
        assert rig.engine.state.jobs == {}

    assert drive(scenario).happened == []


def test_a_recorded_byte_that_never_went_out_is_put_right_on_disk() -> None:
    """Else the next start would report a change that never was."""

    async def scenario(rig: Rig) -> None:
        async def answer_nothing(effect: SwitchPort) -> None:
            rig.hurdle = None
            rig.port = byte(5)  # somebody else was faster

        rig.hurdle = answer_nothing
        await rig.engine.ask_power(Verb.ON, (A,), by="me")
        await rig.until(lambda state: state.counts.changed_before_write == 1)
        assert rig.saved_ports[-1] == (0, byte(5))
        await rig.engine.cancel(1, by="me")

    drive(scenario)


def test_a_write_on_its_way_is_waited_for_at_the_stop() -> None:
    async def scenario(rig: Rig) -> None:
        async def slow(effect: SwitchPort) -> None:
            await asyncio.sleep(0.1)

        rig.hurdle = slow
        await rig.engine.ask_power(Verb.ON, (A,), by="me")
        await asyncio.sleep(0.02)

    rig = drive(scenario)
    assert rig.port == byte(0)
    assert rig.saved_jobs[1].outcome is Outcome.DONE


def test_a_byte_that_arrived_changed_is_repaired_before_the_stop() -> None:
    """Nobody could read it back when it was sent; and nothing new is begun meanwhile."""

    async def scenario(rig: Rig) -> None:
        async def lose_sight(effect: SwitchPort) -> None:
            rig.hurdle = None
            rig.port = effect.value ^ 1 << BOARD.bits[4]
            raise TimeoutError

        rig.hurdle = lose_sight
        await rig.engine.ask_power(Verb.ON, slots(0, 0, 1), by="me")
        await rig.until(lambda state: rig.hurdle is None)

    rig = drive(scenario)
    assert rig.port == byte(0)
    assert [one for one in rig.happened if one.startswith("switch")] == [f"switch {byte(0):#04x}"] * 2
