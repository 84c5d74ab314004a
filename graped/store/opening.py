"""What a start reads from the last run, and what it leaves on disk before anything is given out."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field, replace

from graped.core.recovery_types import BY, HOUR_S
from graped.core.state import Remembered
from graped.model import Power, SlotId
from graped.store.batch import read_marks, write_marks
from graped.store.jobs import Stored, read_cycles, read_open_jobs, write_jobs
from graped.store.marks import Ids, Mark

JOB_BLOCK = 1000
EVENT_BLOCK = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What the last run left. ``interrupted``: its open jobs, as they end."""

    remembered: Remembered = field(default_factory=Remembered)
    interrupted: tuple[Stored, ...] = ()
    cycles: dict[SlotId, tuple[float, ...]] = field(default_factory=dict)  # by recovery, unix s
    last_job: int = 0
    last_event: int = 0
    last_sample: int = 0

    def beyond(self, wall: float) -> Past:
        """The same with ids that follow the wall clock: no other run can have reached them.

        For when the disk cannot tell what was used, or cannot note what will be.
        """
        return replace(
            self,
            last_job=max(self.last_job, int(wall / 60)),
            last_event=max(self.last_event, int(wall * 1000) // EVENT_BLOCK * EVENT_BLOCK),
            last_sample=max(self.last_sample, int(wall * 100)),
        )


def read_past(connection: sqlite3.Connection, wall: float) -> Past:
    """Read what the last run left."""
    marks = read_marks(connection)
    jobs, events, samples = (
        connection.execute(f"SELECT coalesce(max(id), 0) FROM {table}").fetchone()[0]  # noqa: S608 - our own names
        for table in ("jobs", "events", "samples")
    )
    return Past(
        remembered=Remembered(
            desired=_desired(connection), ports=_ports(connection), clean_stop=marks.get(Mark.CLEAN, 1) == 1
        ),
        interrupted=tuple(job.interrupted(wall) for job in read_open_jobs(connection)),
        cycles=read_cycles(connection, BY, wall - HOUR_S),
        last_job=max(jobs, marks.get(Mark.JOBS, 0)),
        last_event=max(events, marks.get(Mark.EVENTS, 0)),
        last_sample=max(samples, marks.get(Mark.MINUTES, 0)),
    )


def begin(connection: sqlite3.Connection, past: Past, wall: float) -> None:
    """Note that a run has begun behind ``past``, reserve its ids, end what the last run left open."""
    old = read_marks(connection)
    marks = {
        Mark.CLEAN: 0,
        Mark.JOBS: max(old.get(Mark.JOBS, 0), Ids(block=JOB_BLOCK, last=past.last_job).wanted_mark()),
        Mark.EVENTS: max(old.get(Mark.EVENTS, 0), Ids(block=EVENT_BLOCK, last=past.last_event).wanted_mark()),
    }
    write_marks(connection, marks)
    write_jobs(connection, [job.interrupted(wall) for job in read_open_jobs(connection) if job.id <= past.last_job])


def _desired(connection: sqlite3.Connection) -> dict[SlotId, Power]:
    rows = connection.execute(
        "SELECT stack, slot, power FROM desired WHERE typeof(stack) = 'integer' AND typeof(slot) = 'integer'"
    )
    words = set(Power)
    return {SlotId(stack, slot): Power(power) for stack, slot, power in rows if power in words}


def _ports(connection: sqlite3.Connection) -> dict[int, int]:
    rows = connection.execute("SELECT stack, value FROM ports WHERE typeof(value) = 'integer'")
    return dict(rows.fetchall())
