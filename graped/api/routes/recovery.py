"""Recovery: what is done about nodes in trouble, and who is left alone."""

from __future__ import annotations

from typing import Annotated

from fastapi import Request, Response
from pydantic import BaseModel, ConfigDict, StringConstraints

from graped.api import recovery_views
from graped.api.answers import answer
from graped.api.backend import Backend
from graped.api.bodies import NOTE_PATTERN
from graped.api.bodies import Nodes as NodesBody
from graped.api.documents import errors
from graped.api.folding import fold
from graped.api.nodesets import configured, resolve, targets
from graped.api.params import Nodes
from graped.api.peer import who
from graped.api.recovery_types import RecoveryModeWord, RecoveryReport
from graped.api.routes.context import BackendOf, topic
from graped.errors import Conflict
from graped.model import SlotId

router = topic("recovery")
Reason = Annotated[str, StringConstraints(pattern=NOTE_PATTERN, max_length=200)]


class Quarantine(BaseModel):
    """Have recovery leave nodes alone; ``reason`` is shown wherever the node is."""

    model_config = ConfigDict(extra="forbid", strict=True)

    nodes: NodesBody
    reason: Reason = ""


class Release(BaseModel):
    """Release nodes from quarantine."""

    model_config = ConfigDict(extra="forbid", strict=True)

    nodes: NodesBody


class Mode(BaseModel):
    """Set what is done about nodes in trouble; null goes back to what the configuration files say."""

    model_config = ConfigDict(extra="forbid", strict=True)

    nodes: NodesBody
    mode: RecoveryModeWord | None


@router.get("/v1/recovery", response_model=RecoveryReport, responses=errors(404))
async def recovery(backend: BackendOf, nodes: Nodes = "@all") -> Response:
    """Tell which nodes are in trouble, what is done about each and why, and what holds recovery."""
    return _report(backend, resolve(backend.state, nodes))


@router.post("/v1/recovery/quarantine", response_model=RecoveryReport, responses=errors(404, 409, body=True))
async def quarantine(request: Request, backend: BackendOf, body: Quarantine) -> Response:
    """Put nodes into quarantine: recovery leaves them alone, over restarts too. Their power stays as it is."""
    slots = _devices(backend, body.nodes)
    by = who(request.scope)
    backend.operations.recovering.quarantine(slots, body.reason.strip() or f"by {by}", by=by)
    return _report(backend, slots)


@router.post("/v1/recovery/release", response_model=RecoveryReport, responses=errors(404, 409, body=True))
async def release(request: Request, backend: BackendOf, body: Release) -> Response:
    """Release nodes from quarantine: they begin anew, but for their cycles of the last hour."""
    slots = _devices(backend, body.nodes)
    backend.operations.recovering.release(slots, by=who(request.scope))
    return _report(backend, slots)


@router.post("/v1/recovery/mode", response_model=RecoveryReport, responses=errors(404, 409, body=True))
async def mode(request: Request, backend: BackendOf, body: Mode) -> Response:
    """Set what is done about nodes in trouble: nothing, advice, or action."""
    slots = _devices(backend, body.nodes)
    backend.operations.recovering.set_mode(slots, body.mode, by=who(request.scope))
    return _report(backend, slots)


def _devices(backend: Backend, nodes: str | list[str]) -> tuple[SlotId, ...]:
    state = backend.state
    slots = targets(state, nodes)
    if empty := [state.config.node_name(slot) for slot in slots if not configured(state, slot)]:
        raise Conflict(f"no device is configured for {fold(empty)}", hint="Give its slot a mac in the configuration.")
    return slots


def _report(backend: Backend, slots: tuple[SlotId, ...]) -> Response:
    return answer(RecoveryReport, recovery_views.report(backend.state, backend.clock, slots))
