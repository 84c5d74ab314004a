"""Events as rows."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field

GAP = "journal.gap"  # the kind of the line that stands for lost ones

_COLUMNS = "id, at, kind, message, stack, node, job, fields"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedEvent:
    """One line of the event log. ``at`` is unix seconds; ids grow and are never used twice."""

    id: int
    at: float
    kind: str
    message: str
    stack: int | None = None
    node: str | None = None
    job: int | None = None
    fields: dict[str, object] = field(default_factory=dict)

    def is_of(self, kind: str | None) -> bool:
        """Whether it is of this kind or family: ``power`` has ``power.changed``; None has all."""
        return kind is None or self.kind == kind or self.kind.startswith(f"{kind}.")


def write_events(connection: sqlite3.Connection, events: Iterable[LoggedEvent]) -> None:
    """Append events; one that is there already stays as it is."""
    connection.executemany(
        f"INSERT OR IGNORE INTO events ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
        [
            (
                e.id,
                e.at,
                e.kind,
                e.message,
                e.stack,
                e.node,
                e.job,
                json.dumps(e.fields, default=str) if e.fields else None,
            )
            for e in events
        ],
    )


def read_events(
    connection: sqlite3.Connection,
    *,
    after: int | None = None,
    before: int | None = None,
    kind: str | None = None,
    limit: int,
) -> list[LoggedEvent]:
    """Events between two ids, oldest first: the first ones where ``after`` is given, else the last ones."""
    order = "DESC" if after is None else "ASC"
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM events WHERE id > ?1 AND id < ?2 "  # noqa: S608 - fixed texts
        "AND (?3 IS NULL OR kind = ?3 OR substr(kind, 1, length(?3) + 1) = ?3 || '.') "
        f"ORDER BY id {order} LIMIT ?4",
        (-1 if after is None else after, 2**62 if before is None else before, kind, limit),
    ).fetchall()
    return [_event_of(row) for row in (rows[::-1] if after is None else rows)]


def drop_old_events(connection: sqlite3.Connection, before_at: float, at_most: int = 500) -> None:
    """Drop a few of the oldest events that are older than a moment (unix s)."""
    connection.execute(
        "DELETE FROM events WHERE id IN (SELECT id FROM (SELECT id, at FROM events ORDER BY id LIMIT ?) WHERE at < ?)",
        (at_most, before_at),
    )


def _event_of(row: tuple[object, ...]) -> LoggedEvent:
    id_, at, kind, message, stack, node, job, fields = row
    return LoggedEvent(
        id=id_ if isinstance(id_, int) else 0,
        at=float(at) if isinstance(at, int | float) else 0.0,
        kind=str(kind),
        message=str(message),
        stack=stack if isinstance(stack, int) else None,
        node=None if node is None else str(node),
        job=job if isinstance(job, int) else None,
        fields=_fields_of(fields),
    )


def _fields_of(text: object) -> dict[str, object]:
    if text is None:
        return {}
    try:
        fields = json.loads(str(text))
    except ValueError:
        return {}
    return fields if isinstance(fields, dict) else {}
