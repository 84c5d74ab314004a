"""Stories of one node or two: what people would expect to happen, step by step."""

from __future__ import annotations

from dataclasses import replace

from grape_docker.core import memory
from grape_docker.model import (
    DRAINED,
    DRAINED_OFF,
    Availability,
    Health,
    Hold,
    Join,
    Leave,
    Remove,
    Role,
    SetAvailability,
    SetLabels,
    SetRole,
    Settings,
    Trouble,
)
from tests.docker.core.world import MASTER, NOW, World, entry, labels, node, off

HOLD = Hold(name="worker-0-0", job=7, verb="off", since=NOW, deadline=NOW + 120)


def settled(*numbers: int) -> World:
    """Nodes that are in the swarm, and known to be."""
    world = World(nodes=[node(one) for one in numbers], entries=[])
    world.settle()
    assert [one.hostname for one in world.entries] == [f"worker-0-{one}" for one in numbers]
    world.done.clear()
    return world


def test_a_node_that_comes_up_is_in_with_its_labels() -> None:
    world = World(nodes=[node()], entries=[])
    assert [type(one) for one in world.round().actions] == [Join]
    world.settle()
    [only] = world.entries
    assert (only.state, only.labels) == (Health.READY, labels())


def test_a_swarm_as_it_should_be_is_let_be() -> None:
    assert World(nodes=[node(0), off(1)], entries=[entry(0)]).plan().actions == ()


def test_one_that_is_not_trusted_is_told_how_to_be() -> None:
    plan = World(nodes=[node(trusted=False)], entries=[]).plan()
    assert plan.actions == ()
    assert [(one.code, one.hint) for one in plan.troubles] == [("untrusted", "grapecli node trust worker-0-0")]


def test_power_off_by_request_drains_leaves_and_removes() -> None:
    world = settled(0)
    world.holds = [HOLD]
    world.change(0, job=7, desired="off")
    actions = world.round().actions
    assert [type(one) for one in actions] == [SetLabels, SetAvailability]  # the mark first: a crash between is ours
    assert (world.entries[0].availability, world.entries[0].labels[DRAINED]) == (Availability.DRAIN, DRAINED_OFF)
    world.apply(Leave(name="worker-0-0", node_id=world.entries[0].id, why=""))
    assert [type(one) for one in world.round().actions] == [Remove]
    assert world.entries == []
    world.holds = []  # let go, and graped has not cut it yet: it is not brought in again
    assert world.plan().actions == ()
    world.nodes = [off()]
    assert world.plan().actions == ()


def test_a_drained_node_that_did_not_leave_is_removed_when_it_is_off() -> None:
    world = settled(0)
    world.holds = [HOLD]
    world.settle()
    world.holds, world.nodes = [], [off(job=7)]
    world.entries = [replace(world.entries[0], state=Health.DOWN)]
    assert world.plan().actions == ()  # its job is not over: a cycle may bring it back
    world.nodes = [off()]
    assert [type(one) for one in world.round().actions] == [Remove]


def test_power_cycle_brings_back_the_same_entry_undrained() -> None:
    world = settled(0)
    before = world.entries[0]
    world.holds = [replace(HOLD, verb="cycle")]
    world.change(0, job=7)
    world.settle()
    assert world.entries[0].availability is Availability.DRAIN
    world.holds, world.nodes = [], [off(job=7, desired="on")]
    world.entries = [replace(world.entries[0], state=Health.DOWN)]
    world.settle()
    world.now += 30
    world.nodes = [node(power_since=world.now - 20)]
    world.entries = [replace(world.entries[0], state=Health.READY)]
    world.settle()
    assert world.entries == [before]


def test_a_node_that_was_cut_is_kept_down_for_a_while_and_is_one_when_it_is_back() -> None:
    world = settled(0)
    before = world.entries[0]
    world.nodes = [off(desired="on", power_since=NOW)]
    world.entries = [replace(before, state=Health.DOWN)]
    plan = world.settle()
    assert (world.entries[0].state, plan.wake) == (Health.DOWN, NOW + 300)
    world.now += 20
    world.nodes = [node(power_since=world.now - 5)]
    world.settle()
    assert world.entries == [before]


