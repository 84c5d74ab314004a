"""Worker threads for blocking hardware: operations of one lane never run at once.

A lane is a bus, the GPIO block, or one command-line tool. A hung one blocks its own thread and nobody else's.
"""

from __future__ import annotations

import asyncio
import heapq
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, TypeVar

from graped.errors import HardwareError
from graped.hardware.protocols import purpose

T = TypeVar("T")


class Priority(IntEnum):
    """Whose turn comes first. The value is how many later pieces of work may overtake one of this kind."""

    COMMAND = 0
    POLL = 16
    METERS = 32
    DISPLAY = 64


@dataclass(slots=True)
class _Work:
    """A piece of work."""

    call: Callable[[], object]
    by: str
    answer: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop
    dropped: bool = False


class Lane:
    """One daemon thread with a queue. Daemon, so that a hung ioctl does not keep the process from ending."""

    def __init__(self, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.name = name
        self._clock = clock
        self._queue: list[tuple[int, int, _Work]] = []  # a heap by turn, then by age
        self._ready = threading.Condition()
        self._count = 0
        self._closed = False
        self._started: float | None = None
        threading.Thread(target=self._serve, name=f"lane-{name}", daemon=True).start()

    async def run(self, work: Callable[[], T], *, priority: Priority, by: str) -> T:
        """Run ``work`` in the lane's thread and return what it returns, or raise what it raises.

        ``by`` is the purpose of its transactions. If the waiter is cancelled, work that still waits is dropped;
        work that runs ends by itself.
        Raises: HardwareError where the lane is closed.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        piece = _Work(work, by, answer, loop)
        with self._ready:
            if self._closed:
                raise _closed(self.name)
            self._count += 1
            heapq.heappush(self._queue, (self._count + priority, self._count, piece))
            self._ready.notify()
        try:
            return await answer
        finally:
            piece.dropped = True

    @property
    def busy_s(self) -> float:
        """How long the piece of work that runs now has been running (0.0: nothing runs)."""
        started = self._started
        return 0.0 if started is None else self._clock() - started

    @property
    def waiting(self) -> int:
        """How many pieces of work wait."""
        with self._ready:
            return sum(not piece.dropped for _, _, piece in self._queue)

    def close(self) -> None:
        """Take no more work and refuse what waits; what runs ends by itself."""
        with self._ready:
            self._closed = True
            waiting, self._queue = self._queue, []
            self._ready.notify()
        for _, _, piece in waiting:
            _tell(piece, _refuse, _closed(self.name))

    def _serve(self) -> None:
        while (piece := self._next()) is not None:
            self._started = self._clock()
            try:
                with purpose(piece.by):
                    result = piece.call()
            except BaseException as error:
                self._started = None
                _tell(piece, _refuse, error)
            else:
                self._started = None
                _tell(piece, _answer, result)
            del piece  # an idle lane keeps no closure alive

    def _next(self) -> _Work | None:
        with self._ready:
            while True:
                while self._queue:
                    _, _, piece = heapq.heappop(self._queue)
                    if not piece.dropped:
                        return piece
                if self._closed:
                    return None
                self._ready.wait()


class Lanes:
    """All lanes by name, made when they are first asked for."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lanes: dict[str, Lane] = {}

    def get(self, name: str) -> Lane:
        """Return the lane of this name."""
        lane = self._lanes.get(name)
        if lane is None:
            lane = self._lanes[name] = Lane(name, self._clock)
        return lane

    def busy(self) -> dict[str, float]:
        """How long each lane's running piece of work has been running."""
        return {name: lane.busy_s for name, lane in self._lanes.items()}

    def close(self) -> None:
        """Close every lane."""
        for lane in self._lanes.values():
            lane.close()


def lane_of_bus(number: int) -> str:
    """Name the lane of an I2C bus."""
    return f"i2c-{number}"


def _closed(name: str) -> HardwareError:
    return HardwareError(f"lane {name} is closed: graped is stopping")


def _answer(answer: asyncio.Future[Any], result: object) -> None:
    if not answer.done():
        answer.set_result(result)


def _refuse(answer: asyncio.Future[Any], error: BaseException) -> None:
    if not answer.done():
        answer.set_exception(error)


def _tell(piece: _Work, how: Callable[[asyncio.Future[Any], Any], None], what: object) -> None:
    try:
        piece.loop.call_soon_threadsafe(how, piece.answer, what)
    except RuntimeError:
        pass  # the loop has ended: nobody waits any more
