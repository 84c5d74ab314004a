"""The event log as Server-Sent Events. Source: WHATWG HTML, "Server-sent events"."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from graped.api import types
from graped.api.answers import encoded
from graped.api.times import rfc3339
from graped.store.events import LoggedEvent

HEARTBEAT_S = 15.0
_ROOM = 500  # events read ahead of a slow caller; the journal keeps the rest
_HELLO = b": follows the event log of graped\n\n"
_ALIVE = b": alive\n\n"


def view(event: LoggedEvent) -> types.Event:
    """What the contract says of an event."""
    return types.Event(
        id=event.id,
        time=rfc3339(event.at),
        kind=event.kind,
        message=event.message,
        stack=event.stack,
        node=event.node,
        job=event.job,
        fields=event.fields,
    )


def framed(event: LoggedEvent) -> bytes:
    """Write one event. A gap has its id too: the caller goes on behind it."""
    data = encoded(types.Event, view(event))
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (event.id, event.kind.encode(), data)


class EventStream(Response):
    """Send events in as few pieces as the caller can take, until it hangs up or graped stops."""

    media_type = "text/event-stream"

    def __init__(
        self, events: AsyncIterator[LoggedEvent], stopping: asyncio.Event, heartbeat_s: float | None = None
    ) -> None:
        super().__init__(headers={"cache-control": "no-store", "x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._events = events
        self._stopping = stopping
        self._heartbeat_s = heartbeat_s or HEARTBEAT_S
        self._ready: list[bytes] = []
        self._more = asyncio.Event()  # something is ready
        self._room = asyncio.Event()  # the caller keeps up

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": _HELLO, "more_body": True})
        reading = asyncio.create_task(self._read())
        ends = (_hung_up(receive), self._stopping.wait())
        over: list[asyncio.Task[Any]] = [*map(asyncio.create_task, ends), reading]
        try:
            await self._write(send, over)
            if reading.done():
                reading.result()
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            for task in over:
                task.cancel()
            await asyncio.gather(*over, return_exceptions=True)

    async def _read(self) -> None:
        """Take events from the journal while there is room for them."""
        async for event in self._events:
            self._ready.append(framed(event))
            self._more.set()
            if len(self._ready) >= _ROOM:
                self._room.clear()
                await self._room.wait()

    async def _write(self, send: Send, over: list[asyncio.Task[Any]]) -> None:
        """Send whatever is ready as one piece; a comment when nothing is for long."""
        while not any(task.done() for task in over) or self._ready:
            body = b"".join(self._ready)
            self._ready.clear()
            self._more.clear()
            self._room.set()
            if body:
                await send({"type": "http.response.body", "body": body, "more_body": True})
                if any(task.done() for task in over[:2]):
                    return
                continue
            more = asyncio.create_task(self._more.wait())
            done, _ = await asyncio.wait((more, *over), timeout=self._heartbeat_s, return_when=asyncio.FIRST_COMPLETED)
            more.cancel()
            if not done:
                await send({"type": "http.response.body", "body": _ALIVE, "more_body": True})


async def _hung_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
