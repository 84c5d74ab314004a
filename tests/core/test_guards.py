"""Each row of the table in graped.core.guards, and how long a guard may hold whatever it does."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graped.core import guards
from graped.core.events import GuardReleased, GuardRemoved, GuardTold
from graped.core.jobs import Result, Step
from graped.core.state import State
from graped.errors import Conflict, NotFound
from graped.model import SlotId, Verb
from tests.core.world import GUARD, WIRE_S, World, byte, make_config, slots

A, B, OFF = SlotId(0, 0), SlotId(0, 2), SlotId(0, 1)
GUARD_MAX_S = 20.0


def rack(**policy: Any) -> World:
    """Slots 0 and 2 of stack 0 are on."""
    world = World(make_config((0,), guard_max_s=GUARD_MAX_S, **policy), ports={0: byte(0, 2)})
    world.settle()
    return world


@pytest.fixture
def world() -> World:
    return rack()


def way(world: World, job: int, slot: SlotId = A) -> str:
    return world.task(job, slot).way[0]


def told(world: World, kind: str) -> list[Any]:
    return [line for line in world.logs if line.kind == kind]


def test_what_a_guard_tells_is_why_its_slot_waits(world: World) -> None:
    world.guard([A])
    job = world.ask(Verb.OFF, [A])
    assert world.task(job, A).reason == "waits for guard docker"
    world.tell(job, A, "draining 4 tasks")
    assert world.task(job, A).reason == "draining 4 tasks"
    saved, revision = dict(world.saved_jobs), world.state.revision
    world.tell(job, A, "draining 4 tasks")
    assert (world.saved_jobs, world.state.revision) == (saved, revision)
    world.let_go(job, A, "drained 4 tasks")
    world.settle()
    assert way(world, job) == "guards: docker: drained 4 tasks"
    assert world.task(job, A).reason == ""
    assert [line.fields["guard"] for line in told(world, "guard.released")] == [GUARD]


def test_a_slot_goes_on_when_the_last_of_its_guards_lets_go(world: World) -> None:
    world.guard([A])
    world.guard([A, B], name="backup")
    job = world.ask(Verb.OFF, [A])
    assert world.task(job, A).reason == "backup: is asked; docker: is asked"
    world.let_go(job, A, "drained")
    world.run(1)
    assert world.task(job, A).reason == "waits for guard backup"
    world.tell(job, A, "copying")
    world.tell(job, A, "copying", name="backup")
    assert world.task(job, A).reason == "copying"
    world.let_go(job, A, name="backup")
    world.settle()
    assert way(world, job) == "guards: backup: let go; docker: drained"


def test_who_registers_while_a_slot_waits_is_not_asked_for_it(world: World) -> None:
    world.guard([A])
    job = world.ask(Verb.OFF, [A])
    world.guard([A], name="backup")
    world.let_go(job, A, "drained")
    world.settle()
    assert world.result(job, A) is Result.DONE


def test_a_guard_that_answers_no_more_is_passed_with_what_it_last_told(world: World) -> None:
    world.guard([A])
    job = world.ask(Verb.OFF, [A])
    world.tell(job, A, "draining 1 task")
    world.run(GUARD_MAX_S + 1)
    assert way(world, job) == "guards: docker: did not let go within 20 s (draining 1 task)"
    assert [line.slot for line in told(world, "guard.overdue")] == [A]


@pytest.mark.parametrize("later", [Verb.OFF, Verb.CYCLE])
def test_asking_again_gives_a_guard_no_more_time(world: World, later: Verb) -> None:
    world.guard([A])
    began = world.now
    world.ask(Verb.OFF, [A])
    for _ in range(3):
        world.run(GUARD_MAX_S / 4)
        job = world.ask(later, [A])
    assert {one.deadline for one in world.asked_guards} == {began + GUARD_MAX_S}
    assert world.ports[0].is_on(0)
    world.run(GUARD_MAX_S / 4 + 1)
    assert not world.ports[0].is_on(0)
    assert way(world, job) == "guards: docker: did not let go within 5 s"  # that was left for the last one who asked


def test_an_on_in_between_gives_a_guard_its_time_anew(world: World) -> None:
    world.guard([A])
    world.ask(Verb.OFF, [A])
    world.run(GUARD_MAX_S / 2)
    world.ask(Verb.ON, [A])
    world.settle()
    world.ask(Verb.OFF, [A])
    assert world.asked_guards[-1].deadline == world.now + GUARD_MAX_S


def test_a_removed_guard_lets_go(world: World) -> None:
    world.guard([A])
    job = world.ask(Verb.OFF, [A])
    world.send(GuardRemoved(name=GUARD))
    world.settle()
    assert way(world, job) == "guards: docker: was removed"


def test_what_a_guard_looks_after_no_more_it_does_not_hold(world: World) -> None:
    world.guard([A, B])
    job = world.ask(Verb.OFF, [A, B])
    world.guard([B])
    world.settle()
    assert way(world, job) == "guards: docker: looks after it no more"
    assert world.task(job, B).step is Step.GUARDS


def test_a_lease_that_is_over_is_told_with_what_it_held(world: World) -> None:
    world.guard([A, B], lease_s=5.0)
    job = world.ask(Verb.OFF, [A])
    world.run(5.5)
    assert way(world, job) == "guards: docker: its lease is over"
    (line,) = told(world, "guard.lapsed")
    assert line.fields == {"guard": GUARD, "nodes": ["worker-0-0"]}
    assert world.state.guards == {}


def test_renewing_alone_is_no_news(world: World) -> None:
    world.guard([A])
    revision = world.state.revision
    world.run(2.2)
    logs = len(world.logs)
    world.guard([A])
    assert (world.state.revision, len(world.logs)) == (revision, logs)


def test_force_does_not_ask_but_tells(world: World) -> None:
    world.guard([A])
    job = world.ask(Verb.OFF, [A, B], force=True)
    world.settle()
    assert world.asked_guards == []
    assert [(line.slot, line.job, line.fields["guards"]) for line in told(world, "guard.skipped")] == [
        (A, job, [GUARD])
    ]


@pytest.mark.parametrize("later", [Verb.ON, Verb.CYCLE, None])
def test_a_guard_is_told_that_it_need_not_go_on(world: World, later: Verb | None) -> None:
    world.guard([A])
    job = world.ask(Verb.OFF, [A])
    if later is None:
        world.cancel(job)
    else:
        world.ask(later, [A])
    (line,) = told(world, "guard.called_off")
    assert (line.slot, line.job, line.fields["guards"]) == (A, job, [GUARD])
    assert len(world.asked_guards) == (2 if later is Verb.CYCLE else 1)
    world.let_go(job, A)
    world.settle()
    assert world.ports[0].is_on(0)


def test_a_slot_that_is_off_already_asks_nobody(world: World) -> None:
    world.guard([OFF])
    job = world.ask(Verb.OFF, [OFF])
    world.settle()
    assert world.asked_guards == []
    assert world.result(job, OFF) is Result.DONE


def test_nothing_that_a_guard_does_switches_anything(world: World) -> None:
    """Slots are sacred: without a job a guard's whole life moves no byte."""
    world.guard([A, B], lease_s=1.0)
    for event in (GuardTold(name=GUARD, job=1, slot=A, note="x"), GuardReleased(name=GUARD, job=1, slot=A)):
        world.send(event)
    world.run(5)
    world.guard([A], name="backup")
    world.send(GuardRemoved(name="backup"))
    world.run(5)
    assert (world.sent, world.state.jobs) == ([], {})


