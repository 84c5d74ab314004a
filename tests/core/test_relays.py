"""Slots that share a relay, slots that their port cannot tell, and requests that can never be fulfilled."""

from __future__ import annotations

from dataclasses import replace

import pytest

from graped.core.effects import SwitchPort
from graped.core.events import PowerAsked, StackFound
from graped.core.jobs import Outcome, Result, Step
from graped.errors import NoTarget, OverBudget, SharedRelay, UnknownNode
from graped.model import Power, SlotId, StackCondition, Verb
from tests.core.world import RELAY, World, byte, make_config, slots

GROUP = slots(2, 0, 1, 2)
ALONE = SlotId(2, 3)


@pytest.fixture
def world() -> World:
    """Stack 2: slots 0-2 behind one relay, slot 3 alone, all off; stack 0 is a board."""
    world = World(make_config((0, 2)), layouts={2: RELAY})
    world.settle()
    return world


def test_a_relay_is_switched_whole(world: World) -> None:
    job = world.ask(Verb.ON, GROUP)
    world.settle()
    assert [one.value for one in world.sent] == [0b01]
    assert world.state.jobs[job].outcome is Outcome.DONE
    assert world.observed(ALONE) is Power.OFF


@pytest.mark.parametrize("verb", Verb)
def test_part_of_a_relay_is_refused_with_the_others_named(world: World, verb: Verb) -> None:
    with pytest.raises(SharedRelay, match="worker-2-0 shares its relay with worker-2-1, worker-2-2"):
        world.ask(verb, [GROUP[0], ALONE])
    assert world.state.jobs == {}


def test_a_relay_waits_until_the_guards_of_all_its_slots_let_go(world: World) -> None:
    world.ask(Verb.ON, GROUP)
    world.run(1)
    world.guard([GROUP[1]])
    job = world.ask(Verb.OFF, GROUP)
    world.run(3)
    assert world.ports[2].value == 0b01
    assert world.task(job, GROUP[0]).step is Step.CUT
    world.let_go(job, GROUP[1])
    world.run(1)
    assert world.ports[2].value == 0
    assert world.state.jobs[job].outcome is Outcome.DONE


def test_a_group_needs_room_for_all_of_it() -> None:
    world = World(make_config((0, 2), max_inrush=3, inrush_s=3.0), layouts={2: RELAY})
    world.settle()
    world.ask(Verb.ON, slots(0, 0))
    world.run(0.1)
    world.ask(Verb.ON, GROUP)
    late = world.ask(Verb.ON, slots(0, 1))
    world.run(2)
    assert world.ports[2].value == 0
    assert world.result(late, SlotId(0, 1)) is None  # not overtaken, so that it does not wait for ever
    world.run(2)
    assert world.ports[2].value == 0b01
    world.run(4)
    assert world.result(late, SlotId(0, 1)) is Result.DONE


def test_part_of_a_relay_that_was_asked_before_anybody_knew_the_layout_fails_with_the_reason() -> None:
    world = World(make_config((2,)), layouts={2: RELAY}, found=False)
    job = world.ask(Verb.ON, [GROUP[0], ALONE])
    world.send(StackFound(stack=2, layout=RELAY))
    world.run(3)
    assert world.result(job, GROUP[0]) is Result.FAILED
    assert "shares its relay with worker-2-" in world.task(job, GROUP[0]).reason
    assert world.result(job, ALONE) is Result.DONE
    assert world.ports[2].value == 0b10


def test_a_slot_that_was_left_alone_behind_its_relay_fails_instead_of_waiting_for_ever() -> None:
    """Its neighbours are given up while its guards still hold it."""
    world = World(make_config((2,), give_up_s=5.0, guard_max_s=30.0), layouts={2: RELAY}, ports={2: 1})
    world.settle()
    world.guard([GROUP[0]])
    job = world.ask(Verb.OFF, GROUP)
    world.run(1)
    world.ports[2].silent = True
    world.run(10)
    assert world.result(job, GROUP[1]) is Result.FAILED
    world.heal()
    world.run(40)
    assert world.result(job, GROUP[0]) is Result.FAILED
    assert world.ports[2].value == 1


def test_never_asked_of_it() -> None:
    config = make_config((0, 2), budgets={0: 6.0, 2: 20.0})
    world = World(config, layouts={2: RELAY})
    world.settle()
    with pytest.raises(NoTarget):
        world.ask(Verb.ON, [])
    with pytest.raises(UnknownNode):
        world.ask(Verb.ON, [SlotId(5, 0)])
    with pytest.raises(OverBudget, match="whole budget of stack 0 is 6 W"):
        world.ask(Verb.ON, slots(0, 1))
    with pytest.raises(OverBudget, match="needs 21 W"):
        world.ask(Verb.CYCLE, GROUP)
    world.ask(Verb.OFF, GROUP)


