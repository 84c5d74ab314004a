"""A client of the store: the four commands of Redis that this sample needs, in its own protocol (RESP 2).

Source: redis.io/docs/reference/protocol-spec.
"""

from __future__ import annotations

import os
import socket
from typing import BinaryIO, Final

HOST: Final = os.environ.get("STORE", "store")
PORT: Final = 6379
VOTES: Final = "votes"  # what voters pushed
WORKING: Final = "working"  # what the worker has taken, and has not brought to the database yet


class Store:
    """One connection; it is made again by whoever finds it broken."""

    def __init__(self, timeout_s: float = 5.0) -> None:
        self._socket = socket.create_connection((HOST, PORT), timeout=timeout_s)
        self._read: BinaryIO = self._socket.makefile("rb")

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self._read.close()
        self._socket.close()

    def push(self, value: str) -> None:
        """Add a vote at the end."""
        self._ask("RPUSH", VOTES, value)

    def take(self, wait_s: int) -> str | None:
        """Move the oldest vote to what is being worked on; None: there is none after ``wait_s``."""
        self._socket.settimeout(wait_s + 5.0)
        return self._ask("BRPOPLPUSH", VOTES, WORKING, str(wait_s))

    def done(self, value: str) -> None:
        """Forget a vote that was brought to the database."""
        self._ask("LREM", WORKING, "1", value)

    def take_up(self) -> None:
        """Put back what a worker that died was working on."""
        while self._ask("RPOPLPUSH", WORKING, VOTES) is not None:
            pass

    def _ask(self, *words: str) -> str | None:
        parts = [word.encode() for word in words]
        self._socket.sendall(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(one), one) for one in parts))
        line = self._read.readline().rstrip(b"\r\n")
        kind, rest = line[:1], line[1:]
        if kind in (b"+", b":"):
            return rest.decode()
        if kind == b"$":
            return None if rest == b"-1" else self._read.read(int(rest) + 2)[:-2].decode()
        if line == b"*-1":  # a blocking command after its time
            return None
        raise OSError(f"the store said {line.decode(errors='replace')!r}")
