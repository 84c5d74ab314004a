"""DHCP messages and the Ethernet frames around them: values <-> bytes. Pure.

Source: RFC 2131 section 2, figure 1; RFC 2132 for the options; RFC 791 and RFC 768 for the headers.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from enum import IntEnum
from ipaddress import IPv4Address
from typing import Final

SERVER_PORT: Final = 67
CLIENT_PORT: Final = 68
BROADCAST_MAC: Final = "ff:ff:ff:ff:ff:ff"

_ETHERTYPE_IPV4: Final = 0x0800
_UDP: Final = 17
_MAGIC: Final = b"\x63\x82\x53\x63"
_FIXED: Final = struct.Struct("!BBBBIHH4s4s4s4s16s64s128s4s")  # RFC 2131, figure 1, and the magic cookie
_BROADCAST_FLAG: Final = 0x8000
_SMALLEST: Final = 300  # bytes: BOOTP relays and some servers drop anything shorter. RFC 1542, section 2.1
_NOBODY: Final = IPv4Address(0)


class Option(IntEnum):
    """RFC 2132, RFC 3004, RFC 4578."""

    PAD = 0
    ROUTER = 3
    DNS = 6
    HOST_NAME = 12
    VENDOR_SPECIFIC = 43
    REQUESTED_ADDRESS = 50
    MESSAGE_TYPE = 53
    SERVER_ID = 54
    PARAMETERS = 55
    VENDOR_CLASS = 60
    USER_CLASS = 77
    CLIENT_ARCH = 93
    CLIENT_MACHINE_ID = 97
    END = 255


class Kind(IntEnum):
    """RFC 2132, section 9.6."""

    DISCOVER = 1
    OFFER = 2
    REQUEST = 3
    DECLINE = 4
    ACK = 5
    NAK = 6
    RELEASE = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One DHCP message; ``options`` are raw values by their number, without the message type."""

    kind: Kind
    xid: int
    mac: str  # the client's: lower case, colons
    broadcast: bool = False  # the client asks for a broadcast answer
    client: IPv4Address = _NOBODY  # ciaddr: what the client has already
    yours: IPv4Address = _NOBODY  # yiaddr: what the server gives
    next_server: IPv4Address = _NOBODY  # siaddr: where to boot from
    file: str = ""
    options: dict[int, bytes] = field(default_factory=dict)

    @property
    def server(self) -> IPv4Address | None:
        """Who answered (option 54)."""
        value = self.options.get(Option.SERVER_ID, b"")
        return IPv4Address(value) if len(value) == 4 else None


def encode(message: Message) -> bytes:
    """Return the UDP payload."""
    reply = message.kind in (Kind.OFFER, Kind.ACK, Kind.NAK)
    fixed = _FIXED.pack(
        2 if reply else 1,
        1,  # Ethernet
        6,
        0,
        message.xid,
        0,
        _BROADCAST_FLAG if message.broadcast else 0,
        message.client.packed,
        message.yours.packed,
        message.next_server.packed,
        _NOBODY.packed,
        bytes.fromhex(message.mac.replace(":", "")),
        b"",
        message.file.encode(),
        _MAGIC,
    )
    parts = [fixed, bytes((Option.MESSAGE_TYPE, 1, message.kind))]
    parts += [bytes((number, len(value))) + value for number, value in message.options.items()]
    return (b"".join(parts) + bytes((Option.END,))).ljust(_SMALLEST, b"\0")


def decode(payload: bytes) -> Message | None:
    """Return the message in a UDP payload, or None where it is none that we understand."""
    if len(payload) < _FIXED.size:
        return None
    _, kind, length, _, xid, _, flags, client, yours, server, _, mac, _, file, magic = _FIXED.unpack_from(payload)
    if (kind, length, magic) != (1, 6, _MAGIC):
        return None
    options = _options(payload[_FIXED.size :])
    try:
        message_type = Kind(options.pop(Option.MESSAGE_TYPE, b"\0")[0])
    except (ValueError, IndexError):
        return None
    return Message(
        kind=message_type,
        xid=xid,
        mac=mac[:6].hex(":"),
        broadcast=bool(flags & _BROADCAST_FLAG),
        client=IPv4Address(client),
        yours=IPv4Address(yours),
        next_server=IPv4Address(server),
        file=file.split(b"\0", 1)[0].decode("ascii", "replace"),
        options=options,
    )


def frame(
    payload: bytes, *, source_mac: str, source: IPv4Address, target: IPv4Address, target_mac: str = BROADCAST_MAC
) -> bytes:
    """Wrap what a client says into UDP, IPv4 and Ethernet."""
    udp = struct.pack("!HHHH", CLIENT_PORT, SERVER_PORT, 8 + len(payload), 0) + payload  # 0: no checksum (RFC 768)
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, _UDP, 0, source.packed, target.packed)
    head = head[:10] + struct.pack("!H", _checksum(head)) + head[12:]
    macs = bytes.fromhex((target_mac + source_mac).replace(":", ""))
    return macs + struct.pack("!H", _ETHERTYPE_IPV4) + head + udp


def unframe(raw: bytes, to: int = CLIENT_PORT) -> tuple[str, bytes] | None:
    """Return who sent a frame (MAC) and the UDP payload, where it is one to a DHCP client (or another port); else None.

    Checksums are not looked at: between virtual machines of one host they are not filled in.
    """
    if len(raw) < 42 or struct.unpack_from("!H", raw, 12)[0] != _ETHERTYPE_IPV4:
        return None
    packet = raw[14:]
    header = (packet[0] & 0x0F) * 4
    if packet[0] >> 4 != 4 or packet[9] != _UDP or len(packet) < header + 8:
        return None
    port, length = struct.unpack_from("!2xHH", packet, header)
    return (raw[6:12].hex(":"), packet[header + 8 : header + length]) if port == to else None


def _options(data: bytes) -> dict[int, bytes]:
    """Read options up to the end mark; a repeated one is joined (RFC 3396); what is cut off is left out."""
    found: dict[int, bytes] = {}
    position = 0
    while position < len(data) and data[position] != Option.END:
        if data[position] == Option.PAD:
            position += 1
            continue
        if position + 2 > len(data):
            break
        number, length = data[position], data[position + 1]
        value = data[position + 2 : position + 2 + length]
        if len(value) < length:
            break
        found[number] = found.get(number, b"") + value
        position += 2 + length
    return found


def _checksum(header: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(header) // 2}H", header))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
