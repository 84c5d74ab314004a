"""Jobs as they are kept: wall-clock times, and only what is told about a job that is over."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, replace

from graped.clock import Clock
from graped.core.jobs import Job, Outcome, Result, Step
from graped.model import SlotId, Verb
from graped.store.chores import StoredChore, from_json, to_json

log = logging.getLogger(__name__)

KEPT_JOBS = 1000  # ended jobs that are kept

_COLUMNS = "id, verb, by, asked, ended, outcome, force, off_s, request_id, tasks, chore"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTask:
    """One slot of a stored job."""

    slot: SlotId
    step: Step
    result: Result | None
    reason: str
    way: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredJob:
    """A job with its times as unix seconds."""

    id: int
    verb: Verb
    by: str
    asked: float
    ended: float | None
    outcome: Outcome
    force: bool
    off_s: float | None
    request_id: str
    tasks: tuple[StoredTask, ...]

    def interrupted(self, at: float) -> StoredJob:
        """The job as it ends when graped stopped in the middle of it."""
        tasks = tuple(
            task if task.result else replace(task, step=Step.ENDED, result=Result.INTERRUPTED) for task in self.tasks
        )
        return replace(self, ended=at, outcome=Outcome.INTERRUPTED, tasks=tasks)


Stored = StoredJob | StoredChore


def stored(job: Job, clock: Clock) -> StoredJob:
    """Turn a job of the core into one to keep."""
    return StoredJob(
        id=job.id,
        verb=job.verb,
        by=job.by,
        asked=clock.wall_of(job.asked),
        ended=None if job.ended is None else clock.wall_of(job.ended),
        outcome=job.outcome,
        force=job.force,
        off_s=job.off_s,
        request_id=job.request_id,
        tasks=tuple(
            StoredTask(slot=slot, step=task.step, result=task.result, reason=task.reason, way=task.way)
            for slot, task in sorted(job.tasks.items())
        ),
    )


def write_jobs(connection: sqlite3.Connection, jobs: Iterable[Stored]) -> None:
    """Insert or replace jobs."""
    connection.executemany(
        f"INSERT OR REPLACE INTO jobs ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
        [_row_of(job) for job in jobs],
    )


def read_job(connection: sqlite3.Connection, job: int) -> Stored | None:
    """One job, None where there is none."""
    found = _select(connection, "WHERE id = ?", job)
    return found[0] if found else None


def read_jobs(connection: sqlite3.Connection, limit: int, before: int | None = None) -> list[Stored]:
    """The newest jobs (below an id), newest first."""
    if before is None:
        return _select(connection, "ORDER BY id DESC LIMIT ?", limit)
    return _select(connection, "WHERE id < ? ORDER BY id DESC LIMIT ?", before, limit)


def read_open_jobs(connection: sqlite3.Connection) -> list[Stored]:
    """Every job without an end."""
    return _select(connection, "WHERE ended IS NULL ORDER BY id")


def read_cycles(connection: sqlite3.Connection, by: str, since: float) -> dict[SlotId, tuple[float, ...]]:
    """When slots were cycled by somebody since a time (unix seconds; a clock that went back counts as now)."""
    found: dict[SlotId, tuple[float, ...]] = {}
    for job in _select(connection, "WHERE by = ? AND verb = ? AND asked > ? ORDER BY id", by, Verb.CYCLE, since):
        if isinstance(job, StoredJob):
            for task in job.tasks:
                found[task.slot] = (*found.get(task.slot, ()), job.asked)
    return found


def drop_old_jobs(connection: sqlite3.Connection, kept: int = KEPT_JOBS) -> None:
    """Keep the newest ended jobs, and all open ones."""
    connection.execute(
        "DELETE FROM jobs WHERE ended IS NOT NULL AND id <= "
        "(SELECT id FROM jobs WHERE ended IS NOT NULL ORDER BY id DESC LIMIT 1 OFFSET ?)",
        (kept,),
    )


def _select(connection: sqlite3.Connection, condition: str, *values: object) -> list[Stored]:
    rows = connection.execute(f"SELECT {_COLUMNS} FROM jobs {condition}", values)  # noqa: S608 - fixed texts
    return [job for row in rows if (job := _job_of(row)) is not None]


def _row_of(job: Stored) -> tuple[object, ...]:
    if isinstance(job, StoredChore):
        head = (job.id, None, job.by, job.asked, job.ended, job.outcome)
        return (*head, 0, None, job.request_id, "[]", to_json(job))
    tasks = json.dumps([[*task.slot, task.step, task.result, task.reason, task.way] for task in job.tasks])
    return (
        *(job.id, job.verb, job.by, job.asked, job.ended, job.outcome),
        *(int(job.force), job.off_s, job.request_id, tasks, None),
    )


def _job_of(row: tuple[object, ...]) -> Stored | None:
    """Read a row; None for one that another version wrote, which is left where it is."""
    id_, verb, by, asked, ended, outcome, force, off_s, request_id, tasks, chore = row
    try:
        if chore is not None:
            return from_json(
                str(chore),
                id=int(str(id_)),
                by=str(by),
                asked=float(str(asked)),
                ended=None if ended is None else float(str(ended)),
                outcome=Outcome(str(outcome)),
                request_id=str(request_id),
            )
        return StoredJob(
            id=int(str(id_)),
            verb=Verb(str(verb)),
            by=str(by),
            asked=float(str(asked)),
            ended=None if ended is None else float(str(ended)),
            outcome=Outcome(str(outcome)),
            force=bool(force),
            off_s=None if off_s is None else float(str(off_s)),
            request_id=str(request_id),
            tasks=tuple(
                StoredTask(
                    slot=SlotId(int(stack), int(slot)),
                    step=Step(step),
                    result=None if result is None else Result(result),
                    reason=str(reason),
                    way=tuple(map(str, way)),
                )
                for stack, slot, step, result, reason, way in json.loads(str(tasks))
            ),
        )
    except (ValueError, TypeError, LookupError) as error:
        log.warning("cannot read a stored job", extra={"job": id_, "error": str(error)})
        return None
