"""Network: a switch in a namespace of its own, and the places and taps plugged into it.

Nothing is attached to the machine's own interfaces. A command is run inside by ``nsenter --net`` alone: ``ip netns
exec`` copies the mount namespace as well, and such a copy keeps an overlay busy until its NFS clients are stale.
"""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Callable
from ipaddress import IPv4Interface
from pathlib import Path
from typing import Any, TypeVar

from pyroute2 import IPRoute, netns

from tests.lab.run import Run

T = TypeVar("T")
INTERFACE = "eth0"  # of every place


def inside(namespace: str, call: Callable[[], T]) -> T:
    """Call something in a namespace, in a thread of its own; sockets made there stay there."""
    result: list[T] = []
    trouble: list[BaseException] = []

    def run() -> None:
        try:
            netns.setns(namespace, flags=0, fork=False)
            result.append(call())
        except BaseException as error:  # handed to the caller
            trouble.append(error)

    thread = threading.Thread(target=run, name=f"in {namespace}")
    thread.start()
    thread.join()
    if trouble:
        raise trouble[0]
    return result[0]


class Place:
    """A namespace with one interface ``eth0`` on a switch: where a master, a node or a boot ROM is."""

    def __init__(self, network: Network, name: str, namespace: str) -> None:
        self.network = network
        self.name = name
        self.address: IPv4Interface | None = None
        self.namespace = namespace
        self.path = Path("/run/netns") / namespace
        self._lock = threading.Lock()
        self._route = IPRoute(netns=namespace)  # kept: opening one takes a process and 10 ms
        network.run.at_end(self._route.close)
        self._index = _index(self._route, INTERFACE)
        (link,) = self._route.link("get", index=self._index)
        self.mac = str(link.get("address"))
        for index in (1, self._index):  # 1 is lo
            self._route.link("set", index=index, state="up")

    def command(self, *argv: str | Path) -> tuple[str, ...]:
        """Give the command that runs ``argv`` here."""
        return ("nsenter", f"--net={self.path}", "--", *map(str, argv))

    def do(self, *argv: str | Path, timeout_s: float = 30.0, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a program here to its end."""
        return subprocess.run(
            self.command(*argv),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=check,
            timeout=timeout_s,
        )

    def spawn(self, *argv: str | Path, log: Path) -> subprocess.Popen[bytes]:
        """Start a program here; the run ends it."""
        return self.network.run.spawn(self.command(*argv), log)

    def socket(self, family: int, kind: int, protocol: int = 0) -> socket.socket:
        """Open a socket here."""
        return inside(self.namespace, lambda: socket.socket(family, kind, protocol))

    def set_address(self, address: str | None) -> None:
        """Give ``eth0`` this address with its prefix length, and take all others away."""
        wanted = self.address = None if address is None else IPv4Interface(address)
        with self._lock:
            self._route.flush_addr(index=self._index, family=socket.AF_INET)
            if wanted is not None:
                self._route.addr(
                    "add", index=self._index, address=str(wanted.ip), prefixlen=wanted.network.prefixlen,
                    broadcast=str(wanted.network.broadcast_address),
                )  # fmt: skip

    def set_link(self, *, up: bool) -> None:
        """Plug the cable in, or pull it out."""
        self.network.set_port(self.name, up=up)


class Network:
    """A switch. ``places`` are plugged into it by veth pairs, guests of other kernels by taps."""

    def __init__(self, run: Run, name: str = "switch") -> None:
        self.run = run
        self.namespace = run.name(name)
        self.places: dict[str, Place] = {}
        netns.create(self.namespace)
        self._lock = threading.Lock()  # several slots may be switched at once
        self._route = IPRoute(netns=self.namespace)
        run.at_end(self._route.close)
        self._route.link("set", index=1, state="up")
        self._route.link("add", ifname="bridge", kind="bridge", br_stp_state=0, br_forward_delay=0)
        self._bridge = _index(self._route, "bridge")
        self._route.link("set", index=self._bridge, state="up")

    def place(self, name: str, *, address: str | None = None, mac: str = "") -> Place:
        """Plug in a new place; ``address`` is like ``10.77.0.1/24``."""
        if len(name) > 15:
            raise ValueError(f"{name} is too long for an interface")
        namespace = self.run.name(name)
        netns.create(namespace)
        peer: dict[str, Any] = {"ifname": INTERFACE, "net_ns_fd": namespace}
        if mac:
            peer["address"] = mac
        with self._lock:
            self._route.link("add", ifname=name, kind="veth", peer=peer)
            self._plug(name)
        place = Place(self, name, namespace)
        if address is not None:
            place.set_address(address)
        self.places[name] = place
        return place

    def cable(self, place: Place, interface: str, *, mac: str = "") -> None:
        """Lay a second cable to a place of another network; there its end is called ``interface``, and is down."""
        peer: dict[str, Any] = {"ifname": interface, "net_ns_fd": place.namespace}
        if mac:
            peer["address"] = mac
        with self._lock:
            self._route.link("add", ifname=place.name, kind="veth", peer=peer)
            self._plug(place.name)

    def tap(self, name: str) -> str:
        """Plug in a tap, and give its name; the guest's process runs in the switch's namespace (:meth:`command`)."""
        with self._lock:
            self._route.link("add", ifname=name, kind="tuntap", mode="tap")
            self._plug(name)
        return name

    def pull(self, name: str) -> None:
        """Remove a tap: a guest of another kind stalls on one that was used before."""
        with self._lock:
            self._route.link("del", index=_index(self._route, name))

    def set_port(self, name: str, *, up: bool) -> None:
        """Switch a port of the switch on or off."""
        with self._lock:
            self._route.link("set", index=_index(self._route, name), state="up" if up else "down")

    def command(self, *argv: str | Path) -> tuple[str, ...]:
        """Give the command that runs ``argv`` at the switch, where the taps are."""
        return ("nsenter", f"--net=/run/netns/{self.namespace}", "--", *map(str, argv))

    def _plug(self, name: str) -> None:
        self._route.link("set", index=_index(self._route, name), master=self._bridge, state="up")


def _index(route: IPRoute, name: str) -> int:
    (index,) = route.link_lookup(ifname=name)
    return int(index)
