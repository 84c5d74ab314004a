"""Chores are kept beside power jobs; one that was open when graped died ends as interrupted."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from graped.core.chore import Chore, ChoreKind, ChoreNode, Failure
from graped.core.jobs import Outcome, Result
from graped.model import SlotId
from graped.store.chores import StoredChore, stored_chore
from graped.store.jobs import StoredJob
from graped.store.schema import MIGRATIONS
from graped.work import Progress
from tests.store.clocks import FakeClock
from tests.store.racks import job, opened, run


def chore(number: int, *, ended: float | None = None, done: int = 0) -> Chore:
    return Chore(
        id=number, kind=ChoreKind.NODE_RESET, subject="worker-0-[0-1]", by="uid 1000 pid 7", asked=1000.0,
        request_id="r", progress=Progress(phase="copy", done=done), cancelled_by="uid 0",
        nodes={SlotId(0, 0): ChoreNode(result=Result.DONE, reason="fine"), SlotId(0, 1): ChoreNode()},
        outcome=Outcome.RUNNING if ended is None else Outcome.FAILED,
        failure=Failure(code="no_space", message="full", hint="make room"), result="x@1", ended=ended,
    )  # fmt: skip


def test_chores_and_jobs_share_one_archive(tmp_path: Path) -> None:
    async def story() -> None:
        clock = FakeClock()
        store = await opened(tmp_path / "grape.db", clock)
        store.save_job(job(1, ended=1001.0))
        store.save_chore(chore(2, ended=1002.0))
        store.save_job(job(3, ended=1003.0))
        await store.close()

        again = await opened(tmp_path / "grape.db", clock)
        assert again.next_job == 4
        assert await again.job(2) == stored_chore(chore(2, ended=1002.0), clock)
        assert [type(one) for one in await again.jobs(10)] == [StoredJob, StoredChore, StoredJob]
        assert [one.id for one in await again.jobs(10, before=3)] == [2, 1]
        await again.close()

    run(story)


def test_an_open_chore_of_a_killed_graped_is_interrupted(tmp_path: Path) -> None:
    async def story() -> None:
        clock = FakeClock()
        store = await opened(tmp_path / "grape.db", clock)
        store.save_chore(chore(7))
        await store.flush()
        await store.close(clean=False)

        clock.advance(5)
        again = await opened(tmp_path / "grape.db", clock)
        (left,) = again.interrupted_jobs()
        assert isinstance(left, StoredChore)
        assert (left.id, left.outcome, left.ended) == (7, Outcome.INTERRUPTED, clock.wall())
        assert [node.result for node in left.nodes] == [Result.DONE, Result.INTERRUPTED]
        assert await again.job(7) == left
        await again.close()

    run(story)


def test_progress_alone_is_nothing_new_to_write(tmp_path: Path) -> None:
    async def story() -> None:
        store = await opened(tmp_path / "grape.db", FakeClock())
        store.save_chore(chore(1))
        await store.flush()
        store.save_chore(chore(1, done=500))
        assert not store._pending.jobs
        await store.close()

    run(story)


def test_a_database_of_the_last_release_is_taken_over_with_its_jobs(tmp_path: Path) -> None:
    async def story() -> None:
        path = tmp_path / "grape.db"
        with sqlite3.connect(path) as old:
            for statement in MIGRATIONS[0]:
                old.execute(statement)
            old.execute("PRAGMA user_version = 1")
            old.execute("INSERT INTO jobs VALUES (4, 'on', 'uid 0', 1.0, 2.0, 'done', 0, NULL, 'r', '[]')")
        old.close()
        store = await opened(path, FakeClock())
        assert store.fault is None
        kept = await store.job(4)
        assert isinstance(kept, StoredJob)
        assert kept.outcome is Outcome.DONE
        store.save_chore(chore(5, ended=1002.0))
        await store.close()
        again = await opened(path, FakeClock())
        assert isinstance(await again.job(5), StoredChore)
        await again.close()

    run(story)


def test_a_chore_of_a_kind_that_nobody_knows_is_left_alone(tmp_path: Path) -> None:
    async def story() -> None:
        path = tmp_path / "grape.db"
        store = await opened(path, FakeClock())
        store.save_chore(chore(5, ended=1002.0))
        await store.close()
        with sqlite3.connect(path) as other:
            other.execute("UPDATE jobs SET chore = replace(chore, 'node.reset', 'node.polish')")
        other.close()
        again = await opened(path, FakeClock())
        assert await again.job(5) is None
        assert await again.jobs(10) == []
        assert again.next_job == 6
        await again.close()

    run(story)
