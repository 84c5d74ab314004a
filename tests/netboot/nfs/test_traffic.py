"""Peers of a port, off the kernel's own tables."""

from __future__ import annotations

import socket
import sys
from ipaddress import IPv4Address

import pytest

from graped.netboot.nfs.traffic import clients_connected, parse

ROW = "   0: {local} {remote} {state} 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0"
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
    assert [str(address) for address in parse(rows, 2049)] == expected


def test_a_real_connection_is_seen_as_long_as_it_lasts() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert clients_connected(port) == frozenset()
        with socket.create_connection(("127.0.0.1", port)), server.accept()[0]:
            assert clients_connected(port) == {IPv4Address("127.0.0.1")}
        assert clients_connected(port) == frozenset()
