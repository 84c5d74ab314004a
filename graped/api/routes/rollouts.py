"""Rollouts and reboots: nodes that go to another image, or through a reboot, wave after wave."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge, Le
from fastapi import Request, Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from graped.api import rollout_types, types
from graped.api.answers import answer
from graped.api.bodies import Nodes
from graped.api.documents import errors
from graped.api.netboot_bodies import ImageRef
from graped.api.nodesets import targets
from graped.api.params import PathId
from graped.api.peer import who
from graped.api.routes.context import BackendOf, topic
from graped.api.routes.long_work import ACCEPTED, accepted
from graped.core.rollout_types import Orders, WhenOff

router = topic("rollouts")

_STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
_BOTH = errors(404, 409, body=True)


def _whole(value: object) -> object:
    """Take 4.0 for 4: JSON knows one kind of number."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Some = Annotated[int, Ge(1), Le(1000), BeforeValidator(_whole)]
Few = Annotated[int, Ge(0), Le(1000), BeforeValidator(_whole)]
Health = Annotated[str, StringConstraints(max_length=4096, pattern=r"^[^\x00-\x1f\x7f]*$"), Field(examples=["true"])]
Seconds = Annotated[float, Field(ge=1, le=3600)]


class RolloutRequest(BaseModel):
    """Move nodes to an image: ``canary`` of them first, then ``wave`` at a time; each has to pass ``health`` ("")."""

    model_config = _STRICT

    image: ImageRef
    nodes: Nodes
    canary: Few = 1
    wave: Some = 4
    health: Health = ""
    health_s: Seconds = 30.0
    when_off: Literal["skip", "move"] = "skip"

    def orders(self) -> Orders:
        """Say it as the core does."""
        return Orders(
            image=self.image, canary=self.canary, wave=self.wave, health=self.health, health_s=self.health_s,
            when_off=WhenOff(self.when_off),
        )  # fmt: skip


class RebootRequest(BaseModel):
    """Reboot nodes, ``rolling`` at a time (null: all at once), until ``failures`` of them failed."""

    model_config = _STRICT

    nodes: Nodes
    rolling: Some | None = None
    failures: Some = 1
    health: Health = ""
    health_s: Seconds = 30.0

    def orders(self) -> Orders:
        """Say it as the core does."""
        size = self.rolling or 1_000_000
        return Orders(wave=size, failures=self.failures, health=self.health, health_s=self.health_s)


@router.post("/v1/images/rollout/plan", response_model=rollout_types.RolloutPlan, responses=_BOTH)
async def plan_rollout(backend: BackendOf, body: RolloutRequest) -> Response:
    """Lay out the waves of a rollout. Nothing is done."""
    found = await backend.operations.rollouts.plan(targets(backend.state, body.nodes), body.orders())
    return answer(rollout_types.RolloutPlan, found)


@router.post("/v1/images/rollout", status_code=202, response_model=types.Job, responses=ACCEPTED | _BOTH)
async def rollout(request: Request, backend: BackendOf, body: RolloutRequest) -> Response:
    """Move nodes to an image, wave after wave; a wave with a failure goes back to its former roots, and all stops.

    The id of the job is the rollout's. A cancel of the job lets the wave that has begun end, and begins none.
    """
    slots = targets(backend.state, body.nodes)
    return accepted(backend, await backend.operations.rollouts.begin(slots, body.orders(), by=who(request.scope)))


@router.post("/v1/reboot/plan", response_model=rollout_types.RolloutPlan, responses=_BOTH)
async def plan_reboot(backend: BackendOf, body: RebootRequest) -> Response:
    """Lay out the waves of a reboot. Nothing is done."""
    found = await backend.operations.rollouts.plan(targets(backend.state, body.nodes), body.orders())
    return answer(rollout_types.RolloutPlan, found)


@router.post("/v1/reboot", status_code=202, response_model=types.Job, responses=ACCEPTED | _BOTH)
async def reboot(request: Request, backend: BackendOf, body: RebootRequest) -> Response:
    """Cycle the power of nodes, through guards and soft-off, until each is up again with another boot."""
    slots = targets(backend.state, body.nodes)
    return accepted(backend, await backend.operations.rollouts.begin(slots, body.orders(), by=who(request.scope)))


@router.get("/v1/rollouts", response_model=list[rollout_types.Rollout], responses=errors())
async def rollouts(backend: BackendOf) -> Response:
    """List rollouts and reboots, the newest last."""
    return answer(tuple[rollout_types.Rollout, ...], await backend.operations.rollouts.all())


@router.get("/v1/rollouts/{id}", response_model=rollout_types.Rollout, responses=errors(404))
async def one(backend: BackendOf, id: PathId) -> Response:
    """Show a rollout or a reboot, by its id or by a job that drives it."""
    return answer(rollout_types.Rollout, await backend.operations.rollouts.one(id))


@router.post(
    "/v1/rollouts/{id}/resume", status_code=202, response_model=types.Job, responses=ACCEPTED | errors(404, 409)
)
async def resume(request: Request, backend: BackendOf, id: PathId) -> Response:
    """Go on with one that was interrupted or cancelled: nodes in the middle are looked at first."""
    return accepted(backend, await backend.operations.rollouts.resume(id, by=who(request.scope)))
