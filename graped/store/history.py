"""Meter history: samples wait in memory, reach the disk in batches and shrink into buckets with age.

All methods belong to the event loop's thread.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Protocol

from graped.clock import Clock
from graped.model import MeterKind, Reading
from graped.store.batch import read_marks
from graped.store.buckets import KINDS, Sample
from graped.store.lookup import Cell, Point, Span, Wanted, effective_step_ms, fold, points, read_cells
from graped.store.marks import Mark

WAITING = 10_000  # polls of stacks kept in memory while the disk cannot take them: 52 minutes of 16 stacks


class ReadDisk(Protocol):
    """Ask the disk; None when it cannot be asked."""

    def __call__(
        self, query: Callable[[sqlite3.Connection], tuple[int, list[Cell]]], /
    ) -> Awaitable[tuple[int, list[Cell]] | None]: ...


class History:
    """Keep readings and tell what they were."""

    def __init__(self, clock: Clock, read: ReadDisk, added: Callable[[], None], last_id: int = 0) -> None:
        self._clock = clock
        self._read = read
        self._added = added
        self._last_id = last_id
        self._waiting: deque[Sample] = deque(maxlen=WAITING)

    def add(self, stack: int, readings: Sequence[Reading]) -> None:
        """Keep one poll of a stack's meters; it has the time of the newest of its readings."""
        if not readings:
            return
        values = {reading.kind: reading.value for reading in readings}
        self._last_id += 1
        self._waiting.append(
            Sample(
                id=self._last_id,
                at_ms=round(self._clock.wall_of(max(reading.at for reading in readings)) * 1000),
                stack=stack,
                values=tuple(values.get(kind) for kind in KINDS),
            )
        )
        self._added()

    async def query(self, stack: int, kind: MeterKind, since: float, until: float, step_s: float) -> list[Point]:
        """A meter's points in ``[since, until)`` (unix s), oldest first, none where there is no sample.

        ``step_s``: see ``effective_step_s``. Older than the buckets of a minute (or than the samples, for smaller
        steps), points are as far apart as what is left. Raises ``StoreError`` where it takes the disk too long.
        """
        span, step_ms = Span(round(since * 1000), round(until * 1000)), effective_step_ms(step_s)
        waiting = list(self._waiting)  # before the disk: what is written meanwhile is then told apart by its id

        def ask(connection: sqlite3.Connection) -> tuple[int, list[Cell]]:
            marks = read_marks(connection)
            wanted = Wanted(
                stack=stack,
                kind=kind,
                span=span,
                step_ms=step_ms,
                minutes_to=marks.get(Mark.MINUTES, 0),
                quarters_to=marks.get(Mark.QUARTERS, 0),
            )
            newest = connection.execute("SELECT max(id) FROM samples").fetchone()[0] or 0
            return newest, fold(read_cells(connection, wanted), step_ms)  # here: the loop must not wait for it

        newest, cells = await self._read(ask) or (0, [])
        fresh = _cells_of((sample for sample in waiting if sample.id > newest), stack, kind, span)
        return points(fold([*cells, *fresh], step_ms))

    @staticmethod
    def effective_step_s(step_s: float) -> float:
        """The step that a query really uses: whole minutes from 60 s on, whole quarters of an hour from 900 s on."""
        return effective_step_ms(step_s) / 1000

    def unsaved(self) -> list[Sample]:
        """What the disk does not have yet."""
        return list(self._waiting)

    def saved(self, samples: Sequence[Sample]) -> None:
        """Forget what the disk has."""
        while samples and self._waiting and self._waiting[0].id <= samples[-1].id:
            self._waiting.popleft()


def _cells_of(samples: Iterable[Sample], stack: int, kind: MeterKind, span: Span) -> list[Cell]:
    code = KINDS.index(kind)
    return [
        Cell(sample.at_ms, 1, value, value, value)
        for sample in samples
        if sample.stack == stack
        and span.since <= sample.at_ms < span.until
        and (value := sample.values[code]) is not None
    ]
