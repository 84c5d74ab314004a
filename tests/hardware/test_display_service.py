"""The display service: finding, refreshing, following the knob, surviving."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TypeVar

import pytest

from graped.config.types import Cluster, Config, Display, Gpio, Poll, Stack
from graped.core.state import StackState, State
from graped.display import DisplayService, candidate_buses
from graped.errors import PinError
from graped.hardware.lanes import Priority
from graped.hardware.panel import Panel
from graped.hardware.protocols import Edge, I2cBus
from graped.hardware.sim.panel import click
from graped.model import StackCondition
from tests.hardware.gpio_fakes import FakeGpio
from tests.hardware.panel_fakes import BoardBus

T = TypeVar("T")
REFRESH_S = 0.005


class DirectLane:
    """A lane without a queue; remembers what was asked of it."""

    def __init__(self) -> None:
        self.asked: list[tuple[Priority, str]] = []

    async def run(self, work: Callable[[], T], *, priority: Priority, by: str) -> T:
        self.asked.append((priority, by))
        await asyncio.sleep(0)
        return work()


class Bench:
    """One display service with a board on bus 1, and everything that a test turns."""

    def __init__(self, display: Display | None = None, **options: object) -> None:
        self.buses = {0: BoardBus(0), 1: BoardBus(1)}
        self.buses[0].plugged = False
        self.lane = DirectLane()
        self.reports: list[str] = []
        self.now = 0.0
        self.slept: list[float] = []
        config = Config(
            cluster=Cluster(stacks={0: Stack(), 1: Stack()}),
            display=display or Display(refresh_s=REFRESH_S),
            poll=Poll(retry_max_s=30.0),
            gpio=Gpio(),
        )
        stacks = {key: StackState(condition=StackCondition.OK, adopted=True) for key in (0, 1)}
        self.state = State(config=config, stacks=stacks)
        self.service = DisplayService(
            state=lambda: self.state,
            buses=self.buses,
            lane_of=lambda number: self.lane,
            report=lambda kind, message: self.reports.append(kind),
            clock=lambda: self.now,
            make_panel=self._panel,
            sleep=self._sleep,
            **options,  # type: ignore[arg-type]
        )

    def _panel(self, bus: I2cBus, address: int) -> Panel:
        assert isinstance(bus, BoardBus)
        return Panel(bus, address, bus.sleep)

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0.001)

    @property
    def board(self) -> BoardBus:
        return self.buses[1]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Bench]:
        task = asyncio.create_task(self.service.run())
        try:
            yield self
        finally:
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    async def until(self, what: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not what():  # noqa: ASYNC110 - the board is not ours to give it an event
                await asyncio.sleep(0.001)

    def shows(self, words: str) -> Callable[[], bool]:
        return lambda: words in " ".join(self.board.board.shown().lines)


def test_the_board_is_found_on_either_bus_and_shows_the_cluster() -> None:
    async def main() -> None:
        async with Bench().running() as bench:
            await bench.until(bench.shows("grape        0/0"))
            assert bench.board.board.shown().green
            assert bench.reports == ["display.found"]
            assert set(bench.lane.asked) == {(Priority.DISPLAY, "display")}

    asyncio.run(main())


def test_a_change_is_shown_and_no_change_sends_no_text() -> None:
    async def main() -> None:
        async with Bench().running() as bench:
            await bench.until(bench.shows("grape"))
            before, turns = bench.board.bytes_sent, len(bench.lane.asked)
            await bench.until(lambda: len(bench.lane.asked) > turns + 4)
            looks = len(bench.lane.asked) - turns
            assert bench.board.bytes_sent - before <= 7 * (looks + 1)  # configuration and inputs, nothing else
            bench.state = replace(bench.state, over_temperature=True)
            await bench.until(bench.shows("OVER-TEMPERATURE"))
            assert bench.board.board.shown().red

    asyncio.run(main())


def test_the_knob_pages_a_push_and_idleness_go_back() -> None:
    async def turn(bench: Bench, clockwise: bool) -> None:
        for contacts in click(clockwise):
            bench.board.board.contacts(contacts)
            await bench.until(lambda: not bench.board.board.expander.int_low)

    async def main() -> None:
        async with Bench().running() as bench:
            await bench.until(bench.shows("grape"))
            await turn(bench, True)
            await bench.until(bench.shows("Stack 0"))
            await turn(bench, True)
            await bench.until(bench.shows("Stack 1"))
            bench.board.board.press(True)
            await bench.until(bench.shows("grape"))
            bench.board.board.press(False)
            await turn(bench, False)
            await bench.until(bench.shows("Stack 1"))
            bench.now += 29.0
            await asyncio.sleep(3 * REFRESH_S)
            assert bench.shows("Stack 1")()
            bench.now += 1.0
            await bench.until(bench.shows("grape"))

    asyncio.run(main())


def test_the_interrupt_wakes_it_long_before_the_next_refresh() -> None:
    async def main() -> None:
        gpio = FakeGpio({})
        async with Bench(Display(refresh_s=60.0), gpio=gpio).running() as bench:
            await bench.until(bench.shows("grape"))
            for contacts in click(True):
                bench.board.board.contacts(contacts)
                await asyncio.to_thread(gpio.watchers[17])
                await bench.until(lambda: not bench.board.board.expander.int_low)
            await bench.until(bench.shows("Stack 0"))

    asyncio.run(main())


def test_a_touch_at_the_moment_of_the_end_does_not_keep_it_going() -> None:
    async def main() -> None:
        gpio = FakeGpio({})
        bench = Bench(Display(refresh_s=60.0), gpio=gpio)
        task = asyncio.create_task(bench.service.run())
        await bench.until(bench.shows("grape"))
        await asyncio.sleep(0.05)  # it waits for the next refresh
        gpio.watchers[17]()
        await asyncio.sleep(0)
        task.cancel()
        done, _ = await asyncio.wait((task,), timeout=5.0)
        assert done
        assert task.cancelled()

    asyncio.run(main())


def test_a_pin_that_cannot_be_watched_is_said_once_and_asked_for_until_it_can() -> None:
    class Late(FakeGpio):
        tries = 0

        def watch(self, pin: int, edge: Edge, seen: Callable[[], None]) -> None:
            self.tries += 1
            if self.tries < 4:
                raise PinError("no edges here")
            super().watch(pin, edge, seen)

    async def main() -> None:
        gpio = Late({})
        async with Bench(gpio=gpio).running() as bench:
            await bench.until(bench.shows("grape"))
            await bench.until(lambda: 17 in gpio.watchers)
            refreshes = len(bench.lane.asked)
            await bench.until(lambda: len(bench.lane.asked) > refreshes + 6)
            assert gpio.tries == 4
            assert bench.reports.count("display.unwatched") == 1

    asyncio.run(main())


def test_a_display_that_vanishes_is_reported_once_and_set_up_again_when_it_returns() -> None:
    async def main() -> None:
        async with Bench().running() as bench:
            await bench.until(bench.shows("grape"))
            bench.board.plugged = False
            bench.board.board.reset()
            await bench.until(lambda: bench.reports == ["display.found", "display.lost"])
            asked = len(bench.lane.asked)
            await bench.until(lambda: len(bench.lane.asked) > asked + 6)
            assert bench.reports == ["display.found", "display.lost"]
            bench.board.plugged = True
            await bench.until(bench.shows("grape"))
            assert bench.reports == ["display.found", "display.lost", "display.found"]

    asyncio.run(main())


def test_a_board_that_lost_its_power_between_two_looks_is_set_up_again() -> None:
    async def main() -> None:
        async with Bench().running() as bench:
            await bench.until(bench.shows("grape"))
            bench.board.board.reset()
            await bench.until(bench.shows("grape"))
            assert bench.reports == ["display.found"]

    asyncio.run(main())


def test_what_noise_wrote_on_the_glass_is_gone_within_a_minute() -> None:
    async def main() -> None:
        async with Bench().running() as bench:
            await bench.until(bench.shows("grape"))
            bench.board.board.lcd.ddram[0:5] = b"GR#PE"
            bench.now += 60.0
            await bench.until(bench.shows("grape"))
            assert bench.reports == ["display.found"]

    asyncio.run(main())


def test_a_single_error_loses_nothing() -> None:
    async def main() -> None:
        async with Bench().running() as bench:
            await bench.until(bench.shows("grape"))
            bench.board.fail_after = 0
            await bench.until(lambda: bench.board.fail_after is not None and bench.board.fail_after < 0)
            bench.board.fail_after = None
            bench.state = replace(bench.state, over_temperature=True)
            await bench.until(bench.shows("OVER-TEMPERATURE"))
            assert bench.reports == ["display.found"]

    asyncio.run(main())


def test_no_display_is_silent_unless_one_was_promised_and_asked_for_ever_less_often() -> None:
    async def main(enabled: bool | None) -> Bench:
        bench = Bench(Display(enabled=enabled, refresh_s=REFRESH_S))
        bench.board.plugged = False
        async with bench.running():
            await bench.until(lambda: len(bench.slept) >= 7)
        return bench

    silent = asyncio.run(main(None))
    assert silent.reports == []
    assert silent.slept[:7] == [1, 2, 4, 8, 16, 30, 30]
    assert asyncio.run(main(True)).reports == ["display.missing"]


def test_a_display_that_is_switched_off_is_never_asked_for() -> None:
    bench = Bench(Display(enabled=False))
    asyncio.run(bench.service.run())
    assert (bench.board.transactions, bench.reports) == (0, [])


HAT = Stack(driver="clusterhat")
RELAY = Stack(driver="gpio_relay")


@pytest.mark.parametrize(
    ("stacks", "display", "expected"),
    [
        ([Stack()], Display(), (0, 1)),
        ([Stack()], Display(bus=0), (0,)),
        ([Stack()], Display(bus=3), ()),
        ([Stack(), HAT], Display(), (0,)),
        ([Stack(), Stack(driver="clusterhat", bus=0)], Display(), (1,)),
        ([RELAY], Display(), ()),
        ([RELAY], Display(enabled=True), (0, 1)),
        ([Stack()], Display(enabled=False), ()),
        ([], Display(), ()),
    ],
)
def test_where_the_display_may_be_looked_for(stacks: list[Stack], display: Display, expected: tuple[int, ...]) -> None:
    config = Config(cluster=Cluster(stacks=dict(enumerate(stacks))), display=display)
    assert candidate_buses(config, frozenset({0, 1})) == expected
