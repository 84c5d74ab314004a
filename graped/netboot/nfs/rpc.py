"""Ask RPC servers how they are: the port mapper (version 2) and the null call. Source: RFC 5531, RFC 1833 section 3."""

from __future__ import annotations

import os
import socket
import struct
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address
from typing import Final

PORTMAP_PORT: Final = 111
TCP: Final = 6
TIMEOUT_S: Final = 3.0
LAST_FRAGMENT: Final = 0x8000_0000
REPLY_LIMIT_BYTES: Final = 65_536
ACCEPTED: Final = (1, 0, 0, 0, 0)  # a reply, accepted, no verifier, success
RESERVED_PORTS: Final = range(1023, 600, -1)  # who binds these is root: rpcbind takes entries from nobody else


class Program(IntEnum):
    """RPC program numbers."""

    PORTMAP = 100_000
    NFS = 100_003
    MOUNT = 100_005


class Portmap(IntEnum):
    """Procedures of the port mapper."""

    SET = 1
    DUMP = 4


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """Where a program answers. ``protocol`` 6: TCP, 17: UDP."""

    program: int
    version: int
    protocol: int
    port: int


class RpcError(OSError):
    """An answer that is none."""


def call(
    address: IPv4Address, port: int, program: int, version: int, procedure: int, arguments: bytes = b"",
    *, source: tuple[str, int] | None = None,
) -> bytes:  # fmt: skip
    """Make one call over TCP and return its results. Raises: OSError."""
    xid = int.from_bytes(os.urandom(4), "big")
    body = struct.pack(">6I", xid, 0, 2, program, version, procedure) + bytes(16) + arguments  # no credentials
    with socket.create_connection((str(address), port), TIMEOUT_S, source_address=source) as connection:
        connection.sendall(struct.pack(">I", LAST_FRAGMENT | len(body)) + body)
        reply = _receive(connection)
    if len(reply) < 24 or struct.unpack(">6I", reply[:24]) != (xid, *ACCEPTED):
        raise RpcError(f"program {program} at {address}:{port} refused the call")
    return reply[24:]


def answers(address: IPv4Address, port: int, program: int, version: int) -> bool:
    """Whether a program does anything at all: its null procedure."""
    try:
        call(address, port, program, version, 0)
    except OSError:
        return False
    return True


def registered(address: IPv4Address) -> frozenset[Entry]:
    """Return what a machine's port mapper knows. Raises: OSError."""
    return decode_dump(call(address, PORTMAP_PORT, Program.PORTMAP, 2, Portmap.DUMP))


def register(entry: Entry) -> None:
    """Tell this machine's port mapper of a program; needs root. Raises: OSError."""
    packed = struct.pack(">4I", entry.program, entry.version, entry.protocol, entry.port)
    loopback = IPv4Address("127.0.0.1")
    for port in RESERVED_PORTS:
        try:
            source = (str(loopback), port)
            said = call(loopback, PORTMAP_PORT, Program.PORTMAP, 2, Portmap.SET, packed, source=source)
        except OSError as error:
            if error.errno in (98, 99):  # EADDRINUSE, EADDRNOTAVAIL: a port that was in use a moment ago
                continue
            raise
        if said != struct.pack(">I", 1):
            raise RpcError("the port mapper takes no entry")
        return
    raise RpcError("no reserved port is free")


def decode_dump(results: bytes) -> frozenset[Entry]:
    """Read a port mapper's list: each item is preceded by 1, the end is 0."""
    found: set[Entry] = set()
    try:
        offset = 0
        while struct.unpack_from(">I", results, offset)[0]:
            found.add(Entry(*struct.unpack_from(">4I", results, offset + 4)))
            offset += 20
    except struct.error:
        raise RpcError("the port mapper's list ends early") from None
    return frozenset(found)


def _receive(connection: socket.socket) -> bytes:
    """Read one reply: fragments, the last one marked."""
    reply = b""
    with connection.makefile("rb") as stream:
        while True:
            head = stream.read(4)
            if len(head) < 4:
                raise RpcError("the connection was closed in the midst of an answer")
            (mark,) = struct.unpack(">I", head)
            size = mark & ~LAST_FRAGMENT
            if len(reply) + size > REPLY_LIMIT_BYTES:
                raise RpcError("an answer without end")
            reply += stream.read(size)
            if mark & LAST_FRAGMENT:
                return reply
