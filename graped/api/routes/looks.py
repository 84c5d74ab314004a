"""A look at nodes: how far they answer now."""

from __future__ import annotations

from fastapi import Request, Response
from pydantic import BaseModel, ConfigDict

from graped.api.answers import answer
from graped.api.bodies import Nodes
from graped.api.documents import errors
from graped.api.look_types import NodeLook
from graped.api.nodesets import targets
from graped.api.routes.context import BackendOf, topic
from graped.api.routes.long_work import whole

router = topic("nodes")


class Look(BaseModel):
    """Look at nodes."""

    model_config = ConfigDict(extra="forbid", strict=True)

    nodes: Nodes


@router.post("/v1/nodes/look", response_model=list[NodeLook], responses=errors(404, 409, body=True))
async def look(request: Request, backend: BackendOf, body: Look) -> Response:
    """Look how far nodes answer: link or ARP, ping, SSH with the pinned key, a command. Takes some 5 s at most.

    Nothing is changed, and nothing follows from it: recovery looks for itself.
    """
    slots = targets(backend.state, body.nodes)
    found = await whole(request, backend.operations.evidence.look(slots))
    name = backend.state.config.node_name
    looks = (
        NodeLook(
            name=name(slot), link=one.link, ping=one.ping, ssh=one.ssh.value if one.ssh else None, command=one.command,
            text=one.text,
        )
        for slot, one in found.items()
    )  # fmt: skip
    return answer(tuple[NodeLook, ...], tuple(looks))