class TestRefusals:
    def refused(self, state: State, event: Any, kind: type[Exception]) -> None:
        with pytest.raises(kind):
            guards.check(state, event)

    def test_of_an_unknown_guard(self, world: World) -> None:
        for event in (
            GuardTold(name=GUARD, job=1, slot=A, note=""), GuardReleased(name=GUARD, job=1, slot=A),
            GuardRemoved(name=GUARD),
        ):  # fmt: skip
            self.refused(world.state, event, NotFound)

    def test_of_what_it_does_not_hold(self, world: World) -> None:
        world.guard([A])
        job = world.ask(Verb.OFF, [A, B])
        world.settle()
        guards.check(world.state, GuardReleased(name=GUARD, job=job, slot=A))
        for number, slot in ((job, B), (job + 1, A), (job, OFF)):
            self.refused(world.state, GuardReleased(name=GUARD, job=number, slot=slot), Conflict)
        world.let_go(job, A)
        self.refused(world.state, GuardTold(name=GUARD, job=job, slot=A, note=""), Conflict)


leases = st.floats(1.0, 30.0)


@settings(settings.get_profile("core"))
@given(lease_s=leases, renewals=st.lists(st.floats(0.1, 12.0), max_size=6), asked_after=st.floats(0.0, 20.0))
def test_a_guard_whose_owner_died_holds_no_longer_than_its_lease(
    lease_s: float, renewals: list[float], asked_after: float
) -> None:
    """Renewed now and then, then dead: the slot is off when the last lease or guard_max_s is over, not later."""
    world = rack()
    begin, job = world.now, 0
    last = begin
    world.guard([A], lease_s=lease_s)
    moments = sorted([(sum(renewals[: n + 1]), "renew") for n in range(len(renewals))] + [(asked_after, "ask")])
    for at, what in moments:
        world.run(max(0.0, begin + at - world.now))
        if what == "ask":
            asked = world.now
            job = world.ask(Verb.OFF, [A])
        elif GUARD in world.state.guards:  # a dead owner does not come back here
            world.guard([A], lease_s=lease_s)
            last = world.now
    held_until = min(asked + GUARD_MAX_S, max(asked, last + lease_s))
    if world.result(job, A) is None and held_until - world.now > 0.1:
        world.run(held_until - world.now - 0.05)
        assert world.ports[0].is_on(0), "not before"
    world.run(max(0.0, held_until - world.now) + 10 * WIRE_S)
    assert not world.ports[0].is_on(0), "and not later"


@settings(settings.get_profile("core"))
@given(names=st.sets(st.sampled_from("abcd")), force=st.booleans(), chosen=st.sets(st.sampled_from([A, B]), min_size=1))
def test_who_is_not_looked_after_or_is_forced_goes_at_once(names: set[str], force: bool, chosen: set[SlotId]) -> None:
    world = rack()
    for name in names:
        world.guard(chosen if force else {A, B} - chosen, name=name)
    job = world.ask(Verb.OFF, sorted(chosen), force=force)
    world.run(10 * WIRE_S)
    assert all(world.result(job, slot) is Result.DONE for slot in chosen)
    assert world.asked_guards == []


def test_an_emergency_is_told_to_the_guards_it_does_not_ask() -> None:
    world = World(make_config((0,), emergency=80.0), ports={0: byte(0)})
    world.settle()
    world.guard(slots(0))
    world.celsius[0] = 85.0
    world.read_temperatures()
    world.run(3)
    assert not world.ports[0].is_on(0)
    assert [line.slot for line in told(world, "guard.skipped")] == [A]
