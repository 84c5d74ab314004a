"""Everyday work over SSH: commands on nodes and what they said, files to nodes."""

from __future__ import annotations

import asyncio
import base64
from typing import Annotated

from fastapi import Query, Request, Response
from starlette.requests import ClientDisconnect

from graped.api import types
from graped.api.answers import answer
from graped.api.backend import Backend
from graped.api.documents import errors
from graped.api.nodesets import targets
from graped.api.params import Id, Nodes, PathId, WaitS
from graped.api.peer import who
from graped.api.remote_bodies import Run
from graped.api.remote_types import JobResults
from graped.api.routes.context import BackendOf, topic
from graped.api.routes.long_work import ACCEPTED, accepted
from graped.api.uploading import chunks, size_bytes
from graped.api.waiting import changed, stopping
from graped.errors import NotFound, RequestError

router = topic("remote")

SETTLE_S = 0.05
PATH_PATTERN = r"^/[^\x00-\x1f\x7f]*[^/\x00-\x1f\x7f]$"
Path = Annotated[str, Query(pattern=PATH_PATTERN, max_length=1024, description="The file on each node, absolute.")]
Mode = Annotated[str, Query(pattern=r"^0?[0-7]{3}$", description="Its permissions, octal.")]

_RAW = {
    "requestBody": {
        "required": False,
        "description": "The file, of any length below the limit; nothing is an empty file.",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


@router.post(
    "/v1/run", status_code=202, response_model=types.Job, responses=ACCEPTED | errors(404, 409, body=True)
)  # fmt: skip
async def run(request: Request, backend: BackendOf, body: Run) -> Response:
    """Run a command on nodes at once, with the cluster's key. The event log has the command and who asked."""
    slots = targets(backend.state, body.nodes)
    chore = backend.operations.remote.run(
        slots, body.command, stdin=base64.b64decode(body.stdin), timeout_s=body.timeout_s, fanout=body.fanout,
        by=who(request.scope),
    )  # fmt: skip
    return accepted(backend, chore)


@router.post(
    "/v1/copy", status_code=202, response_model=types.Job, responses=ACCEPTED | errors(404, 409, body=True),
    openapi_extra=_RAW,
)  # fmt: skip
async def copy(request: Request, backend: BackendOf, nodes: Nodes, to: Path, mode: Mode = "644") -> Response:
    """Copy the body to a file of each node, there whole or not at all. Answered once all of it was taken."""
    slots = targets(backend.state, nodes)
    try:
        chore = await backend.operations.remote.copy(
            slots, to, chunks(request), size_bytes=size_bytes(request), mode=int(mode, 8), by=who(request.scope)
        )
    except ClientDisconnect:
        raise RequestError("the upload broke off", hint="Send it again; nothing was kept.") from None
    return accepted(backend, chore)


@router.get("/v1/jobs/{id}/results", response_model=JobResults, responses=errors(404))
async def results(
    request: Request, backend: BackendOf, id: PathId, after: Id = None, wait_s: WaitS = 0.0
) -> Response:  # fmt: skip
    """Tell what a command said on the nodes that ended behind number ``after``; with ``wait_s`` once there is one."""
    if id not in backend.state.chores and id not in backend.state.jobs and await backend.archive.job(id) is None:
        raise NotFound(f"there is no job {id}", hint="`grapecli jobs` lists them")
    deadline = backend.clock.monotonic() + wait_s
    while True:
        revision = backend.state.revision
        told = backend.operations.remote.results(id, after or 0)
        left = deadline - backend.clock.monotonic()
        if told.nodes or told.ended or left <= 0 or stopping(request).is_set():
            break
        if _works(backend, id):
            await changed(request, backend, revision, left)  # the end of a node is a change
        else:
            await asyncio.sleep(SETTLE_S)  # commands of a cancelled job end a moment after it
        if await request.is_disconnected():
            break
    return answer(JobResults, told)


def _works(backend: Backend, job: int) -> bool:
    chore = backend.state.chores.get(job)
    return chore is not None and chore.ended is None
