"""The event log: seen at once in memory, written to disk in batches, followed by whoever wants to know.

A follower is a place in the log, not a queue: it takes the next events from memory, or from disk when it is slow. So
it costs nothing while it waits. What is in neither any more (the disk was full, or the days are over) is told to it
as one line of the kind ``journal.gap``.

All methods belong to the event loop's thread.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from itertools import takewhile
from typing import Protocol

from graped.clock import Clock
from graped.store.events import GAP, LoggedEvent, read_events
from graped.store.marks import Ids

RING = 2000  # events in memory, about 1 KB each
PAGE = 200  # events a follower takes at once


class ReadEvents(Protocol):
    """Ask the disk; None when it cannot be asked."""

    def __call__(
        self, query: Callable[[sqlite3.Connection], list[LoggedEvent]], /
    ) -> Awaitable[list[LoggedEvent] | None]: ...


class Journal:
    """Append, read and follow events."""

    def __init__(
        self, clock: Clock, ids: Ids, read: ReadEvents, appended: Callable[[], None], ring: int = RING
    ) -> None:
        self._clock = clock
        self._ids = ids
        self._read = read
        self._appended = appended
        self._ring: deque[LoggedEvent] = deque()
        self._size = ring
        self._start = ids.last  # what is newer was appended by this run
        self._saved = ids.last  # what is not newer is on disk
        self._lost = 0  # the highest id that is in neither place any more
        self._closed = False
        self._more = asyncio.Event()

    @property
    def last_id(self) -> int:
        """The newest event's id; an id nobody has is fine for ``after``."""
        return self._ring[-1].id if self._ring else self._start

    def append(
        self,
        kind: str,
        message: str,
        *,
        stack: int | None = None,
        node: str | None = None,
        job: int | None = None,
        fields: Mapping[str, object] | None = None,
    ) -> LoggedEvent:
        """Add an event: it can be read and followed at once, and is on disk soon."""
        event = LoggedEvent(
            id=self._ids.next(),
            at=self._clock.wall(),
            kind=kind,
            message=message,
            stack=stack,
            node=node,
            job=job,
            fields=dict(fields or {}),
        )
        self._ring.append(event)
        if len(self._ring) > self._size:
            self._ring.popleft()
        self._wake()
        self._appended()
        return event

    async def after(self, after_id: int, limit: int = 100, kind: str | None = None) -> list[LoggedEvent]:
        """The first events newer than an id, oldest first; a ``journal.gap`` stands for lost ones."""
        if after_id == self.last_id:
            return []
        if after_id > self.last_id:
            return [self._gap(self._start, f"event {after_id} is not of this log; it goes on from here")]
        recent = self._in_memory(after_id, limit, kind)
        if self._ring and after_id >= self._ring[0].id - 1:
            return recent
        return await self._from_disk_on(after_id, limit, kind, recent)

    async def latest(self, limit: int = 100, before: int | None = None, kind: str | None = None) -> list[LoggedEvent]:
        """The last events (below an id), oldest first."""
        end = self.last_id + 1 if before is None else before
        recent = [event for event in self._ring if event.id < end and event.is_of(kind)][-limit:]
        missing = limit - len(recent)
        if missing <= 0:
            return recent
        oldest = min(end, self._ring[0].id if self._ring else end)
        older = await self._read(lambda c: read_events(c, before=oldest, kind=kind, limit=missing))
        return [*(older or ()), *recent]

    async def subscribe(self, after_id: int | None = None, kind: str | None = None) -> AsyncIterator[LoggedEvent]:
        """Replay what is newer than an id (None: nothing), then follow until the journal is closed."""
        place = self.last_id if after_id is None else after_id
        while True:
            more, newest = self._more, self.last_id  # before reading: what comes meanwhile sets this one
            page = await self.after(place, PAGE)
            for event in page:
                if event.is_of(kind) or event.kind == GAP:
                    yield event
            place = page[-1].id if page else newest
            if place < self.last_id:
                continue
            if self._closed:
                return
            await more.wait()

    def unsaved(self) -> list[LoggedEvent]:
        """What the disk does not have yet."""
        return self._in_memory(self._saved, self._size, None)

    def saved(self, events: Sequence[LoggedEvent]) -> None:
        """Note that the disk has these."""
        if not events or events[-1].id <= self._saved:
            return
        if events[0].id > self._saved + 1:  # ids of one run have no holes: these left memory too early
            self._lost = events[0].id - 1
        self._saved = events[-1].id

    def forget_saved(self) -> None:
        """The disk lost everything: what memory still has is written again."""
        self._saved = 0

    def close(self) -> None:
        """End every follower after what there is."""
        self._closed = True
        self._wake()

    async def _from_disk_on(
        self, after_id: int, limit: int, kind: str | None, recent: list[LoggedEvent]
    ) -> list[LoggedEvent]:
        """From disk up to where memory began, then what memory had."""
        edge = self._ring[0].id if self._ring else self.last_id + 1
        older = await self._read(lambda c: read_events(c, after=after_id, before=edge, kind=kind, limit=limit))
        unreadable = older is None or (bool(self._ring) and edge - 1 > self._saved)
        lost = edge - 1 if unreadable else self._lost
        found = [*(older or ()), *recent][:limit]
        if after_id >= lost or (len(found) == limit and found[-1].id < lost):
            return found
        gap = self._gap(lost, "events up to here could not be kept")
        return [*(e for e in found if e.id <= lost), gap, *(e for e in found if e.id > lost)][:limit]

    def _in_memory(self, after_id: int, limit: int, kind: str | None) -> list[LoggedEvent]:
        newer = list(takewhile(lambda event: event.id > after_id, reversed(self._ring)))  # a follower is near the end
        newer.reverse()
        return [event for event in newer if event.is_of(kind)][:limit]

    def _gap(self, last_lost: int, message: str) -> LoggedEvent:
        return LoggedEvent(id=last_lost, at=self._clock.wall(), kind=GAP, message=message)

    def _wake(self) -> None:
        self._more.set()
        if not self._closed:
            self._more = asyncio.Event()
