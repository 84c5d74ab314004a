"""Each row of the table in graped.core.ports, and what a port's change makes of desired, observed and fault."""

from __future__ import annotations

import pytest

from graped.core.events import PortRead, PortSwitched, PortUnread, StackLost, SwitchEnd
from graped.core.jobs import Outcome, Result
from graped.model import PortReading, Power, SlotId, StackCondition, Verb
from tests.core.world import ALL_OFF, BOARD, World, byte, make_config, slots

A = SlotId(0, 0)
B = SlotId(0, 1)


@pytest.fixture
def world() -> World:
    """Stack 0 with slot 0 on, stack 1 all off, both read."""
    world = World(ports={0: byte(0)})
    world.settle()
    return world


def test_first_reading_is_adopted_and_nothing_is_written(world: World) -> None:
    assert world.state.slots[A].desired is Power.ON
    assert world.state.slots[B].desired is Power.OFF
    assert world.observed(A) is Power.ON
    assert world.sent == []
    assert world.kinds().count("stack.adopted") == 2


def test_same_reading_changes_nothing_visible(world: World) -> None:
    revision = world.state.revision
    world.run(5)
    assert world.state.revision == revision
    read_at = world.state.stacks[0].read_at
    assert read_at is not None
    assert read_at > world.now - 1.1


def test_other_reading_is_said_and_not_undone(world: World) -> None:
    world.others_write(0, byte(0, 1))
    world.run(5)
    one = world.state.slots[B]
    assert (one.desired, one.observed) == (Power.OFF, Power.ON)
    assert one.fault is not None
    assert one.fault.code == "changed_by_itself"
    assert world.sent == []
    assert world.kinds().count("power.changed_by_itself") == 1
    assert world.state.counts.changed_by_itself == 1


def test_fault_goes_when_the_port_is_as_wanted_again(world: World) -> None:
    world.others_write(0, byte(0, 1))
    world.run(2)
    world.others_write(0, byte(0))
    world.run(2)
    assert world.state.slots[B].fault is None


def test_verified_lands(world: World) -> None:
    job = world.ask(Verb.ON, [B])
    world.settle()
    assert [one.value for one in world.sent] == [byte(0, 1)]
    assert world.state.jobs[job].outcome is Outcome.DONE
    assert world.state.counts.writes == 1
    assert "power.on" in world.kinds()


def test_refused_is_planned_anew_over_what_is_there(world: World) -> None:
    job = world.ask(Verb.ON, [B])
    world.run(0.005)  # on its way
    assert world.state.stacks[0].in_flight is not None
    world.others_write(0, byte(3))
    world.run(2)
    assert [one.value for one in world.sent] == [byte(1, 3)]
    assert world.state.jobs[job].outcome is Outcome.DONE
    assert world.state.counts.changed_before_write == 1
    assert world.observed(A) is Power.OFF
    assert world.state.slots[A].desired is Power.ON


def test_foreign_read_back_is_taken_over_and_planned_anew(world: World) -> None:
    job = world.ask(Verb.ON, [B])
    world.run(0.025)
    assert len(world.sent) == 1
    world.others_write(0, byte(2, 3, 4))
    world.run(4)
    assert [one.value for one in world.sent] == [byte(0, 1), byte(1, 2, 3, 4)]
    assert world.state.jobs[job].outcome is Outcome.DONE


def test_unwritten_is_unknown_until_it_answers_and_then_planned_anew(world: World) -> None:
    job = world.ask(Verb.ON, [B])
    world.run(0.005)
    world.ports[0].silent = True
    world.run(1.5)
    assert world.sent == []
    assert world.state.stacks[0].in_flight is None
    assert world.observed(A) is Power.UNKNOWN
    assert world.state.stacks[0].condition is StackCondition.MISSING
    world.heal()
    world.run(3)
    assert [one.value for one in world.sent] == [byte(0, 1)]
    assert world.state.jobs[job].outcome is Outcome.DONE
    assert "stack.answers" in world.kinds()


def unsure(world: World, *, cut: bool = False) -> int:
    """Send a byte whose read-back nobody answers, up to where the core knows that it knows nothing."""
    job = world.ask(Verb.OFF if cut else Verb.ON, [A if cut else B])
    world.run(0.025)
    flight = world.state.stacks[0].in_flight
    assert flight is not None
    assert not flight.unsure
    world.ports[0].deaf = 1
    return job


