"""Ask by ARP whether somebody has an address: a machine on our own wire cannot keep silent to it as long as it lives.

The kernel's own table is no answer: it believes for half a minute what it heard last. Source: RFC 826, packet(7).
"""

from __future__ import annotations

import select
import socket
import struct
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface
from typing import Final

ETH_P_ARP: Final = 0x0806
REQUEST: Final = 1
REPLY: Final = 2
EVERYBODY: Final = b"\xff" * 6
TRIES: Final = 3
_PACKET: Final = struct.Struct("!HHBBH6s4s6s4s")
_ETHERNET: Final = (1, 0x0800, 6, 4)  # hardware, protocol, and how long their addresses are
_BIGGEST: Final = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """An interface of ours, with one of its addresses."""

    interface: str
    mac: str
    address: IPv4Interface


def who_has(
    addresses: Iterable[IPv4Address], own: Iterable[Own], *, timeout_s: float
) -> dict[IPv4Address, bool | None]:
    """Ask on the interface of each address's network; None: none of ours is on it, or we may not ask. Blocks.

    Raises nothing: an interface that cannot be asked on tells nothing.
    """
    found: dict[IPv4Address, bool | None] = dict.fromkeys(addresses)
    for one in own:
        wanted = {address for address in found if found[address] is None and _is_beside(address, one)}
        if wanted:
            try:
                found.update(_ask(wanted, one, timeout_s))
            except OSError:
                continue
    return found


def _is_beside(address: IPv4Address, own: Own) -> bool:
    return bool(own.mac) and address in own.address.network and address != own.address.ip


def _ask(wanted: set[IPv4Address], own: Own, timeout_s: float) -> Mapping[IPv4Address, bool]:
    heard: set[IPv4Address] = set()
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ARP)) as wire:
        wire.bind((own.interface, ETH_P_ARP))
        wire.setblocking(False)
        began = time.monotonic()
        for number in range(1, TRIES + 1):
            for address in wanted - heard:
                wire.sendto(request(own, address), (own.interface, ETH_P_ARP, 0, 0, EVERYBODY))
            _listen(wire, wanted, heard, began + timeout_s * number / TRIES)
            if heard == wanted:
                break
    return {address: address in heard for address in wanted}


def _listen(wire: socket.socket, wanted: set[IPv4Address], heard: set[IPv4Address], until: float) -> None:
    while heard != wanted and (left_s := until - time.monotonic()) > 0:
        if select.select([wire], [], [], left_s)[0]:
            sender = answered(wire.recv(_BIGGEST))
            if sender in wanted:
                heard.add(sender)


def request(own: Own, wanted: IPv4Address) -> bytes:
    """Build the question who has an address."""
    mac = bytes.fromhex(own.mac.replace(":", ""))
    return _PACKET.pack(*_ETHERNET, REQUEST, mac, own.address.ip.packed, bytes(6), wanted.packed)


def answered(packet: bytes) -> IPv4Address | None:
    """Return whose answer a packet is; None where it is none."""
    if len(packet) < _PACKET.size:
        return None
    *kind, operation, _, sender, _, _ = _PACKET.unpack_from(packet)
    return IPv4Address(sender) if tuple(kind) == _ETHERNET and operation == REPLY else None
