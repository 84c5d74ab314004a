"""Meter history: however samples are flushed, rolled and dropped, a query says what a plain computation says."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graped.model import MeterKind, Reading
from graped.store.lookup import Point, effective_step_ms
from graped.store.store import Store
from tests.store.clocks import FakeClock
from tests.store.racks import opened, readings, run

POWER = MeterKind.POWER
EVER = (0.0, 4e9)


def naive(samples: list[tuple[float, int]], since: float, until: float, step_s: float) -> list[Point]:
    """The same question, answered from a plain list of (unix s, value)."""
    step_ms = round(step_s * 1000)
    groups: dict[int, list[int]] = defaultdict(list)
    for at, value in samples:
        if since <= at < until:
            groups[round(at * 1000) // step_ms * step_ms].append(value)
    return [
        Point(
            at=start / 1000,
            mean=(2 * sum(values) + len(values)) // (2 * len(values)),
            least=min(values),
            most=max(values),
            count=len(values),
        )
        for start, values in sorted(groups.items())
    ]


moves = st.lists(
    st.one_of(
        st.tuples(st.just("sample"), st.integers(-5_000_000, 5_000_000)),
        st.tuples(st.just("sample"), st.integers(-50, 50)),
        st.tuples(st.just("wait"), st.sampled_from([0.25, 5.0, 61.0, 900.0, 4000.0])),
        st.tuples(st.just("jump"), st.sampled_from([-7200.0, -30.0, 7200.0])),  # somebody sets the wall clock
        st.tuples(st.just("flush"), st.booleans()),
    ),
    max_size=60,
)


@settings(max_examples=30, deadline=None)
@given(moves=moves, step_s=st.sampled_from([60.0, 120.0, 900.0, 3600.0]))
def test_buckets_equal_a_plain_computation(
    tmp_path_factory: pytest.TempPathFactory, moves: list[tuple[str, float]], step_s: float
) -> None:
    async def story() -> None:
        clock = FakeClock()
        store = await opened(tmp_path_factory.mktemp("meters") / "grape.db", clock)
        plain: list[tuple[float, int]] = []
        for move, value in moves:
            match move:
                case "sample":
                    plain.append((round(clock.wall(), 3), int(value)))
                    store.history.add(2, [Reading(kind=POWER, value=int(value), at=clock.monotonic())])
                    store.history.add(3, readings(77, clock.monotonic()))
                case "wait":
                    clock.advance(value)
                case "jump":
                    clock.offset += value
                case "flush":
                    await store.flush(everything=bool(value))
        assert await store.history.query(2, POWER, *EVER, step_s) == naive(plain, *EVER, step_s)
        assert await store.history.query(2, MeterKind.CURRENT, *EVER, step_s) == []
        await store.close()

    run(story)


async def a_day(store: Store, clock: FakeClock, hours: int, step_s: float = 20.0) -> list[tuple[float, int]]:
    plain = []
    for number in range(int(hours * 3600 / step_s)):
        value = (number * 7919) % 5000
        plain.append((clock.wall(), value))
        store.history.add(0, readings(value, clock.monotonic()))
        clock.advance(step_s)
        if number % 90 == 0:
            await store.flush(everything=True)
    await store.flush(everything=True)
    return plain


def test_old_samples_shrink_to_buckets_and_old_buckets_go(tmp_path: Path) -> None:
    async def story() -> None:
        clock = FakeClock(wall=1_800_000_000.0)
        path = tmp_path / "grape.db"
        store = await opened(path, clock, meters_raw_hours=2.0, meters_days=0.5)
        plain = await a_day(store, clock, hours=20)
        for _ in range(120):  # tidying goes in small steps
            await store.flush(everything=True)
        now = clock.wall()
        with sqlite3.connect(path) as tables:
            oldest_sample, samples = tables.execute("SELECT min(at) / 1000.0, count(*) FROM samples").fetchone()
            oldest_minute = tables.execute("SELECT min(at) FROM minutes").fetchone()[0]
            oldest_quarter = tables.execute("SELECT min(at) FROM quarters").fetchone()[0]
        tables.close()
        assert now - 2 * 3600 - 60 <= oldest_sample <= now - 2 * 3600 + 20
        assert samples <= 364
        for oldest in (oldest_minute, oldest_quarter):
            assert now - 12 * 3600 - 900 <= oldest <= now - 12 * 3600
        recent = (now - 3600, now)
        assert await store.history.query(0, POWER, *recent, 20) == naive(plain, *recent, 20)
        for step_s in (60.0, 900.0):
            since = now - 11 * 3600 - (now % 900)
            assert await store.history.query(0, POWER, since, now, step_s) == naive(plain, since, now, step_s)
        # fine steps over all of it: every sample that is kept in any form is in exactly one point
        everything = await store.history.query(0, POWER, *EVER, 1)
        assert sum(point.count for point in everything) == sum(at >= oldest_minute for at, _ in plain)
        await store.close()

    run(story)


def test_minutes_are_kept_shorter_than_quarters(tmp_path: Path) -> None:
    async def story() -> None:
        clock = FakeClock()
        store = await opened(tmp_path / "grape.db", clock)
        store.history.add(0, readings(5, clock.monotonic()))
        await store.flush(everything=True)
        clock.advance(40 * 86_400)
        store.history.add(0, readings(9, clock.monotonic()))
        await store.flush(everything=True)
        points = await store.history.query(0, POWER, *EVER, 60)
        assert [(point.mean, point.count) for point in points] == [(5, 1), (9, 1)]
        with sqlite3.connect(tmp_path / "grape.db") as tables:
            assert tables.execute("SELECT count(*) FROM minutes").fetchone() == (4,)
            assert tables.execute("SELECT count(*) FROM quarters").fetchone() == (8,)
            assert tables.execute("SELECT count(*) FROM samples").fetchone() == (1,)
        tables.close()
        await store.close()

    run(story)


def test_a_restart_keeps_history_and_rolls_each_sample_once(tmp_path: Path) -> None:
    async def story() -> None:
        clock, plain = FakeClock(), []
        for start in range(4):
            store = await opened(tmp_path / "grape.db", clock)
            for number in range(50):
                plain.append((clock.wall(), start * 100 + number))
                store.history.add(0, readings(start * 100 + number, clock.monotonic()))
                clock.advance(7)
            await store.flush(everything=start % 2 == 0)
            await store.close(clean=start % 2 == 1)
        store = await opened(tmp_path / "grape.db", clock)
        for step_s in (1, 60, 900):
            assert await store.history.query(0, POWER, *EVER, step_s) == naive(plain, *EVER, step_s)
        await store.close()

    run(story)


def test_a_query_has_ends_and_an_empty_range_is_empty(tmp_path: Path) -> None:
    async def story() -> None:
        clock = FakeClock()
        store = await opened(tmp_path / "grape.db", clock)
        start = clock.wall()
        for _ in range(10):
            store.history.add(0, readings(1, clock.monotonic()))
            clock.advance(1)
        for flushed in (False, True):
            assert len(await store.history.query(0, POWER, start, start + 10, 1)) == 10, flushed
            assert len(await store.history.query(0, POWER, start + 2, start + 5, 1)) == 3
            assert await store.history.query(0, POWER, start + 5, start + 2, 1) == []
            assert await store.history.query(1, POWER, start, start + 10, 1) == []
            await store.flush(everything=flushed)
            store._samples_due = clock.monotonic()
            await store.flush()
        store.history.add(0, [])
        await store.close()

    run(story)


@given(st.floats(0, 1e6))
def test_steps_become_whole_buckets(step_s: float) -> None:
    step_ms = effective_step_ms(step_s)
    assert step_ms >= step_s * 1000 - 0.5
    assert step_ms < 60_000 or step_ms % 60_000 == 0
    assert step_ms < 900_000 or step_ms % 900_000 == 0
