"""Peers of a port, off the kernel's own tables."""

from __future__ import annotations

import socket
import struct
import sys
from ipaddress import IPv4Address

import pytest

from graped.netboot.nfs.traffic import Connection, connections, parse

ROW = "   0: {local} {remote} {state} 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0"
LITTLE = pytest.mark.skipif(sys.byteorder != "little", reason="the sample is of a little-endian machine")


@LITTLE
@pytest.mark.parametrize(
    ("local", "remote", "state", "expected"),
    [
        ("01004D0A:0801", "0B004D0A:03E7", "01", ["10.77.0.11"]),
        ("01004D0A:0801", "0B004D0A:03E7", "06", []),  # TIME_WAIT
        ("01004D0A:0802", "0B004D0A:03E7", "01", []),  # another port
        ("01004D0A:03E7", "0B004D0A:0801", "01", []),  # we are the client
        ("0" * 16 + "FFFF0000" + "01004D0A:0801", "0" * 16 + "FFFF0000" + "0B004D0A:03E7", "01", ["10.77.0.11"]),
        ("0" * 32 + ":0801", "B80D0120000000000000000001000000:03E7", "01", []),  # 2001:db8::1
    ],
)
def test_rows_of_the_table(local: str, remote: str, state: str, expected: list[str]) -> None:
    rows = [ROW.format(local=local, remote=remote, state=state), "", "garbage"]
    assert list(parse(rows, 2049)) == [Connection(IPv4Address(address), 0x3E7, 4711) for address in expected]


def test_a_real_connection_is_seen_as_long_as_it_lasts_and_the_next_one_is_another() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert connections(port) == frozenset()
        lives = []
        with socket.socket() as first:
            first.bind(("127.0.0.1", 0))
            ours = first.getsockname()
            first.connect(("127.0.0.1", port))
            with server.accept()[0]:
                lives.append(connections(port))
            first.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # no TIME_WAIT
        assert connections(port) == frozenset()
        with socket.socket() as second:
            second.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            second.bind(ours)  # a kernel that boots again may take the same port
            second.connect(("127.0.0.1", port))
            with server.accept()[0]:
                lives.append(connections(port))
    assert [{(one.address, one.port) for one in life} for life in lives] == [{(IPv4Address(ours[0]), ours[1])}] * 2
    assert not lives[0] & lives[1]
