"""Nodes: what is set for them whether they netboot or not."""

from __future__ import annotations

from fastapi import Response

from graped.api import types
from graped.api.answers import answer
from graped.api.bodies import NodesRole
from graped.api.documents import errors
from graped.api.folding import fold
from graped.api.nodesets import configured, targets
from graped.api.routes.context import BackendOf, topic
from graped.errors import Conflict

router = topic("nodes")


@router.post("/v1/nodes/role", response_model=types.NodeSet, responses=errors(404, 409, body=True))
async def role(backend: BackendOf, body: NodesRole) -> Response:
    """Set what nodes are in the Docker swarm; "" goes back to what the configuration files say."""
    state = backend.state
    slots = targets(state, body.nodes)
    names = tuple(state.config.node_name(slot) for slot in slots)
    if empty := [name for slot, name in zip(slots, names, strict=True) if not configured(state, slot)]:
        raise Conflict(f"no device is configured for {fold(empty)}", hint="Give its slot a mac in the configuration.")
    backend.set_roles(slots, body.role or None)
    return answer(types.NodeSet, types.NodeSet(revision=backend.state.revision, folded=fold(names), names=names))
