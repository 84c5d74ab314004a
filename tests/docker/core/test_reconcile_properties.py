"""Properties of the plan, over whatever may be found: it ends, it removes only what is down, it contradicts nothing."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from hypothesis import given, settings

from grape_docker.core.backoff import circumstances
from grape_docker.core.memory import dump, load, of
from grape_docker.core.quorum import majority, managers
from grape_docker.model import (
    DRAINED,
    OURS,
    Action,
    Availability,
    Health,
    Join,
    Plan,
    Remove,
    Retry,
    Role,
    SetLabels,
    SetRole,
)
from tests.docker.core.world import World, labelled_for, worlds

MANY = settings(max_examples=100, deadline=None)


def is_safe(action: Action, world: World) -> None:
    """Judge one action against the swarm as it is just before it."""
    match action:
        case Remove():
            assert world.entry(action.node_id).state is Health.DOWN
        case SetRole(role=Role.WORKER):
            assert majority(managers(world.swarm))
            assert majority(one for one in managers(world.swarm) if one.id != action.node_id)
        case SetLabels():
            entry = world.entry(action.node_id)
            before, drained = entry.labels, entry.availability is Availability.DRAIN
            for key, value in action.labels.items():
                assert key in (*OURS, DRAINED) or before.get(key) in (None, value), "a label of people is changed"
                assert key != DRAINED or before.get(key) != "asked" or not drained, "a person's drain is undone"


def is_consistent(plan: Plan) -> None:
    """Judge the actions of one plan against each other."""
    joined = [one.name for one in plan.actions if isinstance(one, Join)]
    assert len(joined) == len(set(joined))
    on_entries = [one for one in plan.actions if not isinstance(one, Join)]
    assert max(Counter((type(one), one.node_id) for one in on_entries).values(), default=1) == 1
    removed = {one.node_id for one in on_entries if isinstance(one, Remove)}
    assert not removed & {one.node_id for one in on_entries if not isinstance(one, Remove)}
    assert sum(isinstance(one, SetRole) for one in on_entries) <= 1


@MANY
@given(world=worlds())
def test_whatever_is_found_the_plan_comes_to_an_end_safely(world: World) -> None:
    """Each step is safe, what is foreign stays, the end is stable, and who is up is in, or a reason is told."""
    names = {one.name for one in world.nodes}
    foreign = [one for one in world.entries if one.hostname not in names and not labelled_for(one, world.nodes)]
    world.before_apply = is_safe
    for _ in range(40):
        plan = world.round()
        is_consistent(plan)
        if not plan.actions:
            break
    else:
        raise AssertionError(f"no end: {plan.actions}")
    assert world.plan().actions == ()
    assert world.plan().known == world.known
    assert [one for one in foreign if one not in world.entries] == []
    told = {one.name for one in (*plan.troubles, *plan.waiting)}
    for node in world.nodes:
        named = [one for one in world.entries if one.hostname == node.name]
        if node.is_up and node.job is None and node.name not in told:
            assert [one.state for one in named] == [Health.READY]


@MANY
@given(world=worlds())
def test_a_failed_node_is_left_alone_until_its_back_off_is_over(world: World) -> None:
    """But a node whose power is going is drained whatever it failed by."""
    held = {one.name for one in world.holds}
    for node in world.nodes:
        retry = Retry(failures=3, failed_at=world.now, next_at=world.now + 60, circumstances=circumstances(node))
        world.known = {**world.known, node.name: replace(of(world.known, node.name), retry=retry)}
    plan = world.plan()
    assert {one.name for one in plan.actions} <= held
    waiting = {one.name for one in plan.waiting}
    assert all(plan.known[one.name].retry.failures for one in world.nodes if one.name in waiting)


@MANY
@given(world=worlds())
def test_what_is_remembered_survives_the_disk(world: World) -> None:
    assert load(dump(world.known)) == world.known
