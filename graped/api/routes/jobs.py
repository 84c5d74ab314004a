"""Jobs, power commands and long work alike: list, show, wait for, cancel."""

from __future__ import annotations

from typing import Literal

from fastapi import Request, Response

from graped.api import job_views, types
from graped.api.answers import answer
from graped.api.backend import Backend
from graped.api.documents import errors
from graped.api.params import Flag, Id, Limit, PathId, Version, WaitS
from graped.api.peer import who
from graped.api.routes.context import BackendOf, topic
from graped.api.waiting import changed, stopping
from graped.core.chore import Chore
from graped.core.jobs import Job
from graped.core.state import State
from graped.errors import Conflict, NotFound
from graped.store.jobs import Stored

router = topic("jobs")


@router.get("/v1/jobs", response_model=list[types.Job], responses=errors())
async def jobs(backend: BackendOf, limit: Limit = 50, before: Id = None, open: Flag = False) -> Response:
    """List jobs, newest first; ``before`` an id goes back in time, ``open`` leaves out what has ended."""
    state = backend.state
    all_jobs: dict[int, Job | Chore] = {**state.jobs, **state.chores}
    found: dict[int, Job | Chore | Stored] = {
        number: job
        for number, job in all_jobs.items()
        if (before is None or number < before) and not (open and job.ended is not None)
    }
    if not open and len(found) < limit:
        for old in await backend.archive.jobs(limit, before):
            found.setdefault(old.id, old)
    newest = sorted(found, reverse=True)[:limit]
    told = tuple(job_views.job(state, backend.clock, found[number]) for number in newest)
    return answer(tuple[types.Job, ...], told)


@router.get("/v1/jobs/{id}", response_model=types.Job, responses=errors(404))
async def job(
    request: Request,
    backend: BackendOf,
    id: PathId,
    wait_s: WaitS = 0.0,
    until: Literal["changed", "ended"] = "changed",
    differs_from: Version = None,
) -> Response:
    """Show a job; with ``wait_s`` once it has changed or ended.

    A change is one against ``differs_from`` (the ``version`` of the job that the caller has), else against now.
    """
    view = await _view(backend, id)
    known = view.version if differs_from is None else differs_from
    deadline = backend.clock.monotonic() + wait_s
    while view.ended is None and not stopping(request).is_set():
        left = deadline - backend.clock.monotonic()
        if left <= 0 or (until == "changed" and view.version != known):
            break
        state = await changed(request, backend, backend.state.revision, left)
        if _known(state, id) is None or await request.is_disconnected():
            break
        view = await _view(backend, id)
    return answer(types.Job, view)


@router.get("/v1/jobs/{id}/output", response_model=types.JobOutput, responses=errors(404))
async def output(
    request: Request, backend: BackendOf, id: PathId, after: Id = None, wait_s: WaitS = 0.0
) -> Response:  # fmt: skip
    """Tell what a job's command has written behind line ``after``; with ``wait_s`` once there is some, or it ended."""
    deadline = backend.clock.monotonic() + wait_s
    while True:
        told = _output(backend, await _view(backend, id), after or 0)
        left = deadline - backend.clock.monotonic()
        if told.lines or told.ended or left <= 0 or stopping(request).is_set():
            break
        await changed(request, backend, backend.state.revision, left)  # a line is progress, which is a change
        if await request.is_disconnected():
            break
    return answer(types.JobOutput, told)


@router.post("/v1/jobs/{id}/cancel", response_model=types.Job, responses=errors(404, 409))
async def cancel(request: Request, backend: BackendOf, id: PathId) -> Response:
    """Cancel what of a job still waits; long work ends a little later, a byte on its way to a port goes on."""
    if _known(backend.state, id) is None:
        old = await _view(backend, id)
        raise Conflict(f"job {id} has ended: {old.outcome}")
    return answer(
        types.Job, job_views.job(backend.state, backend.clock, await backend.cancel(id, by=who(request.scope)))
    )


async def _view(backend: Backend, number: int) -> types.Job:
    job = _known(backend.state, number) or await backend.archive.job(number)
    if job is None:
        raise NotFound(f"there is no job {number}", hint="`grapecli jobs` lists them")
    return job_views.job(backend.state, backend.clock, job)


def _output(backend: Backend, job: types.Job, after: int) -> types.JobOutput:
    lines, last = ((), 0) if backend.provision is None else backend.provision.output(job.id, after)
    left_out = max(0, last - after - len(lines))
    return types.JobOutput(lines=tuple(lines), last=last, left_out=left_out, ended=job.ended is not None)


def _known(state: State, number: int) -> Job | Chore | None:
    return state.jobs.get(number) or state.chores.get(number)
