"""Lifecycle guards: clients that are asked before nodes lose power."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Request, Response

from graped.api import guard_views, types
from graped.api.answers import answer
from graped.api.backend import Backend
from graped.api.bodies import ClientName, GuardRegistration, GuardWord
from graped.api.documents import errors
from graped.api.nodesets import named, resolve
from graped.api.peer import who
from graped.api.routes.context import BackendOf, topic
from graped.core.events import GuardRegistered, GuardReleased, GuardRemoved, GuardTold

Name = Annotated[ClientName, Path()]
router = topic("guards")


@router.get("/v1/guards", response_model=list[types.Guard], responses=errors())
async def guards(backend: BackendOf) -> Response:
    """List guards by name, and what they hold."""
    return answer(tuple[types.Guard, ...], guard_views.guards(backend.state, backend.clock))


@router.post("/v1/guards", response_model=types.Guard, responses=errors(404, 409, body=True))
async def register(request: Request, backend: BackendOf, body: GuardRegistration) -> Response:
    """Register a guard, or renew it: its lease begins anew, with these nodes. What it holds of them it goes on holding.

    Guards are in memory alone: after a restart of graped they have to be registered again.
    """
    state = backend.state
    slots = () if not body.nodes else resolve(state, body.nodes) if isinstance(body.nodes, str) else named(
        state, body.nodes
    )  # fmt: skip
    backend.guard(
        GuardRegistered(name=body.name, slots=frozenset(slots), lease_s=body.lease_s, by=who(request.scope))
    )  # fmt: skip
    return _told(backend, body.name)


@router.post("/v1/guards/{name}/tell", response_model=types.Guard, responses=errors(404, 409, body=True))
async def tell(backend: BackendOf, name: Name, body: GuardWord) -> Response:
    """Say what is being done for a node that this guard holds; whoever waits for the job sees it."""
    (slot,) = named(backend.state, [body.node])
    backend.guard(GuardTold(name=name, job=body.job, slot=slot, note=body.note))
    return _told(backend, name)


@router.post("/v1/guards/{name}/release", response_model=types.Guard, responses=errors(404, 409, body=True))
async def release(backend: BackendOf, name: Name, body: GuardWord) -> Response:
    """Let a node go: it loses power once no other guard holds it."""
    (slot,) = named(backend.state, [body.node])
    backend.guard(GuardReleased(name=name, job=body.job, slot=slot, note=body.note))
    return _told(backend, name)


@router.delete("/v1/guards/{name}", response_model=types.Guard, responses=errors(404))
async def remove(request: Request, backend: BackendOf, name: Name) -> Response:
    """Remove a guard, and let go of all it holds; the answer is what is gone."""
    before = backend.state
    backend.guard(GuardRemoved(name=name, by=who(request.scope)))
    return answer(types.Guard, guard_views.guard(before, backend.clock, before.guards[name]))


def _told(backend: Backend, name: str) -> Response:
    state = backend.state
    return answer(types.Guard, guard_views.guard(state, backend.clock, state.guards[name]))
