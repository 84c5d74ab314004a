"""How a boot ROM (and, later, its kernel) gets an address. A state machine: packets and times in, packets out.

======== ========================= ==========================================================
state    comes                     then
======== ========================= ==========================================================
ASKING   OFFER too soon            lost: the 3B is deaf at first
ASKING   OFFER without the menu    not taken, and the reason is kept
ASKING   OFFER                     BOUND (3B, 3B+: they never REQUEST), else WAITING: REQUEST
ASKING   time                      DISCOVER again; after the last one GAVE_UP
WAITING  ACK of that server        BOUND
WAITING  NAK, or time after 3 asks ASKING: DISCOVER
======== ========================= ==========================================================
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Interface

from tests.lab.bootrom import packets
from tests.lab.bootrom.boards import PXE_CLASS, Way

MENU = b"Raspberry Pi Boot"
REQUESTS = 3  # then it looks for another server


class State(StrEnum):
    """Where it is."""

    ASKING = "asking"
    WAITING = "waiting"
    BOUND = "bound"
    GAVE_UP = "gave up"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """What it was given."""

    address: IPv4Interface
    server: IPv4Address  # of its files
    options: dict[int, bytes]


@dataclass(slots=True, kw_only=True)
class Dhcp:
    """One client. Call :meth:`start`, then :meth:`received` and, at ``due``, :meth:`wake`; send what they give."""

    way: Way
    hardware: bytes
    guid: bytes = b""
    state: State = State.ASKING
    discovers: int = 0
    due: float = 0.0
    lease: Lease | None = None
    refused: list[str] = field(default_factory=list)
    rng: random.Random = field(default_factory=random.Random)
    _xid: int = 0
    _asked_at: float = 0.0
    _offer: packets.Reply | None = None
    _requests: int = 0

    def start(self, now: float) -> list[bytes]:
        """Begin."""
        self.state = State.ASKING
        self._xid = self.rng.getrandbits(32) if self.way.xid is None else self.way.xid
        self.discovers += 1
        self._asked_at, self.due = now, now + self.way.every_s
        return [self._packet(packets.DISCOVER)]

    def wake(self, now: float) -> list[bytes]:
        """Do what is to be done at ``due``."""
        if self.state is State.WAITING and self._requests < REQUESTS:
            return self._request(now)
        if self.way.tries is not None and self.discovers >= self.way.tries:
            self.state, self.due = State.GAVE_UP, float("inf")
            return []
        return self.start(now)

    def received(self, payload: bytes, now: float) -> list[bytes]:
        """Take a packet that came to port 68."""
        reply = packets.reply(payload)
        if reply is None or reply.xid != self._xid or reply.hardware != self.hardware:
            return []
        if self.state is State.ASKING and reply.kind == packets.OFFER:
            return self._offered(reply, now)
        if self.state is State.WAITING and self._offer and reply.options.get(54) == self._offer.options.get(54):
            if reply.kind == packets.ACK:
                self._bind(reply)
            elif reply.kind == packets.NAK:
                self.refused.append("the server took its offer back")
                return self.start(now)
        return []

    def _offered(self, offer: packets.Reply, now: float) -> list[bytes]:
        if now - self._asked_at < self.way.deaf_s:
            self.refused.append("the offer came too soon")
        elif reason := why_not(offer, self.way):
            self.refused.append(reason)
        elif self.way.requests:
            self._offer, self._requests, self.state = offer, 0, State.WAITING
            return self._request(now)
        else:
            self._bind(offer)
        return []

    def _request(self, now: float) -> list[bytes]:
        assert self._offer is not None
        self._requests += 1
        self.due = now + self.way.every_s
        return [self._packet(packets.REQUEST, (50, self._offer.address.packed), (54, self._offer.options.get(54, b"")))]

    def _bind(self, reply: packets.Reply) -> None:
        server = server_of(reply)
        assert server is not None or not self.way.pxe
        mask = IPv4Address(reply.options.get(1, b"\xff\xff\xff\x00"))
        self.lease = Lease(
            address=IPv4Interface(f"{reply.address}/{mask}"),
            server=server or IPv4Address(0),
            options=dict(reply.options),
        )
        self.state, self.due = State.BOUND, float("inf")

    def _packet(self, kind: int, *more: tuple[int, bytes]) -> bytes:
        """Options in the order of boot-net.adoc's capture: 320 bytes for a DISCOVER of a 3B."""
        options = [(53, bytes((kind,))), *more, (55, self.way.asked)]
        if self.way.pxe:
            options += [(93, b"\0\0"), (94, b"\1\2\1"), (97, self.guid), (60, PXE_CLASS)]
        return packets.request(self._xid, self.hardware, options)


def why_not(offer: packets.Reply, way: Way) -> str:
    """Say why an offer is not taken, or nothing."""
    if not int(offer.address):
        return "the offer has no address"
    if not way.pxe:
        return ""
    if server_of(offer) is None:
        return "the offer names no server"
    field_43 = offer.options.get(43, b"")
    text = menu_of(field_43)
    if MENU not in text:
        return "option 43 has no 'Raspberry Pi Boot'"
    if way.wants_spaces and MENU + b"   " not in text:
        return "three spaces are missing after 'Raspberry Pi Boot'"
    return ""


def menu_of(field_43: bytes) -> bytes:
    """Give the texts of the PXE boot menu (sub-option 9), or all of it where it is plain text. Source: PXE 2.1."""
    nested = packets.options_of(field_43)
    if nested is None or 9 not in nested:
        return field_43
    texts, menu = [], nested[9]
    while len(menu) >= 3:
        texts.append(menu[3 : 3 + menu[2]])
        menu = menu[3 + menu[2] :]
    return b"\n".join(texts)


def server_of(reply: packets.Reply) -> IPv4Address | None:
    """Where the files are: siaddr, else option 66."""
    if int(reply.next_server):
        return reply.next_server
    try:
        return IPv4Address(reply.options.get(66, b"").rstrip(b"\0").decode())
    except ValueError:
        return None
