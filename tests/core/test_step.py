"""The step as a whole: it is pure, keeps a bounded memory, says faults once, and is fast."""

from __future__ import annotations

import time
from dataclasses import replace

from graped.core.draft import KEPT_JOBS
from graped.core.effects import Log
from graped.core.events import DaemonFault, NodesTrusted, PortRead, Tick
from graped.core.state import State
from graped.core.step import step
from graped.model import SlotId, Verb
from tests.core.world import World, byte, make_config, slots


def test_the_same_event_in_the_same_state_gives_the_same_answer_and_leaves_the_state_alone() -> None:
    world = World(ports={0: byte(0)})
    world.settle()
    world.ask(Verb.ON, slots(0, 1, 2))
    before, copy = world.state, replace(world.state, slots=dict(world.state.slots), jobs=dict(world.state.jobs))
    event = PortRead(stack=0, reading=world.ports[0].reading(), at=world.now)
    assert step(before, event, world.now) == step(before, event, world.now)
    assert before == copy


def test_a_tick_with_nothing_to_wait_for_changes_nothing() -> None:
    world = World(ports={0: byte(0)})
    world.settle()
    assert world.state.wake is None
    after, effects = step(world.state, Tick(), world.now + 1000)
    assert (after, effects) == (world.state, ())


def test_a_fault_of_the_daemon_is_said_once_and_its_end_once() -> None:
    world = World()
    world.settle()
    revision = world.state.revision
    for _ in range(3):
        world.send(DaemonFault(code="store_full", message="the disk is full", hint="make room"))
    assert world.state.faults["store_full"].hint == "make room"
    assert world.state.revision == revision + 1
    world.run(5)
    for _ in range(2):
        world.send(DaemonFault(code="store_full", message=""))
    assert world.state.faults == {}
    said = [one for one in world.logs if "store_full" in one.kind]
    assert [one.kind for one in said] == ["fault.store_full", "healed.store_full"]
    assert "after 5 s" in said[1].message


def test_which_nodes_are_trusted_is_told_once() -> None:
    world = World()
    world.settle()
    revision = world.state.revision
    for _ in range(3):
        world.send(NodesTrusted(slots=frozenset(slots(0, 1, 2))))
    assert world.state.trusted == set(slots(0, 1, 2))
    assert world.state.revision == revision + 1


def test_only_the_last_ended_jobs_are_kept_and_every_open_one() -> None:
    world = World(make_config((0,), budgets={0: 7.0}), ports={0: byte(0)})
    world.settle()
    waiting = world.ask(Verb.ON, slots(0, 1))
    for _ in range(KEPT_JOBS + 20):
        world.ask(Verb.ON, slots(0, 0))
        world.run(0.05)
    assert waiting in world.state.jobs
    assert len(world.state.jobs) == KEPT_JOBS + 1
    assert world.saved_jobs.keys() == set(range(1, world.state.next_job))


def test_a_waiting_job_is_not_saved_at_each_poll() -> None:
    """Few writes: SD cards wear out."""
    world = World(make_config((0,), budgets={0: 7.0}), ports={0: byte(0)})
    world.settle()
    world.ask(Verb.ON, slots(0, 1))
    world.run(2)
    state = world.state
    world.run(30)
    assert world.state.jobs == state.jobs
    assert world.state.revision == state.revision
    assert world.state.jobs[1] is world.saved_jobs[1]


def test_events_carry_names_and_jobs() -> None:
    world = World()
    world.settle()
    world.ask(Verb.ON, slots(0, 3), by="uid 1000 pid 7")
    world.settle()
    lines = {one.kind: one for one in world.logs}
    assert isinstance(lines["power.on"], Log)
    assert (lines["power.on"].slot, lines["power.on"].stack, lines["power.on"].job) == (SlotId(0, 3), 0, 1)
    assert lines["job.accepted"].fields["by"] == "uid 1000 pid 7"
    assert "worker-0-3" in lines["job.accepted"].message
    assert lines["job.done"].job == 1


def test_a_step_with_96_slots_is_fast() -> None:
    """Aim: 0.2 ms. The bound is wide, because CI machines are slow and shared."""
    world = World(make_config(range(16)), ports={key: byte(0, 1, 2) for key in range(16)}, poll_s=None)
    world.settle()
    reads = [PortRead(stack=key, reading=world.ports[key].reading(), at=world.now + 1) for key in range(16)]
    state: State = world.state
    best = float("inf")
    for _ in range(10):
        began = time.perf_counter()
        for event in reads:
            state, _ = step(state, event, world.now + 1)
        best = min(best, (time.perf_counter() - began) / len(reads))
    assert best < 0.001
