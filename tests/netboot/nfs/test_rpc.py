"""Calls to RPC servers, against one that answers byte by byte as told."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graped.netboot.nfs import rpc
from graped.netboot.nfs.rpc import Entry, Program, RpcError

HERE = IPv4Address("127.0.0.1")


@contextmanager
def server(answer: Callable[[bytes], list[bytes]]) -> Iterator[int]:
    """Take one call, send what ``answer`` makes of it (fragments, sent one by one), hang up."""
    with socket.create_server((str(HERE), 0)) as listener:

        def serve() -> None:
            with listener.accept()[0] as connection:
                for part in answer(connection.recv(4096)[4:]):
                    connection.sendall(part)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(10)


def fragment(data: bytes, *, last: bool = True) -> bytes:
    return struct.pack(">I", (rpc.LAST_FRAGMENT if last else 0) | len(data)) + data


def accepted(call: bytes, results: bytes = b"") -> bytes:
    return call[:4] + struct.pack(">5I", *rpc.ACCEPTED) + results


def test_a_call_says_what_the_standard_asks_and_takes_fragments_together() -> None:
    heard: list[bytes] = []

    def answer(call: bytes) -> list[bytes]:
        heard.append(call)
        reply = accepted(call, b"results!")
        return [fragment(reply[:10], last=False), fragment(reply[10:])]

    with server(answer) as port:
        assert rpc.call(HERE, port, Program.NFS, 3, 5, b"args") == b"results!"
    assert struct.unpack(">5I", heard[0][4:24]) == (0, 2, 100_003, 3, 5)
    assert heard[0][24:] == bytes(16) + b"args"


@pytest.mark.parametrize(
    "answer",
    [
        lambda call: [],
        lambda call: [b"\x80"],
        lambda call: [fragment(accepted(call))[:-4]],
        lambda call: [fragment(b"")],
        lambda call: [fragment(bytes(4) + accepted(call)[4:])],  # another xid
        lambda call: [fragment(call[:4] + struct.pack(">5I", 1, 0, 0, 0, 1))],  # program unavailable
        lambda call: [fragment(call[:4] + struct.pack(">5I", 1, 1, 1, 5, 0))],  # denied
        lambda call: [struct.pack(">I", rpc.LAST_FRAGMENT | 0x7FFF_FFFF)],
    ],
)
def test_an_answer_that_is_none_is_an_error(answer: Callable[[bytes], list[bytes]]) -> None:
    with server(answer) as port, pytest.raises(OSError, match=r".+"):
        rpc.call(HERE, port, Program.NFS, 3, 0)
    with server(answer) as port:
        assert not rpc.answers(HERE, port, Program.NFS, 3)


def test_nobody_there_is_no_answer() -> None:
    with socket.create_server((str(HERE), 0)) as listener:
        port = listener.getsockname()[1]
    assert not rpc.answers(HERE, port, Program.NFS, 3)


def test_a_null_call_that_is_accepted_is_an_answer() -> None:
    with server(lambda call: [fragment(accepted(call))]) as port:
        assert rpc.answers(HERE, port, Program.NFS, 3)


@given(st.frozensets(st.tuples(*[st.integers(0, 0xFFFF_FFFF)] * 4)))
def test_a_port_mapper_s_list_is_read(rows: frozenset[tuple[int, int, int, int]]) -> None:
    packed = b"".join(struct.pack(">5I", 1, *row) for row in sorted(rows)) + struct.pack(">I", 0)
    assert rpc.decode_dump(packed) == {Entry(*row) for row in rows}
    with pytest.raises(RpcError):
        rpc.decode_dump(packed[:-4])
