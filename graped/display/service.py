"""Keep the display up to date: look for the board, refresh it, follow its knob.

No display, no harm: it is looked for at growing intervals, and set up anew when it comes back.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol, TypeVar

from graped.config.types import Config
from graped.core.state import State
from graped.display.pages import Page, pages
from graped.errors import HardwareError, PinError
from graped.hardware.chips.encoder import Encoder
from graped.hardware.lanes import Priority
from graped.hardware.panel import Panel
from graped.hardware.protocols import Edge, Gpio, I2cBus

IDLE_S = 30.0  # without a touch: back to the first page
FIRST_RETRY_S = 1.0
REPAINT_S = 60.0  # noise on the cable may change what the glass shows, and nobody can read it back
FAILURES_TO_LOSE = 3  # refreshes in a row that the bus refused
BUS_OF_CLUSTERHAT = 1  # its expander sits at the display's address

T = TypeVar("T")


class Lane(Protocol):
    """Where work on one bus queues (see hardware.lanes)."""

    async def run(self, work: Callable[[], T], *, priority: Priority, by: str) -> T: ...


class DisplayService:
    """Serve the one display of a cluster.

    ``report`` gets a dotted kind (display.found, .lost, .missing, .unwatched) and a sentence, once for each change.
    """

    def __init__(
        self,
        *,
        state: Callable[[], State],
        buses: Mapping[int, I2cBus],
        lane_of: Callable[[int], Lane],
        gpio: Gpio | None = None,
        report: Callable[[str, str], None] = lambda kind, message: None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        make_panel: Callable[[I2cBus, int], Panel] = Panel,
    ) -> None:
        self._state = state
        self._buses = buses
        self._lane_of = lane_of
        self._gpio = gpio
        self._report = report
        self._clock = clock
        self._sleep = sleep
        self._make_panel = make_panel
        self._touched = asyncio.Event()
        self._watching = False
        self._complained = False
        self._said = ""

    async def run(self) -> None:
        """Look for the board and serve it until cancelled; return at once where there can be none."""
        config = self._state().config
        candidates = candidate_buses(config, frozenset(self._buses))
        wait_s = FIRST_RETRY_S
        while candidates:
            bus = await self._find(candidates, config.display.address)
            if bus is not None:
                self._say("display.found", f"the display answers on bus {bus}")
                await self._serve(bus, self._make_panel(self._buses[bus], config.display.address))
                self._say("display.lost", "the display does not answer any more")
                wait_s = FIRST_RETRY_S
            elif config.display.enabled:
                self._say("display.missing", "no display answers")
            await self._sleep(wait_s)
            wait_s = min(2 * wait_s, config.poll.retry_max_s)

    async def _find(self, candidates: tuple[int, ...], address: int) -> int | None:
        for bus in candidates:
            if await self._on(bus, self._make_panel(self._buses[bus], address).present):
                return bus
        return None

    async def _serve(self, bus: int, panel: Panel) -> None:
        """Refresh until the board stops answering."""
        knob = Knob(self._clock)
        shown: Page | None = None
        painted_at = self._clock()
        failures = 0
        while failures < FAILURES_TO_LOSE:
            await self._watch(bus)
            self._touched.clear()
            try:
                port, configured = await self._on(bus, lambda: _look(panel))
                page = knob.turn(port, pages(self._state(), self._clock()))
                if self._clock() - painted_at >= REPAINT_S:
                    shown, painted_at = None, self._clock()
                    await self._on(bus, panel.repaint)
                if page != shown or configured:
                    await self._on(bus, _showing(panel, page))
                shown, failures = page, 0
            except HardwareError:  # the bus, or a lane that is being closed
                shown, failures = None, failures + 1
            await self._pause(self._state().config.display.refresh_s)

    async def _pause(self, longest_s: float) -> None:
        """Wait for the knob, or for the next refresh."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(longest_s):  # wait_for (3.11) loses a cancellation at a touch
                await self._touched.wait()

    async def _watch(self, bus: int) -> None:
        """Have the expander's interrupt wake us; without it the knob is looked at with each refresh."""
        pin = self._state().config.gpio.display_pin
        gpio = self._gpio
        if self._watching or gpio is None or pin is None:
            return
        loop = asyncio.get_running_loop()
        line = pin

        def touched() -> None:  # in any thread
            loop.call_soon_threadsafe(self._touched.set)

        try:
            await self._on(bus, lambda: gpio.watch(line, Edge.FALLING, touched))
            self._watching = True
        except PinError as error:  # tried again with each refresh
            if not self._complained:
                self._report("display.unwatched", f"the knob answers slowly: {error.detail}")
            self._complained = True

    async def _on(self, bus: int, work: Callable[[], T]) -> T:
        return await self._lane_of(bus).run(work, priority=Priority.DISPLAY, by="display")

    def _say(self, kind: str, message: str) -> None:
        if kind != self._said:
            self._said = kind
            self._report(kind, message)


class Knob:
    """Choose the page: turned, pushed, or left alone."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._encoder: Encoder | None = None
        self._index = 0
        self._touched_at = clock()

    def turn(self, port: int, choice: list[Page]) -> Page:
        """Take the board's input port and give the page to show; ``choice`` has at least one."""
        if self._encoder is None:
            self._encoder = Encoder(port)
        turned = self._encoder.feed(port)
        if turned.clicks or turned.pressed:
            self._touched_at = self._clock()
        idle = self._clock() - self._touched_at >= IDLE_S
        self._index = 0 if turned.pressed or idle else (self._index + turned.clicks) % len(choice)
        return choice[self._index]


def candidate_buses(config: Config, present: frozenset[int]) -> tuple[int, ...]:
    """Tell on which buses the display may be looked for.

    It sits on a Grape stack, so without one it is looked for only when the configuration says that it is there. A
    ClusterHAT's expander has the same address and is never taken for it.
    """
    stacks = config.cluster.stacks.values()
    if config.display.enabled is False:
        return ()
    if config.display.enabled is None and not any(stack.driver == "stack" for stack in stacks):
        return ()
    if config.display.bus is not None:
        return tuple(present & {config.display.bus})
    taken = {BUS_OF_CLUSTERHAT if stack.bus is None else stack.bus for stack in stacks if stack.driver == "clusterhat"}
    return tuple(sorted(present - taken))


def _look(panel: Panel) -> tuple[int, bool]:
    """Read the inputs, and set the board up where it is not (new, or it lost its power): (port, set up now)."""
    lost = not panel.configured() and not panel.configured()  # asked twice: a single read may be noise
    if lost:
        panel.configure()
    return panel.inputs(), lost


def _showing(panel: Panel, page: Page) -> Callable[[], None]:
    return lambda: panel.show(page.lines, red=page.red, green=page.green)
