"""Clients in a closed loop: each asks again as soon as it has its answer."""

from __future__ import annotations

import selectors
import socket
import time
from dataclasses import dataclass, field
from pathlib import Path

_CHUNK = 1 << 20


@dataclass(slots=True)
class _Client:
    """One connection, and what has come of its answer."""

    sock: socket.socket
    began: float = 0.0
    head: bytes = b""
    left: int = -1  # bytes of the body still to come; -1: the head is not complete
    took: list[float] = field(default_factory=list)

    def ask(self, request: bytes) -> None:
        """Send a request."""
        self.head, self.left, self.began = b"", -1, time.perf_counter()
        self.sock.sendall(request)

    def read(self) -> bool:
        """Take what came; tell whether the answer is complete."""
        data = self.sock.recv(_CHUNK)
        if not data:
            raise ConnectionError("the server hung up")
        if self.left < 0:
            self.head += data
            head, end, body = self.head.partition(b"\r\n\r\n")
            if not end:
                return False
            if not head.startswith(b"HTTP/1.1 200"):
                raise ConnectionError(f"the server answered {head[:40]!r}")
            self.left = _length(head) - len(body)
        else:
            self.left -= len(data)
        if self.left:
            return False
        self.took.append(time.perf_counter() - self.began)
        return True


def ask_for(path: Path, target: str, clients: int, seconds: float) -> list[float]:
    """Ask with some clients at once for so long; give how long each answer took."""
    request = f"GET {target} HTTP/1.1\r\nHost: bench\r\n\r\n".encode()
    with selectors.DefaultSelector() as ready:
        everybody = [_Client(_connected(path)) for _ in range(clients)]
        for client in everybody:
            ready.register(client.sock, selectors.EVENT_READ, client)
            client.ask(request)
        open_, until = clients, time.perf_counter() + seconds
        while open_:
            for key, _ in ready.select():
                client = key.data
                if not client.read():
                    continue
                if time.perf_counter() < until:
                    client.ask(request)
                else:
                    ready.unregister(client.sock)
                    client.sock.close()
                    open_ -= 1
    return [one for client in everybody for one in client.took]


def _connected(path: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(30)
    sock.connect(str(path))
    return sock


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    raise ConnectionError("an answer without a length")
