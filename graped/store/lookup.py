"""Look up a meter's history: the finest tables that are needed and still there, folded into points."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from graped.model import MeterKind
from graped.store.buckets import KINDS, MINUTE_S, QUARTER_S

_NEVER_MS = 1 << 62
_LOOKUPS = 200_000  # a year of quarters of an hour has 35,000


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """Samples of ``[at, at + step)``: ``at`` is unix seconds, the values are in the milli-unit of their kind."""

    at: float
    mean: int
    least: int
    most: int
    count: int


@dataclass(frozen=True, slots=True)
class Cell:
    """Samples folded into one, or one sample: from ``at_ms`` on, how many, their sum and their ends."""

    at_ms: int
    count: int
    sum: int
    least: int
    most: int


_EMPTY = Cell(0, 0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Span:
    """Unix milliseconds ``[since, until)``."""

    since: int
    until: int

    def cut(self, *, since: int = 0, until: int = _NEVER_MS) -> Span:
        """The part of it that also lies in another span."""
        return Span(max(self.since, since), min(self.until, until))


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One question. ``minutes_to`` and ``quarters_to``: the newest samples that are in buckets of that width."""

    stack: int
    kind: MeterKind
    span: Span
    step_ms: int
    minutes_to: int = 0
    quarters_to: int = 0


def read_cells(connection: sqlite3.Connection, wanted: Wanted) -> Iterator[Cell]:
    """What the disk knows; no sample is in two cells. Where the wanted table ends, the next coarser one goes on."""
    span, step_s = wanted.span, wanted.step_ms / 1000
    if step_s >= QUARTER_S:
        yield from _buckets(connection, "quarters", wanted, span)
        yield from _samples(connection, wanted, span, after_id=wanted.quarters_to)
        return
    minutes = _edge_ms(connection, "SELECT min(at) * 1000 FROM minutes", QUARTER_S)
    if step_s >= MINUTE_S:
        yield from _buckets(connection, "quarters", wanted, span.cut(until=minutes))
        yield from _buckets(connection, "minutes", wanted, span.cut(since=minutes))
        yield from _samples(connection, wanted, span, after_id=wanted.minutes_to)
        return
    samples = _edge_ms(connection, "SELECT min(at) FROM samples", MINUTE_S)
    yield from _buckets(connection, "quarters", wanted, span.cut(until=min(minutes, samples)))
    yield from _buckets(connection, "minutes", wanted, span.cut(since=minutes, until=samples))
    yield from _samples(connection, wanted, span.cut(until=samples), after_id=wanted.minutes_to)
    yield from _samples(connection, wanted, span.cut(since=samples), after_id=-1)


def effective_step_ms(step_s: float) -> int:
    """The step that is really used: buckets are not split, so 100 s becomes 120 s. At least 1 ms: each sample."""
    step_ms = max(1, round(step_s * 1000))
    for width_s in (QUARTER_S, MINUTE_S):
        if step_ms >= width_s * 1000:
            return -(-step_ms // (width_s * 1000)) * width_s * 1000
    return step_ms


def fold(cells: Iterable[Cell], step_ms: int) -> list[Cell]:
    """Fold cells into one for each step that has any, oldest first."""
    steps: dict[int, Cell] = {}
    for cell in cells:
        start = cell.at_ms // step_ms * step_ms
        old = steps.get(start, _EMPTY)
        steps[start] = Cell(
            start,
            old.count + cell.count,
            old.sum + cell.sum,
            min(old.least, cell.least) if old.count else cell.least,
            max(old.most, cell.most) if old.count else cell.most,
        )
    return [steps[start] for start in sorted(steps)]


def points(cells: Iterable[Cell]) -> list[Point]:
    """Turn folded cells into points; means are rounded half up."""
    return [
        Point(
            at=cell.at_ms / 1000,
            mean=(2 * cell.sum + cell.count) // (2 * cell.count),
            least=cell.least,
            most=cell.most,
            count=cell.count,
        )
        for cell in cells
    ]


def _buckets(connection: sqlite3.Connection, table: str, wanted: Wanted, span: Span) -> Iterator[Cell]:
    """Ask for each bucket by its full key: with 64 meters side by side a scan would read 64 times as much."""
    width_s = MINUTE_S if table == "minutes" else QUARTER_S
    ends = connection.execute(f"SELECT min(at), max(at) FROM {table}").fetchone()  # noqa: S608 - our own names
    if ends[0] is None:
        return iter(())
    first = max(-(-span.since // (width_s * 1000)) * width_s, ends[0])
    end = min(-(-span.until // 1000), ends[1] + 1)
    columns = "at * 1000, count, sum, least, most"
    if (end - first) // width_s > _LOOKUPS:  # a wrong clock left rows of another age
        query = f"SELECT {columns} FROM {table} WHERE at >= ?1 AND at < ?2 AND stack = ?3 AND kind = ?4"  # noqa: S608
    else:
        query = (
            f"WITH RECURSIVE starts(start) AS (SELECT ?1 WHERE ?1 < ?2 UNION ALL "  # noqa: S608
            f"SELECT start + {width_s:d} FROM starts WHERE start + {width_s:d} < ?2) "
            f"SELECT {columns} FROM starts CROSS JOIN {table} ON at = start AND stack = ?3 AND kind = ?4"
        )
    rows = connection.execute(query, (first, end, wanted.stack, KINDS.index(wanted.kind)))
    return (Cell(*row) for row in rows)


def _samples(connection: sqlite3.Connection, wanted: Wanted, span: Span, after_id: int) -> Iterator[Cell]:
    column = wanted.kind.value
    # A plus keeps SQLite from that index: the newest are found by id, any others by time.
    by_id, by_time = ("", "+") if after_id >= 0 else ("+", "")
    rows = connection.execute(
        f"SELECT at, 1, {column}, {column}, {column} FROM samples "  # noqa: S608 - our own names
        f"WHERE {by_time}at >= ? AND {by_time}at < ? AND {by_id}id > ? AND stack = ? AND {column} IS NOT NULL",
        (span.since, span.until, after_id, wanted.stack),
    )
    return (Cell(*row) for row in rows)


def _edge_ms(connection: sqlite3.Connection, query: str, width_s: int) -> int:
    """Where a table begins, in whole buckets of the next coarser table: no part of such a bucket is ever dropped."""
    oldest_ms = connection.execute(query).fetchone()[0]
    return _NEVER_MS if oldest_ms is None else int(oldest_ms // (width_s * 1000) * width_s * 1000)
