"""Waiting in a request: until something happens, time runs out, the caller hangs up, or graped stops."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from fastapi import Request

from graped.api.backend import Backend
from graped.core.state import State


async def changed(request: Request, backend: Backend, revision: int, timeout_s: float) -> State:
    """Wait until the revision differs, at most so long; return the state then."""
    if timeout_s > 0 and backend.state.revision == revision:
        await unless_over(request, backend.changed(revision, timeout_s))
    return backend.state


async def unless_over(request: Request, work: Coroutine[Any, Any, object]) -> bool:
    """Run ``work`` to its end, unless the caller hangs up or graped stops: then cancel it and return False."""
    task = asyncio.ensure_future(work)
    over = [asyncio.ensure_future(_hung_up(request)), asyncio.ensure_future(stopping(request).wait())]
    try:
        await asyncio.wait((task, *over), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            return False
        task.result()
        return True
    finally:
        for one in (task, *over):
            one.cancel()
        await asyncio.gather(task, *over, return_exceptions=True)


def stopping(request: Request) -> asyncio.Event:
    """The event that ends long polls and streams."""
    event: asyncio.Event = request.app.state.stopping
    return event


async def _hung_up(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
