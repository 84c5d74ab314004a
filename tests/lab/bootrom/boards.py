"""How the models' boot ROMs differ."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

PXE_CLASS: Final = b"PXEClient:Arch:00000:UNDI:002001"
ASKED_BY_ROM: Final = bytes((43, 60, 67, 128, 129, 130, 131, 132, 133, 134, 135, 66))
ASKED_BY_PI5: Final = bytes((1, 3, 43, 60, 66, 67, 128, 129, 130, 131, 132, 133, 134, 135))
ASKED_BY_LINUX: Final = bytes((1, 3, 6, 12, 15, 17, 26, 40, 42))  # net/ipv4/ipconfig.c
ROM_XID: Final = 0x26F30339  # the same on many boards: boot-net.adoc, firmware#764, firmware#1362


class Rom(StrEnum):
    """The boot ROMs that differ."""

    PI3B = "3b"
    PI3BPLUS = "3b+"
    PI4 = "4"
    PI5 = "5"


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How one of them asks for an address and for files."""

    asked: bytes  # option 55
    pxe: bool = True  # it says that it is a PXE client, and takes only an answer for one
    requests: bool = True  # it goes on to REQUEST and ACK; False: it takes the OFFER
    wants_spaces: bool = False  # it miscounts the menu's text unless three spaces follow it
    deaf_s: float = 0.0  # an OFFER that comes sooner is lost
    xid: int | None = None  # the same every time
    every_s: float = 4.0  # DHCP_REQ_TIMEOUT: between two packets
    tries: int | None = None  # DISCOVERs before it gives up for good; None: never
    block_bytes: int | None = None  # the block size it asks for; None: plain requests, 512
    prefix_by: tuple[str, ...]  # below <serial>/, what makes it stay there
    silent_s: float = 1.0  # without an answer it sends its last TFTP packet again (not documented)


OLD_ROM: Final = Way(
    asked=ASKED_BY_ROM, requests=False, xid=ROM_XID, every_s=5.0, tries=5, prefix_by=("start.elf",)
)  # fmt: skip
WAYS: Final = {
    # How long it is deaf is not documented; a server that waits the one second of dhcp-reply-delay is heard.
    Rom.PI3B: Way(
        asked=ASKED_BY_ROM, requests=False, xid=ROM_XID, every_s=5.0, tries=5, prefix_by=("start.elf",),
        wants_spaces=True, deaf_s=0.5,
    ),
    Rom.PI3BPLUS: OLD_ROM,
    Rom.PI4: Way(asked=ASKED_BY_ROM, block_bytes=1468, prefix_by=("start4.elf", "start.elf")),
    Rom.PI5: Way(asked=ASKED_BY_PI5, block_bytes=1468, prefix_by=("config.txt",)),
}  # fmt: skip
LINUX: Final = Way(asked=ASKED_BY_LINUX, pxe=False, prefix_by=())  # a kernel with ip=dhcp


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """One board. ``serial`` has eight hex digits in lower case."""

    rom: Rom
    mac: str
    serial: str
    revision: int = 0xC03111

    @property
    def way(self) -> Way:
        """How its boot ROM asks."""
        return WAYS[self.rom]

    @property
    def hardware(self) -> bytes:
        """Its MAC address as six bytes."""
        return bytes.fromhex(self.mac.replace(":", ""))

    @property
    def guid(self) -> bytes:
        """Option 97: a type byte 0 and sixteen bytes. Source: eeprom-bootloader.adoc, DHCP_OPTION97; boot-net.adoc."""
        serial = int(self.serial, 16).to_bytes(4, "little")
        match self.rom:
            case Rom.PI3B:
                body = b"D" * 16
            case Rom.PI3BPLUS:
                body = serial * 4
            case Rom.PI4 | Rom.PI5:
                fourcc = b"RPi4" if self.rom is Rom.PI4 else b"RPi5"
                body = fourcc + self.revision.to_bytes(4, "little") + self.hardware[2:] + serial
        return b"\0" + body
