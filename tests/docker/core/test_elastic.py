"""Elastic mode: as many nodes as tasks want, not more; off after the quiet time; never outside the limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from grape_docker.core.elastic import Elasticity, judge
from grape_docker.model import (
    DRAINED,
    Availability,
    Budget,
    Elastic,
    Health,
    Memory,
    NodeFact,
    Rack,
    Retry,
    Role,
    Settings,
    Swarm,
    SwarmNode,
    TaskFact,
    Trouble,
)
from tests.docker.core.world import MASTER, NOW, entry, labels, node, off

NO_NODE = "no suitable node (max replicas per node limit exceed)"


def pending(slot: int = 1, **changes: Any) -> TaskFact:
    base = TaskFact(
        id=f"p{slot}", service="web", node_id=None, state="pending", desired="running", error=NO_NODE, slot=slot,
        max_per_node=1, constraints=("node.role==worker",),
    )  # fmt: skip
    return replace(base, **changes)


def running(number: int, **changes: Any) -> TaskFact:
    base = TaskFact(id=f"r{number}", service="web", node_id=f"id{number}", state="running", desired="running")
    return replace(base, **changes)


@dataclass
class Cluster:
    """What elastic mode sees, and what it said."""

    nodes: Sequence[NodeFact]
    entries: Sequence[SwarmNode] = ()
    tasks: Sequence[TaskFact] = ()
    limits: Elastic = field(default_factory=lambda: Elastic(active=True, quiet_s=60.0))
    known: dict[str, Memory] = field(default_factory=dict)
    idle: dict[str, float] = field(default_factory=dict)
    budgets: dict[int, Budget] = field(default_factory=dict)

    def judge(self, now: float = NOW) -> Elasticity:
        judged = judge(
            Rack(nodes=tuple(self.nodes), budgets=self.budgets),
            Swarm(id="swarm", self_id="master", nodes=(MASTER, *self.entries)),
            self.tasks,
            {one.name for one in self.nodes},
            self.known,
            self.idle,
            Settings(elastic=self.limits),
            now,
        )
        self.idle = dict(judged.idle)
        return judged


THREE_OFF = [off(one, stage="off") for one in range(3)]


def test_three_tasks_one_a_node_bring_three_slots_up_and_they_go_off_after_the_quiet_time() -> None:
    cluster = Cluster(nodes=THREE_OFF, tasks=[pending(one) for one in (1, 2, 3)])
    assert cluster.judge().on == ("worker-0-0", "worker-0-1", "worker-0-2")
    cluster.nodes = [node(one, stage="powered") for one in range(3)]
    assert cluster.judge().on == ()
    cluster.nodes, cluster.entries = [node(one) for one in range(3)], [entry(one) for one in range(3)]
    cluster.tasks = [running(one) for one in range(3)]
    assert cluster.judge() == Elasticity()
    cluster.tasks = []
    assert cluster.judge(NOW).off == ()
    assert cluster.judge(NOW + 30).wake == NOW + 60
    assert cluster.judge(NOW + 60).off == ("worker-0-0", "worker-0-1", "worker-0-2")


def test_it_is_off_by_default() -> None:
    assert Cluster(nodes=THREE_OFF, tasks=[pending()], limits=Elastic()).judge() == Elasticity()


def test_tasks_that_docker_has_not_looked_at_or_that_are_everywhere_bring_nobody() -> None:
    for changes in ({"error": ""}, {"everywhere": True}, {"desired": "shutdown"}, {"state": "preparing"}):
        assert Cluster(nodes=THREE_OFF, tasks=[pending(**changes)]).judge().on == ()


def test_tasks_without_any_limit_bring_one_node() -> None:
    tasks = [pending(one, max_per_node=0) for one in range(5)]
    assert Cluster(nodes=THREE_OFF, tasks=tasks).judge().on == ("worker-0-0",)


def test_what_tasks_reserve_is_measured_on_the_nodes_there_are() -> None:
    tasks = [pending(one, max_per_node=0, nano_cpus=2_000_000_000) for one in range(4)]
    cluster = Cluster(
        nodes=[node(0), off(1), off(2)], entries=[entry(0, nano_cpus=4_000_000_000)], tasks=[*tasks, running(0)]
    )
    assert cluster.judge().on == ("worker-0-1", "worker-0-2")


def test_constraints_choose_the_node() -> None:
    for constraint, name in {
        "node.labels.grape.slot==1": "worker-0-1",
        "node.labels.disk == ssd": "worker-0-2",
        "node.hostname!=worker-0-0": "worker-0-1",
        "engine.labels.gpu==yes": "worker-0-0",  # nobody knows: it may be
    }.items():
        known = {"worker-0-2": Memory(labels={"disk": "ssd"})}
        cluster = Cluster(nodes=THREE_OFF, tasks=[pending(constraints=(constraint,))], known=known)
        assert cluster.judge().on == (name,), constraint
    for constraint in ("node.labels.grape.slot==5", "node.role==manager", "node.id==abc"):
        assert Cluster(nodes=THREE_OFF, tasks=[pending(constraints=(constraint,))]).judge().on == (), constraint


def test_a_node_that_is_there_and_does_not_help_brings_no_second_and_stays() -> None:
    cluster = Cluster(nodes=[node(0), *THREE_OFF[1:]], entries=[entry(0)], tasks=[pending()])
    assert cluster.judge() == Elasticity()
    assert cluster.judge(NOW + 600).off == ()


def test_a_node_that_does_not_come_is_replaced_by_another() -> None:
    trouble = Trouble(name="worker-0-0", code="ssh_refused", message="refused")
    for fact, memory in (
        (node(0, stage="dhcp", late=True), Memory()),
        (node(0, stage="lost"), Memory()),
        (node(0), Memory(retry=Retry(failures=2, trouble=trouble))),
    ):
        cluster = Cluster(nodes=[fact, *THREE_OFF[1:]], tasks=[pending()], known={"worker-0-0": memory})
        assert cluster.judge().on == ("worker-0-1",)


def test_within_the_most_nodes_and_the_watts() -> None:
    tasks = [pending(one) for one in (1, 2, 3)]
    most = Cluster(nodes=THREE_OFF, tasks=tasks, limits=Elastic(active=True, max_nodes=2)).judge()
    assert (len(most.on), most.short) == (2, "max_nodes are on")
    watts = Cluster(nodes=THREE_OFF, tasks=tasks, limits=Elastic(active=True, max_watts=15.0)).judge()
    assert (len(watts.on), watts.short) == (2, "max_watts would be exceeded")
    budget = Cluster(nodes=THREE_OFF, tasks=tasks, budgets={0: Budget(watts=20.0, expected=10.0)}).judge()
    assert (len(budget.on), budget.short) == (1, "the budget of stack 0 would be exceeded")


def test_the_least_number_stays_on_and_comes_on() -> None:
    limits = Elastic(active=True, min_nodes=2, quiet_s=60.0)
    cluster = Cluster(nodes=[node(0), *THREE_OFF[1:]], entries=[entry(0)], limits=limits)
    assert cluster.judge().on == ("worker-0-1",)
    everybody = Cluster(nodes=[node(one) for one in range(3)], entries=[entry(one) for one in range(3)], limits=limits)
    everybody.judge(NOW)
    assert everybody.judge(NOW + 60).off == ("worker-0-0",)


def test_who_is_let_be() -> None:
    """What a person drained, what a job works on, managers, and who runs a task that is not of a global service."""
    drained = entry(0, availability=Availability.DRAIN, labels=labels(0, **{DRAINED: "asked"}))
    for fact, own, tasks in (
        (node(0), drained, []),
        (node(0, job=7), entry(0), []),
        (node(0, role=Role.MANAGER), entry(0, role=Role.MANAGER), []),
        (node(0), entry(0), [running(0)]),
        (node(0), entry(0, state=Health.DOWN), []),
    ):
        cluster = Cluster(nodes=[fact], entries=[own], tasks=tasks)
        cluster.judge(NOW)
        assert cluster.judge(NOW + 600).off == ()
    cluster = Cluster(nodes=[node(0)], entries=[entry(0)], tasks=[running(0, everywhere=True)])
    cluster.judge(NOW)
    assert cluster.judge(NOW + 600).off == ("worker-0-0",)


@st.composite
def clusters(draw: st.DrawFn) -> Cluster:
    numbers = range(draw(st.integers(0, 5)))
    on = [draw(st.sampled_from(["off", "boots", "idle", "busy"])) for _ in numbers]
    facts = [
        off(one) if is_ == "off" else node(one, stage="up" if is_ != "boots" else "dhcp")
        for one, is_ in zip(numbers, on, strict=True)
    ]
    least = draw(st.integers(0, 3))
    return Cluster(
        nodes=facts,
        entries=[entry(one) for one, is_ in zip(numbers, on, strict=True) if is_ in ("idle", "busy")],
        tasks=[
            *[running(one) for one, is_ in zip(numbers, on, strict=True) if is_ == "busy"],
            *[pending(one, max_per_node=draw(st.integers(0, 2))) for one in range(draw(st.integers(0, 6)))],
        ],
        limits=Elastic(
            active=True,
            min_nodes=least,
            max_nodes=draw(st.integers(least, 6)),
            max_watts=draw(st.sampled_from([None, 14.0, 30.0])),
            quiet_s=60.0,
        ),
        idle={one.name: NOW - draw(st.floats(0.0, 120.0)) for one in facts},
        budgets={
            0: Budget(watts=draw(st.sampled_from([None, 20.0])), expected=7.0 * sum(not one.is_off for one in facts))
        },
    )


@settings(max_examples=150, deadline=None)
@given(cluster=clusters())
def test_never_outside_the_limits(cluster: Cluster) -> None:
    judged = cluster.judge()
    facts = {one.name: one for one in cluster.nodes}
    lit = sum(not one.is_off for one in cluster.nodes)
    waits = sum(one.state == "pending" for one in cluster.tasks)
    assert all(facts[name].is_off for name in judged.on)
    assert not set(judged.on) & set(judged.off)
    if judged.on:
        assert lit + len(judged.on) <= cluster.limits.max_nodes
        assert len(judged.on) <= max(waits, cluster.limits.min_nodes - lit)
        for most in (cluster.limits.max_watts, cluster.budgets[0].watts):
            assert most is None or 7.0 * (lit + len(judged.on)) <= most
    if judged.off:
        assert lit - len(judged.off) >= cluster.limits.min_nodes
        busy = {f"worker-0-{one.node_id[2:]}" for one in cluster.tasks if one.node_id}
        assert not busy & set(judged.off)
