"""A server and three clients, each in a network namespace of its own, on one bridge; and real NFS programs in them."""

from __future__ import annotations

import fcntl
import hashlib
import os
import socket
import struct
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path
from typing import IO, Any, TypeVar

import pytest
from pyroute2 import IPRoute, NetNS, netns

from graped.netboot.nfs import rpc
from graped.netboot.nfs.ganesha_conf import MOUNT_PORT

SERVER = IPv4Address("10.77.0.1")
CLIENTS = tuple(IPv4Address(f"10.77.0.{11 + number}") for number in range(3))
COMMAND_S = 20.0
Answer = TypeVar("Answer")


@dataclass(slots=True)
class Place:
    """A network namespace, and a thread that lives in it."""

    name: str
    pool: ThreadPoolExecutor = field(init=False)

    def __post_init__(self) -> None:
        netns.create(self.name)
        self.pool = ThreadPoolExecutor(max_workers=1, initializer=netns.setns, initargs=(self.name,))

    def do(self, work: Callable[..., Answer], *arguments: Any, **named: Any) -> Answer:
        """Call something in it."""
        return self.pool.submit(work, *arguments, **named).result(timeout=60)

    def close(self) -> None:
        self.pool.shutdown()
        netns.remove(self.name)


@dataclass(frozen=True, slots=True)
class Client:
    """A node as the NFS server sees it, by libnfs."""

    place: Place
    address: IPv4Address

    def _run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        return self.place.do(subprocess.run, argv, capture_output=True, text=True, timeout=COMMAND_S)

    def ls(self, path: Path, version: int = 3) -> list[str]:
        """List a mounted folder. Raises PermissionError where the mount is refused."""
        done = self._run("nfs-ls", url(path, version))
        if "ACCES" in done.stderr or "NOENT" in done.stderr or done.returncode:
            raise PermissionError(done.stderr)
        return sorted(line.split()[-1] for line in done.stdout.splitlines())

    def handle(self, path: Path) -> bytes:
        """Ask for the NFSv3 handle of a folder: what a mounted node keeps. Source: RFC 1813, 5.2.1."""
        raw = str(path).encode()
        packed = struct.pack(">I", len(raw)) + raw + bytes(-len(raw) % 4)
        source = (str(self.address), 0)
        reply = self.place.do(rpc.call, SERVER, MOUNT_PORT, rpc.Program.MOUNT, 3, 1, packed, source=source)
        status, size = struct.unpack(">2I", reply[:8])
        assert status == 0
        return reply[8 : 8 + size]

    def cat(self, path: Path, version: int = 3) -> str:
        return self._run("nfs-cat", url(path, version)).stdout

    def put(self, source: Path, target: Path, version: int = 3) -> None:
        """Write a file over NFS. Raises PermissionError."""
        done = self._run("nfs-cp", str(source), url(target, version))
        if "copied" not in done.stdout:
            raise PermissionError(done.stderr)

    @contextmanager
    def reading(self, path: Path, version: int = 3) -> Iterator[Reading]:
        """Read a file slowly, in the background, over one mount."""
        process: subprocess.Popen[bytes] = self.place.do(
            subprocess.Popen, ["nfs-cat", url(path, version)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert process.stdout is not None
        reading = Reading(process.stdout)
        try:
            reading.wait_for(1)
            yield reading
        finally:
            process.kill()
            process.wait()
            reading.join()
            process.stdout.close()


class Reading:
    """What a reader has got so far: a slow one, until it is waited for."""

    CHUNK = 256 * 1024
    PAUSE_S = 0.2  # whatever is done meanwhile has to end before it has read all

    def __init__(self, stream: IO[bytes]) -> None:
        self.bytes = 0
        self.longest_gap_s = 0.0
        self._digest = hashlib.sha256()
        self._hurry = threading.Event()
        self._thread = threading.Thread(target=self._read, args=(stream,))
        self._thread.start()

    def wait_for(self, size: int) -> None:
        end = time.monotonic() + COMMAND_S
        while self.bytes < size:
            assert time.monotonic() < end, "nothing more comes"
            time.sleep(0.005)

    def join(self) -> str:
        """Wait for its end; return the digest of all that was read."""
        self._hurry.set()
        self._thread.join(COMMAND_S)
        assert not self._thread.is_alive(), "the reader does not end"
        return self._digest.hexdigest()

    def _read(self, stream: IO[bytes]) -> None:
        before = time.monotonic()
        while chunk := stream.read(self.CHUNK):
            self.longest_gap_s = max(self.longest_gap_s, time.monotonic() - before)
            self.bytes += len(chunk)
            self._digest.update(chunk)
            self._hurry.wait(self.PAUSE_S)
            before = time.monotonic()


def url(path: Path, version: int) -> str:
    return f"nfs://{SERVER}{path}?version={version}"


@dataclass(slots=True)
class Room:
    server: Place
    clients: tuple[Client, ...]


@contextmanager
def only_rpcbind() -> Iterator[None]:
    """Be the only test that runs rpcbind: it has one lock and one socket in /run, whatever the network namespace."""
    lock = os.open(Path(tempfile.gettempdir()) / "grape-test-rpcbind.lock", os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _rpcbind_runs():
            pytest.skip("an rpcbind of this machine runs: a second one cannot")
        yield
    finally:
        os.close(lock)


def _rpcbind_runs() -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex("/run/rpcbind.sock") == 0


@contextmanager
def room() -> Iterator[Room]:
    """Build it, and leave nothing behind."""
    with ExitStack() as stack:
        stack.enter_context(only_rpcbind())
        prefix = f"nfs{os.getpid()}"
        server = _place(stack, f"{prefix}s")
        with NetNS(server.name) as hub:
            hub.link("add", ifname="br0", kind="bridge")
            _up(hub, "br0", SERVER)
        clients = [_client(stack, server, f"{prefix}c{number}", address) for number, address in enumerate(CLIENTS)]
        yield Room(server, tuple(clients))


def _place(stack: ExitStack, name: str) -> Place:
    place = Place(name)
    stack.callback(place.close)
    with NetNS(name) as inside:
        inside.link("set", index=inside.link_lookup(ifname="lo")[0], state="up")
    return place


def _client(stack: ExitStack, server: Place, name: str, address: IPv4Address) -> Client:
    place = _place(stack, name)
    port = f"{name}p"
    with IPRoute() as host, NetNS(server.name) as hub, NetNS(name) as inside:
        host.link("add", ifname=port, kind="veth", peer={"ifname": "eth0", "net_ns_fd": name}, net_ns_fd=server.name)
        bridge = hub.link_lookup(ifname="br0")[0]
        hub.link("set", index=hub.link_lookup(ifname=port)[0], master=bridge, state="up")
        _up(inside, "eth0", address)
    return Client(place, address)


def _up(link: NetNS, name: str, address: IPv4Address) -> None:
    index = link.link_lookup(ifname=name)[0]
    link.addr("add", index=index, address=str(address), prefixlen=24)
    link.link("set", index=index, state="up")
