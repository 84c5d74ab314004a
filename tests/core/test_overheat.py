"""Over-temperature: the line says look, only a stack's own thermometer says cut."""

from __future__ import annotations

import pytest

from graped.core.events import MetersRead
from graped.core.jobs import Result
from graped.model import MeterKind, Power, Reading, SlotId, StackCondition, Verb
from tests.core.world import World, byte, make_config, slots

A = SlotId(0, 0)


@pytest.fixture
def world() -> World:
    """Two stacks with two slots on each; emergency at 80 °C."""
    world = World(make_config(emergency=80.0), ports={0: byte(0, 1), 1: byte(0, 1)})
    world.settle()
    world.celsius = {0: 40.0, 1: 40.0}
    return world


def hot(world: World, celsius: float, *, stack: int = 0, at: float | None = None) -> None:
    reading = Reading(kind=MeterKind.TEMPERATURE, value=round(celsius * 1000), at=world.now if at is None else at)
    world.send(MetersRead(stack=stack, readings=(reading,)))


def test_a_line_held_low_without_a_hot_reading_is_an_alarm_and_cuts_nothing(world: World) -> None:
    world.line(low=True)
    world.run(30)
    assert world.sent == []
    assert world.kinds().count("temperature.alarm") == 1
    assert world.state.over_temperature
    world.line(low=False)
    assert world.kinds().count("temperature.normal") == 1
    looks = len(world.temperature_reads)
    world.run(5)
    assert len(world.temperature_reads) == looks


def test_the_line_makes_us_look_each_second_whatever_else_happens(world: World) -> None:
    """Polls of many stacks come all the time; they must not push the next look away."""
    world.line(low=True)
    first = world.now
    for _ in range(100):
        world.run(0.1)
        world._read(1)
    assert 10 <= len(world.temperature_reads) <= 12
    assert world.temperature_reads[0] == first


def test_two_hot_readings_a_second_apart_cut_that_stack_and_no_other(world: World) -> None:
    world.line(low=True)
    world.celsius[0] = 85.0
    world.run(4)
    assert [(one.stack, one.value) for one in world.sent] == [(0, byte())]
    assert world.ports[1].value == byte(0, 1)
    job = next(iter(world.state.jobs.values()))
    assert job.force
    assert job.by.startswith("emergency off: stack 0 is at 85.0")
    assert world.task(job.id, A).way[:2] == ("guards: skipped by --force", "soft-off: skipped by --force")
    assert world.state.slots[A].desired is Power.OFF


def test_one_hot_reading_cuts_nothing(world: World) -> None:
    hot(world, 85)
    world.run(0.5)
    hot(world, 85)
    world.celsius[0] = 60.0
    world.run(10)
    hot(world, 85)
    assert world.sent == []


def test_it_is_cut_without_the_line_too(world: World) -> None:
    world.celsius[0] = 80.0
    hot(world, 80.0)
    world.run(3)
    assert world.ports[0].value == byte()


def test_without_an_emergency_temperature_nothing_is_ever_cut() -> None:
    world = World(make_config(), ports={0: byte(0)})
    world.settle()
    world.celsius = {0: 99.0}
    world.line(low=True)
    world.run(10)
    assert world.sent == []


def test_guards_do_not_hold_an_emergency_even_when_an_off_waits_for_them_already(world: World) -> None:
    world.guard(slots(0))
    polite = world.ask(Verb.OFF, slots(0, 0, 1))
    world.celsius[0] = 85.0
    hot(world, 85.0)
    world.run(3)
    assert world.ports[0].value == byte()
    assert world.result(polite, A) is Result.SUPERSEDED


def test_it_is_asked_once_not_at_each_reading(world: World) -> None:
    world.celsius[0] = 85.0
    hot(world, 85.0)
    world.run(0.5)
    world.ports[0].silent = True
    world.run(20)
    jobs = list(world.state.jobs.values())
    assert [set(job.tasks) for job in jobs] == [set(slots(0, 0, 1)), set(slots(0, 2, 3, 4, 5))]  # these may be on too
    world.heal()
    world.run(5)
    assert world.ports[0].value == byte()
    assert len(world.state.jobs) == 2


def test_nothing_is_switched_on_in_a_stack_that_is_too_hot(world: World) -> None:
    world.celsius[0] = 85.0
    hot(world, 85.0)
    world.run(3)
    job = world.ask(Verb.ON, [A])
    world.run(5)
    assert world.result(job, A) is None
    assert "too hot to switch on" in world.task(job, A).reason
    other = world.ask(Verb.ON, slots(1, 4))
    world.run(2)
    assert world.result(other, SlotId(1, 4)) is Result.DONE
    world.celsius[0] = 50.0
    world.run(3)
    assert world.result(job, A) is Result.DONE


def test_raising_the_limit_ends_the_watch(world: World) -> None:
    hot(world, 85.0)
    world.configure(make_config())
    looks = len(world.temperature_reads)
    world.run(5)
    assert len(world.temperature_reads) == looks
    assert world.state.hot == {}


def test_missing_meters_degrade_the_stack_and_say_so_once(world: World) -> None:
    for _ in range(3):
        world.send(MetersRead(stack=0, readings=(), missing={"temperature": "LM75 at 0x48: no answer"}))
        world.run(2)
    stack = world.state.stacks[0]
    assert stack.condition is StackCondition.DEGRADED
    assert stack.fault is not None
    assert stack.fault.code == "meter_missing"
    assert world.kinds().count("meter.missing") == 1
    job = world.ask(Verb.OFF, [A])
    world.run(1)
    assert world.result(job, A) is Result.DONE
    world.send(MetersRead(stack=0, readings=()))
    world.run(2)
    assert world.kinds().count("meter.answers") == 1
    assert world.state.stacks[0].condition is StackCondition.OK
