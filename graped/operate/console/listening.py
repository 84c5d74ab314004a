"""What nodes say while they boot and run: received as datagrams on the master's address, kept for a while, told.

Anybody on the cluster's network can send a datagram in a node's name, as with NFS: keep that network closed. A line
is shown to people and decides nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import logging
import os
import socket
from collections.abc import Mapping
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final

from graped.api.console_types import NodeLog, NodeLogLine
from graped.api.times import rfc3339
from graped.config.addresses import address_of
from graped.config.types import Config
from graped.core.events import DaemonFault
from graped.files import write_atomic
from graped.model import SlotId
from graped.netboot.console import Receiver, receiver_of
from graped.operate.console.lines import read
from graped.operate.console.ring import Kept, Ring
from graped.operate.house import House

log = logging.getLogger("graped.console")

LOOK_S: Final = 2.0  # between two looks at what is wanted
BUFFER_BYTES: Final = 4 * 1024 * 1024  # all that 48 kernels have said, at once
FAULT: Final = "console"
FILE: Final = "console.json"  # what was kept when graped stopped
OFF: Final = "netboot.console is false"
NO_ADDRESS: Final = "graped listens for it only where it netboots (netboot.active)"
_TAKEN: Final = "Another program has the port (rsyslog, perhaps): set netboot.syslog_port, or have it listen elsewhere."
_NOT_OURS: Final = "It is tried again: is that address on netboot.interface?"


class Console:
    """All nodes' lines; made in the event loop's thread, where everything of it happens."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._file = house.state.config.store.state_dir / FILE
        self._rings: dict[SlotId, Ring] = {}
        self._config: Config | None = None
        self._senders: Mapping[str, SlotId] = {}
        self._next = int(house.clock.wall() * 1000)  # ids grow over restarts, as long as lines come slower than that
        self._more = asyncio.Event()
        self._bound: Receiver | None = None
        self._failure = ""
        self._lanes: list[asyncio.DatagramTransport] = []

    async def run(self) -> None:
        """Listen where the configuration says, until cancelled; what is kept then is there again at the next start."""
        self._load()
        try:
            while True:
                served = self._house.provisioning is not None  # a simulation starts no server unless told to
                where = receiver_of(self._house.state.config) if served else None
                if where != self._bound:
                    await self._bind(where)
                await asyncio.sleep(LOOK_S)
        finally:
            self._close()
            self._save()

    # --- what the API asks ------------------------------------------------------------------------------

    def log(self, slot: SlotId, *, after: int | None, limit: int) -> NodeLog:
        """Tell the last lines of a node, or the first ones behind an id."""
        ring = self._rings.get(slot)
        lines, left_out = ring.after(after, limit) if ring else ([], False)
        last = lines[-1].id if lines else max(ring.last if ring else 0, after or 0)
        return NodeLog(
            name=self._house.state.config.node_name(slot), lines=tuple(map(_view, lines)), last=last,
            left_out=left_out, why=self.why,
        )  # fmt: skip

    async def wait(self, slot: SlotId, after: int, timeout_s: float) -> None:
        """Wait until a node has a line behind an id, at most so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while (ring := self._rings.get(slot)) is None or ring.last <= after:
                    await self._more.wait()

    @property
    def why(self) -> str:
        """Say why nothing can come; "" it can."""
        if self._bound is not None:
            return ""
        if self._failure:
            return self._failure
        return NO_ADDRESS if self._house.state.config.netboot.console else OFF

    # --- what comes -------------------------------------------------------------------------------------

    def received(self, data: bytes, sender: str, *, kernel: bool) -> None:
        """Take a datagram; one that is not from a node's address is nobody's."""
        state = self._house.state
        if state.config is not self._config:
            self._config, self._senders = state.config, senders(state.config)
        slot = self._senders.get(sender)
        if slot is None:
            return
        ring = self._rings.get(slot)
        if ring is None:
            ring = self._rings[slot] = Ring(self._number)
        now, at = self._house.clock.monotonic(), self._house.clock.wall()
        power = state.slots.get(slot)
        on_since = power.on_since if power else None
        before = ring.last
        for said in read(data, kernel=kernel):
            ring.take(said, now=now, at=at, on_since=on_since)
        if ring.last != before:
            self._more.set()
            self._more = asyncio.Event()

    def _number(self) -> int:
        self._next += 1
        return self._next

    # --- where it comes ---------------------------------------------------------------------------------

    async def _bind(self, where: Receiver | None) -> None:
        self._close()
        if where is None:
            self._told("", "")
            return
        try:
            for port, kernel in ((where.syslog_port, False), (where.netconsole_port, True)):
                self._lanes.append(await self._listen(where.address, port, kernel))
        except OSError as error:
            self._close()
            text = f"cannot listen for what nodes say at {where.address}: {error.strerror or error}"
            self._told(text, _TAKEN if error.errno == errno.EADDRINUSE else _NOT_OURS)
        else:
            self._bound = where
            self._told("", "")

    async def _listen(self, address: IPv4Address, port: int, kernel: bool) -> asyncio.DatagramTransport:
        entry = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            entry.setblocking(False)
            _widen(entry)
            entry.bind((str(address), port))
            loop = asyncio.get_running_loop()
            lane, _ = await loop.create_datagram_endpoint(lambda: _Ear(self, kernel), sock=entry)
        except BaseException:
            entry.close()
            raise
        return lane

    def _told(self, failure: str, hint: str) -> None:
        """Tell a failure once, and once that it is over."""
        if failure == self._failure:
            return
        self._failure = failure
        self._house.engine.post(DaemonFault(code=FAULT, message=failure, hint=hint))

    def _close(self) -> None:
        for lane in self._lanes:
            lane.close()
        self._lanes.clear()
        self._bound = None

    # --- over a restart ---------------------------------------------------------------------------------

    def _load(self) -> None:
        """Take over what was kept when graped stopped; what cannot be read is not worth a word more than one."""
        try:
            kept = json.loads(self._file.read_bytes())
            for key, lines in kept.items():
                stack, _, number = key.partition("-")
                ring = self._rings.setdefault(SlotId(int(stack), int(number)), Ring(self._number))
                ring.fill([Kept(id=one[0], at=one[1], source=one[2], level=one[3], text=one[4]) for one in lines])
                self._next = max(self._next, ring.last)
        except FileNotFoundError:
            return
        except (OSError, ValueError, TypeError, LookupError, AttributeError) as error:
            log.warning("what nodes had said before graped stopped cannot be read: %s", error)
        with contextlib.suppress(OSError):
            os.unlink(self._file)

    def _save(self) -> None:
        kept = {
            f"{slot.stack}-{slot.slot}": [[one.id, one.at, one.source, one.level, one.text] for one in ring.all()]
            for slot, ring in self._rings.items()
        }
        if not any(kept.values()):
            return
        try:
            write_atomic(Path(self._file), json.dumps(kept).encode(), mode=0o600)
        except OSError as error:
            log.warning("what nodes have said is not kept over the restart: %s", error)


class _Ear(asyncio.DatagramProtocol):
    """One port."""

    def __init__(self, console: Console, kernel: bool) -> None:
        self._console = console
        self._kernel = kernel

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Take a datagram."""
        self._console.received(data, addr[0], kernel=self._kernel)

    def error_received(self, exc: Exception) -> None:
        """Nobody is told: we send nothing."""


def senders(config: Config) -> dict[str, SlotId]:
    """Tell the addresses of all nodes."""
    found = {}
    for key, stack in config.cluster.stacks.items():
        for number in stack.devices:
            address = address_of(config, slot := SlotId(key, number))
            if address is not None:
                found[str(address)] = slot
    return found


def _widen(entry: socket.socket) -> None:
    """Have room for many lines at once: beyond the system's limit where we may."""
    try:
        entry.setsockopt(socket.SOL_SOCKET, getattr(socket, "SO_RCVBUFFORCE", 33), BUFFER_BYTES)
    except OSError:
        entry.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)


def _view(line: Kept) -> NodeLogLine:
    return NodeLogLine(id=line.id, time=rfc3339(line.at), source=line.source, level=line.level, text=line.text)
