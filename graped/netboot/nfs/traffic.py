"""Who talks to the NFS server: a node that has mounted its root holds a TCP connection to it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Final, NamedTuple

NFS_PORT: Final = 2049
ESTABLISHED: Final = "01"  # Source: include/net/tcp_states.h
TABLES: Final = (Path("/proc/thread-self/net/tcp"), Path("/proc/thread-self/net/tcp6"))


class Connection(NamedTuple):
    """An established connection of a client; a later one of the same client has another ``port`` or ``inode``."""

    address: IPv4Address
    port: int
    inode: int


def connections(port: int = NFS_PORT) -> frozenset[Connection]:
    """Return the established connections to a TCP port of this machine.

    A node that was cut off keeps its entry until the kernel gives the connection up: being here is evidence of a
    mount, not of life.
    """
    return frozenset(one for table in TABLES for one in parse(_lines(table), port))


def parse(lines: Iterable[str], port: int) -> Iterator[Connection]:
    """Pick the connections with IPv4 peers off /proc/net/tcp or tcp6. Source: proc(5)."""
    for line in lines:
        fields = line.split()
        if len(fields) < 10 or fields[3] != ESTABLISHED:
            continue
        (_, _, ours), (host, _, theirs) = (fields[at].rpartition(":") for at in (1, 2))
        if int(ours, 16) == port and (peer := _address(host)) is not None:
            yield Connection(peer, int(theirs, 16), int(fields[9]))


def _address(digits: str) -> IPv4Address | None:
    """Decode one address: words of four bytes, each in the machine's byte order."""
    raw = bytes.fromhex(digits)
    words = [raw[at : at + 4] for at in range(0, len(raw), 4)]
    ordered = b"".join(word[::-1] if sys.byteorder == "little" else word for word in words)
    return IPv4Address(ordered) if len(ordered) == 4 else IPv6Address(ordered).ipv4_mapped


def _lines(table: Path) -> list[str]:
    try:
        return table.read_text(encoding="ascii").splitlines()[1:]
    except FileNotFoundError:
        return []  # a kernel without IPv6
