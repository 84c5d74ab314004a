"""NAT rules: judged by nft, loaded into a kernel, and crossed by packets."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from master_setup.steps import natrules

RULES = natrules.rules(IPv4Network("10.77.0.0/24"), "eth1", "eth0")
NEEDED = ("nft", "ip", "nsenter", "unshare")
lab = pytest.mark.skipif(
    os.geteuid() != 0 or any(shutil.which(tool) is None for tool in NEEDED),
    reason=f"needs root and {', '.join(NEEDED)}",
)


def do(*argv: str, feed: str = "") -> str:
    done = subprocess.run(argv, input=feed, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, (argv, done.stderr)
    return done.stdout


class Place:
    """A network namespace that is held by a sleeping process."""

    def __init__(self) -> None:
        self.holder = subprocess.Popen(["unshare", "--net", "sleep", "600"])
        mine = os.readlink("/proc/self/ns/net")
        while os.readlink(f"/proc/{self.holder.pid}/ns/net") == mine:
            assert self.holder.poll() is None
        self.do("ip", "link", "set", "lo", "up")

    @property
    def pid(self) -> str:
        return str(self.holder.pid)

    def argv(self, *argv: str) -> list[str]:
        return ["nsenter", f"--net=/proc/{self.pid}/ns/net", *argv]

    def do(self, *argv: str, feed: str = "") -> str:
        return do(*self.argv(*argv), feed=feed)

    def plug(self, name: str, other: Place, other_name: str) -> None:
        self.do("ip", "link", "add", name, "type", "veth", "peer", "name", other_name, "netns", other.pid)
        self.do("ip", "link", "set", name, "up")
        other.do("ip", "link", "set", other_name, "up")

    def address(self, name: str, address: str) -> None:
        self.do("ip", "address", "add", address, "dev", name)

    def close(self) -> None:
        self.holder.kill()
        self.holder.wait()


@pytest.fixture
def places() -> Iterator[tuple[Place, Place, Place]]:
    """A node, its master and the world beyond, plugged together."""
    made: list[Place] = []
    try:
        for _ in range(3):
            made.append(Place())
        node, master, world = made
        master.plug("eth1", node, "eth0")
        master.plug("eth0", world, "eth0")
        node.address("eth0", "10.77.0.10/24")
        master.address("eth1", "10.77.0.1/24")
        master.address("eth0", "192.0.2.2/24")
        world.address("eth0", "192.0.2.1/24")
        node.do("ip", "route", "add", "default", "via", "10.77.0.1")
        master.do("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
        yield node, master, world
    finally:
        for place in made:
            place.close()


def seen_from(world: Place, node: Place, port: int) -> str:
    """Have the node call the world, and return the address that the world saw; "" where nothing came."""
    server = subprocess.Popen(
        world.argv("python3", "-c", _SERVER, str(port)), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert server.stdout is not None
    try:
        assert server.stdout.readline() == "ready\n"
        subprocess.run(node.argv("python3", "-c", _CLIENT, "192.0.2.1", str(port)), timeout=30)
        threading.Timer(2.0, server.kill).start()
        return server.stdout.readline().strip()
    finally:
        server.kill()
        server.wait()
        server.stdout.close()


_SERVER = """
import socket, sys
s = socket.create_server(("", int(sys.argv[1]))); print("ready", flush=True)
c, who = s.accept(); print(who[0], flush=True); c.sendall(b"answer"); c.close()
"""
_CLIENT = """
import socket, sys
try:
    s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 3.0); assert s.recv(9) == b"answer"
except OSError: pass
"""


@lab
def test_a_node_reaches_the_world_by_the_masters_address(places: tuple[Place, Place, Place], tmp_path: Path) -> None:
    node, master, world = places
    assert seen_from(world, node, 4001) == ""  # the world knows no way back
    file = tmp_path / "nat.nft"
    file.write_text(RULES)
    master.do("nft", "-c", "-f", str(file))
    for _ in range(2):  # again: the same
        master.do("nft", "-f", str(file))
    assert seen_from(world, node, 4002) == "192.0.2.2"
    assert master.do("nft", "list", "table", "inet", "grape").count("masquerade") == 1


@lab
def test_the_world_does_not_reach_a_node_unasked(places: tuple[Place, Place, Place]) -> None:
    _node, master, world = places
    world.do("ip", "route", "add", "10.77.0.0/24", "via", "192.0.2.2")
    ping = world.argv(
        "python3", "-c", _CLIENT.replace("except OSError: pass", "except TimeoutError: sys.exit(7)"), "10.77.0.10", "9"
    )
    assert subprocess.run(ping, capture_output=True, timeout=10).returncode == 1  # refused: it was there
    master.do("nft", "-f", "-", feed=RULES)
    assert subprocess.run(ping, capture_output=True, timeout=10).returncode == 7  # nobody answers


@lab
def test_rules_of_others_stay(places: tuple[Place, Place, Place]) -> None:
    _, master, _ = places
    master.do("nft", "add table inet theirs; add chain inet theirs c; add rule inet theirs c counter")
    before = master.do("nft", "list", "table", "inet", "theirs")
    master.do("nft", "-f", "-", feed=RULES)
    assert master.do("nft", "list", "table", "inet", "theirs") == before
    master.do("nft", "delete", "table", *natrules.TABLE.split())
    assert master.do("nft", "list", "tables") == "table inet theirs\n"


@lab
@pytest.mark.skipif(shutil.which("iptables") is None, reason="needs iptables")
def test_packets_get_past_docker(places: tuple[Place, Place, Place]) -> None:
    """Docker's own tables, as dockerd makes them when it is the one to switch forwarding on."""
    node, master, world = places
    master.do("nft", "-f", "-", feed=RULES)
    for words in ("-P FORWARD DROP", "-N DOCKER-USER", "-A DOCKER-USER -j RETURN", "-I FORWARD -j DOCKER-USER"):
        master.do("iptables", *words.split())
    assert seen_from(world, node, 4003) == ""
    for _ in range(2):
        shell(master, "ExecStartPost")
    assert seen_from(world, node, 4004) == "192.0.2.2"
    shell(master, "ExecStopPost")
    assert master.do("iptables", "-S", "DOCKER-USER").splitlines() == ["-N DOCKER-USER", "-A DOCKER-USER -j RETURN"]


def shell(master: Place, setting: str) -> None:
    """Run one line of the unit as systemd would."""
    lines = [line for line in natrules.unit("eth1", "eth0").splitlines() if line.startswith(f"{setting}=-/bin/sh -c '")]
    assert len(lines) == 1
    subprocess.run(master.argv("sh", "-c", lines[0].partition("'")[2].removesuffix("'")), timeout=10)
