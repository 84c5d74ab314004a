"""Everything that is written at once: one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from graped.config.types import Store as Settings
from graped.model import SlotId
from graped.store.buckets import (
    MINUTE_S,
    MINUTES_KEPT_DAYS,
    QUARTER_S,
    Sample,
    drop_old_buckets,
    drop_old_samples,
    roll,
    write_samples,
)
from graped.store.events import LoggedEvent, drop_old_events, write_events
from graped.store.jobs import Stored, drop_old_jobs, write_jobs
from graped.store.marks import Mark

DAY_S = 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tidy:
    """Put samples into buckets and drop a little of what is too old. ``quarters``: into those of 900 s as well."""

    now: float  # unix s
    settings: Settings
    quarters: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What goes to disk in one transaction."""

    jobs: Mapping[int, Stored] = field(default_factory=dict)
    desired: Mapping[SlotId, str] = field(default_factory=dict)
    ports: Mapping[int, int] = field(default_factory=dict)
    marks: Mapping[Mark, int] = field(default_factory=dict)
    events: Sequence[LoggedEvent] = ()
    samples: Sequence[Sample] = ()
    tidy: Tidy | None = None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to write."""
        return not (self.jobs or self.desired or self.ports or self.marks or self.events or self.samples or self.tidy)


def write_batch(connection: sqlite3.Connection, batch: Batch) -> None:
    """Write a batch inside an open transaction."""
    write_jobs(connection, batch.jobs.values())
    connection.executemany(
        "INSERT OR REPLACE INTO desired (stack, slot, power) VALUES (?, ?, ?)",
        [(*slot, str(power)) for slot, power in batch.desired.items()],
    )
    connection.executemany("INSERT OR REPLACE INTO ports (stack, value) VALUES (?, ?)", list(batch.ports.items()))
    write_marks(connection, batch.marks)
    write_events(connection, batch.events)
    write_samples(connection, batch.samples)
    if batch.tidy:
        _tidy(connection, batch.tidy)


def write_marks(connection: sqlite3.Connection, marks: Mapping[Mark, int]) -> None:
    """Set single numbers."""
    connection.executemany("INSERT OR REPLACE INTO marks (key, value) VALUES (?, ?)", list(marks.items()))


def read_marks(connection: sqlite3.Connection) -> dict[Mark, int]:
    """The single numbers that are set."""
    rows = connection.execute("SELECT key, value FROM marks")
    return {Mark(key): value for key, value in rows if key in set(Mark) and isinstance(value, int)}


def _tidy(connection: sqlite3.Connection, tidy: Tidy) -> None:
    """Small steps, because this runs every minute, between two commands."""
    marks, kept = read_marks(connection), tidy.settings
    minutes = roll(connection, "minutes", MINUTE_S, marks.get(Mark.MINUTES, 0))
    quarters = marks.get(Mark.QUARTERS, 0)
    if tidy.quarters:
        quarters = roll(connection, "quarters", QUARTER_S, quarters)
    write_marks(connection, {Mark.MINUTES: minutes, Mark.QUARTERS: quarters})
    drop_old_samples(connection, tidy.now - kept.meters_raw_hours * 3600, up_to_id=min(minutes, quarters))
    drop_old_buckets(connection, "minutes", tidy.now - min(kept.meters_days, MINUTES_KEPT_DAYS) * DAY_S)
    drop_old_buckets(connection, "quarters", tidy.now - kept.meters_days * DAY_S)
    drop_old_events(connection, tidy.now - kept.events_days * DAY_S)
    drop_old_jobs(connection)
