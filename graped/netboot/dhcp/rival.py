"""Other DHCP servers on the cluster's network: ask for one, take nothing, and see who answers.

The question goes out of a packet socket, so it needs neither port 68 (which a DHCP client of the master may hold) nor
an address, and does not come back to our own server. Only a DISCOVER is sent: nobody gives a lease for that.
"""

from __future__ import annotations

import secrets
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final

from graped.errors import ServerError
from graped.netboot.dhcp.packets import Kind, Message, Option, decode, encode, frame, unframe

PROBE_MAKER: Final = "02:67:72"  # locally administered, individual; "gr": how we know our own probes in a log
WAIT_S: Final = 4.0  # some servers ping an address for 1 to 3 s before they offer it
AGAIN_S: Final = 1.5  # the first question may get lost while a switch port comes up

_ETHERTYPE_IPV4: Final = 0x0800
_PACKET_LEVEL: Final = 263  # SOL_PACKET. Source: Linux, include/linux/socket.h
_ADD_MEMBERSHIP: Final = 1  # PACKET_ADD_MEMBERSHIP. Source: packet(7), include/uapi/linux/if_packet.h
_PROMISCUOUS: Final = 1  # PACKET_MR_PROMISC: some servers answer to our made-up address only
_FRAME_BYTES: Final = 2048


@dataclass(frozen=True, slots=True, order=True)
class Rival:
    """A DHCP server that is not ours: its address, and the MAC address its answer came from."""

    address: IPv4Address
    mac: str


def is_probe(mac: str) -> bool:
    """Whether a MAC address is one of our own questions, not a machine."""
    return mac.startswith(PROBE_MAKER)


def find_rivals(
    interface: str,
    own: IPv4Address | None,
    timeout_s: float = WAIT_S,
    *,
    monotonic: Callable[[], float] = time.monotonic,
) -> tuple[Rival, ...]:
    """Ask on an interface who gives out addresses; return all but ``own``. Takes ``timeout_s``.

    Raises: ServerError where the interface cannot be used.
    """
    try:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETHERTYPE_IPV4)) as wire:
            wire.bind((interface, _ETHERTYPE_IPV4))
            _listen_to_all(wire, interface)
            return tuple(sorted(_ask(wire, own, timeout_s, monotonic)))
    except OSError as error:
        raise ServerError(
            f"cannot look for other DHCP servers on {interface}: {error.strerror or error}",
            hint=f"See that {interface} exists and is up (ip link show {interface}).",
        ) from error


def _ask(
    wire: socket.socket, own: IPv4Address | None, timeout_s: float, monotonic: Callable[[], float]
) -> frozenset[Rival]:
    mac = f"{PROBE_MAKER}:{secrets.token_bytes(3).hex(':')}"
    question = Message(
        kind=Kind.DISCOVER,
        xid=secrets.randbits(32),
        mac=mac,
        broadcast=True,
        options={Option.PARAMETERS: bytes((1, Option.ROUTER, Option.DNS))},
    )
    packet = frame(encode(question), source_mac=mac, source=IPv4Address(0), target=IPv4Address("255.255.255.255"))
    found: set[Rival] = set()
    end = monotonic() + timeout_s
    ask_at = monotonic()
    while (now := monotonic()) < end:
        if now >= ask_at:
            wire.send(packet)
            ask_at = now + AGAIN_S
        wire.settimeout(max(0.01, min(end, ask_at) - now))
        try:
            rival = _rival(wire.recv(_FRAME_BYTES), question)
        except TimeoutError:
            continue
        if rival is not None and rival.address != own:
            found.add(rival)
    return frozenset(found)


def _rival(raw: bytes, question: Message) -> Rival | None:
    """Return who sent a frame, where it is an offer to us."""
    seen = unframe(raw)
    answer = decode(seen[1]) if seen else None
    if seen is None or answer is None or (answer.xid, answer.mac) != (question.xid, question.mac):
        return None
    if answer.kind is not Kind.OFFER or answer.server is None:
        return None
    return Rival(answer.server, seen[0])


def _listen_to_all(wire: socket.socket, interface: str) -> None:
    """Hear what is sent to other addresses, as long as the socket is open."""
    request = struct.pack("iHH8s", socket.if_nametoindex(interface), _PROMISCUOUS, 0, b"")  # struct packet_mreq
    wire.setsockopt(_PACKET_LEVEL, _ADD_MEMBERSHIP, request)
