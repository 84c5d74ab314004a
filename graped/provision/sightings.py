"""What dnsmasq's log tells of nodes, as evidence for the core.

| seen in the log                         | stage now              | means                                   |
|-----------------------------------------|------------------------|-----------------------------------------|
| DISCOVER of a boot ROM                  | tftp                   | counted: a Pi 3B asks twice in one boot |
|                                         | any other              | ``dhcp``; past tftp it is a boot anew   |
| a file sent, or asked for and not there | powered, dhcp, unknown | ``tftp``                                |
| DISCOVER or REQUEST of a system         | powered, dhcp, tftp    | ``kernel``: no boot file comes after it |
|                                         | any other              | nothing: it only keeps its lease        |
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final

from graped.config.types import Model
from graped.core.events import BootFact, BootSeen, Event, StageSeen
from graped.model import SlotId, Stage
from graped.netboot.dhcp import log
from graped.netboot.dhcp.layout import Layout
from graped.netboot.plan import NetPlan

_BEFORE_KERNEL: Final = frozenset({Stage.POWERED, Stage.DHCP, Stage.TFTP})
# What no boot gets by without. Much else is asked for and not there: recovery.elf, pieeprom.upd, <serial>/start.elf.
_NEEDED: Final = re.compile(
    r"bootcode\.bin|start\w*\.elf|fixup\w*\.dat|(?:kernel|initramfs)\w*(?:\.img)?|bcm\w[\w-]*\.dtb"
    r"|boot\.ipxe|vmlinu.*|initrd.*"
)
_SERIAL_FOLDER: Final = re.compile(r"([0-9a-f]{8})/")  # where a Pi looks for its files first
DENIED_AT_MOST: Final = 100  # paths are what clients ask for
_FOLDER: Final = "Is a directory"  # a Pi asks for overlays/, too
_BEFORE_TFTP: Final = frozenset({None, Stage.POWERED, Stage.DHCP})


@dataclass(frozen=True, slots=True, kw_only=True)
class Stranger:
    """A MAC address that nobody knows asked for an address."""

    mac: str
    vendor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MacHeard:
    """A MAC address asked for an address or a file, and what that tells of its board; whether it is known or not."""

    mac: str
    vendor: str = ""
    model: Model | None = None
    serial: str | None = None  # 8 hex digits
    asked: bool = True  # for an address, just now


@dataclass(frozen=True, slots=True, kw_only=True)
class Denied:
    """A boot file is there and dnsmasq may not read it; ``slot`` where it is one of a node's own folder."""

    path: str
    why: str
    slot: SlotId | None


class Sightings:
    """Knows whose MAC and address is whose. ``size_of`` tells the bytes of a file that was sent."""

    def __init__(self, size_of: Callable[[str], int | None]) -> None:
        self._size_of = size_of
        self._by_mac: Mapping[str, SlotId] = {}
        self._by_ip: Mapping[IPv4Address, SlotId] = {}
        self._macs: Mapping[IPv4Address, str] = {}
        self._tftp = Path("/")
        self._models: dict[SlotId, Model] = {}
        self._denied: set[str] = set()  # told of, and not sent since

    def know(self, layout: NetPlan) -> None:
        """Take who is who from the newest plan."""
        self._by_mac = {node.mac: node.slot for node in layout.nodes}
        self._by_ip = {node.address: node.slot for node in layout.nodes}
        self._macs = {node.address: node.mac for node in layout.nodes}
        self._tftp = Layout(layout.folder).tftp

    def take(self, seen: log.Event, stage_of: Callable[[SlotId], Stage | None]) -> Iterator[Event | Stranger | Denied]:
        """Turn one thing seen into what the core is told, or people are."""
        match seen:
            case log.Discover(ignored=True) if seen.mac not in self._by_mac:
                yield Stranger(mac=seen.mac, vendor=seen.vendor)
            case log.Discover() | log.Request() if seen.mac in self._by_mac:
                yield from self._asked(self._by_mac[seen.mac], seen, stage_of)
            case log.ModelSeen() if seen.mac in self._by_mac:
                slot = self._by_mac[seen.mac]
                if self._models.get(slot) is not seen.model:
                    self._models[slot] = seen.model
                    yield BootSeen(slot=slot, what=BootFact.MODEL, model=seen.model)
            case log.FileDenied() if self._is_news(seen):
                yield Denied(path=seen.path, why=seen.why, slot=self._by_mac.get(self._folder_of(seen.path)))
            case log.FileSent() | log.FileMissing() if seen.ip in self._by_ip:
                yield from self._file(self._by_ip[seen.ip], seen, stage_of)
            case _:
                pass

    def heard(self, seen: log.Event) -> MacHeard | None:
        """Tell which MAC address something comes from, and what it says of its board; None where it says neither."""
        match seen:
            case log.Discover() | log.Request():
                return MacHeard(mac=seen.mac, vendor=seen.vendor)
            case log.ModelSeen():
                return MacHeard(mac=seen.mac, model=seen.model, serial=seen.serial, asked=False)
            case log.FileSent() | log.FileMissing() if seen.ip in self._macs:
                folder = _SERIAL_FOLDER.match(self._below_its_folder(seen.path))
                return MacHeard(mac=self._macs[seen.ip], serial=folder[1], asked=False) if folder else None
            case _:
                return None

    def _asked(
        self, slot: SlotId, seen: log.Discover | log.Request, stage_of: Callable[[SlotId], Stage | None]
    ) -> Iterator[Event]:
        stage = stage_of(slot)
        if seen.boot_rom:
            if isinstance(seen, log.Discover):
                if stage is not Stage.TFTP:
                    yield StageSeen(slot=slot, stage=Stage.DHCP, evidence=seen.vendor)
                yield BootSeen(slot=slot, what=BootFact.DISCOVER)
        elif stage in _BEFORE_KERNEL:
            yield StageSeen(slot=slot, stage=Stage.KERNEL, evidence=seen.vendor or "DHCP of an operating system")

    def _file(
        self, slot: SlotId, seen: log.FileSent | log.FileMissing, stage_of: Callable[[SlotId], Stage | None]
    ) -> Iterator[Event]:
        if stage_of(slot) in _BEFORE_TFTP:
            yield StageSeen(slot=slot, stage=Stage.TFTP)
        self._denied.discard(seen.path)
        name = self._below_its_folder(seen.path)
        if isinstance(seen, log.FileSent):
            yield BootSeen(slot=slot, what=BootFact.FILE, path=name, size_bytes=self._size_of(seen.path) or 0)
        elif _NEEDED.fullmatch(name):
            yield BootSeen(slot=slot, what=BootFact.MISSING, path=name)

    def _is_news(self, seen: log.FileDenied) -> bool:
        """Whether a file that may not be read is told of: once, until it could be sent. A folder is no file."""
        if seen.why == _FOLDER or seen.path in self._denied or len(self._denied) >= DENIED_AT_MOST:
            return False
        self._denied.add(seen.path)
        return True

    def _folder_of(self, path: str) -> str:
        """The MAC address whose folder a file is in, "" where it is in none."""
        below = Path(path)
        return below.relative_to(self._tftp).parts[0].replace("-", ":") if self._tftp in below.parents else ""

    def _below_its_folder(self, path: str) -> str:
        below = Path(path)
        if below.is_relative_to(self._tftp):
            below = Path(*below.relative_to(self._tftp).parts[1:])
        return str(below)
