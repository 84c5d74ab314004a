"""Start-up and outages: adopt, restore, on; what happened while graped was away."""

from __future__ import annotations

import pytest

from graped.config.types import AtStart
from graped.core.events import StackFound
from graped.core.jobs import Result
from graped.core.state import Remembered
from graped.model import Power, SlotId, Verb
from tests.core.world import ALL_OFF, RELAY, World, byte, make_config, slots

A = SlotId(0, 0)
WANTED = {SlotId(0, 0): Power.ON, SlotId(0, 2): Power.ON, SlotId(0, 3): Power.OFF}


def started(at_start: AtStart, value: int, **changes: object) -> World:
    remembered = Remembered(desired=WANTED, ports={0: byte(0, 2)})
    world = World(make_config((0,), at_start=at_start), ports={0: value}, remembered=remembered)
    world.run(10)
    return world


@pytest.mark.parametrize("at_start", AtStart)
def test_a_start_without_an_outage_writes_nothing(at_start: AtStart) -> None:
    world = started(at_start, byte(2, 5))
    assert world.sent == []
    assert world.state.slots[A].desired is Power.OFF  # adopted, although it was once wanted on
    assert world.state.slots[SlotId(0, 5)].desired is Power.ON
    assert world.saved_desired[A] == "off"


def test_adopt_after_an_outage_writes_nothing() -> None:
    world = started(AtStart.ADOPT, ALL_OFF)
    assert world.sent == []
    assert world.state.jobs == {}


def test_restore_after_an_outage_switches_on_what_was_wanted_staggered() -> None:
    world = started(AtStart.RESTORE, ALL_OFF)
    assert [one.value for one in world.sent] == [byte(0), byte(0, 2)]
    assert world.sent[1].at - world.sent[0].at >= 0.5
    (job,) = world.state.jobs.values()
    assert job.by == "policy restore after an outage of stack 0"


def test_on_after_an_outage_switches_on_every_node() -> None:
    config = make_config((0,), devices=(1, 4), at_start=AtStart.ON)
    world = World(config, ports={0: ALL_OFF})
    world.run(10)
    assert world.ports[0].value == byte(1, 4)


@pytest.mark.parametrize("clean", [True, False])
def test_a_port_that_differs_from_the_recorded_byte_is_an_event(clean: bool) -> None:
    remembered = Remembered(ports={0: byte(0), 1: byte(1)}, clean_stop=clean)
    world = World(ports={0: byte(0), 1: byte(2)}, remembered=remembered)
    world.settle()
    kind = "port.changed_while_stopped" if clean else "port.changed_during_crash"
    assert [(one.stack, one.fields["recorded"]) for one in world.logs if one.kind == kind] == [(1, byte(1))]
    assert world.sent == []


def test_what_was_on_and_cannot_be_told_any_more_is_an_event() -> None:
    world = World(
        make_config((2,)), layouts={2: RELAY}, remembered=Remembered(ports={2: 0b10}, clean_stop=False), found=False
    )
    world.ports[2].known = 0
    world.send(StackFound(stack=2, layout=RELAY))
    world.settle()
    (told,) = [one for one in world.logs if one.kind == "port.unknown_since_end"]
    assert told.message == "stack 2 was on in worker-2-3 when graped ended; whether it still is cannot be told"
    (adopted,) = [one for one in world.logs if one.kind == "stack.adopted"]
    assert adopted.message == "stack 2: 0 of 4 slots on, 4 unknown, left as found"
    assert world.sent == []


@pytest.mark.parametrize("recorded", [{}, {2: 0b00}, {2: 0b01}])
def test_slots_that_were_off_or_can_be_told_are_no_such_event(recorded: dict[int, int]) -> None:
    world = World(make_config((2,)), layouts={2: RELAY}, remembered=Remembered(ports=recorded), found=False)
    world.ports[2].known = 0b01  # slots 0 to 2
    world.send(StackFound(stack=2, layout=RELAY))
    world.settle()
    assert "port.unknown_since_end" not in {one.kind for one in world.logs}


