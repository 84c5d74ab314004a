"""dnsmasq's log, line by line, as events. Pure.

Read with ``log-dhcp`` on. A DHCP packet makes several lines, one after the other (dnsmasq does one thing at a time):
who asked with which vendor class, then the message, then the tags that the packet set, then each option sent. The
model of a board is told by the last two. Source: dnsmasq 2.90 and 2.91, src/rfc2131.c and src/tftp.c.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final

from graped.config.types import Model

BOOT_ROM: Final = "PXEClient"  # how the vendor class of every boot ROM begins, and of no operating system


@dataclass(frozen=True, slots=True, kw_only=True)
class Discover:
    """Somebody looks for a server. ``refused`` says why it got no offer: "" (it did), "ignored" (MAC not known), ..."""

    mac: str
    vendor: str = ""
    refused: str = ""

    @property
    def ignored(self) -> bool:
        """Whether nobody knows this MAC address."""
        return self.refused == "ignored"

    @property
    def boot_rom(self) -> bool:
        """Whether a boot ROM or boot loader asks, not an operating system."""
        return self.vendor.startswith(BOOT_ROM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """An address was offered."""

    mac: str
    ip: IPv4Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Somebody asks for an address by name; ``refused`` as in Discover."""

    mac: str
    ip: IPv4Address
    vendor: str = ""
    refused: str = ""

    @property
    def boot_rom(self) -> bool:
        """Whether a boot ROM or boot loader asks, not an operating system."""
        return self.vendor.startswith(BOOT_ROM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ack:
    """An address was given."""

    mac: str
    ip: IPv4Address
    host: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Nak:
    """An address was denied."""

    mac: str
    ip: IPv4Address
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSeen:
    """A boot ROM said what it is; ``serial`` (8 hex digits) where it told that, too."""

    mac: str
    model: Model
    serial: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSent:
    """A file went out whole."""

    ip: IPv4Address
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileMissing:
    """A file was asked for that is not there: normal for most names a boot loader tries."""

    ip: IPv4Address
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFailed:
    """A file did not arrive whole: the client went silent, or stopped it (``why``), as a Pi does to learn a size."""

    ip: IPv4Address
    path: str
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileDenied:
    """A file is there but dnsmasq may not read it."""

    path: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """dnsmasq says that something is wrong with what it was told to serve."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """dnsmasq has started."""

    version: str


Event = (
    Discover
    | Offer
    | Request
    | Ack
    | Nak
    | ModelSeen
    | FileSent
    | FileMissing
    | FileFailed
    | FileDenied
    | Trouble
    | Started
)

_MAC: Final = r"(?P<mac>(?:[0-9a-f]{2}:){5}[0-9a-f]{2})"
_IP: Final = r"(?P<ip>\d+\.\d+\.\d+\.\d+)"
_LINE: Final = re.compile(r"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d dnsmasq(?:-(?P<part>\w+))?\[\d+\]: (?P<text>.*)")
_XID: Final = re.compile(r"\d+ ")
_MESSAGE: Final = re.compile(rf"DHCP(?P<kind>[A-Z]+)\([^)]*\) (?:{_IP} )?{_MAC} ?(?P<rest>.*)")
_GUID: Final = re.compile(r"sent size: 17 option: 97 client-machine-id  00:(?P<bytes>(?:[0-9a-f]{2}:){12})")
_SENT: Final = re.compile(rf"sent (?P<path>.*) to {_IP}")
_MISSING: Final = re.compile(rf"file (?P<path>.*) not found for {_IP}")
_FAILED: Final = re.compile(rf"failed sending (?P<path>.*) to {_IP}")
_STOPPED: Final = re.compile(rf"error (?P<why>.*) received from {_IP}")
_DENIED: Final = re.compile(r"cannot (?:access|read) (?P<path>.*): (?P<why>[^:]*)")
_STARTED: Final = re.compile(r"started, version (?P<version>\S+)")
_TROUBLE: Final = ("not using configured address", "duplicate dhcp-host", "bad ", "failed to ", "no address range")


_MODELS: Final = {"rpi3b": Model.PI3B, "rpi4": Model.PI4, "rpi5": Model.PI5}
# Boards whose option 97 is their serial four times: of one maker's addresses each model has its own.
OLD_FORM: Final = {"b8:27:eb": Model.PI3BPLUS, "dc:a6:32": Model.PI4, "e4:5f:01": Model.PI4}


class Reader:
    """Fold lines into events; remembers the lines of the packet that is being told of. Feed it every line."""

    def __init__(self) -> None:
        self._vendor = ""
        self._mac = ""
        self._tags: frozenset[str] = frozenset()
        self._stopped: tuple[IPv4Address, str] | None = None

    def feed(self, line: str) -> Event | None:
        """Return what a line tells; None for one that tells nothing new."""
        match = _LINE.fullmatch(line.rstrip("\n"))
        if match is None:
            return None
        text = match["text"]
        if match["part"] == "tftp":
            return self._tftp(text)
        if match["part"] == "dhcp":
            return self._dhcp(text)
        started = _STARTED.match(text)
        return Started(version=started["version"]) if started else _trouble(text)

    def _dhcp(self, text: str) -> Event | None:
        xid = _XID.match(text)
        if xid is None:
            return _trouble(text)
        text = text[xid.end() :]
        if message := _MESSAGE.fullmatch(text):
            return self._message(message)
        head, _, rest = text.partition(": ")
        if head == "available DHCP subnet":  # the first line of every packet
            self._vendor, self._mac, self._tags = "", "", frozenset()
        elif head == "vendor class":
            self._vendor = rest
        elif head == "tags":
            self._tags = frozenset(rest.split(", "))
            return self._model()
        elif guid := _GUID.match(text):
            return self._old_form(guid["bytes"].replace(":", ""))
        return None

    def _message(self, found: re.Match[str]) -> Event | None:
        self._mac = mac = found["mac"]
        ip = IPv4Address(found["ip"] or 0)
        match found["kind"]:
            case "DISCOVER":
                return Discover(mac=mac, vendor=self._vendor, refused=found["rest"])
            case "OFFER":
                return Offer(mac=mac, ip=ip)
            case "REQUEST":
                return Request(mac=mac, ip=ip, vendor=self._vendor, refused=found["rest"])
            case "ACK":
                return Ack(mac=mac, ip=ip, host=found["rest"])
            case "NAK":
                return Nak(mac=mac, ip=ip, why=found["rest"])
        return None

    def _model(self) -> ModelSeen | None:
        """Tell the model by the tags that the packet set."""
        if not self._vendor.startswith(BOOT_ROM) or not self._mac:
            return None
        for tag, model in _MODELS.items():
            if tag in self._tags:
                return ModelSeen(mac=self._mac, model=model)
        return None if "pi" in self._tags else ModelSeen(mac=self._mac, model=Model.PXE)

    def _old_form(self, digits: str) -> ModelSeen | None:
        """Tell the model by a serial that is sent again and again."""
        model = OLD_FORM.get(self._mac[:8])
        if model is None or "pi" not in self._tags or digits != digits[:8] * 3 or "rpi3b" in self._tags:
            return None
        return ModelSeen(mac=self._mac, model=model, serial=serial_of(digits[:8], self._mac))

    def _tftp(self, text: str) -> Event | None:
        stopped, self._stopped = self._stopped, None
        if found := _STOPPED.fullmatch(text):
            self._stopped = (IPv4Address(found["ip"]), found["why"])  # its next line names the file
            return None
        if found := _SENT.fullmatch(text):
            ip = IPv4Address(found["ip"])
            if stopped and stopped[0] == ip:  # "sent" is said, too, of what was stopped before its first block
                return FileFailed(ip=ip, path=found["path"], why=stopped[1])
            return FileSent(ip=ip, path=found["path"])
        if found := _FAILED.fullmatch(text):
            ip = IPv4Address(found["ip"])
            return FileFailed(ip=ip, path=found["path"], why=stopped[1] if stopped and stopped[0] == ip else "")
        if found := _MISSING.fullmatch(text):
            return FileMissing(ip=IPv4Address(found["ip"]), path=found["path"])
        if found := _DENIED.fullmatch(text):
            return FileDenied(path=found["path"], why=found["why"])
        return _trouble(text)


def serial_of(digits: str, mac: str) -> str | None:
    """Return a serial in its usual order: which byte comes first is not documented, but it ends as the MAC does."""
    ends = mac.replace(":", "")[6:]
    both_ways = (digits, bytes.fromhex(digits)[::-1].hex())
    return next((serial for serial in both_ways if serial.endswith(ends)), None)


def _trouble(text: str) -> Trouble | None:
    return Trouble(text=text) if text.startswith(_TROUBLE) else None
