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
        self._ahead = b""

    def read(self, size: int) -> bytes:
        """Read ``size`` bytes, fewer only at the end."""
        self._fill(size)
        data, self._ahead = self._ahead[:size], self._ahead[size:]
        return data

    def some(self, size: int) -> bytes:
        """Read up to ``size`` bytes, what there is; b"" at the end."""
        if not self._ahead:
            return self._get(size)
        data, self._ahead = self._ahead[:size], self._ahead[size:]
        return data

    def peek(self, size: int) -> bytes:
        """Look at the next ``size`` bytes, fewer only at the end."""
        self._fill(size)
        return self._ahead[:size]

    def unread(self, data: bytes) -> None:
        """Put back what was read too far."""
        self._ahead = data + self._ahead

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

    def _fill(self, size: int) -> None:
        parts, have = [self._ahead], len(self._ahead)
        while have < size:
            more = self._get(max(size - have, PIECE_BYTES if size < PIECE_BYTES else 0))
            if not more:
                break
            parts.append(more)
            have += len(more)
        if len(parts) > 1:
            self._ahead = b"".join(parts)

    def _get(self, size: int) -> bytes:
        data = self._take(size)
        if self._work is not None:
            self._work.advance(len(data))
        return data


def truncated(what: str) -> BadImage:
    """Say that something ends too early."""
    return BadImage(f"{what} ends in the middle: it is truncated", hint="Fetch it again, and compare its check sum.")
