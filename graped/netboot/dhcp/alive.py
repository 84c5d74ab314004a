"""Ask a dnsmasq whether it lives, by a question for a name: one loop of it serves names, addresses and files."""

from __future__ import annotations

import os
import socket
import struct
import time
from ipaddress import IPv4Address
from typing import Final

DNS_PORT: Final = 53
TRY_S: Final = 1.0
ANSWER_S: Final = 5.0  # a busy machine is no dead server, and it may just be starting
PAUSE_S: Final = 0.05
RECURSE: Final = 0x0100
HOST: Final = (1, 1)  # type A, class IN
ANSWER: Final = 0x8000


def question(number: int, name: str) -> bytes:
    """Return the packet that asks for a name without dots. Source: RFC 1035, sections 4.1.1 and 4.1.2."""
    label = name.encode("ascii")
    return (
        struct.pack(">6H", number, RECURSE, 1, 0, 0, 0)
        + bytes((len(label),))
        + label
        + b"\0"
        + struct.pack(">2H", *HOST)
    )


def is_answer(packet: bytes, number: int) -> bool:
    """Whether a packet answers the question of this number, whatever it says."""
    if len(packet) < 12:
        return False
    its_number, flags = struct.unpack_from(">2H", packet)
    return its_number == number and bool(flags & ANSWER)


def answers(address: IPv4Address, name: str, *, port: int = DNS_PORT, timeout_s: float = ANSWER_S) -> bool:
    """Whether a server answers in this time."""
    end = time.monotonic() + timeout_s
    while not _answers_once(address, port, name):
        if time.monotonic() > end:
            return False
        time.sleep(PAUSE_S)
    return True


def _answers_once(address: IPv4Address, port: int, name: str) -> bool:
    number = int.from_bytes(os.urandom(2), "big")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as way:
        way.settimeout(TRY_S)
        try:
            way.connect((str(address), port))
            way.send(question(number, name))
            return is_answer(way.recv(512), number)
        except OSError:
            return False
