"""Bytes of DHCP packets and of the frames that carry them. Pure. Source: RFC 951, 2131, 2132, 4578."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final

COOKIE: Final = b"\x63\x82\x53\x63"
BROADCAST: Final = b"\xff" * 6
SERVER_PORT: Final = 67
CLIENT_PORT: Final = 68
DISCOVER, OFFER, REQUEST, ACK, NAK = 1, 2, 3, 5, 6
_BOOTP: Final = struct.Struct("!BBBBIHH4s4s4s4s16s64s128s")
_IP: Final = struct.Struct("!BBHHHBBH4s4s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a DHCP server has sent."""

    kind: int
    xid: int
    hardware: bytes
    address: IPv4Address  # yiaddr
    next_server: IPv4Address  # siaddr
    options: Mapping[int, bytes]


def request(xid: int, hardware: bytes, options: Iterable[tuple[int, bytes]]) -> bytes:
    """Make a DHCP packet of a client, options in this order, without padding."""
    none = bytes(4)
    head = _BOOTP.pack(1, 1, 6, 0, xid, 0, 0, none, none, none, none, hardware, b"", b"")
    return head + COOKIE + b"".join(bytes((code, len(value))) + value for code, value in options) + b"\xff"


def reply(packet: bytes) -> Reply | None:
    """Read a DHCP packet of a server; None for anything else."""
    if len(packet) < _BOOTP.size + 4 or packet[_BOOTP.size : _BOOTP.size + 4] != COOKIE:
        return None
    op, _, length, _, xid, _, _, _, yours, server, _, hardware, _, _ = _BOOTP.unpack_from(packet)
    options = options_of(packet[_BOOTP.size + 4 :])
    if op != 2 or length != 6 or options is None or len(options.get(53, b"")) != 1:
        return None
    return Reply(
        kind=options[53][0], xid=xid, hardware=hardware[:6], address=IPv4Address(yours),
        next_server=IPv4Address(server), options=options,
    )  # fmt: skip


def options_of(field: bytes) -> dict[int, bytes] | None:
    """Read options up to their end; None where one reaches beyond the packet."""
    found: dict[int, bytes] = {}
    at = 0
    while at < len(field) and field[at] != 255:
        if field[at] == 0:
            at += 1
            continue
        if at + 1 >= len(field) or at + 2 + field[at + 1] > len(field):
            return None
        found[field[at]] = found.get(field[at], b"") + field[at + 2 : at + 2 + field[at + 1]]
        at += 2 + field[at + 1]
    return found


def frame(hardware: bytes, payload: bytes) -> bytes:
    """Wrap a client's DHCP packet: 0.0.0.0:68 to everybody's port 67."""
    length = 8 + len(payload)
    source, target = bytes(4), b"\xff" * 4
    udp = struct.pack("!HHHH", CLIENT_PORT, SERVER_PORT, length, 0)
    pseudo = source + target + struct.pack("!BBH", 0, 17, length)
    udp = udp[:6] + struct.pack("!H", _sum(pseudo + udp + payload) or 0xFFFF)
    head = _IP.pack(0x45, 0, 20 + length, 0, 0, 64, 17, 0, source, target)
    head = head[:10] + struct.pack("!H", _sum(head)) + head[12:]
    return BROADCAST + hardware + b"\x08\x00" + head + udp + payload


def payload_of(data: bytes) -> bytes | None:
    """Unwrap a frame to a client's DHCP port; None for any other frame."""
    if len(data) < 42 or data[12:14] != b"\x08\x00" or data[23] != 17:
        return None
    udp = 14 + 4 * (data[14] & 15)
    if len(data) < udp + 8:
        return None
    target, length = struct.unpack_from("!HH", data, udp + 2)
    return data[udp + 8 : udp + length] if target == CLIENT_PORT else None


def _sum(data: bytes) -> int:
    """Give the Internet checksum. Source: RFC 1071."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
