"""What is: version, health, status, stacks, nodes."""

from __future__ import annotations

import os
from typing import Annotated

from fastapi import Path, Request, Response

from graped.api import types, views
from graped.api.answers import answer, ready
from graped.api.documents import errors
from graped.api.folding import fold
from graped.api.nodesets import named, resolve
from graped.api.params import Id, Nodes, PathId, WaitS
from graped.api.routes.context import BackendOf, SnapshotsOf, topic
from graped.api.waiting import changed
from graped.errors import NotFound

API = "v1"
router = topic("cluster")


@router.get("/v1/version", response_model=types.Version, responses=errors())
async def version(backend: BackendOf) -> Response:
    """Tell which graped answers."""
    simulated = backend.simulator is not None
    return answer(types.Version, types.Version(version=backend.version, api=API, simulated=simulated))


@router.get("/v1/health", response_model=types.Health, responses=errors())
async def health(backend: BackendOf) -> Response:
    """Tell whether the daemon does its work, and what of it fails."""
    faults = views.faults(backend.state, backend.clock)
    uptime_s = round(backend.clock.monotonic() - backend.started, 3)
    return answer(types.Health, types.Health(ok=not faults, faults=faults, uptime_s=uptime_s, pid=os.getpid()))


@router.get("/v1/status", response_model=types.Status, responses=errors())
async def status(backend: BackendOf, snapshots: SnapshotsOf) -> Response:
    """Tell the whole cluster at one revision; times of readings may be up to a second old."""
    return ready(snapshots.status(backend.state))


@router.get("/v1/revision", response_model=types.Revision, responses=errors())
async def revision(request: Request, backend: BackendOf, differs_from: Id = None, wait_s: WaitS = 30.0) -> Response:
    """Tell the revision; with ``differs_from`` only once it is another, or ``wait_s`` is over."""
    state = backend.state
    if differs_from is not None:
        state = await changed(request, backend, differs_from, wait_s)
    return answer(types.Revision, types.Revision(revision=state.revision))


@router.get("/v1/stacks", response_model=list[types.Stack], responses=errors())
async def stacks(backend: BackendOf, snapshots: SnapshotsOf) -> Response:
    """List all stacks."""
    return ready(snapshots.stacks(backend.state))


@router.get("/v1/stacks/{id}", response_model=types.Stack, responses=errors(404))
async def stack(backend: BackendOf, id: PathId) -> Response:
    """Show one stack."""
    state = backend.state
    for one in views.stacks(state, backend.clock):
        if one.id == id:
            return answer(types.Stack, one)
    raise NotFound(f"there is no stack {id}", hint=f"stacks are {', '.join(map(str, sorted(state.stacks)))}")


@router.get("/v1/nodes", response_model=list[types.Node], responses=errors(404))
async def nodes(backend: BackendOf, snapshots: SnapshotsOf, nodes: Nodes = "@slots") -> Response:
    """List nodes; times of readings may be up to a second old."""
    state = backend.state
    if nodes == "@slots":
        return ready(snapshots.nodes(state))
    facts = backend.operations.facts
    return answer(tuple[types.Node, ...], views.nodes(state, backend.clock, resolve(state, nodes), facts.brief))


@router.get("/v1/nodes/{name}", response_model=types.Node, responses=errors(404))
async def node(backend: BackendOf, name: Annotated[str, Path(min_length=1, max_length=253)]) -> Response:
    """Show one node."""
    state = backend.state
    (slot,) = named(state, [name])
    return answer(types.Node, views.node(state, backend.clock, slot, backend.operations.facts.brief))


@router.get("/v1/nodeset", response_model=types.NodeSet, responses=errors(404))
async def nodeset(backend: BackendOf, nodes: Nodes) -> Response:
    """Expand and fold a node set, as this snapshot understands it."""
    state = backend.state
    names = tuple(map(state.config.node_name, resolve(state, nodes)))
    return answer(types.NodeSet, types.NodeSet(revision=state.revision, folded=fold(names), names=names))
