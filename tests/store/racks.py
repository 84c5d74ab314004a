"""Short ways to stores, jobs and readings for the tests."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from graped.config.types import Store as Settings
from graped.core.jobs import Job, Result, Step, Task
from graped.model import MeterKind, Reading, SlotId, Verb
from graped.store.store import Store
from tests.store.clocks import FakeClock

T = TypeVar("T")


def run(story: Callable[[], Awaitable[T]], timeout_s: float = 20.0) -> T:
    async def bounded() -> T:
        async with asyncio.timeout(timeout_s):
            return await story()

    return asyncio.run(bounded())


def job(number: int, *, slots: int = 2, ended: float | None = None, verb: Verb = Verb.ON) -> Job:
    done = ended is not None
    tasks = {
        SlotId(0, slot): Task(
            slot=SlotId(0, slot),
            step=Step.ENDED if done else Step.QUEUED,
            result=Result.DONE if done else None,
            reason="" if done else "waits for its turn",
            way=("queue", "on"),
        )
        for slot in range(slots)
    }
    return Job(id=number, verb=verb, by="uid 1000 pid 7", asked=1000.0, tasks=tasks, request_id="r", ended=ended)


def readings(value: int, at: float) -> list[Reading]:
    return [Reading(kind=kind, value=value, at=at) for kind in MeterKind]


class Connections:
    """``sqlite3.connect`` that keeps statements, limits the file's pages and can be told to fail."""

    def __init__(self) -> None:
        self.statements: list[str] = []
        self.max_pages: int | None = None
        self.refuse: str = ""

    def __call__(self, path: Path, **options: Any) -> sqlite3.Connection:
        if self.refuse:
            raise sqlite3.OperationalError(self.refuse)
        connection: sqlite3.Connection = sqlite3.connect(path, **options)
        connection.set_trace_callback(self.statements.append)
        if self.max_pages is not None:
            connection.execute(f"PRAGMA max_page_count = {self.max_pages}")
        return connection

    @property
    def commits(self) -> int:
        return sum(statement == "COMMIT" for statement in self.statements)


async def opened(path: Path, clock: FakeClock, connect: Connections | None = None, **settings: float) -> Store:
    return await Store.open(path, clock, Settings(**settings), connect=connect or sqlite3.connect)  # type: ignore[arg-type]
