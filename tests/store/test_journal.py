"""The event log: at once in memory, in order, from any place, and honest about what is lost."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graped.store.events import GAP, LoggedEvent
from graped.store.marks import Ids
from tests.store.clocks import FakeClock
from tests.store.racks import Connections, opened, run


def test_events_are_there_at_once_and_after_a_restart(tmp_path: Path) -> None:
    async def story() -> None:
        clock = FakeClock()
        store = await opened(tmp_path / "grape.db", clock)
        event = store.journal.append(
            "power.changed", "on", stack=1, node="worker-1-2", job=3, fields={"from": "off", "n": [1, 2]}
        )
        assert await store.journal.latest() == [event]
        assert event.at == clock.wall()
        await store.close()
        again = await opened(tmp_path / "grape.db", clock)
        assert await again.journal.latest() == [event]
        assert await again.journal.after(0) == [event]
        assert await again.journal.after(event.id) == []
        await again.close()

    run(story)


def test_kinds_filter_by_family(tmp_path: Path) -> None:
    async def story() -> None:
        store = await opened(tmp_path / "grape.db", FakeClock())
        for kind in ("power.changed", "power", "powerful", "job.done", "power.changed"):
            store.journal.append(kind, kind)
        in_memory = await store.journal.latest(kind="power")
        assert [event.kind for event in in_memory] == ["power.changed", "power", "power.changed"]
        assert len(await store.journal.latest(1, kind="power.changed")) == 1
        await store.close()
        again = await opened(tmp_path / "grape.db", FakeClock())
        assert await again.journal.latest(kind="power") == in_memory
        assert await again.journal.after(0, kind="power") == in_memory
        await again.close()

    run(story)


@settings(max_examples=25, deadline=None)
@given(
    ring=st.integers(2, 12),
    moves=st.lists(st.sampled_from(["append", "append", "append", "flush"]), min_size=1, max_size=60),
    place=st.integers(0, 60),
    limit=st.integers(1, 20),
)
def test_memory_and_disk_together_are_one_log(
    tmp_path_factory: pytest.TempPathFactory, ring: int, moves: list[str], place: int, limit: int
) -> None:
    """With a disk that works nothing is ever lost, however small the memory is and however late the flush."""

    async def story() -> None:
        path = tmp_path_factory.mktemp("log") / "grape.db"
        store = await opened(path, FakeClock())
        store.journal._size = ring
        unsaved = 0
        written: list[LoggedEvent] = []
        for move in moves:
            if move == "flush" or unsaved == ring:
                await store.flush()
                unsaved = 0
            if move == "append":
                written.append(store.journal.append("x", str(len(written))))
                unsaved += 1
        assert await store.journal.after(place, limit) == [e for e in written if e.id > place][:limit] or (
            place > len(written)
        )
        assert await store.journal.latest(limit) == written[-limit:]
        assert await store.journal.latest(limit, before=place) == [e for e in written if e.id < place][-limit:]
        await store.close()

    run(story)


def test_what_left_memory_before_it_reached_the_disk_is_told_as_a_gap(tmp_path: Path) -> None:
    spy, clock = Connections(), FakeClock()

    async def story() -> None:
        store = await opened(tmp_path / "grape.db", clock, spy)
        store.journal._size = 10
        store.journal.append("kept", "on disk")
        await store.flush()
        for number in range(30):
            store.journal.append("x", str(number))
        for flushed in (False, True):
            found = await store.journal.after(0, 100)
            assert [event.kind for event in found] == ["kept", GAP, *["x"] * 10], flushed
            assert [event.id for event in found] == [1, 21, *range(22, 32)]
            assert await store.journal.after(21, 100) == found[2:]
            await store.flush()
        assert [event.id for event in await store.journal.after(0, 2)] == [1, 21]
        await store.close()

    run(story)


def test_a_follower_replays_then_follows_and_ends(tmp_path: Path) -> None:
    async def story() -> None:
        store = await opened(tmp_path / "grape.db", FakeClock())
        store.journal._size = 50
        for number in range(1000):
            store.journal.append("x", str(number))
            if number % 40 == 0:
                await store.flush()
        await store.flush()
        seen: list[int] = []

        async def follow() -> None:
            async for event in store.journal.subscribe(300):
                seen.append(event.id)
                if event.id % 7 == 0:
                    await asyncio.sleep(0)

        follower = asyncio.create_task(follow())
        for number in range(200):
            store.journal.append("y", str(number))
            await asyncio.sleep(0)
            if number % 20 == 0:
                await store.flush()
        await store.close()
        await follower
        assert seen == list(range(301, 1201))

    run(story)


def test_a_new_follower_without_a_place_sees_only_what_comes(tmp_path: Path) -> None:
    async def story() -> None:
        store = await opened(tmp_path / "grape.db", FakeClock())
        store.journal.append("x", "old")
        news = store.journal.subscribe(kind="power")
        first = asyncio.ensure_future(anext(news))
        await asyncio.sleep(0.01)
        assert not first.done()
        store.journal.append("x", "not asked for")
        store.journal.append("power.changed", "new")
        assert (await first).message == "new"
        await store.close()

    run(story)


def test_a_slow_follower_is_told_what_it_lost_and_costs_no_memory(tmp_path: Path) -> None:
    spy = Connections()

    async def story() -> None:
        clock = FakeClock()
        spy.refuse = "unable to open database file"
        store = await opened(tmp_path / "grape.db", clock, spy)
        first = store.journal.append("x", "0")
        follower = store.journal.subscribe(first.id - 1)
        assert await anext(follower) == first
        for number in range(1, 10_000):
            store.journal.append("x", str(number))
        assert len(store.journal._ring) == 2000
        gap = await anext(follower)
        assert gap.kind == GAP
        assert (await anext(follower)).message == "8000"
        assert gap.id == first.id + 7999
        await store.close()

    run(story)


def test_an_id_of_another_log_is_a_gap_not_silence(tmp_path: Path) -> None:
    async def story() -> None:
        store = await opened(tmp_path / "grape.db", FakeClock())
        follower = store.journal.subscribe(1_000_000)
        assert (await anext(follower)).kind == GAP
        event = store.journal.append("x", "y")
        assert await anext(follower) == event
        await store.close()

    run(story)


def test_events_are_dropped_after_their_days(tmp_path: Path) -> None:
    async def story() -> None:
        clock = FakeClock()
        store = await opened(tmp_path / "grape.db", clock, events_days=1.0)
        for number in range(100):
            store.journal.append("x", str(number))
            clock.advance(3600)
        await store.flush(everything=True)
        await store.close()
        again = await opened(tmp_path / "grape.db", clock, events_days=1.0)
        kept = await again.journal.after(0, 1000)
        assert [event.message for event in kept] == [str(number) for number in range(76, 100)]
        assert again.journal.append("x", "y").id == 101
        await again.close()

    run(story)


@given(block=st.integers(2, 1000), asked=st.lists(st.booleans(), max_size=200), start=st.integers(0, 5000))
def test_the_mark_is_always_ahead_when_it_is_written_in_time(block: int, asked: list[bool], start: int) -> None:
    ids = Ids(block=block, last=start, mark=start)
    for flush in asked:
        ids.next()
        if flush or ids.mark - ids.last < block // 2:
            ids.mark = ids.wanted_mark()
        assert ids.mark >= ids.last
        assert ids.mark - ids.last <= 2 * block