def silence(world: World) -> None:
    """Let the byte in flight end unverified and the stack stay silent."""
    world.run(0.01)
    world.ports[0].silent = True
    world.run(1.5)
    flight = world.state.stacks[0].in_flight
    assert flight is not None
    assert flight.unsure
    assert world.observed(A) is Power.UNKNOWN


def test_unsure_and_the_port_shows_the_byte(world: World) -> None:
    job = unsure(world)
    silence(world)
    world.heal()
    world.run(3)
    assert len(world.sent) == 1
    assert world.state.jobs[job].outcome is Outcome.DONE
    assert world.observed(B) is Power.ON


def test_unsure_and_the_port_shows_the_base(world: World) -> None:
    world.ports[0].lose = 1
    job = unsure(world)
    silence(world)
    world.heal()
    world.run(3)
    assert [(one.value, one.repair) for one in world.sent] == [(byte(0, 1), False)] * 2
    assert world.state.jobs[job].outcome is Outcome.DONE


def test_unsure_and_one_bit_away_is_repaired_with_the_byte_in_flight(world: World) -> None:
    world.ports[0].flips = [1 << BOARD.bits[4]]
    job = unsure(world)
    silence(world)
    assert world.ports[0].is_on(4)
    world.heal()
    world.run(3)
    assert [(one.value, one.repair) for one in world.sent] == [(byte(0, 1), False), (byte(0, 1), True)]
    assert world.state.jobs[job].outcome is Outcome.DONE
    assert world.state.counts.repairs == 1
    assert "power.repaired" in world.kinds()
    assert "power.changed_by_itself" not in world.kinds()


def test_a_flip_on_the_way_in_is_repaired_also_when_nobody_wants_the_job_any_more(world: World) -> None:
    world.ports[0].flips = [1 << BOARD.bits[4]]
    job = unsure(world)
    silence(world)
    world.run(70)
    assert world.result(job, B) is Result.FAILED
    world.heal()
    world.run(3)
    assert not world.ports[0].is_on(4)


@pytest.mark.parametrize("slot", [1, 4], ids=["looks like the base", "looks like no other"])
def test_unfinished_goes_on_at_once_or_is_planned_anew(world: World, slot: int) -> None:
    """The byte arrived changed, and no time was left to write it again."""
    world.ports[0].flips = [1 << BOARD.bits[slot]]
    world.ports[0].hurry = True
    job = world.ask(Verb.ON, [B])
    world.run(0.1 if slot == 4 else 3)
    assert [(one.value, one.repair) for one in world.sent] == [(byte(0, 1), False), (byte(0, 1), slot == 4)]
    world.settle()
    assert world.state.jobs[job].outcome is Outcome.DONE
    assert world.state.counts.repairs == (slot == 4)


def test_unsure_and_anything_else_changed_by_itself(world: World) -> None:
    job = unsure(world)
    silence(world)
    world.others_write(0, byte(2, 3, 4))
    world.heal()
    world.run(3)
    assert [one.value for one in world.sent] == [byte(0, 1), byte(1, 2, 3, 4)]
    assert world.state.jobs[job].outcome is Outcome.DONE
    assert world.state.slots[A].fault is not None


def test_a_byte_that_never_arrived_is_not_sent_once_its_job_was_given_up(world: World) -> None:
    world.ports[0].lose = 1
    job = unsure(world)
    silence(world)
    world.run(70)
    assert world.result(job, B) is Result.FAILED
    world.heal()
    world.run(5)
    assert len(world.sent) == 1
    assert not world.ports[0].is_on(1)
    fault = world.state.slots[B].fault
    assert fault is not None
    assert fault.code == "given_up"


def test_a_byte_that_never_arrived_is_not_sent_once_somebody_asked_for_the_opposite(world: World) -> None:
    world.ports[0].lose = 1
    job = unsure(world)
    silence(world)
    other = world.ask(Verb.OFF, [B])
    world.heal()
    world.run(5)
    assert len(world.sent) == 1
    assert world.result(job, B) is Result.SUPERSEDED
    assert world.result(other, B) is Result.DONE


