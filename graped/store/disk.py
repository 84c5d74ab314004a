"""The database as the event loop sees it: asked in its own thread, within a time, and never a reason to fail.

What goes wrong becomes the fault in ``health``; a file that is gone or damaged is replaced by a fresh one.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from enum import Enum, auto
from pathlib import Path
from typing import TypeVar

from graped.clock import Clock
from graped.errors import StoreError
from graped.store.batch import Batch, write_batch
from graped.store.database import Connect, Damaged, Database, Interrupted
from graped.store.health import Health
from graped.store.opening import Past, begin, read_past
from graped.store.worker import Worker

T = TypeVar("T")

log = logging.getLogger(__name__)

QUERY_S = 3.0  # a query that takes longer is stopped
ANSWER_S = 5.0  # a disk that takes longer is in trouble; a slot waits no longer than this for it


class Written(Enum):
    """How a write ended."""

    SAVED = auto()
    FAILED = auto()  # try again when ``health`` says so
    AGAIN = auto()  # a damaged file was moved away: try again now
    LOST = auto()  # saved, but into a fresh file: what earlier batches held is not in it


class Disk:
    """Ask the database, and keep count of its health."""

    def __init__(self, path: Path, clock: Clock, connect: Connect = sqlite3.connect) -> None:
        self.health = Health(clock)
        self._clock = clock
        self._database = Database(path, connect)
        self._worker = Worker("store")
        self._past = Past()
        self._hurry = 0  # durable writes under way
        self._begun = False  # of the worker's thread: this run is noted in the file

    async def start(self) -> Past:
        """Open the file, read what the last run left and note that a run has begun."""
        wall = self._clock.wall()
        try:
            self._past = await self._ask(lambda: self._look_back(wall))
        except StoreError as error:
            self._failed(error)
            self._past = self._past.beyond(wall)
        if not self.health.troubled:
            try:
                await self._ask(self._usable)
            except StoreError as error:
                self._failed(error)
                self._past = self._past.beyond(wall)
        return self._past

    async def read(self, query: Callable[[sqlite3.Connection], T]) -> T | None:
        """Run a query; None while the disk cannot be asked. A durable write goes before it, even when it runs.

        Raises ``StoreError`` for a query that takes longer than ``QUERY_S``.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + QUERY_S
        too_long = loop.call_at(until, self._database.interrupt)
        try:
            while not self.health.troubled and self._database.is_open:
                try:
                    return await self._ask(lambda: self._read(query))
                except Interrupted:
                    if loop.time() >= until:
                        hint = "Ask for a shorter time, or in larger steps."
                        raise StoreError("this takes the disk too long", hint=hint) from None
                except StoreError as error:
                    self._failed(error)
        finally:
            too_long.cancel()
        return None

    async def write(self, batch: Batch, *, durable: bool) -> Written:
        """Write a batch in one transaction; ``durable``: it is on the card when this returns."""
        if durable:
            self._hurry += 1
            self._database.interrupt()
        try:
            fresh = await self._ask(lambda: self._write(batch, durable))
        except StoreError as error:
            self._failed(error)
            return Written.FAILED if self.health.troubled else Written.AGAIN
        finally:
            self._hurry -= durable
        self.health.worked()
        return Written.LOST if fresh else Written.SAVED

    async def close(self) -> None:
        """Close the file and end the thread."""
        try:
            await self._ask(self._database.close)
        except StoreError as error:
            log.error("the store does not close: %s", error.detail)
        self._worker.stop()

    async def _ask(self, call: Callable[[], T]) -> T:
        """Run a call in the thread. Raises ``StoreError`` for all that can go wrong."""
        try:
            async with asyncio.timeout(ANSWER_S):
                return await self._worker.run(call)
        except TimeoutError:
            message = f"the disk did not answer within {ANSWER_S:g} s"
            raise StoreError(message, hint="Look for errors of the card in the kernel log.") from None
        except StoreError:
            raise
        except Exception as error:
            log.exception("the store failed")
            raise StoreError(f"graped failed inside the store ({type(error).__name__})") from error

    def _failed(self, error: StoreError) -> None:
        if isinstance(error, Damaged) and error.moved:
            self.health.damaged(error)
        else:
            self.health.failed(error)

    # --- in the worker's thread -----------------------------------------------------------------------

    def _look_back(self, wall: float) -> Past:
        self._database.open()
        return self._database.read(lambda connection: read_past(connection, wall))

    def _read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        if self._hurry:  # queued before a write that somebody waits for
            raise Interrupted("a write goes first")
        return self._database.read(query)

    def _usable(self) -> bool:
        """Have the file open and our run noted in it; return whether it is a fresh one."""
        fresh = not self._database.is_open and not self._database.open()
        if fresh or not self._begun:
            wall = self._clock.wall()
            self._database.write(lambda connection: begin(connection, self._past, wall), durable=True)
            self._begun = True
        return fresh

    def _write(self, batch: Batch, durable: bool) -> bool:
        fresh = self._usable()
        self._database.write(lambda connection: write_batch(connection, batch), durable=durable)
        if not durable:  # nobody waits for this one
            self._database.checkpoint()
        return fresh
