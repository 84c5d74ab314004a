"""graped's ``GET /v1/status`` as our values. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from grape_docker.model import Budget, NodeFact, Rack, Role


def rack(status: Mapping[str, Any]) -> Rack:
    """Read all configured nodes, and what each stack may draw. What our guard holds is not in it."""
    return Rack(
        nodes=tuple(node(one) for one in status["nodes"] if one["configured"]),
        budgets={
            one["id"]: Budget(watts=one["budget_watts"], expected=one["expected_watts"]) for one in status["stacks"]
        },
    )


def node(told: Mapping[str, Any]) -> NodeFact:
    """Read one node."""
    power = told["power"]
    return NodeFact(
        name=told["name"],
        stack=told["stack"],
        slot=told["slot"],
        mac=told["mac"],
        model=told["model"],
        image=told["image"],
        role=Role(told.get("role") or Role.WORKER),
        power=power["observed"],
        desired=power["desired"],
        power_since=moment(power["since"]),
        stage=told["stage"],
        late=bool(told["late"]),
        address=told["address"],
        trusted=told.get("trusted"),
        job=told["job"],
        watts=told["watts"],
    )


def moment(text: str | None) -> float | None:
    """Unix seconds of an RFC 3339 time."""
    return datetime.fromisoformat(text).timestamp() if text else None
