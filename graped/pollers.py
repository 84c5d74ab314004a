"""One small task a stack: find it, poll it, meter it, and carry out its writes. A fault stays in its own task.

What does not answer is asked again at growing intervals; what costs a deadline on the wire (a hang) grows faster than
what costs nothing (nobody acknowledges), so that a dead stack cannot eat the bus of the living.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from graped.clock import Clock
from graped.config.types import Config, DriverSpec
from graped.core.effects import SwitchPort
from graped.core.events import (
    Event,
    MetersRead,
    PortRead,
    PortSwitched,
    PortUnread,
    StackFound,
    StackLost,
    SwitchEnd,
)
from graped.core.ports import LANE_STUCK
from graped.errors import BusNack, BusTimeout, DriverError, GrapeError, PortUnsure
from graped.hardware import probe, switching
from graped.hardware.drivers.registry import Resources
from graped.hardware.lanes import Lane, Lanes, Priority
from graped.hardware.meters import BoardMeters
from graped.hardware.protocols import PowerDriver

log = logging.getLogger("graped.pollers")

T = TypeVar("T")

CHEAP = frozenset({BusNack.code, PortUnsure.code})  # failures that hardly keep the bus busy
CHEAP_ROUNDS = 4  # after one of those a stack is asked again after at most so many poll intervals
BREATH_S = 0.05
TOO_SOON = 0.1  # a turn that begins within this part of the interval is left out


@dataclass(kw_only=True)
class _Stack:
    """What a stack's task knows."""

    key: int
    driver: PowerDriver | None = None
    lane: Lane | None = None
    meters: BoardMeters | None = None
    nudge: asyncio.Event = field(default_factory=asyncio.Event)
    meter_nudge: asyncio.Event = field(default_factory=asyncio.Event)


