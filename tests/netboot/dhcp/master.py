"""A master in the lab whose dnsmasq is graped's own, and clients that ask it."""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Callable
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, TypeVar

from graped.netboot.dhcp.dnsmasq import Dnsmasq
from graped.netboot.dhcp.log import Event, Reader
from graped.netboot.dhcp.packets import Kind, Message, decode, encode, frame, unframe
from graped.netboot.dhcp.tail import Tail
from graped.netboot.plan import NetPlan, NodePlan
from graped.netboot.servers import ProcessServers
from graped.netboot.tftp import apply_folder, boot_files, read_boot
from graped.runner import SubprocessRunner
from tests.lab.network import INTERFACE, Network, Place, inside
from tests.lab.run import Run
from tests.netboot.plans import plan

T = TypeVar("T")
ROM_OPTIONS = {
    55: bytes((43, 60, 67, 128, 129, 130, 131, 132, 133, 134, 135, 66)),
    93: b"\0\0",
    94: b"\1\2\1",
    60: b"PXEClient:Arch:00000:UNDI:002001",
}
PATIENCE_S = 10.0


class Master:
    """10.77.0.1 on a switch. Each ``graped`` is one life of the daemon: only the files are common to all."""

    def __init__(self, run: Run, network: Network) -> None:
        self.place = network.place("master", address="10.77.0.1/24")
        self.folder = run.folder("netboot")
        self.network = network
        self.graped = self.life()
        run.at_end(lambda: self.graped.stop(self.folder))
        self._tail: Tail | None = None
        self._reader = Reader()

    def life(self) -> Dnsmasq:
        """Begin a new life of graped."""
        runner = SubprocessRunner()
        return Dnsmasq(ProcessServers(runner), runner)

    def plan(self, *nodes: NodePlan, **changes: Any) -> NetPlan:
        """Describe this network with these nodes."""
        return plan(*nodes, folder=self.folder, interface=INTERFACE, **changes)

    def apply(self, told: NetPlan) -> tuple[str, ...]:
        """Have graped serve a plan."""
        return self.inside(lambda: self.graped.apply(told))

    def serve(self, told: NetPlan, boot: Path) -> None:
        """Serve every node of a plan the same boot folder."""
        for one in told.nodes:
            apply_folder(self.tftp, boot_files(told, one, read_boot(boot), Path(f"/roots/{one.name}")))
        self.apply(told)
        self._tail = self._tail or Tail(self.folder / "dnsmasq" / "log")

    def inside(self, call: Callable[[], T]) -> T:
        """Do something in the master's network namespace."""
        return inside(self.place.namespace, call)

    def pid(self) -> int | None:
        """Give the process id of the server."""
        return self.graped.running(self.folder)

    def events(self) -> list[Event]:
        """Give what the log told since the last call; from the first :meth:`serve` on."""
        lines = self._tail.lines() if self._tail else []
        return [event for line in lines if (event := self._reader.feed(line)) is not None]

    def log(self) -> str:
        """Give the whole log."""
        return (self.folder / "dnsmasq" / "log").read_text(errors="replace")

    @property
    def tftp(self) -> Path:
        """Give the folder of all TFTP folders."""
        return self.folder / "tftp"


def boot_folder(folder: Path, **sizes: int) -> Path:
    """Make boot files for every model, of random bytes; ``sizes`` of more files."""
    wanted = {"bootcode.bin": 52_456, "start.elf": 300_000, "start4.elf": 220_000, "fixup.dat": 7_314}
    wanted |= {"fixup4.dat": 5_456, "kernel8.img": 1_468 * 512, "initramfs8": 100_001}
    trees = ("2710-rpi-3-b", "2710-rpi-3-b-plus", "2711-rpi-4-b", "2712-rpi-5-b")
    wanted |= {f"bcm{tree}.dtb": 30_000 for tree in trees}
    wanted |= {"overlays/overlay_map.dtb": 2_000, "overlays/vc4-kms-v3d.dtbo": 2_700}
    for name, size in (wanted | {name.replace("__", "."): size for name, size in sizes.items()}).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(size))
    (folder / "config.txt").write_text("arm_64bit=1\nauto_initramfs=1\n")
    (folder / "cmdline.txt").write_text("console=tty1 root=PARTUUID=4e639091-02 rootfstype=ext4 rootwait\n")
    return folder


def ask(place: Place, mac: str, options: dict[int, bytes] | None = None, wait_s: float = PATIENCE_S) -> Message | None:
    """Send one DISCOVER from any MAC address; return the first offer to it."""
    with place.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as wire:
        wire.bind((INTERFACE, 0x0800))
        question = Message(kind=Kind.DISCOVER, xid=0x26F30339, mac=mac, options=options or {})
        wire.send(frame(encode(question), source_mac=mac, source=IPv4Address(0), target=IPv4Address("255.255.255.255")))
        end = time.monotonic() + wait_s
        while (left_s := end - time.monotonic()) > 0:
            wire.settimeout(left_s)
            try:
                seen = unframe(wire.recv(2048))
            except TimeoutError:
                return None
            answer = decode(seen[1]) if seen else None
            if answer and answer.mac == mac:
                return answer
    return None


def offered(place: Place, mac: str, wait_s: float = 1.0) -> IPv4Address | None:
    """Return the address that a MAC address is offered now. A change is known to dnsmasq a moment after it was told."""
    offer = ask(place, mac, wait_s=wait_s)
    return offer.yours if offer else None


def is_served(place: Place, mac: str) -> bool:
    """Whether a MAC address gets an offer."""
    return offered(place, mac) is not None


class Transfer:
    """One TFTP transfer that a test drives block by block."""

    def __init__(self, place: Place, name: str, block_bytes: int = 1468) -> None:
        self.socket = place.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.settimeout(PATIENCE_S)
        self.data = b""
        self.done = False
        self._size = block_bytes
        words = f"{name}\0octet\0blksize\0{block_bytes}\0"
        self.socket.sendto(b"\0\1" + words.encode(), ("10.77.0.1", 69))
        answer, self._peer = self.socket.recvfrom(2048)
        assert answer[1] == 6, answer  # OACK
        self._say(0)

    def take(self, blocks: int | None = None) -> None:
        """Take so many blocks, or all that are left."""
        while not self.done and blocks != 0:
            block = self.socket.recv(4096)
            kind, number = struct.unpack("!HH", block[:4])
            assert kind == 3, block
            if number != self._next():
                continue  # sent again, since we were slow
            self.data += block[4:]
            self.done = len(block) - 4 < self._size
            self._say(number)
            blocks = None if blocks is None else blocks - 1

    def _next(self) -> int:
        return (len(self.data) // self._size + 1) & 0xFFFF

    def _say(self, number: int) -> None:
        self.socket.sendto(struct.pack("!HH", 4, number), self._peer)


def wait_for(what: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
    """Wait until something is so."""
    end = time.monotonic() + patience_s
    while not what():
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.02)
