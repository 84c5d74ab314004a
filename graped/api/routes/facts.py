"""Facts: what nodes say of themselves; and finding a node in the rack by its LED."""

from __future__ import annotations

from typing import Annotated

from fastapi import Request, Response
from pydantic import BaseModel, ConfigDict, Field

from graped.api import types
from graped.api.answers import answer
from graped.api.bodies import Nodes as NodesBody
from graped.api.documents import errors
from graped.api.facts_types import NodeFacts
from graped.api.nodesets import resolve, targets
from graped.api.params import Nodes
from graped.api.peer import who
from graped.api.routes.context import BackendOf, topic
from graped.api.routes.long_work import ACCEPTED, accepted

router = topic("facts")


class Refresh(BaseModel):
    """Ask nodes for their facts now."""

    model_config = ConfigDict(extra="forbid", strict=True)

    nodes: NodesBody


class Blink(BaseModel):
    """Have nodes blink their activity LED."""

    model_config = ConfigDict(extra="forbid", strict=True)

    nodes: NodesBody
    seconds: Annotated[float, Field(ge=1, le=600, allow_inf_nan=False)] = 10.0


@router.get("/v1/facts", response_model=list[NodeFacts], responses=errors(404))
async def facts(backend: BackendOf, nodes: Nodes = "@all") -> Response:
    """Tell what is known of nodes, each with its time; nobody is asked for it now."""
    return answer(tuple[NodeFacts, ...], backend.operations.facts.of(resolve(backend.state, nodes)))


@router.post("/v1/facts/refresh", status_code=202, response_model=types.Job,
             responses=ACCEPTED | errors(404, 409, body=True))  # fmt: skip
async def refresh(request: Request, backend: BackendOf, body: Refresh) -> Response:
    """Ask nodes for their facts now."""
    slots = targets(backend.state, body.nodes)
    return accepted(backend, backend.operations.facts.refresh(slots, by=who(request.scope)))


@router.post("/v1/nodes/identify", status_code=202, response_model=types.Job,
             responses=ACCEPTED | errors(404, 409, body=True))  # fmt: skip
async def identify(request: Request, backend: BackendOf, body: Blink) -> Response:
    """Have nodes blink their activity LED; cancelling the job ends it. What the LED did before it does again."""
    slots = targets(backend.state, body.nodes)
    return accepted(backend, backend.operations.identify.start(slots, seconds=body.seconds, by=who(request.scope)))
