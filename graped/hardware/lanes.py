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

# So long a poll's answer may wait for the next one's while there is more to poll: waking the loop for each costs more
# than the poll, and the bus waits for the interpreter meanwhile.
HOLD_S = 0.005


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
    urgent: bool  # its answer is told at once
    dropped: bool = False


@dataclass(slots=True)
class _Ended:
    """What became of a piece of work, and when it ended."""

    answer: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop
    at: float
    result: object = None
    error: BaseException | None = None


class Lane:
    """One daemon thread with a queue. Daemon, so that a hung ioctl does not keep the process from ending.

    All who wait for its answers belong to one event loop.
    """

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
        piece = _Work(work, by, answer, loop, priority is Priority.COMMAND)
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
            _tell([_Ended(piece.answer, piece.loop, 0.0, error=_closed(self.name))])

    def _serve(self) -> None:
        ended: list[_Ended] = []
        while True:
            piece = self._next(wait=not ended)
            if piece is not None:
                ended.append(self._carry_out(piece))
                if not piece.urgent and self._clock() - ended[0].at < HOLD_S:
                    continue
            elif not ended:
                return
            _tell(ended)
            ended = []
            del piece  # an idle lane keeps no closure alive

    def _carry_out(self, piece: _Work) -> _Ended:
        self._started = self._clock()
        try:
            with purpose(piece.by):
                result = piece.call()
        except BaseException as error:
            return _Ended(piece.answer, piece.loop, self._ended_at(), error=error)
        return _Ended(piece.answer, piece.loop, self._ended_at(), result=result)

    def _ended_at(self) -> float:
        self._started = None
        return self._clock()

    def _next(self, *, wait: bool) -> _Work | None:
        """Take the next piece of work; None where there is none, or with ``wait`` where there will never be any."""
        with self._ready:
            while True:
                while self._queue:
                    _, _, piece = heapq.heappop(self._queue)
                    if not piece.dropped:
                        return piece
                if self._closed or not wait:
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


def _tell(ended: list[_Ended]) -> None:
    try:
        ended[0].loop.call_soon_threadsafe(_answer, ended)
    except RuntimeError:
        pass  # the loop has ended: nobody waits any more


def _answer(ended: list[_Ended]) -> None:
    for end in ended:
        if end.answer.done():
            continue
        if end.error is not None:
            end.answer.set_exception(end.error)
        else:
            end.answer.set_result(end.result)
