"""What a command says is heard whole, whenever it comes."""

from __future__ import annotations

import os
import threading
from typing import Any, cast

import pytest

from graped.network.ssh_channel import talk


class Channel:
    """A channel whose command says its last words, and ends, at the moment its input ends."""

    def __init__(self, words: bytes) -> None:
        self._words, self._heard = words, b""
        self.eof_received = self.closed = False
        self.exit_status = -1
        self.status_event = threading.Event()
        self._reader, self._writer = os.pipe()

    def shutdown_write(self) -> None:
        self._heard, self._words = self._words, b""
        self.eof_received = True
        self.exit_status = 0
        self.status_event.set()

    def recv_ready(self) -> bool:
        return bool(self._heard)

    def recv(self, size: int) -> bytes:
        said, self._heard = self._heard[:size], self._heard[size:]
        return said

    def recv_stderr_ready(self) -> bool:
        return False

    def exit_status_ready(self) -> bool:
        return self.status_event.is_set()

    def setblocking(self, blocking: bool) -> None: ...

    def fileno(self) -> int:
        return self._reader

    def close(self) -> None:
        os.close(self._reader)
        os.close(self._writer)


@pytest.mark.parametrize("size", [5, 100_000])
def test_last_words_that_come_while_we_speak_are_heard(size: int) -> None:
    channel = Channel(b"x" * size)
    try:
        output = talk(cast(Any, channel), "worker-0-0: true", iter(()), 5.0)
    finally:
        channel.close()
    assert (output.code, len(output.stdout)) == (0, size)
