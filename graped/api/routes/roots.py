"""Roots: each node's own file system, and what is set for nodes."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Request, Response

from graped.api import types
from graped.api.answers import answer
from graped.api.documents import errors
from graped.api.netboot_bodies import NodeCommit, NodesDrop, NodesReset, NodesRollback, NodesSet, NodesSnapshot
from graped.api.nodesets import named, targets
from graped.api.peer import who
from graped.api.routes.context import BackendOf, ProvisionOf, topic
from graped.api.routes.long_work import ACCEPTED, accepted, whole
from graped.errors import NotFound

router = topic("roots")

NodeName = Annotated[str, Path(min_length=1, max_length=253)]
_NODES = ACCEPTED | errors(404, 409, body=True)


@router.get("/v1/nodes/{name}/root", response_model=types.Root, responses=errors(404, 409))
async def root(backend: BackendOf, provision: ProvisionOf, name: NodeName) -> Response:
    """Show the root of a node, and the older ones that are kept."""
    (slot,) = named(backend.state, [name])
    found = provision.root(slot)
    if found is None:
        raise NotFound(f"{name} has no root", hint="it gets one with grapecli node set, or when it is switched on")
    return answer(types.Root, found)


@router.get("/v1/nodes/{name}/diff", response_model=list[types.Change], responses=errors(404, 409))
async def diff(request: Request, backend: BackendOf, provision: ProvisionOf, name: NodeName) -> Response:
    """Tell what a node changed against its image; takes as long as looking at all of it."""
    (slot,) = named(backend.state, [name])
    return answer(tuple[types.Change, ...], await whole(request, provision.diff_node(slot)))


@router.post("/v1/nodes/{name}/commit", status_code=202, response_model=types.Job, responses=_NODES)
async def commit(
    request: Request, backend: BackendOf, provision: ProvisionOf, name: NodeName, body: NodeCommit
) -> Response:
    """Make an image version of a node's root; the node has to be off."""
    (slot,) = named(backend.state, [name])
    return accepted(backend, await provision.commit_node(slot, body.name, by=who(request.scope)))


@router.post("/v1/nodes/set", status_code=202, response_model=types.Job, responses=_NODES)
async def set_nodes(request: Request, backend: BackendOf, provision: ProvisionOf, body: NodesSet) -> Response:
    """Set image, strategy, model or boot of nodes. A running node gets a new root with its next boot."""
    changes = types.NodeChanges(**body.model_dump(exclude={"nodes"}))
    slots = targets(backend.state, body.nodes)
    return accepted(backend, await provision.set_nodes(slots, changes, by=who(request.scope)))


@router.post("/v1/nodes/reset", status_code=202, response_model=types.Job, responses=_NODES)
async def reset(request: Request, backend: BackendOf, provision: ProvisionOf, body: NodesReset) -> Response:
    """Give nodes fresh roots of their image; the old ones are kept as snapshots."""
    slots = targets(backend.state, body.nodes)
    return accepted(backend, await provision.reset_nodes(slots, by=who(request.scope)))


@router.post("/v1/nodes/snapshot", status_code=202, response_model=types.Job, responses=_NODES)
async def snapshot(request: Request, backend: BackendOf, provision: ProvisionOf, body: NodesSnapshot) -> Response:
    """Keep the roots of nodes as they are; the nodes have to be off."""
    slots = targets(backend.state, body.nodes)
    return accepted(backend, await provision.snapshot_nodes(slots, body.label, by=who(request.scope)))


@router.post("/v1/nodes/rollback", status_code=202, response_model=types.Job, responses=_NODES)
async def rollback(request: Request, backend: BackendOf, provision: ProvisionOf, body: NodesRollback) -> Response:
    """Bring back kept roots; the nodes have to be off. What they changed since then is lost."""
    slots = targets(backend.state, body.nodes)
    return accepted(backend, await provision.rollback_nodes(slots, body.label, by=who(request.scope)))


@router.post("/v1/nodes/drop", status_code=202, response_model=types.Job, responses=_NODES)
async def drop(request: Request, backend: BackendOf, provision: ProvisionOf, body: NodesDrop) -> Response:
    """Give up kept roots: what is in them is lost, and their image may be removed."""
    slots = targets(backend.state, body.nodes)
    return accepted(backend, await provision.drop_kept(slots, body.label, by=who(request.scope)))