def test_a_node_that_stays_off_is_forgotten_but_not_what_people_set() -> None:
    world = settled(0)
    world.entries = [replace(world.entries[0], labels=labels(disk="ssd"), availability=Availability.PAUSE)]
    world.settle()
    world.nodes = [off(power_since=NOW)]
    world.entries = [replace(world.entries[0], state=Health.DOWN)]
    world.settle()
    world.now += 301
    world.settle()
    assert world.entries == []
    world.nodes = [node(power_since=world.now)]
    world.settle()
    assert (world.entries[0].labels, world.entries[0].availability) == (labels(disk="ssd"), Availability.PAUSE)


def test_one_that_is_lost_with_its_power_on_is_kept() -> None:
    world = settled(0)
    world.change(0, stage="lost")
    world.entries = [replace(world.entries[0], state=Health.DOWN)]
    world.now += 10_000
    assert world.plan().actions == ()
    assert "lost" in world.plan().waiting[0].why


def test_a_node_with_a_new_root_replaces_its_phantom() -> None:
    world = World(nodes=[node()], entries=[entry(state=Health.DOWN), entry(id="new", created=NOW)])
    world.settle()
    assert [one.id for one in world.entries] == ["new"]


def test_a_phantom_stays_until_the_real_one_is_ready() -> None:
    world = World(nodes=[node(stage="root")], entries=[entry(state=Health.DOWN)])
    assert world.plan().actions == ()


def test_a_renamed_node_leaves_its_old_name_behind() -> None:
    world = World(nodes=[node(name="storage")], entries=[entry()])
    assert [type(one) for one in world.round().actions] == [Join]
    world.settle()
    assert [one.hostname for one in world.entries] == ["storage"]


def test_another_board_in_the_slot_joins_afresh() -> None:
    world = settled(0)
    old = world.entries[0].id
    world.change(0, mac="02:00:00:00:00:99")
    [join] = world.round().actions
    assert isinstance(join, Join)
    assert join.fresh
    world.settle()
    assert [(one.id != old, one.labels["grape.mac"]) for one in world.entries] == [(True, "02:00:00:00:00:99")]


def test_another_address_joins_afresh() -> None:
    world = settled(0)
    world.change(0, address="10.77.0.200")
    [join] = world.round().actions
    assert isinstance(join, Join)
    assert join.fresh
    world.settle()


def test_a_persons_drain_is_let_be_and_survives_leaving() -> None:
    world = settled(0)
    world.entries = [
        replace(world.entries[0], availability=Availability.DRAIN, labels=labels(**{DRAINED: "asked"}))
    ]  # fmt: skip
    world.settle()
    assert world.done == []
    world.entries = []
    world.settle()
    assert world.entries[0].availability is Availability.DRAIN
    assert world.entries[0].labels[DRAINED] == "asked"


def test_an_entry_that_the_managers_have_not_heard_of_is_waited_for() -> None:
    world = World(nodes=[node()], entries=[entry(state=Health.UNKNOWN)])
    assert world.plan().actions == ()
    assert world.plan().waiting[0].why == "the managers have not heard of it yet"


def test_a_node_is_told_of_a_registry_that_came_after_it() -> None:
    world = settled(0)
    world.settings = replace(world.settings, registry=True, registry_stamp=None)  # not there yet
    assert world.plan().actions == ()
    world.settings = replace(world.settings, registry_stamp="10.0.0.1:5000 abc")
    assert [type(one) for one in world.plan().actions] == [Join]
    own = world.entries[0].id
    world.known = memory.joined(world.known, world.nodes[0], own, world.now, "10.0.0.1:5000 abc")
    assert world.plan().actions == ()
    world.settings = replace(world.settings, registry=False, registry_stamp="")
    assert [type(one) for one in world.plan().actions] == [Join], "and it is taken back"


