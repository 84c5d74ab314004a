"""Soft-off: a node's system is asked to stop, is seen to go down, and has a moment to settle before its power is cut.

The deadline is the core's: a system that does not obey is cut by it, and is not watched any longer.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Final, TypeVar

from graped.core.effects import AskSoftOff
from graped.core.events import SoftOffEnded, SoftOffTold
from graped.errors import GrapeError
from graped.model import MeterKind, Reading, SlotId
from graped.network.ssh_client import Endpoint
from graped.operate.evidence.pinging import Pings
from graped.operate.house import House
from graped.operate.power import descent
from graped.operate.power.asking import Wish, ask_system, words
from graped.operate.power.descent import Descent

T = TypeVar("T")

log = logging.getLogger("graped.softly")

AT_ONCE: Final = 24
ROUND_S: Final = 0.3  # between two pings
TRY_S: Final = 0.6  # for a TCP connection on a cluster's own network
ASKED: Final = "the system is stopping, asked over SSH"


def alive(at: Endpoint) -> bool:
    """Whether a kernel takes or refuses a TCP connection to a node's SSH port; blocks for at most ``TRY_S``."""
    try:
        socket.create_connection((at.address, at.port), TRY_S).close()
    except ConnectionError:  # refused or reset: somebody did that
        return True
    except OSError:
        return False
    return True


@dataclass(slots=True, eq=False)
class _Stopping:
    """A node on its way down; ``job`` is the one that waits for it now."""

    job: int
    slot: SlotId
    deadline: float
    fall: Descent
    before: Reading | None  # the stack's current
    at: Endpoint | None = None  # once it was asked
    pinged: bool = True
    over: asyncio.Event = field(default_factory=asyncio.Event)  # down, or too late


class Softly:
    """One daemon's; made in the event loop's thread."""

    def __init__(
        self,
        house: House,
        pings: Pings,
        *,
        tries: Callable[[Endpoint], bool] | None = None,
        asks: Callable[[Endpoint], None] | None = None,
    ) -> None:
        self._house = house
        self._pings = pings
        self._tries = tries or alive
        self._asks = asks or self._ask_by_ssh
        # Threads of their own: nodes that do not answer must not keep anything else in this daemon from its turn.
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="softly")
        self._stopping: dict[SlotId, _Stopping] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._woken = asyncio.Event()

    def ask(self, effect: AskSoftOff) -> None:
        """Have a node's system stop; what comes of it is told by events. One that stops already is not asked again."""
        going = self._stopping.get(effect.slot)
        if going is not None:
            going.job, going.deadline = effect.job, effect.deadline
            return
        state = self._house.state
        going = self._stopping[effect.slot] = _Stopping(
            job=effect.job, slot=effect.slot, deadline=effect.deadline,
            fall=Descent(asked_at=self._house.clock.monotonic()),
            before=state.stacks[effect.slot.stack].meters.get(MeterKind.CURRENT),
        )  # fmt: skip
        task = asyncio.create_task(self._stop(going))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @property
    def at_work(self) -> bool:
        """Whether some node is on its way down."""
        return bool(self._stopping)

    async def run(self) -> None:
        """Watch the nodes that go down, until cancelled."""
        try:
            while True:
                going = [one for one in self._stopping.values() if one.at is not None and not one.over.is_set()]
                if going:
                    await self._round(going)
                else:
                    await self._woken.wait()
                self._woken.clear()
        finally:
            for task in self._tasks:
                task.cancel()

    async def _stop(self, going: _Stopping) -> None:
        try:
            note = await self._go_down(going)
        except Exception as error:
            log.exception("soft-off of %s failed", going.slot)
            note = f"graped failed inside ({type(error).__name__})"
        finally:
            del self._stopping[going.slot]
        if note:
            self._house.engine.post(SoftOffEnded(job=going.job, slot=going.slot, note=note))

    async def _go_down(self, going: _Stopping) -> str:
        """Ask, wait, settle; return how it ended, "" where the core knows already: it was cut at its deadline."""
        house = self._house
        at = await self._in_thread(lambda: house.access.endpoint(going.slot))
        try:
            await self._in_thread(lambda: self._asks(at))
        except GrapeError as error:
            return f"could not be asked: {words(error, at.name)}"
        self._tell(going, ASKED)
        going.at = at
        self._woken.set()
        await going.over.wait()
        if going.fall.down_at is None:
            return ""
        settle_s = house.state.config.power.settle_s
        self._tell(going, f"is down after {going.fall.took_s():.1f} s, and settles for {settle_s:g} s", down=True)
        await asyncio.sleep(settle_s)
        after = house.state.stacks[going.slot.stack].meters.get(MeterKind.CURRENT)
        fell = descent.fall_ma(going.before, after, going.fall.down_at)
        return descent.words(going.fall, pinged=going.pinged, fell_ma=fell)

    async def _round(self, going: list[_Stopping]) -> None:
        """Ping all that go down; try the SSH port of those that are silent."""
        clock = self._house.clock
        began = clock.monotonic()
        heard = await self._pings.ask(
            (IPv4Address(one.at.address) for one in going if one.at), timeout_s=ROUND_S, tries=1, pause_s=ROUND_S
        )
        for one in going:
            assert one.at is not None
            one.pinged = heard is not None
            answer = None if heard is None else heard[IPv4Address(one.at.address)] is not None
            one.fall = one.fall.heard(answer, began)
        await asyncio.gather(*(self._try(one) for one in going if one.fall.to_be_tried))
        now = clock.monotonic()
        for one in going:
            if one.fall.down_at is not None or now >= one.deadline:
                one.over.set()
        await asyncio.sleep(max(0.0, began + ROUND_S - now))

    async def _try(self, one: _Stopping) -> None:
        at = one.at
        assert at is not None
        connected = await self._in_thread(lambda: self._tries(at))
        one.fall = one.fall.tried(connected, self._house.clock.monotonic())

    def _tell(self, going: _Stopping, note: str, *, down: bool = False) -> None:
        self._house.engine.post(SoftOffTold(job=going.job, slot=going.slot, note=note, down=down))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def _ask_by_ssh(self, at: Endpoint) -> None:
        ask_system(at, self._house.access.keys.cluster_key(), Wish.POWEROFF)
