"""The two things a boot ROM does on the wire, with their sockets: get an address, fetch a file."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from typing import Final, Protocol

from tests.lab.bootrom import packets
from tests.lab.bootrom.dhcp import Dhcp, State
from tests.lab.bootrom.faults import Faults, garbage
from tests.lab.bootrom.tftp import Download
from tests.lab.network import INTERFACE, Place

IP_FRAMES: Final = 0x0800
TFTP_PORT: Final = 69
BUFFER: Final = bytearray(65_536)  # one packet at a time; a loop has one thread, and a packet is used up at once


class Phase(Protocol):
    """Something with one socket and one time at which it wants to be woken."""

    socket: socket.socket
    due: float
    ended: bool

    def readable(self, now: float) -> None: ...

    def wake(self, now: float) -> None: ...


class Asking:
    """Getting an address: raw frames, since there is none yet."""

    def __init__(self, place: Place, dhcp: Dhcp, now: float, faults: Faults) -> None:
        self.dhcp = dhcp
        self.ended = False
        self.socket = place.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.socket.bind((INTERFACE, IP_FRAMES))
        first = dhcp.start(now)
        self._send(garbage(first[0]) if faults.garbage else [])
        self._send(first)
        self.due = dhcp.due

    def readable(self, now: float) -> None:
        """Take a frame."""
        payload = packets.payload_of(self.socket.recv(65_536))
        if payload is not None:
            self._send(self.dhcp.received(payload, now))
            self._look()

    def wake(self, now: float) -> None:
        """Ask again, or give up."""
        self._send(self.dhcp.wake(now))
        self._look()

    def _look(self) -> None:
        self.due = self.dhcp.due
        self.ended = self.dhcp.state in {State.BOUND, State.GAVE_UP}

    def _send(self, payloads: Iterable[bytes]) -> None:
        for payload in payloads:
            self.socket.send(packets.frame(self.dhcp.hardware, payload))


class Fetching:
    """One file, from a port of its own on both sides."""

    __slots__ = (
        "_answers",
        "_buffer",
        "_connected",
        "_faults",
        "_held",
        "_server",
        "download",
        "due",
        "ended",
        "socket",
    )

    def __init__(self, place: Place, download: Download, server: str, now: float, faults: Faults) -> None:
        self.download = download
        self.ended = False
        self.socket = place.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._buffer = memoryview(BUFFER)
        self._server = (server, TFTP_PORT)
        self._faults = faults
        self._connected = False
        self._answers = 0
        self._held: bytes | None = None  # an answer that is sent late
        self.socket.sendto(download.start(now), self._server)
        self.due = download.due

    def readable(self, now: float) -> None:
        """Take a datagram."""
        if self._connected:
            try:
                length = self.socket.recv_into(BUFFER)
            except ConnectionRefusedError:  # the server has closed its port; time will tell
                return
        else:
            length, source = self.socket.recvfrom_into(BUFFER)
            self.socket.connect(source)  # the port of this transfer; what comes from another one is dropped now
            self._connected = True
        answer = self.download.received(self._buffer[:length], now)
        if answer is not None:
            self._answer(answer, now)
        if self._held is None:
            self._look()

    def wake(self, now: float) -> None:
        """Send what is held back, or the last packet again."""
        if self._held is not None:
            self._send(self._held)
            self._held, self.download.due = None, now + self._faults.late_s
        elif (again := self.download.wake(now)) is not None:
            self._send(again)
        self._look()

    def _look(self) -> None:
        self.due = self.download.due
        self.ended = self.download.end is not None

    def _answer(self, answer: bytes, now: float) -> None:
        self._answers += 1
        if self._faults.late(self._answers):
            self._held, self.due = answer, now + self._faults.late_s
            return
        self._send(answer)
        if self._faults.twice(self._answers):
            self._send(answer)

    def _send(self, data: bytes) -> None:
        try:
            if self._connected:
                self.socket.send(data)
            else:
                self.socket.sendto(data, self._server)
        except ConnectionRefusedError:  # as above
            pass
