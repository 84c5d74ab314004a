"""Long work in threads: real threads, a real engine, and work that is told what to do."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import BinaryIO

import pytest

from graped.core.chore import Chore, ChoreKind
from graped.core.jobs import Outcome, Result
from graped.engine import Engine
from graped.errors import BadImage, Conflict, NoSpace
from graped.model import SlotId
from graped.provision.chores import OUTPUTS, Chores
from graped.work import Work
from tests.api.rack import Rack

SLOTS = (SlotId(0, 0), SlotId(0, 1), SlotId(0, 2))


def run(story: Callable[[Chores, Engine], Awaitable[None]], **limits: int) -> None:
    async def bounded() -> None:
        engine = Rack().engine
        chores = Chores(engine, **limits)
        async with asyncio.timeout(40):
            try:
                await story(chores, engine)
            finally:
                await chores.close(1.0)

    asyncio.run(bounded())


async def begun(engine: Engine, number: int) -> None:
    while engine.state.chores[number].outcome is Outcome.QUEUED:
        await engine.changed(engine.state.revision, 5.0)


async def ended(engine: Engine, number: int) -> Chore:
    while engine.state.chores[number].ended is None:
        await engine.changed(engine.state.revision, 5.0)
    return engine.state.chores[number]


def test_work_tells_its_result_and_its_last_progress() -> None:
    go = threading.Event()

    def work(work: Work) -> str:
        work.phase("copy", total=10)
        for _ in range(10):
            work.advance(1)
        assert go.wait(15)
        return "bookworm@3f9c2a"

    async def story(chores: Chores, engine: Engine) -> None:
        chore = chores.start(ChoreKind.IMAGE_PREPARE, "bookworm", work, by="uid 0")
        assert chore.outcome is Outcome.QUEUED
        while (now := engine.state.chores[chore.id].progress) is None or now.done < 10:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        assert (now.phase, now.total) == ("copy", 10)
        go.set()
        end = await ended(engine, chore.id)
        assert (end.outcome, end.result, end.failure) == (Outcome.DONE, "bookworm@3f9c2a", None)

    run(story)


def test_progress_is_told_four_times_a_second_at_most() -> None:
    def work(work: Work) -> str:
        work.phase("count", total=None)
        for _ in range(600):
            work.advance(1)
            threading.Event().wait(0.001)
        return ""

    async def story(chores: Chores, engine: Engine) -> None:
        before = engine.state.revision
        chore = chores.start(ChoreKind.IMAGE_VERIFY, "x", work, by="uid 0")
        end = await ended(engine, chore.id)
        assert end.ended is not None
        told = engine.state.revision - before
        assert 3 <= told <= 4 + (end.ended - end.asked) * 4, told

    run(story)


@pytest.mark.parametrize(
    ("error", "code", "message", "hint"),
    [
        (NoSpace("2 GB are missing", hint="make room"), "no_space", "2 GB are missing", "make room"),
        (OSError(28, "No space left on device"), "no_space", "[Errno 28] No space left on device", "df -h"),
        (KeyError("secret"), "internal", "graped failed inside (KeyError)", "log"),
    ],
)
def test_how_work_fails(
    error: Exception, code: str, message: str, hint: str, caplog: pytest.LogCaptureFixture
) -> None:  # fmt: skip
    def work(_: Work) -> str:
        raise error

    async def story(chores: Chores, engine: Engine) -> None:
        chore = await ended(engine, chores.start(ChoreKind.IMAGE_EXEC, "x", work, by="uid 0").id)
        assert chore.outcome is Outcome.FAILED
        assert chore.failure is not None
        assert (chore.failure.code, chore.failure.message) == (code, message)
        assert hint in chore.failure.hint

    with caplog.at_level(logging.ERROR):
        run(story)
    assert ("Traceback" in caplog.text) is (code == "internal")


def test_work_that_is_cancelled_before_it_began_ends_as_cancelled() -> None:
    async def story(chores: Chores, engine: Engine) -> None:
        chore = chores.start(ChoreKind.IMAGE_EXEC, "a", lambda _: "done all the same", by="uid 0")
        await engine.cancel(chore.id, by="uid 7")  # in the same turn of the loop
        assert (await ended(engine, chore.id)).outcome is Outcome.CANCELLED

    run(story)


def test_cancelled_work_stops_and_so_does_work_that_waits_for_its_turn() -> None:
    def work(work: Work) -> str:
        while True:
            work.advance(1)
            threading.Event().wait(0.005)

    async def story(chores: Chores, engine: Engine) -> None:
        first = chores.start(ChoreKind.IMAGE_EXEC, "a", work, by="uid 0")
        second = chores.start(ChoreKind.IMAGE_EXEC, "b", work, by="uid 0")
        await begun(engine, first.id)
        assert engine.state.chores[first.id].outcome is Outcome.RUNNING
        assert engine.state.chores[second.id].outcome is Outcome.QUEUED
        for one in (second, first):
            await engine.cancel(one.id, by="uid 7")
            end = await ended(engine, one.id)
            assert (end.outcome, end.cancelled_by) == (Outcome.CANCELLED, "uid 7")
        with pytest.raises(Conflict):
            await engine.cancel(first.id, by="uid 7")
        third = chores.start(ChoreKind.IMAGE_EXEC, "c", lambda _: "its turn", by="uid 0")
        assert (await ended(engine, third.id)).result == "its turn"

    run(story, at_once=1)


def test_a_node_that_fails_does_not_keep_the_others_from_theirs() -> None:
    def each(slot: SlotId, work: Work) -> str:
        if slot == SLOTS[1]:
            raise NoSpace("the disk is full")
        return f"made {slot.slot}"

    async def story(chores: Chores, engine: Engine) -> None:
        chore = chores.start_each(ChoreKind.NODE_SET, "worker-0-[0-2]", each, SLOTS, by="uid 0")
        end = await ended(engine, chore.id)
        assert end.outcome is Outcome.WITH_ERRORS
        told = [(end.nodes[slot].result, end.nodes[slot].reason) for slot in SLOTS]
        assert told == [(Result.DONE, "made 0"), (Result.FAILED, "the disk is full"), (Result.DONE, "made 2")]

    run(story)


def test_a_stop_ends_work_as_interrupted_and_waits_for_no_hung_disk() -> None:
    never = threading.Event()

    def hangs(_: Work) -> str:
        never.wait(30)
        return "too late"

    def obeys(work: Work) -> str:
        while True:
            work.advance(1)
            never.wait(0.005)

    async def story(chores: Chores, engine: Engine) -> None:
        jobs = [chores.start(ChoreKind.IMAGE_EXEC, "x", one, by="uid 0").id for one in (hangs, obeys, obeys, obeys)]
        await begun(engine, jobs[0])
        before = asyncio.get_running_loop().time()
        await chores.close(0.3)
        assert asyncio.get_running_loop().time() - before < 10
        assert {engine.state.chores[number].outcome for number in jobs} == {Outcome.INTERRUPTED}
        with pytest.raises(Conflict):
            chores.start(ChoreKind.IMAGE_EXEC, "x", obeys, by="uid 0")
        never.set()
        await asyncio.sleep(0.05)
        assert engine.state.chores[jobs[0]].outcome is Outcome.INTERRUPTED

    run(story)


# --- uploads ------------------------------------------------------------------------------------------


async def pieces(count: int, size: int, sent: list[int], *, cut: bool = False) -> AsyncIterator[bytes]:
    for number in range(count):
        sent.append(number)
        yield bytes([number % 251]) * size
    if cut:
        raise ConnectionResetError("hung up")


def test_an_upload_is_read_as_a_file_and_no_faster_than_it_is_used() -> None:
    sent: list[int] = []
    go = threading.Event()

    def work(stream: BinaryIO, work: Work) -> str:
        head = stream.read(10)
        assert go.wait(15)
        size = len(head)
        while data := stream.read(100_000):
            size += len(data)
        return str(size)

    async def story(chores: Chores, engine: Engine) -> None:
        upload = pieces(64, 1 << 20, sent)
        sending = asyncio.create_task(chores.start_upload(ChoreKind.IMAGE_IMPORT, "x", work, upload, by="uid 0"))
        await asyncio.sleep(0.2)
        assert len(sent) < 10, "more was taken than anybody reads"
        go.set()
        chore = await ended(engine, (await sending).id)
        assert chore.result == str(64 << 20)

    run(story)


def test_a_sender_that_hangs_up_makes_no_short_file() -> None:
    async def story(chores: Chores, engine: Engine) -> None:
        with pytest.raises(ConnectionResetError):
            await chores.start_upload(
                ChoreKind.IMAGE_IMPORT, "x", lambda stream, _: str(len(stream.read())),
                pieces(3, 1000, [], cut=True), by="uid 0",
            )  # fmt: skip
        (number,) = engine.state.chores
        chore = await ended(engine, number)
        assert chore.outcome is Outcome.FAILED
        assert chore.failure is not None
        assert (chore.failure.code, chore.failure.message) == (BadImage.code, "the upload broke off after 3000 bytes")

    run(story)


def test_a_reader_that_wants_no_more_lets_its_sender_go() -> None:
    sent: list[int] = []

    def work(stream: BinaryIO, work: Work) -> str:
        stream.read(10)
        raise BadImage("this is no image")

    async def story(chores: Chores, engine: Engine) -> None:
        chore = await chores.start_upload(
            ChoreKind.IMAGE_IMPORT, "x", work, pieces(1000, 1 << 20, sent), by="uid 0"
        )  # fmt: skip
        assert (await ended(engine, chore.id)).outcome is Outcome.FAILED
        assert len(sent) < 100

    run(story)


def test_a_cancelled_upload_lets_go_of_a_sender_that_says_nothing() -> None:
    async def silent() -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.sleep(30)

    async def story(chores: Chores, engine: Engine) -> None:
        sending = asyncio.create_task(
            chores.start_upload(ChoreKind.IMAGE_IMPORT, "x", lambda f, _: str(f.read()), silent(), by="uid 0")
        )
        await asyncio.sleep(0.1)
        (number,) = engine.state.chores
        await engine.cancel(number, by="uid 7")
        assert (await ended(engine, number)).outcome is Outcome.CANCELLED
        async with asyncio.timeout(10):
            assert (await sending).outcome is Outcome.CANCELLED

    run(story)


def test_so_many_uploads_at_once_and_no_more() -> None:
    go = threading.Event()

    def work(stream: BinaryIO, work: Work) -> str:
        assert go.wait(15)
        return ""

    async def story(chores: Chores, engine: Engine) -> None:
        chore = await chores.start_upload(ChoreKind.IMAGE_IMPORT, "x", work, pieces(1, 10, []), by="uid 0")
        with pytest.raises(Conflict):
            await chores.start_upload(ChoreKind.IMAGE_IMPORT, "y", work, pieces(1, 10, []), by="uid 0")
        go.set()
        await ended(engine, chore.id)
        await chores.start_upload(ChoreKind.IMAGE_IMPORT, "z", work, pieces(1, 10, []), by="uid 0")

    run(story, uploads=1)


def test_what_a_job_says_is_kept_while_it_runs_and_for_a_while_after() -> None:
    go = threading.Event()

    def work(work: Work) -> str:
        work.say("one")
        work.advance(1)
        assert go.wait(15)
        work.say("two")
        return ""

    async def story(chores: Chores, engine: Engine) -> None:
        first = chores.start(ChoreKind.IMAGE_EXEC, "x", work, by="uid 0").id
        while chores.output(first, 0) != (("one",), 1):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        go.set()
        await ended(engine, first)
        assert chores.output(first, 1) == (("two",), 2)
        assert chores.output(first + 1, 0) == ((), 0)
        for _ in range(OUTPUTS):
            assert chores.output(first, 0)[1] == 2
            await ended(engine, chores.start(ChoreKind.IMAGE_EXEC, "x", work, by="uid 0").id)
        assert chores.output(first, 0) == ((), 0)

    run(story)


def test_nodes_that_are_waited_for_are_worked_on_at_the_same_time_and_fail_alone() -> None:
    together = threading.Barrier(3)

    def each(slot: SlotId, work: Work) -> str:
        together.wait(15)  # all three at once, or nobody comes on
        if slot == SLOTS[1]:
            raise NoSpace("no room")
        return f"{slot.slot} done"

    async def story(chores: Chores, engine: Engine) -> None:
        chore = chores.start_each(ChoreKind.NODE_KEYS, "three", each, SLOTS, by="uid 0", at_once=3)
        end = await ended(engine, chore.id)
        assert end.outcome is Outcome.WITH_ERRORS
        told = [(end.nodes[slot].result, end.nodes[slot].reason) for slot in SLOTS]
        assert told == [(Result.DONE, "0 done"), (Result.FAILED, "no room"), (Result.DONE, "2 done")]

    run(story)


def test_cancelling_leaves_the_nodes_that_wait() -> None:
    begun, go = threading.Semaphore(0), threading.Event()

    def each(slot: SlotId, work: Work) -> str:
        begun.release()
        assert go.wait(10)
        work.check()
        return ""

    async def story(chores: Chores, engine: Engine) -> None:
        chore = chores.start_each(ChoreKind.NODE_KEYS, "three", each, SLOTS, by="uid 0", at_once=2)
        for _ in range(2):
            assert await asyncio.to_thread(begun.acquire, timeout=15)
        await engine.cancel(chore.id, by="uid 0")
        go.set()
        end = await ended(engine, chore.id)
        assert end.outcome is Outcome.CANCELLED
        assert not begun.acquire(blocking=False), "the third was never begun"

    run(story)
