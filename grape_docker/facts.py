"""The rack out of what graped's API tells. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from grape_docker.model import Budget, Hold, NodeFact, Rack, Role
from graped.api import types


def rack(status: types.Status, holds: Iterable[Hold] = ()) -> Rack:
    """Read a snapshot; slots that no device is configured for are left out."""
    return Rack(
        nodes=tuple(node(one) for one in status.nodes if one.configured),
        holds=tuple(holds),
        budgets={one.id: Budget(watts=one.budget_watts, expected=one.expected_watts) for one in status.stacks},
    )


def node(told: types.Node) -> NodeFact:
    """Read one node."""
    return NodeFact(
        name=told.name,
        stack=told.stack,
        slot=told.slot,
        mac=told.mac,
        model=told.model,
        image=told.image,
        role=Role(told.role or Role.WORKER),
        power=told.power.observed,
        desired=told.power.desired,
        power_since=None if told.power.since is None else unix_s(told.power.since),
        stage=told.stage,
        late=bool(told.late),
        address=told.address,
        trusted=told.trusted,
        job=told.job,
        watts=told.watts,
    )


def unix_s(time: str) -> float:
    """Read a time of the API.

    Raises: ValueError.
    """
    return datetime.fromisoformat(time).timestamp()
