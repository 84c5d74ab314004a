"""The event log: pages of it, and the stream."""

from __future__ import annotations

from fastapi import Request, Response

from graped.api import types
from graped.api.answers import answer
from graped.api.documents import errors
from graped.api.params import EventKind, Id, Limit
from graped.api.routes.context import BackendOf, topic
from graped.api.stream import EventStream, view
from graped.errors import RequestError

router = topic("events")


@router.get("/v1/events", response_model=list[types.Event], responses=errors())
async def events(
    backend: BackendOf, after: Id = None, before: Id = None, limit: Limit = 100, kind: EventKind = None
) -> Response:
    """List events, oldest first: the last ones (``before`` an id), or the first ``after`` an id."""
    if after is None:
        found = await backend.journal.latest(limit, before, kind)
    else:
        found = await backend.journal.after(after, limit, kind)
        found = [one for one in found if before is None or one.id < before]
    return answer(tuple[types.Event, ...], tuple(map(view, found)))


@router.get("/v1/events/stream", include_in_schema=False)
async def stream(request: Request, backend: BackendOf, after: Id = None, kind: EventKind = None) -> Response:
    """Follow the event log; goes on after ``Last-Event-ID`` or ``after``, else with what is new."""
    resume = request.headers.get("last-event-id", "").strip()
    if resume:
        if not (resume.isascii() and resume.isdigit() and len(resume) <= 16):
            raise RequestError(f"not an event id: {resume[:40]!r}", hint="Last-Event-ID is an id this stream sent")
        after = int(resume)
    return EventStream(backend.journal.subscribe(after, kind), request.app.state.stopping)