class Pollers:
    """All stacks' tasks. ``config`` is asked anew each round (it may be reloaded).

    ``post`` takes the reports, ``verified`` tells the last verified raw value of a stack; both are the engine's.
    """

    def __init__(
        self,
        stacks: Iterable[int],
        config: Callable[[], Config],
        specs: Mapping[str, DriverSpec],
        resources: Resources,
        lanes: Lanes,
        clock: Clock,
    ) -> None:
        self._config = config
        self._specs = specs
        self._resources = resources
        self._lanes = lanes
        self._clock = clock
        self._stacks = {key: _Stack(key=key) for key in stacks}
        self.post: Callable[[Event], None] = lambda event: None
        self.verified: Callable[[int], int | None] = lambda stack: None

    # --- what the engine asks (engine.Edges) ----------------------------------------------------------

    def read_soon(self, stack: int) -> None:
        """Read a stack's port now instead of at its next turn."""
        self._stacks[stack].nudge.set()

    def read_temperatures(self) -> None:
        """Read all meters now."""
        for stack in self._stacks.values():
            stack.meter_nudge.set()

    async def switch(self, effect: SwitchPort) -> PortSwitched:
        """Write a port and verify it, in the stack's lane, ahead of polls."""
        stack = self._stacks[effect.stack]
        if stack.driver is None or stack.lane is None:
            return PortSwitched(
                stack=effect.stack, token=effect.token, end=SwitchEnd.UNWRITTEN, at=self._clock.monotonic(),
                code="missing", message="it has no usable port",
            )  # fmt: skip
        what = "repair" if effect.repair else "switch"
        by = f"{what} stack {effect.stack} for job {','.join(map(str, effect.jobs))}"
        deadline_s = self._config().bus.deadline_s
        switch = partial(switching.switch, repair=effect.repair, deadline_s=deadline_s)
        work = partial(self._timed, switch, stack.driver, effect.base, effect.value)
        result, at = await stack.lane.run(work, priority=Priority.COMMAND, by=by)
        return PortSwitched(
            stack=effect.stack,
            token=effect.token,
            end=result.end,
            at=at,
            reading=result.reading,
            repairs=result.repairs,
            errors=result.errors,
            code=result.code,
            message=_plainly(result.code, result.message)[0],
        )

    def _timed(self, work: Callable[..., T], *arguments: object) -> tuple[T, float]:
        """Run work in a lane and note when it ended: reports are ordered by that."""
        return work(*arguments), self._clock.monotonic()

    # --- the tasks ------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Poll all stacks until cancelled."""
        async with asyncio.TaskGroup() as group:
            for stack in self._stacks.values():
                group.create_task(self._live(stack))

    async def _live(self, stack: _Stack) -> None:
        await self._find(stack)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._poll(stack))
            if stack.meters is not None:
                group.create_task(self._meter(stack, stack.meters))

    async def _find(self, stack: _Stack) -> None:
        """Locate and build a stack's driver; a missing one is looked for again at growing intervals."""
        fails = 0
        while True:
            try:
                found = await self._build(stack)
            except GrapeError as error:
                code = "ambiguous" if isinstance(error, probe.Ambiguous) else error.code
                found = StackLost(stack=stack.key, code=code, message=error.detail, hint=error.hint)
            except Exception as error:
                log.exception("building the driver of stack %d failed", stack.key)
                found = StackLost(stack=stack.key, code="driver", message=f"its driver failed: {error}")
            self.post(found)
            if not isinstance(found, StackLost):
                return
            fails += 1
            await self._pause(stack.nudge, self._growing(fails, found.code), hold=self._breath())

    async def _build(self, stack: _Stack) -> Event:
        config = self._config()
        entry = config.cluster.stacks[stack.key]
        spec = self._specs[entry.driver]
        if not spec.board:
            stack.driver = spec.build(stack.key, entry, self._resources)
            stack.lane = self._lanes.get(stack.driver.lane)
            return StackFound(stack=stack.key, layout=stack.driver.layout)
        place = await probe.find(stack.key, config, self._resources.buses, self._lanes)
        stack.driver = spec.build(stack.key, entry, self._resources.at(place))
        stack.lane = self._lanes.get(stack.driver.lane)
        stack.meters = BoardMeters(
            self._resources.buses[place.bus], place.address, entry.shunt_ohms, entry.meter, config.temperature,
            deadline_s=config.bus.deadline_s, retry_max_s=config.poll.retry_max_s,
        )  # fmt: skip
        return StackFound(stack=stack.key, layout=stack.driver.layout, bus=place.bus, address=place.address)

    async def _poll(self, stack: _Stack) -> None:
        fails = 0
        while True:
            code = await self._read(stack)
            if code is None:
                fails = 0
                await self._pause(stack.nudge, self._to_turn(self._config().poll.power_s))
            else:
                fails += 1
                await self._pause(stack.nudge, self._growing(fails, code), hold=self._breath())

    async def _read(self, stack: _Stack) -> str | None:
        """Read the port once and post what it says; return the error's code, if any."""
        assert stack.driver is not None
        assert stack.lane is not None
        work = partial(self._timed, switching.look, stack.driver, self.verified(stack.key))
        patience = 1.0 + 8 * self._config().bus.deadline_s
        stuck = asyncio.get_running_loop().call_later(patience, self._stuck, stack.key, patience)
        try:
            look, at = await stack.lane.run(work, priority=Priority.POLL, by=f"poll stack {stack.key}")
        except Exception as bug:
            log.exception("reading stack %d failed", stack.key)
            look, at = switching.PortLook(error=DriverError(f"its driver failed: {bug}")), self._clock.monotonic()
        finally:
            stuck.cancel()
        if look.reading is not None:
            self.post(PortRead(stack=stack.key, reading=look.reading, at=at, errors=look.errors))
            return None
        error = look.error or DriverError("its driver gave no reading")
        message, hint = _plainly(error.code, error.detail, error.hint)
        self.post(PortUnread(stack=stack.key, code=error.code, message=message, at=at, hint=hint, errors=look.errors))
        return error.code

    def _stuck(self, key: int, seconds: float) -> None:
        """Report a read that has not come back; it is waited for all the same."""
        text = f"its bus or driver has not come back for {seconds:.1f} s"
        self.post(PortUnread(stack=key, code=LANE_STUCK, message=text, at=self._clock.monotonic()))

    async def _meter(self, stack: _Stack, meters: BoardMeters) -> None:
        assert stack.lane is not None
        while True:
            try:
                readings, missing = await stack.lane.run(
                    lambda: meters.read(self._clock.monotonic()),
                    priority=Priority.METERS,
                    by=f"meter stack {stack.key}",
                )
                self.post(MetersRead(stack=stack.key, readings=readings, missing=missing))
            except Exception:
                log.exception("metering stack %d failed", stack.key)
            await self._pause(stack.meter_nudge, self._to_turn(self._config().poll.meters_s))

    # --- pauses ---------------------------------------------------------------------------------------

    def _to_turn(self, interval_s: float) -> float:
        """How long until the next turn; all stacks have theirs at once.

        An idle graped then wakes once an interval, not once a stack, for half the processor time. Lanes let commands
        overtake the polls that wait.
        """
        left = interval_s - self._clock.monotonic() % interval_s
        return left if left > interval_s * TOO_SOON else left + interval_s

    def _breath(self) -> float:
        """The least pause after a failure, however much somebody nudges."""
        return min(BREATH_S, self._config().poll.power_s)

    def _growing(self, fails: int, code: str) -> float:
        """How long to leave a stack alone that failed ``fails`` times in a row."""
        poll = self._config().poll
        cheap = code in CHEAP
        most = min(poll.retry_max_s, CHEAP_ROUNDS * poll.power_s) if cheap else poll.retry_max_s
        return max(poll.power_s, min(most, poll.power_s * 2.0 ** min(fails - 1, 10)))

    async def _pause(self, nudge: asyncio.Event, seconds: float, *, hold: float = 0.0) -> None:
        """Wait, shorter when nudged, but never shorter than ``hold``."""
        if hold:
            await asyncio.sleep(hold)
            seconds = max(0.0, seconds - hold)
        try:
            async with asyncio.timeout(seconds):  # a third of what wait_for costs, which wraps a task around it
                await nudge.wait()
        except TimeoutError:
            pass
        nudge.clear()


def _plainly(code: str, detail: str, hint: str = "") -> tuple[str, str]:
    """Say in a person's words why a port could not be read (message, hint); the wire's own words go into the hint."""
    if code in (BusNack.code, BusTimeout.code):
        return "no answer", hint or f"look at its supply, cable and jumpers ({detail})"
    return detail, hint
