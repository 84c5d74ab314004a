"""Clients that behave badly do not disturb `grapecli status`."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from tests.live.daemon import Daemon

PATIENCE_S = 8.0  # far above an undisturbed status, far below any timeout of the abused server


def connect(daemon: Daemon) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(20)
    sock.connect(str(daemon.socket))
    return sock


def answer_with(sock: socket.socket, part: bytes) -> bytes:
    """Read an answer as far as a part of it."""
    text = b""
    while part not in text and (piece := sock.recv(65536)):
        text += piece
    return text


def status_is_quick(daemon: Daemon) -> None:
    began = time.monotonic()
    assert len(daemon.status()["nodes"]) == 12
    assert time.monotonic() - began < PATIENCE_S


@contextmanager
def slow_loris(daemon: Daemon) -> Iterator[list[int]]:
    """Send a header one byte at a time, on twenty connections at once; count the bytes that went out."""
    over = threading.Event()
    sent = [0]
    socks = [connect(daemon) for _ in range(20)]

    def drip() -> None:
        for byte in b"GET /v1/status HTTP/1.1\r\nHost: grape\r\nX-Slow: " + b"a" * 4000:
            for sock in socks:
                try:
                    sock.send(bytes([byte]))
                    sent[0] += 1
                except OSError:
                    pass
            if over.wait(0.01):
                return

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        yield sent
    finally:
        over.set()
        thread.join()
        for sock in socks:
            sock.close()


def test_a_body_of_10_mb_is_refused_unread(daemon: Daemon) -> None:
    sock = connect(daemon)
    head = b"POST /v1/power HTTP/1.1\r\nHost: grape\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    body = b'{"nodes": "' + b"a" * 10_000_000 + b'"}'
    try:
        sock.sendall(head % len(body) + body)
    except OSError:
        pass  # the server need not read it all
    answer = answer_with(sock, b"too_large")
    assert answer.split(b" ")[1] == b"413"
    assert b"too_large" in answer
    status_is_quick(daemon)


def test_a_chunked_body_without_an_end_is_refused_too(daemon: Daemon) -> None:
    sock = connect(daemon)
    sock.sendall(b"POST /v1/power HTTP/1.1\r\nHost: grape\r\nContent-Type: application/json\r\n")
    sock.sendall(b"Transfer-Encoding: chunked\r\n\r\n")
    try:
        for _ in range(200):
            sock.sendall(b"2000\r\n" + b"a" * 0x2000 + b"\r\n")
    except OSError:
        pass
    assert sock.recv(65536).split(b" ")[1] == b"413"
    status_is_quick(daemon)


def test_slow_clients_and_200_idle_ones_do_not_disturb_status(daemon: Daemon) -> None:
    with ExitStack() as stack:
        for _ in range(200):
            stack.callback(connect(daemon).close)
        sent = stack.enter_context(slow_loris(daemon))
        for _ in range(5):
            status_is_quick(daemon)
        assert daemon.cli("power", "on", "worker-0-0", "--wait").returncode == 0
        assert sent[0] > 100