def test_a_failing_node_has_one_attempt_in_its_back_off() -> None:
    world = World(nodes=[node(0), node(1)], entries=[])
    refused = Trouble(name="worker-0-0", code="ssh_refused", message="refused")
    attempts = []
    world.known = memory.joined(world.known, world.nodes[1], "id1", NOW)
    world.entries = [entry(1)]
    for second in range(700):
        world.now = NOW + second
        plan = world.plan()
        world.known = plan.known
        if plan.actions:
            assert [one.name for one in plan.actions] == ["worker-0-0"]
            attempts.append(second)
            world.known = memory.failed(world.known, world.nodes[0], refused, world.settings, world.now)
    assert attempts == [0, 5, 15, 35, 75, 155, 315, 615]
    assert [(one.code, one.since) for one in world.plan().troubles] == [("ssh_refused", 0.0)]
    world.change(0, power_since=world.now - 1)  # somebody switched it off and on
    assert [type(one) for one in world.plan().actions] == [Join]
    world.change(0, power_since=NOW - 1000.0)
    assert world.plan().actions == ()
    assert [type(one) for one in replace_known(world, memory.forgive(world.known)).plan().actions] == [Join]


def replace_known(world: World, known: object) -> World:
    return replace(world, known=known)


def test_a_lasting_failure_waits_the_longest_at_once() -> None:
    trouble = Trouble(name="worker-0-0", code="foreign_swarm", message="in another swarm")
    known = memory.failed({}, node(), trouble, Settings(), NOW, lasting=True)
    assert known["worker-0-0"].retry.next_at == NOW + 300


def test_managers_come_one_at_a_time() -> None:
    world = World(nodes=[node(one, role=Role.MANAGER) for one in range(2)], entries=[entry(0), entry(1)])
    assert [type(one) for one in world.round().actions] == [SetRole]
    assert [type(one) for one in world.round().actions] == [SetRole]
    assert world.plan().actions == ()
    assert world.plan().troubles == ()


def test_an_even_number_of_managers_is_warned_about() -> None:
    world = World(nodes=[node(role=Role.MANAGER)], entries=[entry(role=Role.MANAGER)])
    assert [one.code for one in world.plan().troubles] == ["quorum_even"]


def test_a_manager_is_demoted_before_it_is_removed() -> None:
    dead = {"role": Role.MANAGER, "state": Health.DOWN, "reachable": False}
    others = [entry(one, role=Role.MANAGER) for one in (1, 2)]
    world = World(
        nodes=[off(0, power_since=NOW - 500), node(1, role=Role.MANAGER), node(2, role=Role.MANAGER)],
        entries=[entry(0, **dead), *others],
    )
    assert [type(one) for one in world.round().actions] == [SetRole]
    assert [type(one) for one in world.round().actions] == [Remove]


def test_a_manager_stays_one_where_the_others_would_have_no_majority() -> None:
    world = World(
        nodes=[node(0), off(1)],
        entries=[entry(0, role=Role.MANAGER), entry(1, role=Role.MANAGER, state=Health.DOWN, reachable=False)],
    )
    assert world.plan().actions == ()
    assert any("majority" in one.why for one in world.plan().waiting)


def test_the_master_is_drained_by_configuration_and_comes_back_by_it() -> None:
    world = World(nodes=[], entries=[], settings=Settings(master_tasks=False))
    mark, move = world.plan().actions
    assert isinstance(mark, SetLabels)
    assert isinstance(move, SetAvailability)
    assert (mark.node_id, move.availability) == (MASTER.id, Availability.DRAIN)
    assert World(nodes=[], entries=[]).plan().actions == ()


def test_an_entry_of_ours_without_a_node_is_told_and_let_be() -> None:
    world = World(nodes=[], entries=[entry(3, state=Health.DOWN), entry(id="theirs", hostname="nas", labels={})])
    plan = world.plan()
    assert plan.actions == ()
    assert [(one.name, one.code) for one in plan.troubles] == [("worker-0-3", "leftover")]
