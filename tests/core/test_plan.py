"""A plan tells what the world then does: order, times and watts, where nothing fails."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graped.core.plan import Planned, plan
from graped.errors import NoTarget
from graped.model import Power, SlotId, Verb
from tests.core.world import WIRE_S, World, byte, make_config, slots

SLACK = 20 * WIRE_S  # a plan knows nothing of the time that the wire takes


def look(world: World, verb: Verb, targets: list[SlotId], **options: float) -> tuple[Planned, ...]:
    return plan(world.state, verb, targets, world.now, **options)  # type: ignore[arg-type]


def test_on_is_laid_out_in_time_with_watts() -> None:
    world = World(make_config(max_inrush=2, inrush_s=2.0, stagger_s=0.5), ports={0: byte(0)})
    world.settle()
    steps = look(world, Verb.ON, [*slots(0, 0, 1, 2), *slots(1, 0)])
    assert [(one.slot, one.action, round(one.at_s, 3)) for one in steps] == [
        (SlotId(0, 0), "none", 0.0),
        (SlotId(0, 1), "on", 0.0),
        (SlotId(1, 0), "on", 0.0),
        (SlotId(0, 2), "on", 2.0),
    ]
    assert steps[-1].stack_watts == 21.0
    assert steps[0].note == "is on already"


def test_off_says_what_it_waits_for() -> None:
    world = World(ports={0: byte(0, 1)})
    world.settle()
    world.guard(slots(0, 0, 1), slots(0, 0))
    steps = look(world, Verb.OFF, list(slots(0, 0, 1, 2)))
    assert [(one.action, one.note) for one in steps] == [
        ("off", "after guard docker (at most 120 s) and soft-off"),
        ("off", "after guard docker (at most 120 s)"),
        ("none", "is off already"),
    ]
    assert all(one.note == "" for one in look(world, Verb.OFF, list(slots(0, 0, 1)), force=True))
    with pytest.raises(NoTarget):
        look(world, Verb.OFF, [])


def test_what_has_no_room_is_told_with_the_reason() -> None:
    world = World(make_config(budgets={0: 14.0}), ports={0: byte(0, 1)})
    world.settle()
    (one,) = look(world, Verb.ON, list(slots(0, 2)))
    assert one.action == "never"
    assert "14 of 14 W" in one.note


def test_a_slot_that_may_wait_for_the_boot_gate_says_so() -> None:
    for evidence, notes in ((True, ["", "", "at the earliest: waits for the boot gate"]), (False, ["", "", ""])):
        world = World(make_config(max_booting=2), boot_evidence=evidence)
        world.settle()
        assert [one.note for one in look(world, Verb.ON, list(slots(0, 0, 1, 2)))] == notes


def test_a_slot_of_a_stack_that_does_not_answer_waits_for_it() -> None:
    world = World(ports={0: byte(0)})
    world.settle()
    world.ports[0].silent = True
    world.run(2)
    for verb in (Verb.ON, Verb.OFF):
        (one,) = look(world, verb, list(slots(0, 0)))
        assert one.note.startswith("waits for stack 0: ")


def test_a_plan_changes_nothing() -> None:
    world = World(ports={0: byte(0)})
    world.settle()
    before = world.state
    for verb in Verb:
        look(world, verb, list(slots(0)))
    assert world.state is before


@given(
    on=st.sets(st.sampled_from([*slots(0), *slots(1)])),
    chosen=st.sets(st.sampled_from([*slots(0), *slots(1)]), min_size=1),
    verb=st.sampled_from(Verb),
    max_inrush=st.integers(1, 5),
    inrush_s=st.sampled_from((0.0, 1.0, 2.5)),
    stagger_s=st.sampled_from((0.0, 0.3, 1.1)),
    budget=st.sampled_from((None, 21.0, 30.0)),
)
@settings(settings.get_profile("core"))
def test_the_world_does_what_the_plan_says(
    on: set[SlotId],
    chosen: set[SlotId],
    verb: Verb,
    max_inrush: int,
    inrush_s: float,
    stagger_s: float,
    budget: float | None,
) -> None:
    ports = {key: byte(*(slot.slot for slot in on if slot.stack == key)) for key in (0, 1)}
    config = make_config(
        budgets={} if budget is None else {0: budget},
        max_inrush=max_inrush,
        inrush_s=inrush_s,
        stagger_s=stagger_s,
        cycle_off_s=3.0,
    )
    world = World(config, ports=ports)
    world.settle()
    began = world.now
    steps = look(world, verb, sorted(chosen))
    job = world.ask(verb, sorted(chosen))
    world.run(60)
    times = world.on_times()
    planned = {one.slot: one for one in steps if one.action == "on"}
    assert len(planned) == len(times)
    if len({one.action for one in steps if one.at_s == 0 and verb is Verb.CYCLE} & {"off", "none"}) == 2:
        return  # some rest, some come on at once: which of them is first when a place is free is a matter of the wire
    assert planned.keys() == times.keys()
    for slot, one in planned.items():
        late = times[slot] - began - one.at_s
        assert -1e-6 <= late <= SLACK * (1 + len(planned)), f"{slot} came on {late:.2f} s later than planned"
    for one in steps:
        match one.action:
            case "off":
                assert not world.ports[one.slot.stack].is_on(one.slot.slot) or verb is Verb.CYCLE
            case "never":
                assert world.task(job, one.slot).result is None
                assert "watts" in world.task(job, one.slot).reason or "behind" in world.task(job, one.slot).reason
            case "none" if verb is Verb.CYCLE:
                assert one.note == "is off already"  # and a line of its own says when it comes on
            case "none":
                assert world.observed(one.slot) is (Power.ON if verb is not Verb.OFF else Power.OFF)
            case _:
                assert one.action == "on"
    order = [slot for slot, _ in sorted(times.items(), key=lambda item: (item[1], item[0]))]
    assert [s for s in order if s.stack == 0] == [
        one.slot for one in steps if one.action == "on" and one.slot.stack == 0
    ]


def test_slots_of_a_stack_that_was_not_read_yet_draw_once() -> None:
    """Before the first reading they may be on; what is planned is that they come on, not that they do twice."""
    world = World(make_config((0,), budgets={0: 42.0}), found=False)
    planned = plan(world.state, Verb.ON, slots(0), world.now)
    assert [one.action for one in planned] == ["on"] * 6
    assert planned[-1].stack_watts == 42.0
