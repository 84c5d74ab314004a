"""Those who listen to the rack: each gets everything first and changes after; a slow one loses only itself."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Callable

_BACKLOG = 10_000  # lines that a slow listener may lie behind
_AT_ONCE = 100  # lines in one packet
_LOOK_S = 2.0  # how often an idle connection is looked at


class Listeners:
    """One topic. ``lock`` is held while the first lines are made, so that no change falls in between."""

    def __init__(self, lock: threading.RLock, first: Callable[[], bytes]) -> None:
        self._lock = lock
        self._first = first
        self._queues: set[queue.SimpleQueue[bytes | None]] = set()

    def tell(self, line: bytes) -> None:
        """Queue a line for everybody; the caller holds the lock."""
        for waiting in tuple(self._queues):
            waiting.put(line)
            if waiting.qsize() > _BACKLOG:
                self._queues.discard(waiting)
                waiting.put(None)

    def serve(self, sock: socket.socket) -> None:
        """Feed one listener until it goes or falls too far behind."""
        waiting: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        with self._lock:
            waiting.put(self._first())
            self._queues.add(waiting)
        try:
            self._feed(sock, waiting)
        except OSError:
            pass  # it went away: its right
        finally:
            with self._lock:
                self._queues.discard(waiting)

    def _feed(self, sock: socket.socket, waiting: queue.SimpleQueue[bytes | None]) -> None:
        while True:
            try:
                line = waiting.get(timeout=_LOOK_S)
            except queue.Empty:
                if _closed(sock):
                    return
                continue
            lines = [line]
            while not waiting.empty() and len(lines) < _AT_ONCE:
                lines.append(waiting.get())
            if None in lines:
                return
            sock.sendall(b"".join(line for line in lines if line is not None))


def _closed(sock: socket.socket) -> bool:
    try:
        return sock.recv(1, socket.MSG_DONTWAIT | socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
