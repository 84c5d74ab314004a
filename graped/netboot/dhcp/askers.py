"""Who asks for an address on an interface, heard beside whatever server runs there: MAC address, model, serial.

A packet socket hears every DHCP request, also those that no server answers. The kernel filters: what nodes load over
NFS never comes up here. Source: packet(7); BPF: Linux, Documentation/networking/filter.rst.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from dataclasses import dataclass
from typing import Final

from graped.config.types import Model
from graped.errors import ServerError
from graped.netboot.dhcp.log import BOOT_ROM, OLD_FORM, serial_of
from graped.netboot.dhcp.packets import SERVER_PORT, Kind, Message, Option, decode, unframe
from graped.netboot.dhcp.render import PI_MAKERS
from graped.netboot.dhcp.rival import is_probe

_ETHERTYPE_IPV4: Final = 0x0800
_FRAME_BYTES: Final = 2048
_AT_ONCE: Final = 100  # frames a look
_SO_ATTACH_FILTER: Final = 26  # Source: Linux, include/uapi/asm-generic/socket.h
# "udp dst port 67" of a frame that is no later fragment: (code, jump if true, jump if false, value).
_FILTER: Final = (
    (0x28, 0, 0, 12), (0x15, 0, 8, _ETHERTYPE_IPV4), (0x30, 0, 0, 23), (0x15, 0, 6, 17), (0x28, 0, 0, 20),
    (0x45, 4, 0, 0x1FFF), (0xB1, 0, 0, 14), (0x48, 0, 0, 16), (0x15, 0, 1, SERVER_PORT),
    (0x06, 0, 0, 0xFFFF), (0x06, 0, 0, 0),
)  # fmt: skip
_BY_NAME: Final = {b"RPi4": Model.PI4, b"RPi5": Model.PI5}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Somebody asks for an address, and what that tells of the board."""

    mac: str
    vendor: str = ""
    model: Model | None = None
    serial: str | None = None


class Wire:
    """An open ear on one interface. Raises: ServerError where that cannot be."""

    def __init__(self, interface: str) -> None:
        try:
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)  # nothing comes before the filter stands
            try:
                _attach(self._socket)
                self._socket.bind((interface, _ETHERTYPE_IPV4))
                self._socket.setblocking(False)
            except OSError:
                self._socket.close()
                raise
        except OSError as error:
            raise ServerError(
                f"cannot hear who asks for an address on {interface}: {error.strerror or error}",
                hint=f"See that {interface} exists and is up (ip link show {interface}).",
            ) from error

    def read(self) -> tuple[Asker, ...]:
        """Give who asked since the last look; never waits. Raises: ServerError when the interface has gone."""
        found: list[Asker] = []
        try:
            for _ in range(_AT_ONCE):
                frame = unframe(self._socket.recv(_FRAME_BYTES), SERVER_PORT)
                message = decode(frame[1]) if frame else None
                if message is not None and (who := asker(message)) is not None:
                    found.append(who)
        except BlockingIOError:
            pass
        except OSError as error:
            raise ServerError(f"the interface that was listened on has failed: {error.strerror or error}") from error
        return tuple(found)

    def close(self) -> None:
        """Hear no more."""
        self._socket.close()


def asker(message: Message) -> Asker | None:
    """Tell who sends a message, where it is one of a client that looks for an address; not our own questions."""
    if message.kind not in (Kind.DISCOVER, Kind.REQUEST) or is_probe(message.mac):
        return None
    vendor = message.options.get(Option.VENDOR_CLASS, b"").decode("ascii", "replace").rstrip("\0")
    model, serial = _board(message, boot_rom=vendor.startswith(BOOT_ROM))
    return Asker(mac=message.mac, vendor=vendor, model=model, serial=serial)


def _board(message: Message, *, boot_rom: bool) -> tuple[Model | None, str | None]:
    """Tell model and serial by option 97. Source: Raspberry Pi documentation, eeprom-bootloader, DHCP_OPTION97."""
    mac, guid = message.mac, message.options.get(Option.CLIENT_MACHINE_ID, b"")[1:]
    if len(guid) == 16:
        if guid == b"\x44" * 16:
            return Model.PI3B, None
        if guid[:4] in _BY_NAME:
            return _BY_NAME[guid[:4]], serial_of(guid[12:].hex(), mac)
        if guid == guid[:4] * 4 and mac[:8] in OLD_FORM:
            return OLD_FORM[mac[:8]], serial_of(guid[:4].hex(), mac)
    return (Model.PXE if boot_rom and mac[:8] not in PI_MAKERS else None), None


def _attach(wire: socket.socket) -> None:
    program = b"".join(struct.pack("HBBI", *line) for line in _FILTER)
    lines = ctypes.create_string_buffer(program)
    wire.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", len(_FILTER), ctypes.addressof(lines)))
