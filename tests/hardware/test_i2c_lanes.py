"""Lanes: one thing at a time, whose turn it is, and what becomes of work nobody waits for."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

import pytest

from graped.errors import BusNack, HardwareError
from graped.hardware.lanes import Lane, Lanes, Priority, lane_of_bus
from graped.hardware.protocols import current_purpose


class Plug:
    """Work that blocks its lane until it is pulled."""

    def __init__(self) -> None:
        self.running = threading.Event()
        self.pulled = threading.Event()

    def __call__(self) -> str:
        self.running.set()
        assert self.pulled.wait(20.0)
        return "pulled"


async def plugged(lane: Lane) -> tuple[Plug, asyncio.Task[str]]:
    plug = Plug()
    task = asyncio.create_task(lane.run(plug, priority=Priority.COMMAND, by="plug"))
    await asyncio.to_thread(plug.running.wait, 20.0)
    return plug, task


def test_work_runs_in_the_lanes_thread_with_its_purpose() -> None:
    async def main() -> None:
        lane = Lane("i2c-1")
        name, by = await lane.run(
            lambda: (threading.current_thread().name, current_purpose()), priority=Priority.POLL, by="poll stack 3"
        )
        assert (name, by) == ("lane-i2c-1", "poll stack 3")
        assert current_purpose() == ""
        lane.close()

    asyncio.run(main())


def test_an_error_reaches_the_waiter_and_the_lane_goes_on() -> None:
    def fail() -> None:
        raise BusNack("nobody")

    async def main() -> None:
        lane = Lane("i2c-1")
        with pytest.raises(BusNack, match="nobody"):
            await lane.run(fail, priority=Priority.POLL, by="")
        assert await lane.run(lambda: 7, priority=Priority.POLL, by="") == 7
        lane.close()

    asyncio.run(main())


def test_priorities_and_first_come_first_served() -> None:
    async def main() -> None:
        lane = Lane("i2c-1")
        plug, plugging = await plugged(lane)
        order: list[str] = []

        def note(word: str) -> Callable[[], None]:
            return lambda: order.append(word)

        asked = [
            (Priority.DISPLAY, "display"),
            (Priority.METERS, "meters"),
            (Priority.POLL, "poll 0"),
            (Priority.POLL, "poll 1"),
            (Priority.COMMAND, "command 0"),
            (Priority.COMMAND, "command 1"),
        ]
        tasks = []
        for priority, word in asked:
            tasks.append(asyncio.create_task(lane.run(note(word), priority=priority, by=word)))
            await asyncio.sleep(0)
        plug.pulled.set()
        await asyncio.gather(plugging, *tasks)
        assert order == ["command 0", "command 1", "poll 0", "poll 1", "meters", "display"]
        lane.close()

    asyncio.run(main())


def test_a_stream_of_commands_does_not_starve_the_display() -> None:
    async def main() -> None:
        lane = Lane("i2c-1")
        plug, plugging = await plugged(lane)
        order: list[str] = []
        tasks = [asyncio.create_task(lane.run(lambda: order.append("d"), priority=Priority.DISPLAY, by=""))]
        await asyncio.sleep(0)
        for _ in range(200):
            tasks.append(asyncio.create_task(lane.run(lambda: order.append("c"), priority=Priority.COMMAND, by="")))
        await asyncio.sleep(0)
        plug.pulled.set()
        await asyncio.gather(plugging, *tasks)
        assert order.index("d") <= Priority.DISPLAY
        lane.close()

    asyncio.run(main())


def test_never_two_at_once() -> None:
    async def main() -> None:
        lane = Lane("i2c-1")
        inside = 0
        most = 0

        def work() -> None:
            nonlocal inside, most
            inside += 1
            most = max(most, inside)
            time.sleep(0.0002)
            inside -= 1

        await asyncio.gather(*(lane.run(work, priority=Priority.POLL, by="") for _ in range(50)))
        assert most == 1
        lane.close()

    asyncio.run(main())


def test_a_commands_answer_does_not_wait_for_what_hangs_behind_it() -> None:
    async def main() -> None:
        lane = Lane("i2c-1")
        plug, plugging = await plugged(lane)
        poll = asyncio.create_task(lane.run(lambda: "read", priority=Priority.POLL, by=""))
        command = asyncio.create_task(lane.run(lambda: "written", priority=Priority.COMMAND, by=""))
        hung = Plug()
        hanging = asyncio.create_task(lane.run(hung, priority=Priority.DISPLAY, by=""))
        await asyncio.sleep(0)
        plug.pulled.set()
        assert await asyncio.wait_for(asyncio.gather(plugging, command), 20.0) == ["pulled", "written"]
        await asyncio.to_thread(hung.running.wait, 20.0)
        assert not poll.done() or poll.result() == "read"  # a poll's may
        hung.pulled.set()
        assert await asyncio.gather(poll, hanging) == ["read", "pulled"]
        lane.close()

    asyncio.run(main())


def test_polls_in_a_row_wake_the_loop_together() -> None:
    async def main() -> None:
        lane = Lane("i2c-1", lambda: 0.0)  # no time passes
        plug, plugging = await plugged(lane)
        told: list[int] = []
        loop = asyncio.get_running_loop()
        wake = loop.call_soon_threadsafe
        loop.call_soon_threadsafe = lambda *arguments, **more: told.append(1) or wake(*arguments, **more)  # type: ignore
        polls = [asyncio.create_task(lane.run(lambda: 1, priority=Priority.POLL, by="")) for _ in range(20)]
        await asyncio.sleep(0)
        plug.pulled.set()
        await plugging
        assert await asyncio.gather(*polls) == [1] * 20
        assert len(told) == 2  # the command's, and all the polls'
        lane.close()

    asyncio.run(main())


def test_a_polls_answer_is_told_where_nothing_but_dropped_work_is_left() -> None:
    async def main() -> None:
        lane = Lane("i2c-1", lambda: 0.0)
        plug, plugging = await plugged(lane)
        poll = asyncio.create_task(lane.run(lambda: "read", priority=Priority.POLL, by=""))
        given_up = asyncio.create_task(lane.run(lambda: "later", priority=Priority.POLL, by=""))
        await asyncio.sleep(0)
        given_up.cancel()
        await asyncio.gather(given_up, return_exceptions=True)
        plug.pulled.set()
        assert await asyncio.wait_for(asyncio.gather(plugging, poll), 20.0) == ["pulled", "read"]
        lane.close()

    asyncio.run(main())


def test_cancelled_work_that_waits_never_runs() -> None:
    async def main() -> None:
        lane = Lane("i2c-1")
        plug, plugging = await plugged(lane)
        ran: list[str] = []
        given_up = asyncio.create_task(lane.run(lambda: ran.append("given up"), priority=Priority.COMMAND, by=""))
        await asyncio.sleep(0)
        assert lane.waiting == 1
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up
        assert lane.waiting == 0
        plug.pulled.set()
        assert await plugging == "pulled"
        await lane.run(lambda: ran.append("later"), priority=Priority.DISPLAY, by="")
        assert ran == ["later"]
        lane.close()

    asyncio.run(main())


def test_a_cancelled_waiter_leaves_running_work_alone() -> None:
    async def main() -> None:
        lane = Lane("i2c-1")
        plug, plugging = await plugged(lane)
        plugging.cancel()
        with pytest.raises(asyncio.CancelledError):
            await plugging
        assert lane.busy_s > 0.0
        plug.pulled.set()
        assert await lane.run(lambda: "next", priority=Priority.POLL, by="") == "next"
        assert lane.busy_s == 0.0
        lane.close()

    asyncio.run(main())


def test_a_hung_lane_holds_up_no_other() -> None:
    async def main() -> None:
        lanes = Lanes()
        plug, plugging = await plugged(lanes.get(lane_of_bus(0)))
        assert await lanes.get(lane_of_bus(1)).run(lambda: 1, priority=Priority.POLL, by="") == 1
        assert lanes.get("i2c-0") is lanes.get("i2c-0")
        busy = lanes.busy()
        assert busy["i2c-0"] > 0.0
        assert busy["i2c-1"] == 0.0
        plug.pulled.set()
        await plugging
        lanes.close()

    asyncio.run(main())


def test_a_closed_lane_refuses_what_waits_and_what_comes() -> None:
    async def main() -> None:
        lane = Lane("i2c-1")
        plug, plugging = await plugged(lane)
        waiting = asyncio.create_task(lane.run(lambda: 1, priority=Priority.POLL, by=""))
        await asyncio.sleep(0)
        lane.close()
        with pytest.raises(HardwareError, match="stopping"):
            await waiting
        with pytest.raises(HardwareError, match="stopping"):
            await lane.run(lambda: 1, priority=Priority.POLL, by="")
        plug.pulled.set()
        assert await plugging == "pulled"

    asyncio.run(main())
