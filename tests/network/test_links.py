"""Interfaces and neighbours, in network namespaces made for it."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address, IPv4Interface

import pytest
from pyroute2 import IPRoute, NetNS, netns

from graped.network.links import link, neighbours

pytestmark = [pytest.mark.lab, pytest.mark.skipif(os.getuid() != 0, reason="needs root: network namespaces")]
MACS = ("02:00:00:00:77:0a", "02:00:00:00:77:0b")


@pytest.fixture
def ends() -> Iterator[tuple[ThreadPoolExecutor, ThreadPoolExecutor]]:
    """Two namespaces joined by a cable, with a thread in each."""
    names = [f"links{os.getpid()}{end}" for end in "ab"]
    for name in names:
        netns.create(name)
    threads = [ThreadPoolExecutor(max_workers=1, initializer=netns.setns, initargs=(name,)) for name in names]
    try:
        with IPRoute() as host:
            peer = {"ifname": "wire", "net_ns_fd": names[1], "address": MACS[1]}
            host.link("add", ifname=names[0], kind="veth", peer=peer, net_ns_fd=names[0], address=MACS[0])
        with NetNS(names[0]) as left, NetNS(names[1]) as right:
            left.link("set", index=left.link_lookup(ifname=names[0])[0], ifname="wire")
            for side, address in ((left, "10.77.0.1"), (right, "10.77.0.2")):
                index = side.link_lookup(ifname="wire")[0]
                side.addr("add", index=index, address=address, prefixlen=24)
        yield threads[0], threads[1]
    finally:
        for thread in threads:
            thread.shutdown()
        for name in names:
            netns.remove(name)


def up(thread: ThreadPoolExecutor) -> None:
    def work() -> None:
        with IPRoute() as netlink:
            netlink.link("set", index=netlink.link_lookup(ifname="wire")[0], state="up")

    thread.submit(work).result(10)


def test_an_interface_is_described(ends: tuple[ThreadPoolExecutor, ThreadPoolExecutor]) -> None:
    found = ends[0].submit(link, "wire").result(10)
    assert found is not None
    assert (found.mac, found.up, found.carrier) == (MACS[0], False, False)
    assert found.addresses == (IPv4Interface("10.77.0.1/24"),)
    assert not found.carries_default_route
    for thread in ends:
        up(thread)
    found = ends[0].submit(link, "wire").result(10)
    assert found is not None
    assert (found.up, found.carrier) == (True, True)
    assert ends[0].submit(link, "nothing").result(10) is None


@pytest.mark.parametrize("several_ways", [False, True])
def test_the_default_route_is_seen(ends: tuple[ThreadPoolExecutor, ThreadPoolExecutor], several_ways: bool) -> None:
    for thread in ends:
        up(thread)

    def route() -> None:
        with IPRoute() as netlink:
            if several_ways:
                ways = [{"gateway": "10.77.0.2"}, {"gateway": "10.77.0.3"}]
                netlink.route("add", family=socket.AF_INET, dst="default", multipath=ways)
            else:
                netlink.route("add", dst="default", gateway="10.77.0.2")
            netlink.route("add", dst="10.78.0.0/16", gateway="10.77.0.2")

    ends[0].submit(route).result(10)
    for thread, expected in zip(ends, (True, False), strict=True):
        found = thread.submit(link, "wire").result(10)
        assert found is not None
        assert found.carries_default_route is expected


def test_a_neighbour_is_known_once_it_has_answered(ends: tuple[ThreadPoolExecutor, ThreadPoolExecutor]) -> None:
    for thread in ends:
        up(thread)

    def ask(address: str) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            out.sendto(b"?", (address, 9))

    assert ends[0].submit(neighbours, "wire").result(10) == {}
    end = time.monotonic() + 10
    expected = {IPv4Address("10.77.0.2"): MACS[1]}
    while ends[0].submit(neighbours, "wire").result(10) != expected:
        assert time.monotonic() < end, "the neighbour is not seen"
        for address in ("10.77.0.2", "10.77.0.9"):  # nobody has the second one
            ends[0].submit(ask, address).result(10)
        time.sleep(0.1)
    assert ends[0].submit(neighbours, "nothing").result(10) == {}
