"""What is remembered over a restart, and how few writes it takes."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

from graped.core.jobs import Outcome, Result, Step
from graped.model import Power, SlotId, Verb
from graped.store.store import Store
from tests.store.clocks import FakeClock
from tests.store.racks import Connections, job, opened, readings, run


def test_a_first_start_remembers_nothing_and_is_clean(tmp_path: Path) -> None:
    async def story() -> None:
        store = await opened(tmp_path / "state" / "grape.db", FakeClock())
        assert store.fault is None
        assert store.remembered().desired == {}
        assert store.remembered().clean_stop
        assert store.interrupted_jobs() == ()
        assert store.next_job == 1
        await store.close()

    run(story)


def test_a_clean_restart_remembers_everything_and_counts_on(tmp_path: Path) -> None:
    async def story() -> None:
        clock = FakeClock()
        store = await opened(tmp_path / "grape.db", clock)
        store.save_desired({SlotId(0, 1): "on", SlotId(3, 5): "off"})
        store.save_desired({SlotId(0, 1): "off"})
        store.save_port(0, 0xFD)
        await store.record_write([job(1)], 2, 0xF0)
        store.save_job(job(1, ended=1010.0))
        last = store.journal.append("job.done", "done").id
        await store.close()

        clock.advance(60)
        again = await opened(tmp_path / "grape.db", clock)
        memory = again.remembered()
        assert memory.desired == {SlotId(0, 1): Power.OFF, SlotId(3, 5): Power.OFF}
        assert memory.ports == {0: 0xFD, 2: 0xF0}
        assert memory.clean_stop
        assert again.interrupted_jobs() == ()
        assert again.next_job == 2
        assert again.journal.append("x", "y").id == last + 1
        kept = await again.job(1)
        assert kept is not None
        assert (kept.outcome, kept.asked, kept.ended) == (Outcome.DONE, clock.wall_of(1000), clock.wall_of(1010))
        assert kept.tasks[0].way == ("queue", "on")
        await again.close()

    run(story)


def test_open_jobs_of_a_run_that_did_not_stop_are_interrupted(tmp_path: Path) -> None:
    async def story() -> None:
        clock = FakeClock()
        store = await opened(tmp_path / "grape.db", clock)
        await store.record_write([job(1), job(2, ended=1001.0)], 0, 0xFE)
        await store.close(clean=False)

        clock.advance(5)
        again = await opened(tmp_path / "grape.db", clock)
        assert not again.remembered().clean_stop
        (left,) = again.interrupted_jobs()
        assert (left.id, left.outcome, left.ended) == (1, Outcome.INTERRUPTED, clock.wall())
        assert {(task.step, task.result) for task in left.tasks} == {(Step.ENDED, Result.INTERRUPTED)}
        assert again.next_job > 2
        assert await again.job(1) == left
        await again.close()

        third = await opened(tmp_path / "grape.db", clock)
        assert third.interrupted_jobs() == ()
        await third.close()

    run(story)


def test_record_write_is_durable_and_one_commit(tmp_path: Path) -> None:
    async def story() -> None:
        spy = Connections()
        store = await opened(tmp_path / "grape.db", FakeClock(), spy)
        spy.statements.clear()
        store.save_job(job(1))
        store.save_desired({SlotId(0, 0): "on"})
        store.journal.append("job.accepted", "job 1")
        await store.record_write([job(1)], 0, 0xFE)
        assert spy.commits == 1
        assert "PRAGMA synchronous = FULL" in spy.statements
        with sqlite3.connect(tmp_path / "grape.db") as other:  # what another process sees at this moment
            assert other.execute("SELECT value FROM ports").fetchall() == [(0xFE,)]
            assert other.execute("SELECT id, ended FROM jobs").fetchall() == [(1, None)]
        other.close()
        await store.close()

    run(story)


def test_a_flush_under_way_makes_a_waiting_record_durable(tmp_path: Path) -> None:
    """Whoever waits for a record may find it written by a flush: that flush must have been durable too."""
    import asyncio

    async def story() -> None:
        spy = Connections()
        store = await opened(tmp_path / "grape.db", FakeClock(), spy)
        spy.statements.clear()
        store.journal.append("a", "b")
        await asyncio.gather(store.flush(), *(store.record_write([job(n)], n, n) for n in range(1, 9)))
        assert spy.commits <= 3
        wanted = {(n, n) for n in range(1, 9)}
        with sqlite3.connect(tmp_path / "grape.db") as other:
            assert set(other.execute("SELECT stack, value FROM ports")) == wanted
        other.close()
        for statement in spy.statements:
            if "synchronous" in statement:
                mode = statement
            if statement.startswith("INSERT OR REPLACE INTO ports"):
                assert mode == "PRAGMA synchronous = FULL"
        await store.close()

    run(story)


def test_polls_of_a_cluster_at_rest_cost_one_commit_a_flush(tmp_path: Path) -> None:
    async def story() -> None:
        clock, spy = FakeClock(), Connections()
        store = await opened(tmp_path / "grape.db", clock, spy, flush_s=10.0)
        await store.flush()
        spy.statements.clear()
        for poll in range(1000):  # one a second, 16 stacks; meters each 5 s
            for stack in range(16):
                store.save_port(stack, 0xC0)
                store.save_desired({SlotId(stack, 0): "on"})
                if poll % 5 == 0:
                    store.history.add(stack, readings(poll, clock.monotonic()))
            clock.advance(1)
            await store.flush()
        assert 90 <= spy.commits <= 102
        assert not any("FULL" in statement for statement in spy.statements)
        await store.close()

    run(story)


def test_jobs_are_listed_newest_first_with_what_is_not_on_disk_yet(tmp_path: Path) -> None:
    async def story() -> None:
        store = await opened(tmp_path / "grape.db", FakeClock())
        for number in range(1, 8):
            store.save_job(job(number, ended=1001.0))
        await store.flush()
        store.save_job(job(8))
        store.save_job(job(7, ended=1002.0, slots=1))
        assert [kept.id for kept in await store.jobs(3)] == [8, 7, 6]
        assert [kept.id for kept in await store.jobs(3, before=7)] == [6, 5, 4]
        newest = await store.job(7)
        assert newest is not None
        assert len(newest.tasks) == 1
        assert await store.job(99) is None
        await store.close()

    run(story)


def test_only_the_newest_ended_jobs_are_kept(tmp_path: Path) -> None:
    async def story() -> None:
        store = await opened(tmp_path / "grape.db", FakeClock())
        store.save_job(job(1))
        for number in range(2, 1300):
            store.save_job(job(number, ended=1001.0, slots=1))
            if number % 400 == 0:
                await store.flush()
        await store.flush(everything=True)
        kept = [kept.id for kept in await store.jobs(5000)]
        assert kept == [*range(1299, 299, -1), 1]  # the open one stays
        await store.close()

    run(story)


def test_rows_that_nobody_understands_do_no_harm(tmp_path: Path) -> None:
    async def story() -> None:
        path = tmp_path / "grape.db"
        store = await opened(path, FakeClock())
        await store.record_write([job(1)], 0, 0xFE)
        store.save_desired({SlotId(0, 0): "on"})
        store.journal.append("a", "b")
        await store.close(clean=False)
        with sqlite3.connect(path) as dirty:
            dirty.execute("UPDATE jobs SET verb = 'explode'")
            dirty.execute("INSERT INTO jobs (id, verb, outcome, tasks) VALUES (5, 'on', 'done', '{not json')")
            dirty.execute("INSERT INTO jobs (id, verb, tasks, asked) VALUES (6, 'on', '[[1]]', x'ff')")
            dirty.execute("INSERT INTO desired VALUES (0, 1, 'sideways')")
            dirty.execute("INSERT INTO desired VALUES ('x', 1, 'on')")
            dirty.execute("INSERT INTO ports VALUES (4, 'x')")
            dirty.execute("INSERT INTO marks VALUES ('mystery', 1)")
            dirty.execute("UPDATE events SET fields = '[', at = 'noon', kind = CAST(x'fffe' AS TEXT)")
        dirty.close()
        again = await opened(path, FakeClock())
        assert again.fault is None
        assert again.remembered().desired == {SlotId(0, 0): Power.ON}
        assert again.remembered().ports == {0: 0xFE}
        assert await again.jobs(10) == []
        assert [event.message for event in await again.journal.latest()] == ["b"]
        assert again.next_job > 6
        await again.close()

    run(story)


def test_a_database_of_a_newer_graped_is_left_alone(tmp_path: Path) -> None:
    async def story() -> None:
        path = tmp_path / "grape.db"
        await (await opened(path, FakeClock())).close()
        with sqlite3.connect(path) as newer:
            newer.execute("PRAGMA user_version = 99")
        newer.close()
        before = path.read_bytes()
        store = await opened(path, FakeClock())
        assert store.fault is not None
        assert "newer graped" in store.fault.message
        await store.record_write([job(store.next_job)], 0, 1)
        await store.close()
        assert path.read_bytes() == before

    run(story)


def test_timers_flush_without_being_asked(tmp_path: Path) -> None:
    import asyncio

    from graped.clock import SystemClock

    async def story() -> None:
        store = await Store.open(tmp_path / "grape.db", SystemClock())
        store.save_job(job(1))
        store.journal.append("a", "b")
        with sqlite3.connect(tmp_path / "grape.db") as other:
            for _ in range(600):
                await asyncio.sleep(0.025)
                if other.execute("SELECT (SELECT count(*) FROM jobs), (SELECT count(*) FROM events)").fetchone() == (
                    1,
                    1,
                ):
                    break
            else:
                raise AssertionError("nothing was written within 15 s")
        other.close()
        await store.close()

    run(story)


def test_recovery_s_cycles_of_the_last_hour_outlive_a_kill(tmp_path: Path) -> None:
    async def story() -> None:
        clock = FakeClock()
        store = await opened(tmp_path / "grape.db", clock)
        cycle = replace(job(1), verb=Verb.CYCLE, by="recovery")
        await store.record_write([cycle, replace(cycle, id=2, by="uid 1000"), replace(job(3), by="recovery")], 0, 0xFE)
        await store.close(clean=False)
        clock.advance(3000)
        again = await opened(tmp_path / "grape.db", clock)
        assert again.recovery_cycles() == dict.fromkeys(cycle.tasks, (cycle.asked,))
        await again.close()
        clock.advance(700)
        later = await opened(tmp_path / "grape.db", clock)
        assert later.recovery_cycles() == {}
        await later.close()

    run(story)