def test_a_byte_that_never_arrived_waits_for_its_turn_again() -> None:
    """A stack that comes back late does not come on while others are in their inrush window."""
    world = World(make_config(max_inrush=1, inrush_s=3.0), ports={0: byte(0)})
    world.settle()
    world.ports[0].lose = 1
    job = unsure(world)
    silence(world)
    world.run(5)
    other = world.ask(Verb.ON, slots(1, 0))
    world.run(0.9)
    assert world.result(other, SlotId(1, 0)) is Result.DONE
    world.heal()
    world.run(1)
    assert not world.ports[0].is_on(1)
    world.run(4)
    assert world.result(job, B) is Result.DONE


def test_brown_out_of_an_unsure_stack_is_not_taken_for_a_flipped_bit() -> None:
    """Cut one of two slots; the port loses power: 0xFF is one bit away from the byte, and still an outage."""
    world = World(ports={0: byte(0, 1)})
    world.settle()
    job = unsure(world, cut=True)
    silence(world)
    world.brown_out(0)
    world.heal()
    world.run(5)
    assert len(world.sent) == 1
    assert world.state.jobs[job].outcome is Outcome.DONE
    assert world.observed(B) is Power.OFF
    assert world.state.slots[B].fault is not None
    assert "power.changed_by_itself" in world.kinds()


def test_a_read_that_is_older_than_the_write_is_dropped(world: World) -> None:
    world.ask(Verb.ON, [B])
    world.run(0.025)
    world.send(PortRead(stack=0, reading=PortReading(value=ALL_OFF, known=0xFF), at=world.now))
    assert world.observed(A) is Power.ON
    world.settle()
    assert world.observed(B) is Power.ON
    world.send(PortRead(stack=0, reading=PortReading(value=ALL_OFF, known=0xFF), at=world.now - 5))
    assert world.observed(B) is Power.ON


def test_a_late_end_of_another_write_changes_nothing(world: World) -> None:
    before = world.state
    world.send(PortSwitched(stack=0, token=99, end=SwitchEnd.UNVERIFIED, at=world.now))
    assert world.state == before


@pytest.mark.parametrize(
    "event",
    [
        PortRead(stack=7, reading=PortReading(value=0, known=0xFF), at=2000.0),
        PortUnread(stack=7, code="x", message="x", at=2000.0),
        PortSwitched(stack=7, token=1, end=SwitchEnd.UNVERIFIED, at=2000.0),
    ],
)
def test_a_report_of_a_stack_that_does_not_exist_changes_nothing(
    world: World, event: PortRead | PortUnread | PortSwitched
) -> None:
    before = world.state
    world.send(event)
    assert world.state == before


def test_a_silent_stack_is_said_once_with_cause_and_time(world: World) -> None:
    world.ports[0].silent = True
    world.run(10)
    stack = world.state.stacks[0]
    assert stack.condition is StackCondition.MISSING
    assert stack.fault is not None
    assert (stack.fault.code, stack.fault.message) == ("bus_nack", "no answer")
    assert world.observed(A) is Power.UNKNOWN
    since = world.state.slots[A].since
    assert since is not None
    assert world.now - 10 <= since <= world.now - 8.5
    assert world.state.slots[A].desired is Power.ON
    assert len([one for one in world.logs if one.stack == 0 and one.kind == "stack.missing"]) <= 1
    world.heal()
    world.run(2)
    assert world.observed(A) is Power.ON
    assert world.kinds().count("stack.answers") == 1


def test_an_ambiguous_stack_is_unknown_and_not_written(world: World) -> None:
    world.poll_s = None
    world._queue.clear()
    world.send(StackLost(stack=0, code="ambiguous", message="answers on both buses"))
    assert world.state.stacks[0].condition is StackCondition.UNKNOWN
    world.ask(Verb.OFF, [A])
    assert world.state.stacks[0].in_flight is None
    assert world.observed(A) is Power.UNKNOWN


def test_a_stuck_pin_fails_its_slot_in_the_end_and_spares_the_bus(world: World) -> None:
    world.ports[0].stuck = 1 << BOARD.bits[1]
    job = world.ask(Verb.ON, [B])
    world.run(65)
    assert world.result(job, B) is Result.FAILED
    assert len(world.sent) < 65 * 11 / 1.5
    other = world.ask(Verb.ON, slots(0, 3))
    world.run(3)
    assert world.result(other, SlotId(0, 3)) is Result.DONE


