"""A held node is let go when it is empty, or at the deadline, whatever happens; never later."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from grape_docker.core.drain import Draining, deadline, judge
from grape_docker.model import Availability, Health, Hold, NodeFact, Rack, Role, Settings, Swarm, SwarmNode, TaskFact
from tests.docker.core.world import MASTER, NOW, entry, node, off

HOLD = Hold(name="worker-0-0", job=7, verb="off", since=NOW, deadline=NOW + 120)
DRAINED = entry(availability=Availability.DRAIN)


def task(slot: int = 1, **changes: Any) -> TaskFact:
    base = TaskFact(id=f"task{slot}", service="web", node_id="id0", state="running", desired="running", slot=slot)
    return replace(base, **changes)


def gone(slot: int = 1, **changes: Any) -> TaskFact:
    """A task that was drained away."""
    return task(slot, id=f"old{slot}", state="shutdown", desired="shutdown", **changes)


def judged(
    *tasks: TaskFact, hold: Hold = HOLD, own: SwarmNode | None = DRAINED, fact: NodeFact | None = None, at: float = 5.0,
    stuck: tuple[tuple[str, int], ...] = (),
) -> Draining:  # fmt: skip
    rack = Rack(nodes=(fact or node(),), holds=(hold,))
    swarm = Swarm(id="swarm", self_id="master", nodes=(MASTER, *([own] if own else [])))
    [only] = judge(rack, swarm, tasks, {}, Settings(), NOW + at, stuck=stuck)
    return only


def test_tasks_on_it_are_counted_and_told() -> None:
    now = judged(task(1), task(2, state="starting"), task(3, node_id="other"))
    assert (now.left, now.note, now.release, now.leave) == (2, "draining 2 tasks", False, None)
    assert judged(task(1)).note == "draining 1 task"


def test_a_task_of_a_global_service_is_waited_for_too() -> None:
    assert not judged(task(everywhere=True)).release


def test_what_replaces_them_has_to_run() -> None:
    moving = task(id="new", node_id="other", state="preparing")
    now = judged(gone(), moving)
    assert (now.note, now.release) == ("1 task not running elsewhere yet", False)
    assert judged(gone(), replace(moving, state="running")).leave is not None


def test_what_cannot_run_elsewhere_is_not_waited_for() -> None:
    stuck = task(id="new", node_id=None, state="pending", error="no suitable node")
    assert judged(gone(), stuck).leave is not None
    assert judged(gone(), replace(stuck, error="")).leave is None  # Docker has not looked yet


def test_a_service_that_has_never_been_here_does_not_matter() -> None:
    assert judged(task(service="other", node_id="x", state="preparing")).leave is not None


def test_an_empty_node_leaves_before_an_off_and_not_before_a_cycle() -> None:
    leaving = judged()
    assert (leaving.release, leaving.leave is not None) == (False, True)
    assert judged(own=replace(DRAINED, state=Health.DOWN)).release
    cycled = judged(hold=replace(HOLD, verb="cycle"))
    assert (cycled.release, cycled.leave) == (True, None)


def test_one_that_cannot_leave_is_let_go() -> None:
    assert judged(stuck=(("worker-0-0", 7),)).release
    assert not judged(stuck=(("worker-0-0", 6),)).release
    assert judged(fact=node(stage="lost")).release


def test_a_manager_is_demoted_before_it_leaves() -> None:
    now = judged(own=replace(DRAINED, role=Role.MANAGER))
    assert (now.release, now.leave, now.note) == (False, None, "drained; still a manager")


def test_it_is_not_empty_before_it_is_drained() -> None:
    now = judged(own=entry())
    assert (now.left, now.release, now.leave) == (0, False, None)


def test_one_that_was_drained_and_is_down_has_left() -> None:
    now = judged(own=replace(DRAINED, state=Health.DOWN, labels={"grape.drained": "off"}))
    assert (now.release, now.note) == (True, "drained, out of the swarm")


def test_nothing_to_drain_is_let_go_at_once() -> None:
    for own, fact in ((None, None), (entry(state=Health.DOWN), None), (entry(), off())):
        now = judged(task(), own=own, fact=fact)
        assert (now.release, now.note) == (True, "nothing to drain")


def test_at_the_deadline_it_is_let_go_with_what_is_left() -> None:
    assert not judged(task(), at=89.9).release
    now = judged(task(), at=90.0)
    assert (now.release, now.note) == (True, "1 task still on it after 90 s")


def test_a_node_that_grape_docker_does_not_know_is_let_go() -> None:
    assert judged(hold=replace(HOLD, name="somebody")).release


TASKS = st.lists(
    st.builds(
        task,
        slot=st.integers(1, 3),
        id=st.uuids().map(str),
        node_id=st.sampled_from(["id0", "other", None]),
        state=st.sampled_from(["new", "pending", "preparing", "running", "shutdown", "failed"]),
        desired=st.sampled_from(["ready", "running", "shutdown"]),
        error=st.sampled_from(["", "no suitable node"]),
    ),
    max_size=6,
)


@settings(max_examples=150, deadline=None)
@given(
    tasks=TASKS,
    state=st.sampled_from(list(Health)),
    availability=st.sampled_from(list(Availability)),
    role=st.sampled_from(list(Role)),
    verb=st.sampled_from(["off", "cycle"]),
    at=st.floats(0.0, 200.0),
)
def test_never_later_than_the_deadline_and_never_with_tasks_before_it(
    tasks: list[TaskFact], state: Health, availability: Availability, role: Role, verb: str, at: float
) -> None:
    hold = replace(HOLD, verb=verb)
    own = entry(state=state, availability=availability, role=role)
    now = judged(*tasks, hold=hold, own=own, at=at)
    late = NOW + at >= deadline(hold, Settings())
    if late:
        assert now.release
    elif state is not Health.DOWN:
        empty = availability is Availability.DRAIN and now.left == 0
        assert empty or not (now.release or now.leave)
    assert not (now.release and now.leave)
