"""Events a second through the Server-Sent-Events stream, beside writing the same events as JSON and no more."""

from __future__ import annotations

import json
import socket
import threading
import time
from pathlib import Path

from tests.bench.rows import Row, median
from tests.bench.server import Serving, serving

FOLLOWERS = (1, 8)


class _Follower(threading.Thread):
    """Reads the stream until it has seen so many events."""

    def __init__(self, path: Path, wanted: int) -> None:
        super().__init__(daemon=True)
        self.wanted = wanted
        self.last = b""
        self.ended = 0.0
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._sock.settimeout(60)
        self._sock.connect(str(path))
        self._sock.sendall(b"GET /v1/events/stream HTTP/1.1\r\nHost: bench\r\n\r\n")
        self._rest = b""
        while b"\n\n" not in self._rest:  # the comment that begins the stream
            self._rest += self._sock.recv(4096)

    def run(self) -> None:
        """Count ends of events."""
        seen, tail = 0, b""
        with self._sock:
            while seen < self.wanted:
                data = self._sock.recv(1 << 18)
                if not data:
                    return
                seen += (tail + data).count(b"\ndata: ")
                tail = data[-6:]
        self.ended = time.perf_counter()


def measure(room: Path, events: int, rounds: int) -> list[Row]:
    """Follow so many events with one and with many followers."""
    rows = []
    written = 1 / _encoding_s(events)
    with serving(room, 16) as server:
        for followers in FOLLOWERS:
            rate = median([_rate(server, events, followers) for _ in range(rounds)])
            who = "1 follower" if followers == 1 else f"{followers} followers, each"
            rows.append(
                Row(
                    what=f"events/s through SSE, {who}", figure=f"{rate:,.0f}/s",
                    against=f"json.dumps of them: {written:,.0f}/s", ratio=rate / written,
                )
            )  # fmt: skip
    return rows


def _rate(server: Serving, events: int, followers: int) -> float:
    reading = [_Follower(server.socket, events) for _ in range(followers)]
    for one in reading:
        one.start()
    began = time.perf_counter()
    server.append(events)
    for one in reading:
        one.join(60)
    if not all(one.ended for one in reading):
        raise SystemExit("a follower did not get every event")
    return events / (max(one.ended for one in reading) - began)


def _encoding_s(events: int) -> float:
    """Tell how long ``json.dumps`` of one such event takes."""
    event = {
        "id": 12345, "time": "2025-01-01T12:00:00.000Z", "kind": "power.on", "message": "worker-3-4 is on",
        "stack": 3, "node": "worker-3-4", "job": 17, "fields": {"by": "bench"},
    }  # fmt: skip
    began = time.perf_counter()
    for _ in range(events):
        json.dumps(event)
    return (time.perf_counter() - began) / events
