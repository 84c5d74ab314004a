"""What is to be remembered and not on disk yet: the latest of each thing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from graped.model import SlotId
from graped.store.batch import Batch
from graped.store.jobs import Stored
from graped.store.marks import Ids, Mark

K = TypeVar("K")
V = TypeVar("V")

WAITING_JOBS = 1000  # ended jobs kept in memory while the disk cannot take them


class Pending:
    """Jobs, desired power, port bytes and marks. Also knows them all, for a disk that lost everything."""

    def __init__(self, jobs: Ids, events: Ids) -> None:
        self._ids = {Mark.JOBS: jobs, Mark.EVENTS: events}
        self._jobs: dict[int, Stored] = {}
        self._desired: dict[SlotId, str] = {}
        self._ports: dict[int, int] = {}
        self._open: dict[int, Stored] = {}
        self._all_desired: dict[SlotId, str] = {}
        self._all_ports: dict[int, int] = {}

    @property
    def jobs(self) -> Mapping[int, Stored]:
        """Jobs whose newest state is not on disk."""
        return self._jobs

    def know(self, desired: Mapping[SlotId, str], ports: Mapping[int, int]) -> None:
        """Take over what is on disk already."""
        self._all_desired.update(desired)
        self._all_ports.update(ports)

    def job(self, job: Stored) -> bool:
        """Keep a job; return whether there is anything new in it."""
        if self._jobs.get(job.id, self._open.get(job.id)) == job:
            return False
        self._ids[Mark.JOBS].used(job.id)
        self._jobs[job.id] = job
        if job.ended is None:
            self._open[job.id] = job
        else:
            self._open.pop(job.id, None)
        while len(self._jobs) > WAITING_JOBS + len(self._open):
            del self._jobs[next(number for number in self._jobs if number not in self._open)]
        return True

    def desired(self, desired: Mapping[SlotId, str]) -> bool:
        """Keep what is wanted of some slots; return whether anything of it is new."""
        new = {slot: power for slot, power in desired.items() if self._all_desired.get(slot) != power}
        self._all_desired.update(new)
        self._desired.update(new)
        return bool(new)

    def port(self, stack: int, value: int) -> bool:
        """Keep a port's byte; return whether it is new."""
        if self._all_ports.get(stack) == value:
            return False
        self._all_ports[stack] = self._ports[stack] = value
        return True

    def batch(self) -> Batch:
        """All of it, to be written now."""
        marks = {mark: ids.wanted_mark() for mark, ids in self._ids.items() if ids.wanted_mark() != ids.mark}
        return Batch(jobs=dict(self._jobs), desired=dict(self._desired), ports=dict(self._ports), marks=marks)

    def last_batch(self) -> Batch:
        """All of it, for a clean stop: the ids go on where they are."""
        return replace(self.batch(), marks={Mark.CLEAN: 1, **{mark: ids.last for mark, ids in self._ids.items()}})

    def saved(self, batch: Batch) -> None:
        """Forget what is on disk, unless it has changed meanwhile."""
        _drop(self._jobs, batch.jobs)
        _drop(self._desired, batch.desired)
        _drop(self._ports, batch.ports)
        self.marked(batch.marks)

    def marked(self, marks: Mapping[Mark, int]) -> None:
        """Note the marks that are on disk."""
        for mark, ids in self._ids.items():
            ids.mark = marks.get(mark, ids.mark)

    def forget_saved(self) -> None:
        """The disk lost everything."""
        self._jobs = {**self._open, **self._jobs}
        self._desired, self._ports = dict(self._all_desired), dict(self._all_ports)
        for ids in self._ids.values():
            ids.mark = 0


def _drop(pending: dict[K, V], saved: Mapping[K, V]) -> None:
    for key, value in saved.items():
        if pending.get(key) == value:
            del pending[key]
