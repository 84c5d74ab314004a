"""The rack is read out of what a real graped says of its snapshot."""

from __future__ import annotations

from grape_docker import facts
from grape_docker.model import Budget, Hold, Role
from graped.api import types

POWER = types.NodePower(desired="on", observed="off", fault=None, since="2026-03-01T12:00:00.250Z", read_at=None)
COUNTERS = types.Counters(writes=0, repairs=0, changed_before_write=0, changed_by_itself=0, bus_errors=0)


def told(name: str, **changes: object) -> types.Node:
    values = {
        "name": name, "stack": 1, "slot": 2, "mac": None, "configured": True, "watts": 7.0, "power": POWER,
        "stage": "off", **changes,
    }  # fmt: skip
    return types.Node(**values)  # type: ignore[arg-type]


def test_configured_nodes_holds_and_budgets() -> None:
    stack = types.Stack(
        id=1, driver="stack", bus=1, address=0, state="ok", fault=None, read_at=None, meters={}, meters_missing={},
        budget_watts=40.0, expected_watts=7.0, slots=(2,),
    )  # fmt: skip
    status = types.Status(
        revision=1, cluster="grape", simulated=True, time="2026-03-01T12:00:00.000Z", stacks=(stack,),
        nodes=(
            told("storage", role="manager", trusted=True, address="10.77.0.9", job=4, late="no file"),
            told("b", configured=False),
        ), faults=(), counters=COUNTERS,
    )  # fmt: skip
    hold = Hold(name="storage", job=4, verb="off", since=1.0, deadline=2.0)
    rack = facts.rack(status, [hold])
    assert (rack.holds, rack.budgets) == ((hold,), {1: Budget(watts=40.0, expected=7.0)})
    [node] = rack.nodes
    assert (node.name, node.role, node.trusted, node.job, node.late) == ("storage", Role.MANAGER, True, 4, True)
    assert (node.off_since, node.is_up) == (1772366400.25, False)


def test_a_node_that_graped_says_little_of_is_a_worker_of_which_little_is_known() -> None:
    node = facts.node(told("a"))
    assert (node.role, node.trusted, node.address, node.job) == (Role.WORKER, None, None, None)