def test_a_stuck_pin_does_not_fail_others_that_wait_in_its_stack() -> None:
    """A slot that waits for watts waits on, however long its neighbour refuses to come on."""
    config = make_config(budgets={0: 14.0}, give_up_s=10.0)
    world = World(config, ports={0: byte(0)})
    world.settle()
    world.ports[0].stuck = 1 << BOARD.bits[1]
    stuck = world.ask(Verb.ON, [B])
    world.run(1)
    waiting = world.ask(Verb.ON, slots(0, 2, 3))
    world.run(20)
    assert world.result(waiting, SlotId(0, 2)) is Result.DONE  # its turn came while the other one was held
    world.run(60)
    assert world.result(waiting, SlotId(0, 3)) is None, world.task(waiting, SlotId(0, 3)).reason
    world.ask(Verb.OFF, [A])
    world.run(5)
    assert world.result(waiting, SlotId(0, 3)) is Result.DONE
    world.ask(Verb.OFF, slots(0, 2))
    world.run(15)
    assert world.result(stuck, B) is Result.FAILED


def test_a_stuck_pin_after_an_unsure_write_does_not_hammer_the_bus(world: World) -> None:
    job = unsure(world)
    silence(world)
    world.heal()
    world.ports[0].value ^= 1 << BOARD.bits[3]  # it fell on with the byte, and stays
    world.ports[0].stuck = 1 << BOARD.bits[3]
    world.run(20)
    assert len(world.sent) < 30
    assert world.result(job, B) is Result.DONE
    assert world.observed(SlotId(0, 3)) is Power.ON
    assert world.state.slots[SlotId(0, 3)].fault is not None


def test_a_changed_byte_for_which_no_time_was_left_is_written_again_at_once() -> None:
    """Also where it arrived as the power-on value: right behind the byte, a flipped bit is the likelier cause."""
    world = World(ports={0: byte(0, 1)})
    world.settle()
    world.ports[0].flips = [1 << BOARD.bits[1]]
    world.ports[0].hurry = True
    job = world.ask(Verb.OFF, [A])
    world.run(0.2)
    assert [(one.value, one.after, one.repair) for one in world.sent] == [
        (byte(1), ALL_OFF, False),
        (byte(1), byte(1), True),
    ]
    assert world.state.jobs[job].outcome is Outcome.DONE
    assert "power.changed_by_itself" not in world.kinds()


def test_a_byte_that_waited_for_the_bus_puts_off_the_next_one(world: World) -> None:
    """What counts for the stagger is when a slot came on, not when its byte was planned."""
    world.ask(Verb.ON, [B])
    world.run(1)
    seen = world.state.slots[B].since
    assert seen is not None
    assert world.state.last_on[0] == seen


@pytest.mark.parametrize("verified", [True, False])
def test_a_byte_that_is_late_keeps_its_place_in_the_inrush(verified: bool) -> None:
    """What counts is when a slot may have come on, not when its byte was planned."""
    world = World(make_config(max_inrush=1, inrush_s=2.0))
    world.settle()
    world.ports[0].slow_s = 1.9 if not verified else 5.0
    world.ports[0].deaf = 0 if verified else 1
    world.ask(Verb.ON, [A])
    world.run(0.1)
    world.ask(Verb.ON, slots(1, 0))
    world.run(world.ports[0].slow_s - 0.075)  # it has been written, and not been read back
    world.ports[0].silent = not verified
    world.run(5)
    times = world.on_times()
    assert times[SlotId(1, 0)] - times[A] >= 2.0


@pytest.mark.parametrize("silent", [False, True])
def test_a_stuck_pin_that_belongs_to_no_slot_does_no_harm(world: World, silent: bool) -> None:
    world.others_write(0, byte(0) & ~1)
    world.ports[0].stuck = 1
    world.run(2)
    job = world.ask(Verb.ON, [B])
    if silent:
        world.run(0.025)
        world.ports[0].silent = True
        world.run(3)
        world.ports[0].silent = False
    world.run(3)
    assert world.state.jobs[job].outcome is Outcome.DONE
    assert len(world.sent) < 13
    assert world.observed(A) is Power.ON
