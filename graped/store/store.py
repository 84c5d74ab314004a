"""The door to everything that is remembered.

All methods belong to the event loop's thread; only the database lives in a thread of its own. Nothing here raises
because of a disk: what cannot be recorded is kept in memory (bounded), told as ``fault`` and tried again.

Writes of a cluster at rest: one commit each ``flush_s``, for the meters. Jobs are on disk within 1 s, or with the byte
they are about to write; events within 2 s. Measured with 16 stacks, four meters and a poll each 5 s: 276,000 samples
a day, 47 bytes each with their index, so 13 MB for the day they are kept; 92,000 buckets of a minute a day, 76 MB for
30 days; 6,100 of a quarter of an hour a day, 63 MB for a year. A flush adds 20 KB to the log.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from graped.clock import Clock
from graped.config.types import Store as Settings
from graped.core.chore import Chore
from graped.core.jobs import Job
from graped.core.state import Remembered
from graped.model import Fault, SlotId
from graped.store.batch import Batch, Tidy
from graped.store.chores import stored_chore
from graped.store.database import Connect
from graped.store.disk import Disk, Written
from graped.store.history import History
from graped.store.jobs import Stored, read_job, read_jobs, stored
from graped.store.journal import Journal
from graped.store.marks import Ids, Mark
from graped.store.opening import EVENT_BLOCK, JOB_BLOCK, Past
from graped.store.pending import Pending

JOB_WITHIN_S = 1.0
EVENT_WITHIN_S = 2.0
TIDY_EVERY_S = 60.0
QUARTERS_EVERY_S = 900.0
_EARLY_S = 0.05  # a timer may be so much too early


class Store:
    """What graped remembers. Made by ``Store.open``."""

    def __init__(self, disk: Disk, past: Past, clock: Clock, settings: Settings) -> None:
        self._disk = disk
        self._past = past
        self._clock = clock
        self._settings = settings
        events = Ids(block=EVENT_BLOCK, last=past.last_event)
        self._pending = Pending(Ids(block=JOB_BLOCK, last=past.last_job), events)
        self._pending.know(past.remembered.desired, past.remembered.ports)
        self.journal = Journal(clock, events, disk.read, lambda: self._wake(EVENT_WITHIN_S))
        self.history = History(clock, disk.read, self._sampled, past.last_sample)
        self._lock = asyncio.Lock()
        self._urgent = 0  # record_write calls under way: whatever is written meanwhile must be durable
        self._timer: asyncio.TimerHandle | None = None
        self._flushing: set[asyncio.Task[None]] = set()
        self._closed = self._sealed = False
        self._samples_due: float | None = None
        self._tidy_due = clock.monotonic() + TIDY_EVERY_S
        self._quarters_due = clock.monotonic() + QUARTERS_EVERY_S

    @classmethod
    async def open(
        cls, path: Path, clock: Clock, settings: Settings | None = None, *, connect: Connect = sqlite3.connect
    ) -> Store:
        """Open the database, or go on without it: look at ``fault``."""
        disk = Disk(path, clock, connect)
        store = cls(disk, await disk.start(), clock, settings or Settings())
        if store.fault:
            store._wake(disk.health.wait_s())
        return store

    async def close(self, *, clean: bool = True) -> None:
        """Write what waits and close; ``clean``: the next start finds a run that was told to stop."""
        self.journal.close()
        self._closed = True
        if self._timer:
            self._timer.cancel()
        await asyncio.gather(*self._flushing)
        if not self._disk.health.wait_s():
            await self._commit(durable=True, everything=True, last=clean)
        self._sealed = True
        await self._disk.close()

    @property
    def fault(self) -> Fault | None:
        """Why something cannot be recorded, or was lost."""
        return self._disk.health.fault

    @property
    def on_fault(self) -> Callable[[Fault | None], None] | None:
        """Who is told when ``fault`` comes, changes or goes (None)."""
        return self._disk.health.on_fault

    @on_fault.setter
    def on_fault(self, tell: Callable[[Fault | None], None] | None) -> None:
        self._disk.health.on_fault = tell

    def configure(self, settings: Settings) -> None:
        """Take new times for flushing and keeping; the directory cannot change."""
        self._settings = settings

    # --- what the last run left -----------------------------------------------------------------------

    def remembered(self) -> Remembered:
        """What the core wants to know at its start."""
        return self._past.remembered

    def recovery_cycles(self) -> dict[SlotId, tuple[float, ...]]:
        """When recovery cycled slots in the last hour (monotonic s): its allowance does not begin anew with us."""
        ahead = self._clock.wall() - self._clock.monotonic()
        return {
            slot: tuple(min(at - ahead, self._clock.monotonic()) for at in times)
            for slot, times in self._past.cycles.items()
        }

    def interrupted_jobs(self) -> tuple[Stored, ...]:
        """The jobs that the last run left open; they have ended as interrupted."""
        return self._past.interrupted

    @property
    def next_job(self) -> int:
        """The first job id of this run, never used before."""
        return self._past.last_job + 1

    # --- recording ------------------------------------------------------------------------------------

    async def record_write(self, jobs: Sequence[Job], stack: int, value: int) -> None:
        """Have the jobs and the byte they are about to write on the card when this returns.

        Where that fails, or takes longer than ``disk.ANSWER_S``, it becomes the fault, and the byte may go out all
        the same.
        """
        for job in jobs:
            self._pending.job(stored(job, self._clock))
        self._pending.port(stack, value)
        health = self._disk.health
        if health.wait_s() or (health.troubled and self._lock.locked()):
            self._wake(health.wait_s())
            return
        self._urgent += 1
        try:
            await self._commit()
        finally:
            self._urgent -= 1

    def save_job(self, job: Job) -> None:
        """Remember a job's newest state within a second."""
        if self._pending.job(stored(job, self._clock)):
            self._wake(JOB_WITHIN_S)

    def save_chore(self, chore: Chore) -> None:
        """Remember a chore's newest state within a second."""
        if self._pending.job(stored_chore(chore, self._clock)):
            self._wake(JOB_WITHIN_S)

    def save_desired(self, desired: Mapping[SlotId, str]) -> None:
        """Remember what is wanted of some slots."""
        if self._pending.desired(desired):
            self._wake(EVENT_WITHIN_S)

    def save_port(self, stack: int, value: int) -> None:
        """Remember a port's verified byte with the next flush; the same again costs nothing."""
        if self._pending.port(stack, value):
            self._wake(self._settings.flush_s)

    async def flush(self, *, everything: bool = False) -> None:
        """Write what is due; ``everything``: the meters' samples and the tidying too, whenever they were due."""
        if not self._disk.health.wait_s():
            await self._commit(everything=everything)
        if self._disk.health.troubled:
            self._wake(self._disk.health.wait_s())
        elif self._samples_due is not None:
            self._wake(self._samples_due - self._clock.monotonic())

    # --- the archive of jobs --------------------------------------------------------------------------

    async def jobs(self, limit: int, before: int | None = None) -> list[Stored]:
        """The newest jobs (below an id), newest first, open ones included."""
        fresh = {number: job for number, job in self._pending.jobs.items() if before is None or number < before}
        old = await self._disk.read(lambda connection: read_jobs(connection, limit, before)) or []
        merged = {**{job.id: job for job in old}, **fresh}
        return [merged[number] for number in sorted(merged, reverse=True)[:limit]]

    async def job(self, job_id: int) -> Stored | None:
        """One job, None where there is none."""
        if job_id in self._pending.jobs:
            return self._pending.jobs[job_id]
        return await self._disk.read(lambda connection: read_job(connection, job_id))

    # --- batches --------------------------------------------------------------------------------------

    async def _commit(self, *, durable: bool = False, everything: bool = False, last: bool = False) -> None:
        """Write one batch; a second time where the file had to be replaced, then with all that we know."""
        async with self._lock:
            for _ in range(3):
                batch = self._batch(everything, last)
                if self._sealed or batch.is_empty or self._disk.health.wait_s():
                    return
                written = await self._disk.write(batch, durable=durable or self._urgent > 0)
                if written is Written.LOST:
                    self._pending.forget_saved()
                    self.journal.forget_saved()
                elif written is Written.SAVED:
                    self._saved(batch)
                    return

    def _batch(self, everything: bool, last: bool) -> Batch:
        batch = self._pending.last_batch() if last else self._pending.batch()
        if self._disk.health.troubled:  # the smallest write that shows whether writing works again
            batch = replace(batch, marks={Mark.CLEAN: 0, **batch.marks})
        now = self._clock.monotonic()
        samples = everything or (self._samples_due is not None and now >= self._samples_due - _EARLY_S)
        return replace(
            batch,
            events=self.journal.unsaved(),
            samples=self.history.unsaved() if samples else (),
            tidy=self._tidy(now, everything),
        )

    def _tidy(self, now: float, everything: bool) -> Tidy | None:
        if now < self._tidy_due and not everything:
            return None
        quarters = everything or now >= self._quarters_due
        return Tidy(now=self._clock.wall(), settings=self._settings, quarters=quarters)

    def _saved(self, batch: Batch) -> None:
        now = self._clock.monotonic()
        self._pending.saved(batch)
        self.journal.saved(batch.events)
        if batch.samples:
            self.history.saved(batch.samples)
            self._samples_due = now + self._settings.flush_s if self.history.unsaved() else None
        if batch.tidy:
            self._tidy_due = now + TIDY_EVERY_S
            if batch.tidy.quarters:
                self._quarters_due = now + QUARTERS_EVERY_S

    def _sampled(self) -> None:
        if self._samples_due is None:
            self._samples_due = self._clock.monotonic() + self._settings.flush_s
            self._wake(self._settings.flush_s)

    def _wake(self, within_s: float) -> None:
        """Flush so soon, or sooner where that was asked for already."""
        if self._closed:
            return
        loop = asyncio.get_running_loop()
        due = loop.time() + max(within_s, _EARLY_S)
        if self._timer and self._timer.when() <= due:
            return
        if self._timer:
            self._timer.cancel()
        self._timer = loop.call_at(due, self._flush_now)

    def _flush_now(self) -> None:
        self._timer = None
        task = asyncio.get_running_loop().create_task(self.flush())
        self._flushing.add(task)
        task.add_done_callback(self._flushing.discard)