def test_a_command_before_the_first_reading_stands_against_adoption_and_restore() -> None:
    remembered = Remembered(desired={A: Power.ON})
    config = make_config((0,), at_start=AtStart.RESTORE)
    world = World(config, ports={0: ALL_OFF}, remembered=remembered, found=False)
    job = world.ask(Verb.OFF, [A])
    world.send(StackFound(stack=0, layout=world.ports[0].layout))
    world.run(5)
    assert world.result(job, A) is Result.DONE
    assert world.sent == []
    one = world.state.slots[A]
    assert (one.desired, one.fault) == (Power.OFF, None)


@pytest.mark.parametrize(
    ("at_start", "value"), [(AtStart.ADOPT, ALL_OFF), (AtStart.RESTORE, byte(0, 3)), (AtStart.ON, byte(0, 3))]
)
def test_at_run_time_the_policy_says_so_or_nothing_is_written(at_start: AtStart, value: int) -> None:
    config = make_config((0,), devices=(0, 3), at_start=at_start)
    world = World(config, ports={0: byte(0, 3)})
    world.settle()
    world.brown_out(0)
    world.run(8)
    assert world.ports[0].value == value
    (said,) = (one for one in world.logs if one.kind == "power.changed_by_itself")
    assert "lost power" in said.message
    fault = world.state.slots[A].fault
    assert (fault is not None and fault.code == "changed_by_itself") is (at_start is AtStart.ADOPT)


def test_one_slot_that_goes_off_is_no_outage() -> None:
    world = World(make_config((0,), at_start=AtStart.RESTORE), ports={0: byte(0, 3)})
    world.settle()
    world.others_write(0, byte(3))
    world.run(8)
    assert world.sent == []
    assert world.state.slots[A].fault is not None


def test_an_outage_while_the_stack_was_silent_is_seen_when_it_answers() -> None:
    world = World(make_config((0,), at_start=AtStart.RESTORE), ports={0: byte(0, 3)})
    world.settle()
    world.ports[0].silent = True
    world.run(5)
    world.brown_out(0)
    world.heal()
    world.run(8)
    assert world.ports[0].value == byte(0, 3)


def test_restore_leaves_alone_what_a_job_works_on() -> None:
    world = World(make_config((0,), at_start=AtStart.RESTORE), ports={0: byte(0, 3)})
    world.settle()
    world.guard([A])
    off = world.ask(Verb.OFF, [A])
    world.run(1)
    world.brown_out(0)
    world.run(8)
    world.let_go(off, A)
    world.run(2)
    assert world.result(off, A) is Result.DONE
    assert world.ports[0].value == byte(3)


def test_a_port_without_a_power_on_value_never_had_an_outage() -> None:
    config = make_config((2,), at_start=AtStart.RESTORE)
    world = World(config, layouts={2: RELAY}, ports={2: 0b11})
    world.settle()
    world.others_write(2, 0)
    world.run(8)
    assert world.sent == []


def test_the_policy_switches_a_relay_whole() -> None:
    """Only slot 1 has a node; the relay that it hangs on switches slots 0 and 2 too."""
    from dataclasses import replace

    config = make_config((2,), devices=(1,), at_start=AtStart.ON)
    world = World(config, layouts={2: replace(RELAY, reset=0)}, ports={2: 0})
    world.run(5)
    assert world.ports[2].value == 0b01


def test_a_group_that_can_never_fit_does_not_hold_up_the_restored_ones() -> None:
    from dataclasses import replace

    config = make_config((0, 2), at_start=AtStart.ON, max_inrush=2)
    world = World(config, layouts={2: replace(RELAY, reset=0)}, ports={2: 0, 0: ALL_OFF})
    world.run(20)
    assert world.ports[0].value == byte(*range(6))
    assert world.ports[2].value == 0b10
    job = next(job for job in world.state.jobs.values() if SlotId(2, 0) in job.tasks)
    assert "power.max_inrush is 2" in job.tasks[SlotId(2, 0)].reason
    assert all(job.tasks[slot].result is Result.FAILED for slot in slots(2, 0, 1, 2))
