"""Power: what it is, what a request would do, and the request."""

from __future__ import annotations

from fastapi import Request, Response

from graped.api import job_views, power_views, types
from graped.api.answers import answer
from graped.api.bodies import PowerRequest
from graped.api.documents import errors
from graped.api.nodesets import resolve, targets
from graped.api.params import Nodes
from graped.api.peer import who
from graped.api.request_id import current_request_id
from graped.api.routes.context import BackendOf, topic
from graped.api.routes.long_work import ACCEPTED
from graped.model import Verb

router = topic("power")


@router.get("/v1/power", response_model=list[types.PowerGroup], responses=errors(404))
async def power(backend: BackendOf, nodes: Nodes = "@slots") -> Response:
    """Tell power folded: who is on, who is off, who is unknown and why."""
    state = backend.state
    return answer(
        tuple[types.PowerGroup, ...], power_views.groups(state, backend.clock, resolve(state, nodes))
    )  # fmt: skip


@router.post("/v1/power/plan", response_model=types.PowerPlan, responses=errors(404, 409, body=True))
async def plan(backend: BackendOf, body: PowerRequest) -> Response:
    """Lay out what a request would do, with the names it stands for now. Nothing is done."""
    state = backend.state
    slots, verb = targets(state, body.nodes), Verb(body.verb)
    steps = backend.plan_power(verb, slots, force=body.force, off_s=body.off_s)
    return answer(types.PowerPlan, power_views.plan(state, verb, slots, steps))


@router.post(
    "/v1/power", status_code=202, response_model=types.Job, responses=ACCEPTED | errors(404, 409, body=True)
)  # fmt: skip
async def switch(request: Request, backend: BackendOf, body: PowerRequest) -> Response:
    """Accept a power command as a job."""
    job = await backend.ask_power(
        Verb(body.verb),
        targets(backend.state, body.nodes),
        by=who(request.scope),
        force=body.force,
        off_s=body.off_s,
        request_id=current_request_id(),
    )
    view = job_views.job(backend.state, backend.clock, job)
    return answer(types.Job, view, status=202, headers={"Location": f"/v1/jobs/{job.id}"})
