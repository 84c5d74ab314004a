"""A disk that is damaged, full, gone or slow never stops anything; it is told once, and so is its healing."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest

from graped.errors import StoreError
from graped.model import Fault, Power, SlotId
from graped.store.database import Database
from graped.store.store import Store
from tests.store.clocks import FakeClock
from tests.store.racks import Connections, job, opened, readings, run


def moved_aside(folder: Path) -> list[Path]:
    return [file for file in folder.glob("grape.db.corrupt-*") if file.name.endswith("Z")]


async def filled(path: Path, clock: FakeClock) -> int:
    """A database with a little of everything, stopped cleanly; returns its newest event's id."""
    store = await opened(path, clock)
    for number in range(1, 50):
        await store.record_write([job(number, ended=1001.0)], number % 16, number)
        store.journal.append("job.done", f"job {number}", job=number)
        store.history.add(number % 16, readings(number, clock.monotonic()))
    store.save_desired({SlotId(0, 0): "on"})
    last = store.journal.last_id
    await store.flush(everything=True)
    await store.close()
    return last


@pytest.mark.parametrize("damage", ["random", "header", "truncated", "empty", "text"])
def test_a_damaged_file_is_moved_aside_and_the_daemon_goes_on(tmp_path: Path, damage: str) -> None:
    path, clock = tmp_path / "grape.db", FakeClock()

    async def story() -> None:
        last = await filled(path, clock)
        good = path.read_bytes()
        bad = {
            "random": random.Random(1).randbytes(len(good)),
            "header": b"\0" * 16 + good[16:],
            "truncated": good[: len(good) // 3],
            "empty": b"",
            "text": b"this is not a database\n" * 500,
        }[damage]
        path.write_bytes(bad)
        told: list[Fault | None] = []
        store = await opened(path, clock)
        store.on_fault = told.append
        await store.record_write([job(store.next_job)], 3, 0x0F)
        await store.flush(everything=True)
        moved = moved_aside(tmp_path)
        if damage == "empty":  # as good as a first start
            assert store.fault is None
        else:
            assert len(moved) == 1
            assert moved[0].read_bytes() == bad
            assert store.fault is not None
            assert store.fault.code == "store"
            assert str(moved[0]) in store.fault.message
            assert store.fault.hint
            assert store.next_job > 49
            assert store.journal.append("x", "y").id > last
            assert (await store.job(store.next_job)) is not None
            moved[0].unlink()  # somebody looked at it
            store.journal.append("x", "z")
            await store.flush()
            assert store.fault is None
            assert told[-1] is None
        await store.close()

        again = await opened(path, clock)
        assert again.fault is None
        assert again.remembered().ports == {3: 0x0F}
        await again.close()

    run(story)


def test_damage_found_while_running_loses_nothing_that_is_still_known(tmp_path: Path) -> None:
    path, clock = tmp_path / "grape.db", FakeClock()

    async def story() -> None:
        old = await opened(path, clock)
        for number in range(1000):
            old.journal.append("old", f"{number} " + "x" * 500)
            if number % 500 == 499:
                await old.flush()
        await old.close()
        store = await opened(path, clock)
        store.save_desired({SlotId(0, 0): "on", SlotId(1, 1): "off"})
        await store.record_write([job(1)], 5, 0xAA)
        store.journal.append("before", "kept in memory")
        await store.flush()
        size = path.stat().st_size
        assert size > 500_000
        with path.open("r+b") as file:  # the card lost what it had in the middle
            file.seek(size // 3 // 4096 * 4096)
            file.write(b"\xff" * (size // 3))
        await store.journal.after(1, 5000)
        assert store.fault is not None
        await store.record_write([job(1), job(2)], 6, 0xBB)
        await store.record_write([job(2)], 6, 0xBC)
        assert store.fault is not None
        assert len(moved_aside(tmp_path)) == 1
        events = await store.journal.latest(10)
        assert "before" in {event.kind for event in events}
        await store.close()

        again = await opened(path, clock)
        assert again.remembered().desired == {SlotId(0, 0): Power.ON, SlotId(1, 1): Power.OFF}
        assert again.remembered().ports == {5: 0xAA, 6: 0xBC}
        assert [left.id for left in again.interrupted_jobs()] == [1, 2]
        assert "before" in {event.kind for event in await again.journal.latest(10)}
        await again.close()

    run(story)


def test_a_full_disk_is_told_once_and_heals_once(tmp_path: Path) -> None:
    path, clock, spy = tmp_path / "grape.db", FakeClock(), Connections()

    async def story() -> None:
        await (await opened(path, clock)).close()
        spy.max_pages = path.stat().st_size // 4096
        told: list[Fault | None] = []
        store = await opened(path, clock, spy)
        store.on_fault = told.append
        for number in range(1, 40):
            store.journal.append("noise", "x" * 900)
            await store.record_write([job(number, ended=1001.0)], 0, number)
            clock.advance(0.2)
        assert len(told) == 1
        fault = told[0]
        assert fault is not None
        assert fault.code == "store"
        assert "not recorded" in fault.message
        assert "space" in fault.hint
        assert [kept.id for kept in await store.jobs(3)] == [39, 38, 37]  # memory still tells
        assert len(await store.journal.latest(100)) == 39

        spy.max_pages = 1 << 20
        clock.advance(61)
        await store.record_write([job(40)], 0, 40)
        assert told[1:] == [None]
        await store.close()
        again = await opened(path, clock)
        assert again.remembered().ports == {0: 40}
        assert [kept.id for kept in await again.jobs(50)] == list(range(40, 0, -1))
        assert len(await again.journal.latest(100)) == 39
        await again.close()

    run(story)


def test_a_state_directory_that_cannot_be_made_heals_when_it_can(tmp_path: Path) -> None:
    clock = FakeClock()

    async def story() -> None:
        (tmp_path / "state").write_text("in the way")
        store = await opened(tmp_path / "state" / "grape.db", clock)
        assert store.fault is not None
        first = store.next_job
        store.save_job(job(first))
        store.save_desired({SlotId(0, 0): "on"})
        store.history.add(0, readings(7, clock.monotonic()))
        assert await store.history.query(0, readings(7, 0)[0].kind, 0, 4e9, 1) != []
        (tmp_path / "state").unlink()
        await store.flush()
        assert store.fault is not None  # not its turn yet
        clock.advance(2)
        await store.flush(everything=True)
        assert store.fault is None
        await store.close(clean=False)
        again = await opened(tmp_path / "state" / "grape.db", clock)
        assert again.remembered().desired == {SlotId(0, 0): Power.ON}
        assert [left.id for left in again.interrupted_jobs()] == [first]
        await again.close()

    run(story)


def test_an_old_database_that_comes_back_keeps_its_memory(tmp_path: Path) -> None:
    """It could not be opened at the start; when it can, its ids lie below ours and its open jobs end."""
    path, clock, spy = tmp_path / "grape.db", FakeClock(), Connections()

    async def story() -> None:
        old = await opened(path, clock)
        await old.record_write([job(1)], 1, 0x11)
        last = old.journal.append("old", "event").id
        await old.close(clean=False)

        spy.refuse = "unable to open database file"
        store = await opened(path, clock, spy)
        assert store.next_job > 1
        assert store.journal.append("new", "event").id > last
        await store.record_write([job(store.next_job)], 2, 0x22)
        spy.refuse = ""
        clock.advance(2)
        await store.flush()
        assert store.fault is None
        assert [kept.ended is None for kept in await store.jobs(9)] == [True, False]
        assert [event.kind for event in await store.journal.latest(9)] == ["old", "new"]
        await store.close()
        again = await opened(path, clock)
        assert again.remembered().ports == {1: 0x11, 2: 0x22}
        await again.close()

    run(story)


def test_retries_come_at_growing_intervals(tmp_path: Path) -> None:
    clock, spy = FakeClock(), Connections()
    spy.refuse = "unable to open database file"
    tries: list[float] = []

    class Counting(Connections):
        def __call__(self, path: Path, **options: object) -> object:  # type: ignore[override]
            tries.append(clock.monotonic())
            return spy(path, **options)

    async def story() -> None:
        store = await opened(tmp_path / "grape.db", clock, Counting())
        for _ in range(3000):
            clock.advance(0.1)
            await store.flush()
        await store.close()

    run(story)
    pauses = [later - earlier for earlier, later in pairwise(tries)]
    assert pauses[:6] == pytest.approx([1, 2, 4, 8, 16, 32], abs=0.2)
    assert pauses[6:] == pytest.approx([60] * len(pauses[6:]), abs=0.2)


def test_a_disk_that_does_not_answer_delays_a_write_for_a_bounded_time_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeClock()
    stuck = [0.0]
    real = Database.write

    def slow(self: Database, *args: object, **options: object) -> object:
        time.sleep(stuck[0])
        return real(self, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Database, "write", slow)
    monkeypatch.setattr("graped.store.disk.ANSWER_S", 0.1)

    async def story() -> None:
        store = await opened(tmp_path / "grape.db", clock)
        stuck[0] = stuck_s = 2.0  # long enough to be told from a busy machine
        began = time.monotonic()
        await store.record_write([job(1)], 0, 1)
        assert store.fault is not None
        assert "did not answer" in store.fault.message
        await store.record_write([job(2)], 0, 2)  # not asked again so soon
        assert time.monotonic() - began < stuck_s - 0.4
        stuck[0] = 0.0
        await asyncio.sleep(stuck_s)
        clock.advance(2)
        await store.record_write([job(3)], 0, 3)
        assert store.fault is None
        await store.close()
        again = await opened(tmp_path / "grape.db", clock)
        assert again.remembered().ports == {0: 3}
        await again.close()

    run(story)


FULL = """
import asyncio, resource, sys
from pathlib import Path
from graped.clock import SystemClock
from graped.store.store import Store

async def main():
    path = Path(sys.argv[1])
    store = await Store.open(path, SystemClock())
    told = []
    store.on_fault = told.append
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (128 * 1024, hard))
    for number in range(200):
        store.journal.append("noise", "x" * 2000)
        await store.record_write([], 0, number)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    print([fault and fault.code for fault in told], flush=True)
    while store.fault:
        await asyncio.sleep(0.1)
    print(told[-1], flush=True)
    await store.close()

asyncio.run(main())
"""


def test_a_real_file_size_limit_is_a_fault_and_heals(tmp_path: Path) -> None:
    path = tmp_path / "grape.db"
    child = subprocess.run([sys.executable, "-c", FULL, str(path)], capture_output=True, text=True, timeout=60)
    assert child.returncode == 0, child.stderr
    assert child.stdout.splitlines() == ["['store']", "None"]

    async def story() -> None:
        again = await opened(path, FakeClock())
        assert again.remembered().ports == {0: 199}
        assert len(await again.journal.latest(1000)) == 200
        await again.close()

    run(story)


ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) SELECT count(*) FROM n"


def test_a_write_that_somebody_waits_for_goes_before_a_long_query(tmp_path: Path) -> None:
    async def story() -> None:
        store = await opened(tmp_path / "grape.db", FakeClock())
        asked: list[int] = []

        def long_at_first(connection: sqlite3.Connection) -> int:
            asked.append(1)
            return int(connection.execute(ENDLESS, (10**10 if len(asked) == 1 else 10,)).fetchone()[0])

        query = asyncio.create_task(store._disk.read(long_at_first))
        while not asked:  # noqa: ASYNC110 - the disk's thread is not ours to give it an event
            await asyncio.sleep(0.01)
        began = time.monotonic()
        await store.record_write([job(1)], 0, 1)
        assert time.monotonic() - began < 10.0
        assert store.fault is None
        assert await query == 10  # asked again by itself
        await store.close()

    run(story)


def test_a_query_that_takes_too_long_is_an_error_and_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graped.store.disk.QUERY_S", 0.1)

    async def story() -> None:
        store = await opened(tmp_path / "grape.db", FakeClock())
        with pytest.raises(StoreError, match="too long"):
            await store._disk.read(lambda connection: connection.execute(ENDLESS, (10**10,)).fetchone())
        assert store.fault is None
        await store.record_write([job(1)], 0, 1)
        assert store.fault is None
        await store.close()

    run(story)


def test_a_bug_inside_a_batch_is_a_fault_not_a_crash(tmp_path: Path) -> None:
    async def story() -> None:
        store: Store = await opened(tmp_path / "grape.db", FakeClock())
        await store.record_write([], 0, 1 << 70)  # no SQLite integer
        assert store.fault is not None
        assert "OverflowError" in store.fault.message
        await store.close()

    run(story)
