"""What a node says while it boots and runs."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Request, Response

from graped.api.answers import answer
from graped.api.console_types import NodeLog
from graped.api.documents import errors
from graped.api.nodesets import named
from graped.api.params import Id, Limit, WaitS
from graped.api.routes.context import BackendOf, topic
from graped.api.waiting import unless_over

router = topic("console")


@router.get("/v1/nodes/{name}/log", response_model=NodeLog, responses=errors(404))
async def log(
    request: Request, backend: BackendOf, name: Annotated[str, Path(min_length=1, max_length=253)],
    after: Id = None, limit: Limit = 100, wait_s: WaitS = 0.0,
) -> Response:  # fmt: skip
    """Tell what a node's kernel and services said: the last lines, or the first behind ``after``.

    With ``after``, ``wait_s`` waits so long at most for a line that is not there yet; not where ``why`` says that none
    can come.
    """
    (slot,) = named(backend.state, [name])
    console = backend.operations.console
    if after is not None and wait_s > 0 and not console.why:
        await unless_over(request, console.wait(slot, after, wait_s))
    return answer(NodeLog, console.log(slot, after=after, limit=limit))
