"""Enrolment: which board sits in which slot, MAC addresses that nobody knows, boards that took another's place."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from graped.api import enrol_types, types
from graped.api.answers import answer
from graped.api.bodies import NodeName, Nodes
from graped.api.documents import errors
from graped.api.nodesets import named, targets
from graped.api.params import PathId
from graped.api.peer import who
from graped.api.routes.context import BackendOf, topic
from graped.api.routes.long_work import ACCEPTED, accepted
from graped.core.state import State
from graped.model import SlotId

router = topic("enrol")

_STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
_ALL = re.compile(r"@all(?![\w:])")

MAC_PATTERN = r"^[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5}$"
Mac = Annotated[str, StringConstraints(pattern=MAC_PATTERN), Field(examples=["b8:27:eb:2c:c0:04"])]
MacPath = Annotated[str, Path(pattern=MAC_PATTERN, examples=["b8:27:eb:2c:c0:04"])]


class EnrolLook(BaseModel):
    """Name slots; here ``@all`` is every slot of every stack, with a node in it or not."""

    model_config = _STRICT

    nodes: Nodes


class EnrolRequest(BaseModel):
    """Enrol slots. Only the nodes of ``consent`` may be switched off; others that are on are skipped."""

    model_config = _STRICT

    nodes: Nodes
    consent: list[NodeName] = []
    dry_run: bool = False
    accept_moves: bool = False
    timeout_s: Annotated[float, Field(ge=1, le=3600)] = 60.0  # for each slot


class Approval(BaseModel):
    """Give a MAC address to a slot that has none."""

    model_config = _STRICT

    node: NodeName


class Seat(BaseModel):
    """Give a slot a MAC address, in place of the one it has."""

    model_config = _STRICT

    mac: Mac


@router.post(
    "/v1/enrol/plan", response_model=enrol_types.EnrolPlan, responses=errors(404, 409, body=True)
)  # fmt: skip
async def plan(backend: BackendOf, body: EnrolLook) -> Response:
    """Tell what would be looked at, and which nodes would be switched off for that."""
    found = await backend.operations.enrolling.plan(_slots(backend.state, body.nodes))
    return answer(enrol_types.EnrolPlan, found)


@router.post("/v1/enrol", status_code=202, response_model=types.Job, responses=ACCEPTED | errors(404, 409, body=True))
async def begin(request: Request, backend: BackendOf, body: EnrolRequest) -> Response:
    """Find out which MAC address sits in which slot: slots off, then one on at a time."""
    state = backend.state
    chore = await backend.operations.enrolling.start(
        _slots(state, body.nodes), consent=named(state, body.consent), dry_run=body.dry_run, moves=body.accept_moves,
        timeout_s=body.timeout_s, by=who(request.scope),
    )  # fmt: skip
    return accepted(backend, chore)


@router.get("/v1/enrol/{job}", response_model=enrol_types.EnrolReport, responses=errors(404))
async def report(backend: BackendOf, job: PathId) -> Response:
    """Tell what an enrolment found, as far as it is; the last ones are remembered until graped restarts."""
    return answer(enrol_types.EnrolReport, backend.operations.enrolling.report(job))


@router.post("/v1/enrol/{job}/accept", response_model=enrol_types.EnrolReport, responses=errors(404, 409))
async def accept(request: Request, backend: BackendOf, job: PathId) -> Response:
    """Write what an enrolment found: boards that were moved, too, and what a dry run found."""
    return answer(enrol_types.EnrolReport, await backend.operations.enrolling.accept(job, by=who(request.scope)))


@router.get("/v1/pending", response_model=list[enrol_types.PendingMac], responses=errors())
async def pending(backend: BackendOf, all: bool = False) -> Response:
    """List MAC addresses that asked for an address and that no slot has; with ``all`` those that were rejected, too."""
    return answer(tuple[enrol_types.PendingMac, ...], backend.operations.pending.list(all_of_them=all))


@router.post(
    "/v1/pending/{mac}/approve", response_model=enrol_types.Seated, responses=errors(404, 409, body=True)
)  # fmt: skip
async def approve(request: Request, backend: BackendOf, mac: MacPath, body: Approval) -> Response:
    """Give a MAC address that waits a slot that has none."""
    (slot,) = named(backend.state, [body.node])
    seated = await backend.operations.pending.approve(mac, slot, by=who(request.scope))
    return answer(enrol_types.Seated, seated)


@router.post("/v1/pending/{mac}/reject", response_model=enrol_types.PendingMac, responses=errors(404))
async def reject(request: Request, backend: BackendOf, mac: MacPath) -> Response:
    """Do not show a MAC address any more."""
    return answer(enrol_types.PendingMac, await backend.operations.pending.reject(mac, by=who(request.scope)))


@router.post(
    "/v1/nodes/{name}/mac", response_model=enrol_types.Seated, responses=errors(404, 409, body=True)
)  # fmt: skip
async def seat(
    request: Request, backend: BackendOf, name: Annotated[str, Path(min_length=1, max_length=253)], body: Seat
) -> Response:
    """Give a slot another board's MAC address; its name, image and address stay."""
    (slot,) = named(backend.state, [name])
    return answer(enrol_types.Seated, await backend.operations.pending.seat(body.mac, slot, by=who(request.scope)))


def _slots(state: State, nodes: str | list[str]) -> tuple[SlotId, ...]:
    """Find the slots; an enrolment of all looks at those in which nobody knows of a node, too."""
    return targets(state, _ALL.sub("@slots", nodes) if isinstance(nodes, str) else nodes)