# --- slots that the port cannot tell ---------------------------------------------------------------------------


@pytest.fixture
def half_known() -> World:
    """Stack 2 whose relay of slots 0-2 is an input still: nobody can say what it is."""
    world = World(make_config((2,)), layouts={2: RELAY}, ports={2: 0b10})
    world.ports[2].known = 0b10
    world.settle()
    return world


def test_a_slot_nobody_can_tell_is_unknown_and_says_why_and_since(half_known: World) -> None:
    one = half_known.state.slots[GROUP[0]]
    assert half_known.state.stacks[2].condition is StackCondition.OK
    assert (one.observed, one.desired) == (Power.UNKNOWN, None)
    assert one.fault is not None
    assert one.fault.code == "unreadable"
    assert one.since is not None
    assert half_known.observed(ALONE) is Power.ON


def test_it_is_adopted_when_it_can_be_told(half_known: World) -> None:
    half_known.ports[2].known = 0b11
    half_known.ports[2].value = 0b11
    half_known.run(2)
    one = half_known.state.slots[GROUP[0]]
    assert (one.observed, one.desired, one.fault) == (Power.ON, Power.ON, None)
    assert half_known.sent == []


@pytest.mark.parametrize(("verb", "base", "value"), [(Verb.ON, 0b10, 0b11), (Verb.OFF, 0b11, 0b10)])
def test_the_base_differs_where_it_is_unknown_so_that_the_driver_switches(
    half_known: World, verb: Verb, base: int, value: int
) -> None:
    half_known.ask(verb, GROUP)
    half_known.run(0.012)
    effect = half_known.writing[2]
    assert isinstance(effect, SwitchPort)
    assert (effect.base, effect.value) == (base, value)
    half_known.ports[2].known = 0b11  # written: it is an output from now on
    half_known.run(1)
    assert half_known.state.jobs[1].outcome is Outcome.DONE
    assert half_known.state.slots[GROUP[0]].fault is None


def test_a_command_whose_effect_nobody_can_tell_is_not_run_over_and_over(half_known: World) -> None:
    job = half_known.ask(Verb.ON, GROUP)
    half_known.run(20)
    assert 2 <= len(half_known.sent) <= 12
    half_known.run(60)
    task = half_known.task(job, GROUP[0])
    assert task.result is Result.FAILED
    assert "does not tell" in task.reason
    assert half_known.observed(ALONE) is Power.ON


# --- a new configuration ---------------------------------------------------------------------------------------


def test_a_new_configuration_counts_at_once() -> None:
    world = World(make_config(max_inrush=1, inrush_s=60.0))
    world.settle()
    world.ask(Verb.ON, slots(0, 0, 1, 2))
    world.run(5)
    assert world.ports[0].value == byte(0)
    world.configure(make_config(max_inrush=4))
    world.run(5)
    assert world.ports[0].value == byte(0, 1, 2)


def test_a_budget_that_became_too_small_fails_the_slot_and_lets_others_go() -> None:
    watts = {SlotId(0, 1): 20.0}
    world = World(make_config(watts=watts, budgets={0: 27.0}), ports={0: byte(5, 4)})
    world.settle()
    job = world.ask(Verb.ON, slots(0, 1))
    other = world.ask(Verb.ON, slots(0, 2))
    world.run(3)
    assert "watts" in world.task(job, SlotId(0, 1)).reason
    world.configure(make_config(watts=watts, budgets={0: 19.0}))
    world.run(3)
    assert world.result(job, SlotId(0, 1)) is Result.FAILED
    assert world.result(other, SlotId(0, 2)) is None
    world.ask(Verb.OFF, slots(0, 5))
    world.run(3)
    assert world.result(other, SlotId(0, 2)) is Result.DONE


def test_a_stack_that_left_the_configuration_is_served_until_the_restart() -> None:
    world = World(ports={0: byte(0)})
    world.settle()
    world.configure(make_config((1, 4)))
    assert set(world.state.config.cluster.stacks) == {0, 1}
    job = world.ask(Verb.OFF, slots(0, 0))
    world.run(2)
    assert world.result(job, SlotId(0, 0)) is Result.DONE


def test_a_request_that_nobody_checked_still_switches_no_neighbour(world: World) -> None:
    world.send(PowerAsked(job=7, verb=Verb.ON, slots=(GROUP[0],), by="a policy"))
    world.run(3)
    assert world.ports[2].value == 0
    assert world.result(7, GROUP[0]) is Result.FAILED


def test_board_layouts_take_no_harm_from_a_reset_value_elsewhere(world: World) -> None:
    world.send(StackFound(stack=2, layout=replace(RELAY, reset=0)))
    world.run(3)
    assert world.sent == []
