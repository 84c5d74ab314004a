"""Gather evidence of what nodes that netboot do: dnsmasq's log, NFS connections; told to the core as it comes."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping
from ipaddress import IPv4Address
from typing import Final, Protocol

from graped.clock import Clock
from graped.config.types import Config
from graped.core.events import Event, StageSeen
from graped.core.state import State
from graped.errors import NetbootOff
from graped.model import SlotId, Stage
from graped.netboot.dhcp.layout import Layout
from graped.netboot.dhcp.log import Reader, Trouble
from graped.netboot.dhcp.rival import is_probe
from graped.netboot.dhcp.tail import Tail
from graped.netboot.nfs.traffic import connections
from graped.netboot.plan import NetPlan, folder, plan
from graped.provision.mounts import BOOTING, Mounts
from graped.provision.sightings import Denied, MacHeard, Sightings, Stranger

log = logging.getLogger("graped.provision")

LOG_S: Final = 0.5  # while nobody boots
BOOT_LOG_S: Final = 0.05  # while somebody does: each board that leaves TFTP lets another one be switched on
NFS_S: Final = 0.5
STRANGER_S: Final = 3600.0  # a MAC address that nobody knows is told of so often at most
_LOADING: Final = frozenset({Stage.POWERED, Stage.DHCP, Stage.TFTP})
DENIED_HINT: Final = "all users have to be allowed to read it: grapecli image exec IMAGE -- chmod a+r FILE"


class Journal(Protocol):
    """The event log."""

    def append(
        self, kind: str, message: str, *, node: str | None = None, fields: Mapping[str, object] | None = None
    ) -> object: ...


class Watch:
    """``addresses`` tells where the nodes are that are no simulated ones."""

    def __init__(
        self,
        state: Callable[[], State],
        post: Callable[[Event], None],
        journal: Journal,
        clock: Clock,
        addresses: Callable[[], Mapping[SlotId, IPv4Address]],
    ) -> None:
        self._state = state
        self._post = post
        self._journal = journal
        self._clock = clock
        self._addresses = addresses
        self._config: Config | None = None
        self._sightings = Sightings(_size_of)
        self._strangers: dict[str, float] = {}
        self.hear: Callable[[MacHeard], None] = lambda _: None  # who wants to know of every MAC address

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow_log())
            group.create_task(self._follow_mounts())

    # --- DHCP and TFTP --------------------------------------------------------------------------------

    async def _follow_log(self) -> None:
        tail, reader = Tail(Layout(folder(self._state().config)).log), Reader()
        try:
            while True:
                self._keep_up()
                for line in tail.lines():
                    self._take(reader, line)
                await asyncio.sleep(BOOT_LOG_S if self._somebody_boots() else LOG_S)
        finally:
            tail.close()

    def _somebody_boots(self) -> bool:
        return any(self._stage(slot) in _LOADING for slot in self._addresses())

    def _take(self, reader: Reader, line: str) -> None:
        seen = reader.feed(line)
        if seen is None:
            return
        if isinstance(seen, Trouble):
            log.warning("dnsmasq: %s", seen.text)
        if (who := self._sightings.heard(seen)) is not None and not is_probe(who.mac):
            self.hear(who)
        for event in self._sightings.take(seen, self._stage):
            if isinstance(event, Stranger):
                self._meet(event)
            elif isinstance(event, Denied):
                self._deny(event)
            else:
                self._post(event)

    def _meet(self, who: Stranger) -> None:
        """Tell of a MAC address that nobody knows, once an hour."""
        now = self._clock.monotonic()
        if is_probe(who.mac):
            return
        if now < self._strangers.get(who.mac, float("-inf")) + STRANGER_S:
            return
        self._strangers = {mac: at for mac, at in self._strangers.items() if now < at + STRANGER_S} | {who.mac: now}
        log.info("%s asked for an address; no node has this MAC address", who.mac)
        self._journal.append(
            "dhcp.unknown",
            f"{who.mac} asked for an address; no node has this MAC address, so it gets nothing",
            fields={"mac": who.mac, "vendor": who.vendor},
        )

    def _deny(self, file: Denied) -> None:
        """Tell of a boot file that is there and cannot be sent."""
        name = None if file.slot is None else self._state().config.node_name(file.slot)
        what = f"dnsmasq may not read {file.path}: {file.why}"
        log.warning("%s", what)
        self._journal.append(
            "tftp.denied", f"{what}; {DENIED_HINT}", node=name, fields={"path": file.path, "hint": DENIED_HINT}
        )

    def _stage(self, slot: SlotId) -> Stage | None:
        now = self._state().slots.get(slot)
        return now.stage if now else None

    # --- NFS ------------------------------------------------------------------------------------------

    async def _follow_mounts(self) -> None:
        mounts = Mounts()
        while True:
            await asyncio.sleep(NFS_S)
            if not any(self._stage(slot) in BOOTING for slot in self._addresses()):
                continue
            there = await asyncio.to_thread(connections)
            nodes = {slot: (address, self._stage(slot)) for slot, address in self._addresses().items()}
            for slot in mounts.look(there, nodes):
                self._post(StageSeen(slot=slot, stage=Stage.ROOT, evidence="NFS"))

    def _keep_up(self) -> None:
        """Take a new configuration: who is where."""
        config = self._state().config
        if config is not self._config:
            self._config = config
            if (layout := _plan(config)) is not None:
                self._sightings.know(layout)


def _size_of(path: str) -> int | None:
    try:
        return os.stat(path).st_size
    except OSError:
        return None


def _plan(config: Config) -> NetPlan | None:
    try:
        return plan(config)
    except NetbootOff:
        return None
