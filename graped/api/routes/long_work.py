"""What routes of long work have in common: a job in the answer, or work that ends when its caller hangs up."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

from fastapi import Request, Response

from graped.api import job_views, types
from graped.api.answers import answer
from graped.api.backend import Backend
from graped.api.waiting import unless_over
from graped.core.chore import Chore
from graped.errors import Cancelled

T = TypeVar("T")

_LOCATION = {"Location": {"description": "The job", "schema": {"type": "string"}, "required": True}}
ACCEPTED: dict[int | str, dict[str, Any]] = {
    202: {"description": "The job is accepted; its path is in Location", "headers": _LOCATION}
}


def accepted(backend: Backend, chore: Chore) -> Response:
    """Answer with the job that a request has become."""
    headers = {"Location": f"/v1/jobs/{chore.id}"}
    return answer(types.Job, job_views.job(backend.state, backend.clock, chore), status=202, headers=headers)


async def whole(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Wait for work that is its own answer, unless the caller hangs up or graped stops."""
    result: list[T] = []

    async def run() -> None:
        result.append(await work)

    if not await unless_over(request, run()):
        raise Cancelled("nobody waits for this any more")
    return result[0]
