"""A stream that can be looked into before it is read: what an import reads from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from graped.errors import BadImage
from graped.netboot.images.space import megabytes
from graped.work import Work

PIECE_BYTES: Final = 262_144
DRAIN_BYTES: Final = 64 * 1_048_576  # tar pads with some kilobytes, an image of a card with some megabytes


class Source:
    """``take(n)`` gives up to n bytes, b"" at the end. Whatever is read is told to ``work`` (None: not told)."""

    def __init__(self, take: Callable[[int], bytes], work: Work | None = None) -> None:
        self._take = take
        self._work = work
        self._ahead = b""  # read, and not taken yet from self._at on
        self._at = 0

    def read(self, size: int) -> bytes:
        """Read ``size`` bytes, fewer only at the end."""
        self._fill(size)
        return self._from_ahead(size)

    def some(self, size: int) -> bytes:
        """Read up to ``size`` bytes, what there is; b"" at the end."""
        return self._from_ahead(size) if self._at < len(self._ahead) else self._get(size)

    def peek(self, size: int) -> bytes:
        """Look at the next ``size`` bytes, fewer only at the end."""
        self._fill(size)
        return self._ahead[self._at : self._at + size]

    def unread(self, data: bytes) -> None:
        """Put back what was read too far."""
        if data:
            self._ahead, self._at = data + self._ahead[self._at :], 0

    def exactly(self, size: int, what: str) -> bytes:
        """Read ``size`` bytes. Raises: BadImage where it ends before."""
        data = self.read(size)
        if len(data) < size:
            raise truncated(what)
        return data

    def drain(self, what: str, limit: int = DRAIN_BYTES) -> None:
        """Read to the end, so that its check sums are looked at. Raises: BadImage where it does not come."""
        left = limit
        while data := self.some(PIECE_BYTES):
            left -= len(data)
            if left < 0:
                raise BadImage(f"{what} goes on for more than {megabytes(limit)} behind its end")

    def _from_ahead(self, size: int) -> bytes:
        data = self._ahead[self._at : self._at + size]
        self._at += len(data)
        return data

    def _fill(self, size: int) -> None:
        have = len(self._ahead) - self._at
        if have >= size:
            return
        parts = [self._ahead[self._at :]]
        while have < size:
            more = self._get(max(size - have, PIECE_BYTES))
            if not more:
                break
            parts.append(more)
            have += len(more)
        self._ahead, self._at = b"".join(parts), 0

    def _get(self, size: int) -> bytes:
        data = self._take(size)
        if self._work is not None:
            self._work.advance(len(data))
        return data


def truncated(what: str) -> BadImage:
    """Say that something ends too early."""
    return BadImage(f"{what} ends in the middle: it is truncated", hint="Fetch it again, and compare its check sum.")
