"""Boot stages by evidence, and the gate that lets the next slots go."""

from __future__ import annotations

import pytest

from graped.config.types import Deadlines, Netboot
from graped.core.events import BootFact
from graped.core.jobs import Result
from graped.model import Power, SlotId, Stage, Verb
from tests.core.world import World, byte, make_config, slots

A = SlotId(0, 0)
NEXT = SlotId(1, 0)
LONG = Netboot(deadlines=Deadlines(powered_s=600, dhcp_s=600, tftp_s=600, kernel_s=600, root_s=600))


@pytest.fixture
def world() -> World:
    """One place at the gate, taken by slot 0; slot 0 of stack 1 waits behind it."""
    world = World(make_config(max_booting=1, boot_gate_s=30.0, netboot=LONG), boot_evidence=True)
    world.settle()
    world.ask(Verb.ON, [A])
    world.run(1)
    world.ask(Verb.ON, [NEXT])
    world.run(4)
    assert world.state.slots[A].stage is Stage.POWERED
    assert world.observed(NEXT) is Power.OFF
    return world


def waits(world: World) -> bool:
    world.run(1)
    return world.observed(NEXT) is Power.OFF


@pytest.mark.parametrize("stage", [Stage.KERNEL, Stage.ROOT, Stage.UP])
def test_a_node_past_tftp_lets_the_next_go(world: World, stage: Stage) -> None:
    world.stage(A, stage)
    assert not waits(world)
    assert f"stage.{stage}" in world.kinds()


def test_stages_up_to_tftp_hold_the_place(world: World) -> None:
    assert "boot gate" in world.task(2, NEXT).reason
    world.stage(A, Stage.DHCP)
    world.stage(A, Stage.TFTP)
    assert waits(world)


def test_progress_starts_the_patience_anew_and_no_progress_frees_the_place(world: World) -> None:
    world.run(20)
    world.stage(A, Stage.DHCP)
    world.run(29)
    assert waits(world)
    world.run(1)
    assert not waits(world)
    assert "stage.late" in world.kinds()
    assert world.state.slots[A].late == "took no file after DHCP"


def test_the_same_stage_again_is_no_progress(world: World) -> None:
    """A node that asks DHCP for ever does not hold its place for ever."""
    for second in range(40):
        world.stage(A, Stage.DHCP, f"DISCOVER {second}")
        world.run(1)
    assert not waits(world)


def test_a_boot_loop_does_not_hold_its_place_for_ever(world: World) -> None:
    """A boot loader asks for itself again: that is no new boot, and no progress either."""
    for _ in range(10):
        for stage in (Stage.DHCP, Stage.TFTP):
            world.stage(A, stage)
            world.fact(A, BootFact.FILE, "bootcode.bin", 52_480)
            assert world.observed(NEXT) is Power.OFF
            world.run(1)
    world.run(12)
    assert not waits(world)
    assert world.state.slots[A].stage is Stage.TFTP


def test_a_silent_stack_does_not_hold_its_places_for_ever() -> None:
    """Its byte may have arrived: the slot counts as booting, but not longer than one that shows no progress."""
    world = World(make_config(max_booting=1, boot_gate_s=10.0, give_up_s=300.0), boot_evidence=True)
    world.settle()
    world.ask(Verb.ON, [A])
    world.run(0.025)
    world.ports[0].silent = True
    job = world.ask(Verb.ON, [NEXT])
    world.run(5)
    assert world.result(job, NEXT) is None
    world.run(10)
    assert world.result(job, NEXT) is Result.DONE


def test_without_evidence_or_without_a_node_there_is_no_gate() -> None:
    for config, evidence in ((make_config(max_booting=1), False), (make_config(max_booting=1, devices=()), True)):
        world = World(config, boot_evidence=evidence)
        world.settle()
        job = world.ask(Verb.ON, [A, NEXT])
        world.run(3)
        assert world.result(job, NEXT) is Result.DONE


def test_max_booting_is_kept() -> None:
    world = World(make_config(max_booting=3, boot_gate_s=1000.0), boot_evidence=True)
    world.settle()
    world.ask(Verb.ON, (*slots(0), *slots(1)))
    world.run(30)
    assert len(world.on_times()) == 3
    world.stage(SlotId(0, 0), Stage.UP)
    world.run(5)
    assert len(world.on_times()) == 4


def test_a_slot_that_goes_off_loses_its_stage_and_its_place(world: World) -> None:
    world.ask(Verb.OFF, [A])
    world.run(0.2)
    one = world.state.slots[A]
    assert (one.stage, one.gate_open, one.on_since) == (Stage.OFF, True, None)
    assert not waits(world)


def test_evidence_for_a_slot_that_is_off_or_does_not_exist_is_dropped(world: World) -> None:
    before = world.state
    world.stage(NEXT, Stage.UP)
    world.stage(SlotId(9, 9), Stage.UP)
    assert world.state == before


def test_after_adoption_up_is_taken_and_anything_else_is_null_with_a_reason() -> None:
    world = World(ports={0: byte(0, 1)}, boot_evidence=True)
    world.settle()
    world.stage(SlotId(0, 0), Stage.UP, "SSH answers", initial=True)
    world.stage(SlotId(0, 1), Stage.TFTP, initial=True)
    one, other = world.state.slots[SlotId(0, 0)], world.state.slots[SlotId(0, 1)]
    assert (one.stage, one.stage_reason) == (Stage.UP, "SSH answers")
    assert other.stage is None
    assert other.stage_reason


def test_a_write_that_never_arrived_leaves_no_trace_of_being_on() -> None:
    world = World(make_config(max_booting=1), boot_evidence=True)
    world.settle()
    job = world.ask(Verb.ON, [A])
    world.run(0.005)
    world.ports[0].deaf_before = 1
    world.run(0.01)
    world.cancel(job)
    world.run(2)
    one = world.state.slots[A]
    assert (one.observed, one.on_since, one.gate_open) == (Power.OFF, None, True)
