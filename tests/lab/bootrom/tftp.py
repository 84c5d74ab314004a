"""One file by TFTP. A state machine: datagrams and times in, datagrams out. Source: RFC 1350, 2347, 2348, 2349."""

from __future__ import annotations

import struct
from collections.abc import Callable
from enum import StrEnum

from tests.lab.bootrom.faults import NONE, Faults

RRQ, DATA, ACK, ERROR, OACK = 1, 3, 4, 5, 6
PLAIN_BYTES = 512
TRIES = 5
_HEAD = struct.Struct("!HH")


class End(StrEnum):
    """How a transfer ended."""

    COMPLETE = "complete"
    MISSING = "missing"  # the server said so
    STOPPED = "stopped"  # by us: it was a probe
    SILENT = "silent"  # no answer
    WRONG = "wrong"  # an answer against the protocol


class Download:
    """Fetch ``path``; ``sink`` is given each block once, in order. A ``probe`` stops when it knows that it is there."""

    __slots__ = (
        "_answered", "_block", "_due_in", "_faults", "_last", "_seen", "_sink", "_tries",
        "block_bytes", "due", "end", "path", "probe", "size", "told_size", "wanted",
    )  # fmt: skip

    def __init__(
        self,
        path: str,
        sink: Callable[[memoryview], None],
        *,
        wanted: int | None = None,
        probe: bool = False,
        silent_s: float = 1.0,
        faults: Faults = NONE,
    ) -> None:
        self.path = path
        self.wanted = wanted
        self.block_bytes = PLAIN_BYTES
        self.probe = probe
        self.size = 0
        self.told_size: int | None = None
        self.end: End | None = None
        self.due = 0.0
        self._sink = sink
        self._faults = faults
        self._due_in = silent_s
        self._block = 1  # the one that comes next, modulo 65536
        self._answered = False
        self._last = b""
        self._tries = 0
        self._seen = 0

    def start(self, now: float) -> bytes:
        """Give the request, which goes to port 69."""
        words = [self.path, "octet"]
        if self.wanted is not None:
            words += ["tsize", "0", "blksize", str(self.wanted)]
        self._last = b"\0\1" + b"".join(word.encode() + b"\0" for word in words)
        self.due = now + self._due_in
        return self._last

    def wake(self, now: float) -> bytes | None:
        """Send the last packet again, or end."""
        self._tries += 1
        if self._tries >= TRIES:
            self.end = End.SILENT
            return None
        self.due = now + self._due_in
        return self._last

    def received(self, packet: memoryview, now: float) -> bytes | None:
        """Take a datagram of the server's port for this transfer; give what is to be sent back there."""
        if len(packet) < 4:
            return self._stop(End.WRONG, 4, "Illegal operation")
        kind, block = _HEAD.unpack_from(packet)
        if kind == DATA:
            if block != self._block:
                return None  # one that came twice: answering it would double all that follow
            return self._data(packet, now)
        if kind == ERROR:
            self.end = End.MISSING
            return None
        if kind == OACK and self.wanted is not None:
            # A server that hears nothing for a while says it twice: the answer is on its way.
            return None if self._answered else self._agreed(bytes(packet[2:]), now)
        return self._stop(End.WRONG, 4, "Illegal operation")

    def _data(self, packet: memoryview, now: float) -> bytes | None:
        self._seen += 1
        if self._faults.lost(self._seen):
            return None  # the server has to send it again
        self._answered = True
        length = len(packet) - 4
        if self.probe:
            self.size += length
            return self._stop(End.STOPPED, 0, "Early terminate")
        if length > self.block_bytes:
            return self._stop(End.WRONG, 4, "Block too long")
        self._sink(packet[4:])
        self.size += length
        self._last = _HEAD.pack(ACK, self._block)
        self._block = (self._block + 1) & 0xFFFF
        self._tries = 0
        self.due = now + self._due_in
        if length < self.block_bytes:
            self.end = End.COMPLETE
        return self._last

    def _agreed(self, words: bytes, now: float) -> bytes:
        """Take the server's options: it may lower the block size."""
        parts = words.split(b"\0")
        told = {
            name.lower(): int(value) for name, value in zip(parts[::2], parts[1::2], strict=False) if value.isdigit()
        }
        self.block_bytes = told.get(b"blksize", PLAIN_BYTES)
        self.told_size = told.get(b"tsize")
        if self.wanted is None or not 8 <= self.block_bytes <= self.wanted:
            return self._stop(End.WRONG, 8, "Option refused")
        self._answered = True
        if self.probe:
            return self._stop(End.STOPPED, 0, "Early terminate")
        self._last = _HEAD.pack(ACK, 0)
        self.due = now + self._due_in
        return self._last

    def _stop(self, end: End, code: int, text: str) -> bytes:
        self.end = end
        return _HEAD.pack(ERROR, code) + text.encode() + b"\0"
