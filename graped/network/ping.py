"""ICMP echo to many addresses at once, on one socket: who answers, and how fast. IPv4.

A raw socket where we may have one (root, CAP_NET_RAW), else the kernel's own kind for pings, which
``net.ipv4.ping_group_range`` allows to some groups. Source: RFC 792, icmp(7), raw(7).
"""

from __future__ import annotations

import os
import select
import socket
import struct
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Final, Protocol

from graped.errors import PingForbidden

ECHO_REPLY: Final = 0
ECHO: Final = 8
KINDS: Final = (socket.SOCK_RAW, socket.SOCK_DGRAM)
TRIES: Final = 3
PAUSE_S: Final = 0.3
TIMEOUT_S: Final = 1.0
_HEADER: Final = struct.Struct("!BBHHH")  # type, code, checksum, identifier, number
_SOL_RAW: Final = 255  # Source: linux/socket.h
_ICMP_FILTER: Final = 1  # Source: linux/icmp.h, raw(7)
_TOKEN_BYTES: Final = 16
_BIGGEST: Final = 2048


class Pinger(Protocol):
    """What ``ping`` is to those who use it."""

    def __call__(
        self, addresses: Iterable[IPv4Address], *, timeout_s: float = ..., tries: int = ..., pause_s: float = ...
    ) -> Mapping[IPv4Address, float | None]: ...


def ping(
    addresses: Iterable[IPv4Address], *, timeout_s: float = TIMEOUT_S, tries: int = TRIES, pause_s: float = PAUSE_S
) -> dict[IPv4Address, float | None]:
    """Ask all addresses; return for each the seconds to its first answer, None where none came. Blocks.

    A silent address is asked ``tries`` times, ``pause_s`` apart. Returns when all have answered, ``timeout_s`` after
    the first try at the latest. Raises: PingForbidden (the kernel lets this process send no ICMP), OSError.
    """
    wanted = tuple(dict.fromkeys(addresses))
    if not wanted:
        return {}
    with _open() as wire:
        return _Round(wire, wanted).run(timeout_s, tries, pause_s)


def _open() -> socket.socket:
    refused: OSError | None = None
    for kind in KINDS:
        try:
            wire = socket.socket(socket.AF_INET, kind, socket.IPPROTO_ICMP)
        except PermissionError as error:
            refused = error
            continue
        if kind == socket.SOCK_RAW:  # it would get all ICMP of this machine, but for what the mask holds back
            wire.setsockopt(_SOL_RAW, _ICMP_FILTER, struct.pack("=I", ~(1 << ECHO_REPLY) & 0xFFFFFFFF))
        wire.setblocking(False)
        return wire
    hint = "graped needs CAP_NET_RAW for it; graped.service has it. Otherwise: sysctl net.ipv4.ping_group_range='0 0'"
    raise PingForbidden("the kernel does not let this process send pings", hint=hint) from refused


@dataclass(slots=True)
class _Round:
    """One question to all of them. Answers are ours by 16 random bytes: others ping as well, and anybody can forge."""

    wire: socket.socket
    wanted: tuple[IPv4Address, ...]
    token: bytes = field(default_factory=lambda: os.urandom(_TOKEN_BYTES))
    sent: dict[tuple[IPv4Address, int], float] = field(default_factory=dict)
    heard: dict[IPv4Address, float] = field(default_factory=dict)

    def run(self, timeout_s: float, tries: int, pause_s: float) -> dict[IPv4Address, float | None]:
        began = time.monotonic()
        for number in range(tries):
            last = number == tries - 1
            self._ask(number)
            self._listen(began + (timeout_s if last else min(timeout_s, (number + 1) * pause_s)))
            if len(self.heard) == len(self.wanted):
                break
        return {address: self.heard.get(address) for address in self.wanted}

    def _ask(self, number: int) -> None:
        packet = echo(int.from_bytes(self.token[:2], "big"), number, self.token)
        for address in self.wanted:
            if address in self.heard:
                continue
            self.sent[address, number] = time.monotonic()
            try:
                self.wire.sendto(packet, (str(address), 0))
            except OSError:  # no way there, known already; no room to send: silence says the same
                continue

    def _listen(self, until: float) -> None:
        while len(self.heard) < len(self.wanted) and (left_s := until - time.monotonic()) > 0:
            if not select.select([self.wire], [], [], left_s)[0]:
                continue
            try:
                packet, (source, *_) = self.wire.recvfrom(_BIGGEST)
            except OSError:  # an error of an earlier packet is told here by the kernel's own kind of socket
                continue
            now, address = time.monotonic(), IPv4Address(source)
            number = answered(packet, self.token, raw=self.wire.type == socket.SOCK_RAW)
            if number is not None and (began := self.sent.get((address, number))) is not None:
                self.heard.setdefault(address, now - began)


def echo(identifier: int, number: int, data: bytes) -> bytes:
    """Build an echo request."""
    bare = _HEADER.pack(ECHO, 0, 0, identifier, number) + data
    return _HEADER.pack(ECHO, 0, checksum(bare), identifier, number) + data


def answered(packet: bytes, data: bytes, *, raw: bool) -> int | None:
    """Return the number of the request that a packet answers; None where it is no answer to one with ``data``.

    ``raw``: the IP header comes first.
    """
    if raw:
        packet = packet[4 * (packet[0] & 0x0F) :] if packet else b""
    if len(packet) < _HEADER.size or packet[_HEADER.size :] != data:
        return None
    kind, code, _, _, number = _HEADER.unpack_from(packet)
    return number if (kind, code) == (ECHO_REPLY, 0) else None


def checksum(data: bytes) -> int:
    """Sum as the Internet does. Source: RFC 1071."""
    padded = data + b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
