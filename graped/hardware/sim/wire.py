"""How a rack and its users talk: one Unix socket, ``STATE_DIR/sim.sock``.

The first byte of a connection says what it is for: ``B`` transactions (small binary frames, one answer each), ``C``
control (a JSON line each way), ``S`` stages and ``G`` GPIO lines (JSON lines from the rack: all of them, then
changes). ``STATE_DIR/rack.sock`` needs no first byte: it tells the slots' power, in JSON lines.
"""

from __future__ import annotations

import json
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from graped.hardware.sim.ops import OPS, RESULTS, Op, Result

PROTOCOL = 1
SIM_SOCKET, RACK_SOCKET, PID_FILE, LOCK_FILE, LOG_FILE = "sim.sock", "rack.sock", "sim.pid", "sim.lock", "sim.log"
TRANSACTIONS, CONTROL, STAGES, LINES = b"B", b"C", b"S", b"G"

# op, bus, address, register, value, timeout, length of the purpose that follows
REQUEST = struct.Struct("!BBBBHfB")
ANSWER = struct.Struct("!BH")
_OP_NUMBER = {op: number for number, op in enumerate(OPS)}
_RESULT_NUMBER = {result: number for number, result in enumerate(RESULTS)}
_LONGEST_PATH = 100  # sun_path holds 108 bytes with its end


def pack_request(op: Op, bus: int, address: int, register: int, value: int, timeout_s: float, by: str) -> bytes:
    """Make the frame of one transaction; a long purpose is cut."""
    purpose = by.encode()[:255]
    return REQUEST.pack(_OP_NUMBER[op], bus, address, register, value, timeout_s, len(purpose)) + purpose


def pack_answer(result: Result, data: int) -> bytes:
    """Make the frame of one answer."""
    return ANSWER.pack(_RESULT_NUMBER[result], data)


def unpack_answer(frame: bytes) -> tuple[Result, int]:
    """Read the frame of one answer."""
    number, data = ANSWER.unpack(frame)
    return RESULTS[number], data


def receive_exactly(sock: socket.socket, count: int) -> bytes:
    """Receive so many bytes; raise ConnectionError when the other side has gone."""
    received = b""
    while len(received) < count:
        more = sock.recv(count - len(received))
        if not more:
            raise ConnectionError("the other side has closed the connection")
        received += more
    return received


def line_of(value: Any) -> bytes:
    """Make one JSON line."""
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"


def lines_from(sock: socket.socket) -> Iterator[dict[str, Any]]:
    """Give the JSON objects that arrive, until the other side closes."""
    with sock.makefile("rb") as stream:
        for line in stream:
            yield json.loads(line)


@contextmanager
def reachable(path: Path) -> Iterator[str]:
    """Give a name of a socket that is short enough for the kernel, however deep its folder lies."""
    if len(os.fsencode(path)) <= _LONGEST_PATH:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def connect(path: Path, purpose: bytes, timeout_s: float | None) -> socket.socket:
    """Open a connection and say what it is for; raise OSError when nobody listens."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.settimeout(timeout_s)
        with reachable(path) as name:
            sock.connect(name)
        sock.sendall(purpose)
    except OSError:
        sock.close()
        raise
    return sock
