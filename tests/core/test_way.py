"""Each row of the table in graped.core.way: the way of an off, a cycle and an on; supersede, cancel, give up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graped.core.jobs import Outcome, Result, Step
from graped.core.lateness import STRANGER
from graped.core.plan import plan
from graped.model import Power, SlotId, StackCondition, Stage, Verb
from tests.core.world import World, byte, make_config, slots

A = SlotId(0, 0)
B = SlotId(0, 1)


@pytest.fixture
def world() -> World:
    """Stack 0 with slots 0 and 2 on; guards get 20 s, soft-off 10 s."""
    world = World(make_config(guard_max_s=20.0, soft_off_max_s=10.0, cycle_off_s=5.0), ports={0: byte(0, 2)})
    world.settle()
    return world


# --- off -----------------------------------------------------------------------------------------------------


def test_off_with_nobody_registered_cuts_at_once_and_says_what_was_skipped(world: World) -> None:
    job = world.ask(Verb.OFF, [A])
    world.settle()
    assert [one.value for one in world.sent] == [byte(2)]
    task = world.task(job, A)
    assert task.result is Result.DONE
    assert task.way == ("guards: none registered", "soft-off: nobody to ask", "cut")


@pytest.mark.parametrize(
    ("stage", "evidence"),
    [(Stage.POWERED, f"{STRANGER} with a host key that is not the pinned one"), (Stage.LOST, "SSH: no answer")],
)
def test_off_says_why_a_node_that_has_power_is_not_asked(world: World, stage: Stage, evidence: str) -> None:
    world.watch([A])
    if stage is Stage.LOST:
        world.stage(A, Stage.UP)
    world.stage(A, stage, evidence)
    job = world.ask(Verb.OFF, [A])
    world.settle()
    assert world.task(job, A).way == ("guards: none registered", f"soft-off: nobody to ask ({evidence})", "cut")


def test_off_of_a_slot_that_is_off_needs_a_fresh_reading() -> None:
    world = World(ports={0: byte(0)}, poll_s=None)
    world.settle()
    world.run(30)  # nobody polls: the reading is old
    world.ports[0].value = byte(0, 1)  # and not true any more
    job = world.ask(Verb.OFF, [B])
    assert world.result(job, B) is None
    world.run(2)
    assert world.observed(B) is Power.OFF
    assert world.task(job, B).way[-1] == "cut"


@pytest.mark.parametrize(("verb", "slot", "note"), [(Verb.OFF, B, "was off already"), (Verb.ON, A, "was on already")])
def test_already_so_after_a_fresh_reading(world: World, verb: Verb, slot: SlotId, note: str) -> None:
    job = world.ask(verb, [slot])
    assert world.result(job, slot) is None
    world.settle()
    assert world.result(job, slot) is Result.DONE
    assert world.task(job, slot).way == (note,)
    assert world.sent == []


def test_on_of_a_slot_that_was_on_needs_a_fresh_reading() -> None:
    world = World(ports={0: byte(0)}, poll_s=None)
    world.settle()
    world.run(30)
    world.ports[0].value = byte()
    job = world.ask(Verb.ON, [A])
    world.run(2)
    assert world.ports[0].is_on(0)
    assert world.result(job, A) is Result.DONE
    assert "was on already" not in world.task(job, A).way


def test_guards_hold_until_they_let_go(world: World) -> None:
    world.guard([A])
    job = world.ask(Verb.OFF, [A])
    world.run(15)
    assert world.task(job, A).step is Step.GUARDS
    assert [one.slot for one in world.asked_guards] == [A]
    assert world.asked_guards[0].deadline == pytest.approx(world.now + 5, abs=1)
    world.let_go(job, A, "drained")
    world.settle()
    assert world.task(job, A).way == ("guards: docker: drained", "soft-off: nobody to ask", "cut")
    assert not world.ports[0].is_on(0)


def test_guards_that_stay_silent_are_passed_at_their_deadline(world: World) -> None:
    world.guard([A])
    job = world.ask(Verb.OFF, [A])
    world.run(19.9)
    assert world.ports[0].is_on(0)
    world.run(0.5)
    assert not world.ports[0].is_on(0)
    assert world.task(job, A).way[0] == "guards: docker: did not let go within 20 s"


def test_soft_off_follows_the_guards_and_cuts_when_the_system_is_down(world: World) -> None:
    world.guard([A], [A])
    job = world.ask(Verb.OFF, [A])
    world.run(1)
    assert world.asked_soft_off == []
    world.let_go(job, A)
    assert world.task(job, A).step is Step.SOFT_OFF
    world.run(3)
    assert world.ports[0].is_on(0)
    world.down(job, A, "halted")
    world.settle()
    assert world.task(job, A).way == ("guards: docker: let go", "soft-off: halted", "cut")


def test_soft_off_that_stays_silent_is_cut_at_its_deadline(world: World) -> None:
    world.guard([], [A])
    job = world.ask(Verb.OFF, [A])
    world.run(9.9)
    assert world.ports[0].is_on(0)
    world.run(0.5)
    assert world.result(job, A) is Result.DONE
    assert world.task(job, A).way == ("guards: none registered", "soft-off: not down after 10 s", "cut")


def test_force_skips_both_and_tells_them(world: World) -> None:
    world.guard([A], [A])
    job = world.ask(Verb.OFF, [A], force=True)
    world.settle()
    assert world.asked_guards == []
    assert world.task(job, A).way == ("guards: skipped by --force", "soft-off: skipped by --force", "cut")


def test_force_overtakes_an_off_that_guards_hold(world: World) -> None:
    world.guard([A])
    first = world.ask(Verb.OFF, [A])
    world.run(1)
    second = world.ask(Verb.OFF, [A], force=True)
    world.settle()
    assert world.result(first, A) is Result.SUPERSEDED
    assert world.result(second, A) is Result.DONE


def test_what_a_stopping_system_tells_is_why_the_slot_waits_and_what_is_said_of_it_in_the_end(world: World) -> None:
    world.guard((), [A])
    job = world.ask(Verb.OFF, [A])
    assert world.task(job, A).reason == "the system is stopping"
    world.told_down(job, A, "ping still answers")
    assert world.task(job, A).reason == "ping still answers"
    world.told_down(job + 1, A, "somebody else's")
    world.told_down(job, B, "nobody asked it")
    assert world.task(job, A).reason == "ping still answers"
    world.run(11)
    assert world.task(job, A).way[1] == "soft-off: not down after 10 s (ping still answers)"
    assert [one.kind for one in world.logs if one.kind.startswith("soft_off.")] == [
        "soft_off.asked",
        "soft_off.overdue",
    ]


def test_where_no_time_is_given_nobody_is_asked() -> None:
    world = World(make_config(soft_off_max_s=0.0), ports={0: byte(0)})
    world.guard((), [A])
    world.settle()
    assert "soft-off" not in plan(world.state, Verb.OFF, (A,), world.now)[0].note
    job = world.ask(Verb.OFF, [A])
    world.settle()
    assert world.asked_soft_off == []
    assert world.task(job, A).way == ("guards: none registered", "soft-off: power.soft_off_max_s is 0", "cut")


def test_a_system_that_is_down_in_time_settles_whatever_the_deadline(world: World) -> None:
    world.guard((), [A])
    job = world.ask(Verb.OFF, [A])
    world.run(9.5)  # of 10
    world.told_down(job, A, "is down after 9 s, and settles", down=True)
    world.run(2)
    assert world.ports[0].is_on(0), "it is not cut while it settles"
    world.down(job, A, "is down after 9 s")
    world.settle()
    assert world.task(job, A).way[1] == "soft-off: is down after 9 s"


def test_a_system_that_is_down_and_of_which_nothing_more_is_said_is_cut(world: World) -> None:
    world.guard((), [A])
    job = world.ask(Verb.OFF, [A])
    world.told_down(job, A, "is down after 1 s, and settles for 2 s", down=True)
    world.run(4.5)  # settle_s and a little
    assert not world.ports[0].is_on(0)
    assert world.task(job, A).way[1] == "soft-off: is down after 1 s, and settles for 2 s"


@pytest.mark.parametrize("later", [Verb.OFF, Verb.CYCLE])
def test_asking_again_while_the_system_stops_goes_on_with_the_first_ones_deadline(world: World, later: Verb) -> None:
    world.guard((), [A])
    first = world.ask(Verb.OFF, [A])
    deadline = world.asked_soft_off[0].deadline
    world.run(6)
    second = world.ask(later, [A])
    assert world.result(first, A) is Result.SUPERSEDED
    assert world.task(second, A).step is Step.SOFT_OFF
    assert [(one.job, one.deadline) for one in world.asked_soft_off] == [(first, deadline), (second, deadline)]
    world.down(first, A)  # too late: it is the second one's now
    assert world.task(second, A).step is Step.SOFT_OFF
    world.run(4.5)
    assert not world.ports[0].is_on(0)
    assert world.task(second, A).way[:2] == ("guards: none registered", "soft-off: not down after 10 s")


def test_on_for_a_system_that_stops_cuts_it_once_it_is_down_and_brings_it_back(world: World) -> None:
    """It would stay halted with its power on otherwise."""
    world.guard((), [A])
    world.ask(Verb.OFF, [A])
    world.run(2)
    job = world.ask(Verb.ON, [A])
    assert world.task(job, A).step is Step.SOFT_OFF
    world.run(1)
    world.down(job, A, "is down after 3 s")
    world.run(1)
    assert world.task(job, A).step is Step.RESTING
    assert not world.ports[0].is_on(0)
    world.run(6)
    assert world.result(job, A) is Result.DONE
    assert world.ports[0].is_on(0)


def test_force_cuts_a_system_that_stops_at_once(world: World) -> None:
    world.guard((), [A])
    world.ask(Verb.OFF, [A])
    world.run(1)
    job = world.ask(Verb.OFF, [A], force=True)
    world.settle()
    assert world.result(job, A) is Result.DONE


def test_a_cancelled_off_says_that_the_system_stops_all_the_same(world: World) -> None:
    world.guard((), [A])
    job = world.ask(Verb.OFF, [A])
    world.cancel(job)
    assert world.task(job, A).reason == "cancelled by me; its system was asked to stop, and stops"


def test_answers_of_clients_that_come_late_change_nothing(world: World) -> None:
    world.guard([A], [A])
    job = world.ask(Verb.OFF, [A])
    world.down(job, A)  # nobody asked it yet
    assert world.task(job, A).step is Step.GUARDS
    world.cancel(job)
    before = world.state
    world.let_go(job, A)
    world.let_go(99, A)
    assert world.state == before
    assert world.ports[0].is_on(0)


def test_guards_of_one_slot_do_not_hold_another(world: World) -> None:
    world.guard([A])
    job = world.ask(Verb.OFF, slots(0, 0, 2))
    world.settle()
    assert world.ports[0].is_on(0)
    assert not world.ports[0].is_on(2)
    assert world.state.jobs[job].outcome is Outcome.RUNNING


# --- cycle ---------------------------------------------------------------------------------------------------


def test_cycle_cuts_rests_and_comes_on(world: World) -> None:
    job = world.ask(Verb.CYCLE, [A])
    world.run(4)
    task = world.task(job, A)
    assert (task.step, task.reason) == (Step.RESTING, "stays off for 5 s")
    assert world.state.slots[A].desired is Power.ON
    assert not world.ports[0].is_on(0)
    world.run(2)
    assert world.result(job, A) is Result.DONE
    assert [one.value for one in world.sent] == [byte(2), byte(0, 2)]
    assert world.sent[1].at - world.sent[0].at >= 5.0


def test_cycle_takes_an_off_time_of_its_own(world: World) -> None:
    world.ask(Verb.CYCLE, [A], off_s=1.0)
    world.run(2)
    assert world.ports[0].is_on(0)


def test_cycle_of_a_slot_that_is_off_comes_on(world: World) -> None:
    job = world.ask(Verb.CYCLE, [B])
    world.run(1)
    assert world.result(job, B) is Result.DONE
    assert world.task(job, B).way == ("was off already",)
    assert [one.value for one in world.sent] == [byte(0, 1, 2)]


def test_a_cycle_in_its_second_half_is_running_not_queued() -> None:
    world = World(make_config(budgets={0: 7.0}), ports={0: byte(0)})
    world.settle()
    job = world.ask(Verb.CYCLE, [A], off_s=1.0)
    world.run(0.5)
    other = world.ask(Verb.ON, [B])
    world.run(2)
    assert world.result(other, B) is Result.DONE
    assert world.task(job, A).step is Step.QUEUED
    assert world.state.jobs[job].outcome is Outcome.RUNNING


# --- supersede, cancel, give up --------------------------------------------------------------------------------


def test_a_later_job_takes_its_slots_over(world: World) -> None:
    world.guard([A])
    first = world.ask(Verb.OFF, slots(0, 0, 2))
    second = world.ask(Verb.ON, [A])
    world.settle()
    assert world.result(first, A) is Result.SUPERSEDED
    assert world.result(first, SlotId(0, 2)) is Result.DONE
    assert world.state.jobs[first].outcome is Outcome.CANCELLED
    assert world.result(second, A) is Result.DONE
    assert world.ports[0].is_on(0)


def test_asking_again_keeps_the_place_in_the_queue() -> None:
    world = World(make_config(max_inrush=1, inrush_s=2.0))
    world.settle()
    world.ask(Verb.ON, slots(0, 0, 1))
    world.run(0.1)
    world.ask(Verb.ON, slots(1, 0))
    world.run(0.5)
    world.ask(Verb.ON, slots(0, 1))
    world.run(6)
    order = sorted(world.on_times(), key=lambda slot: world.on_times()[slot])
    assert order == [SlotId(0, 0), SlotId(0, 1), SlotId(1, 0)]


def test_the_opposite_is_asked_while_the_byte_is_on_its_way(world: World) -> None:
    on = world.ask(Verb.ON, [B])
    off = world.ask(Verb.OFF, [B])
    world.run(2)
    assert world.result(on, B) is Result.SUPERSEDED
    assert world.result(off, B) is Result.DONE
    assert [one.value for one in world.sent] == [byte(0, 1, 2), byte(0, 2)]


def test_cancel_of_a_waiting_slot_frees_its_place() -> None:
    world = World(make_config(max_inrush=1, inrush_s=5.0))
    world.settle()
    first = world.ask(Verb.ON, slots(0))
    world.run(1)
    second = world.ask(Verb.ON, slots(1, 0))
    world.cancel(first)
    assert world.state.jobs[first].outcome is Outcome.CANCELLED  # what came on is on, but that was not all
    world.run(5)
    assert world.result(second, SlotId(1, 0)) is Result.DONE
    assert world.state.slots[SlotId(0, 3)].desired is Power.OFF
    assert world.state.slots[SlotId(0, 3)].fault is None


def test_cancel_does_not_call_a_byte_back(world: World) -> None:
    job = world.ask(Verb.ON, slots(0, 1, 3))
    world.run(0.015)
    world.cancel(job)
    assert world.result(job, SlotId(0, 3)) is Result.CANCELLED
    assert world.result(job, B) is None
    world.settle()
    assert world.result(job, B) is Result.DONE
    assert world.state.jobs[job].outcome is Outcome.CANCELLED


def test_cancel_in_the_middle_of_a_cycle_says_that_it_is_off(world: World) -> None:
    job = world.ask(Verb.CYCLE, [A])
    world.run(2)
    world.cancel(job)
    task = world.task(job, A)
    assert task.result is Result.CANCELLED
    assert "off in the middle of its cycle" in task.reason
    assert world.state.slots[A].desired is Power.OFF
    world.run(10)
    assert not world.ports[0].is_on(0)
    assert world.state.slots[A].fault is None


def test_cancel_while_guards_hold_leaves_it_on(world: World) -> None:
    world.guard([A])
    job = world.ask(Verb.OFF, [A])
    world.cancel(job)
    world.run(30)
    assert world.ports[0].is_on(0)
    assert world.state.jobs[job].outcome is Outcome.CANCELLED
    assert world.state.slots[A].desired is Power.ON


@pytest.mark.parametrize("arrived", [True, False])
def test_cancel_of_a_byte_nobody_could_verify_adopts_what_is_found(world: World, arrived: bool) -> None:
    world.ports[0].lose = 0 if arrived else 1
    job = world.ask(Verb.ON, [B])
    world.run(0.025)
    world.ports[0].silent = True
    world.run(2)
    world.cancel(job)
    assert world.result(job, B) is Result.CANCELLED
    assert world.observed(B) is Power.UNKNOWN
    world.heal()
    world.run(5)
    assert len(world.sent) == 1
    one = world.state.slots[B]
    assert one.observed is (Power.ON if arrived else Power.OFF)
    assert one.desired is one.observed
    assert one.fault is None
    assert world.saved_desired[B] == one.observed.value


def test_cancel_of_an_unknown_or_ended_job_changes_nothing(world: World) -> None:
    job = world.ask(Verb.ON, [A])
    world.settle()
    before = world.state
    world.cancel(job)
    world.cancel(4711)
    assert world.state == before


def test_a_slot_of_a_silent_stack_is_given_up_with_the_reason() -> None:
    world = World(make_config(give_up_s=30.0))
    world.settle()
    world.ports[0].silent = True
    world.run(2)
    job = world.ask(Verb.ON, [B, SlotId(1, 0)])
    world.run(29)
    assert world.result(job, B) is None
    assert "no answer" in world.task(job, B).reason
    assert world.result(job, SlotId(1, 0)) is Result.DONE
    world.run(2)
    task = world.task(job, B)
    assert task.result is Result.FAILED
    assert task.reason == "given up after 30 s: stack 0: no answer"
    assert world.state.jobs[job].outcome is Outcome.WITH_ERRORS
    one = world.state.slots[B]
    assert (one.desired, one.observed) == (Power.ON, Power.UNKNOWN)
    assert one.fault is not None
    world.heal()
    world.run(5)
    assert world.sent[-1].stack == 1
    assert world.state.slots[B].fault == one.fault


def test_a_stack_that_answers_in_time_starts_the_patience_anew() -> None:
    world = World(make_config(give_up_s=10.0, budgets={0: 7.0}), ports={0: byte(0)})
    world.settle()
    job = world.ask(Verb.ON, [B])  # waits for watts
    for _ in range(4):
        world.ports[0].silent = True
        world.run(8)
        world.heal()
        world.run(2)
    assert world.result(job, B) is None


def test_resting_is_not_given_up_while_the_stack_is_silent() -> None:
    world = World(make_config(give_up_s=5.0, cycle_off_s=20.0), ports={0: byte(0)})
    world.settle()
    job = world.ask(Verb.CYCLE, [A])
    world.run(1)
    world.ports[0].silent = True
    world.run(15)
    assert world.task(job, A).step is Step.RESTING
    world.heal()
    world.run(8)
    assert world.result(job, A) is Result.DONE


def test_a_stack_that_was_never_read_fails_its_jobs_and_says_why() -> None:
    world = World(make_config(give_up_s=5.0), found=False, poll_s=None)
    job = world.ask(Verb.ON, [A])
    assert world.state.stacks[0].condition is StackCondition.STARTING
    world.run(6)
    assert world.result(job, A) is Result.FAILED
    assert "not read yet" in world.task(job, A).reason


def test_outcomes() -> None:
    """Every word that a job can end with, made by what happens to its slots."""
    world = World(make_config(give_up_s=3.0))
    world.settle()
    done = world.ask(Verb.ON, [A])
    world.run(1)
    world.ports[0].silent = True
    world.run(1.5)
    mixed = world.ask(Verb.ON, [B, SlotId(1, 1)])
    world.run(5)
    failed = world.ask(Verb.ON, [B])
    world.run(5)
    cancelled = world.ask(Verb.ON, [B])
    queued = world.ask(Verb.ON, [SlotId(0, 5)])
    world.cancel(cancelled)
    found = [world.state.jobs[number].outcome for number in (done, mixed, failed, cancelled, queued)]
    assert found == [Outcome.DONE, Outcome.WITH_ERRORS, Outcome.FAILED, Outcome.CANCELLED, Outcome.QUEUED]
    assert f"job.{Outcome.WITH_ERRORS}" in world.kinds()


def test_a_slot_named_twice_is_one_slot(world: World) -> None:
    job = world.ask(Verb.ON, [B, B])
    world.settle()
    assert world.state.jobs[job].outcome is Outcome.DONE
    assert len(world.sent) == 1


def test_cuts_and_ons_of_one_stack_share_a_byte(world: World) -> None:
    world.run(0.003)
    world.ports[0].silent = True
    world.run(1.2)
    world.ask(Verb.OFF, [A])
    world.ask(Verb.ON, [B])
    world.heal()
    world.run(2)
    assert [one.value for one in world.sent] == [byte(1, 2)]


# --- held ----------------------------------------------------------------------------------------------------


def test_what_is_to_come_on_waits_while_power_on_is_held_and_cuts_go_on(world: World) -> None:
    world.hold("a rival DHCP server answers")
    on, off = world.ask(Verb.ON, [B]), world.ask(Verb.OFF, [A])
    world.settle()
    assert world.result(off, A) is Result.DONE
    assert world.result(on, B) is None
    assert world.task(on, B).reason == "a rival DHCP server answers"
    world.hold("")
    world.settle()
    assert world.result(on, B) is Result.DONE
    assert [kind for kind in world.kinds() if kind.startswith("power.")][:1] == ["power.held"]
    assert "power.released" in world.kinds()


# --- asked again and again -------------------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.floats(0.0, 9.0), st.sampled_from([Verb.OFF, Verb.CYCLE])), max_size=12),
    st.one_of(st.none(), st.floats(0.5, 30.0)),
)
def test_who_asks_again_and_again_only_ever_waits_for_the_first_deadlines(
    asks: list[tuple[float, Verb]], silent_s: float | None
) -> None:
    """Guards that never let go and a system that never goes down; the guard's owner may die at some moment."""
    world = World(
        make_config((0,), guard_max_s=20.0, soft_off_max_s=10.0, cycle_off_s=1000.0), ports={0: byte(0, 2)}
    )  # fmt: skip
    world.settle()
    world.guard([A], [A], lease_s=100_000.0 if silent_s is None else silent_s)
    began = world.now
    world.ask(Verb.OFF, [A])
    for pause_s, verb in asks:
        world.run(pause_s)
        if not world.ports[0].is_on(0):
            break
        world.ask(verb, [A])
    world.run(max(0.0, began + 30.0 + 1.0 - world.now))
    assert not world.ports[0].is_on(0)
    assert world.sent[0].at - began <= 31.0
