"""A file that a client is still sending: bytes come in the event loop, a thread reads them; little is held."""

from __future__ import annotations

import asyncio
import contextlib
import io
import threading
from collections import deque
from collections.abc import AsyncIterator
from typing import Any, Protocol

from graped.errors import BadImage, GrapeError, Stopping

ROOM_BYTES = 4 * 1024 * 1024  # held at most, and one chunk more
LOOK_S = 0.5  # how often a reader that waits for bytes looks whether it should stop


class Checked(Protocol):
    """Something that raises when work is to stop."""

    def check(self) -> None: ...


class Upload(io.RawIOBase):
    """Made in the loop; ``feed`` belongs to it, reading to one thread. Wrap it in a BufferedReader to look ahead."""

    def __init__(self, room_bytes: int = ROOM_BYTES) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._room_bytes = room_bytes
        self._chunks: deque[memoryview] = deque()
        self._held = 0
        self._taken = 0
        self._whole = False
        self._cut: GrapeError | None = None  # why it is not whole
        self._news = threading.Condition()  # bytes came, or none will come any more
        self._room = asyncio.Event()
        self.work: Checked | None = None  # asked while a reader waits

    async def feed(self, chunks: AsyncIterator[bytes]) -> None:
        """Take chunks as fast as they are read, until they end or the reader has closed the file."""
        try:
            async for chunk in chunks:
                if not chunk:
                    continue
                if not self._put(chunk):
                    return
                await self._wait_for_room()
        except GrapeError as error:
            self._end(error)
            raise
        except asyncio.CancelledError:
            self._end(Stopping("graped was stopped"))
            raise
        except BaseException:
            hint = "Send it again; nothing was kept."
            self._end(BadImage(f"the upload broke off after {self._taken} bytes", hint=hint))
            raise
        self._end(None)

    def _put(self, chunk: bytes) -> bool:
        with self._news:
            if self.closed:
                return False
            self._chunks.append(memoryview(chunk))
            self._held += len(chunk)
            self._taken += len(chunk)
            self._room.clear()
            self._news.notify()
        return True

    async def _wait_for_room(self) -> None:
        while self._held > self._room_bytes and not self.closed:
            await self._room.wait()
            self._room.clear()

    def _end(self, cut: GrapeError | None) -> None:
        with self._news:
            self._whole, self._cut = cut is None, cut
            self._news.notify()

    # --- the thread's side ----------------------------------------------------------------------------

    def readable(self) -> bool:
        """Tell that this can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read some bytes, waiting for them. Raises: BadImage (the client hung up), Stopping, Cancelled."""
        room = memoryview(buffer).cast("B")
        with self._news:
            while not self._chunks and not self._whole:
                if self._cut is not None:
                    raise self._cut
                self._news.wait(LOOK_S)
                if self.work is not None:
                    self.work.check()
            if not self._chunks:
                return 0
            chunk = self._chunks.popleft()
            size = min(len(chunk), len(room))
            room[:size] = chunk[:size]
            if size < len(chunk):
                self._chunks.appendleft(chunk[size:])
            self._held -= size
            wake = self._held <= self._room_bytes // 2
        if wake:
            self._tell_room()
        return size

    def close(self) -> None:
        """Want no more: whoever feeds is let go."""
        with self._news:
            super().close()
            self._chunks.clear()
        self._tell_room()

    def _tell_room(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._room.set)
