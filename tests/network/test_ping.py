"""Pings on one socket: packets as RFC 792 has them, loopback, and silence beyond a cable; what netlink knows then."""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address, IPv4Interface

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyroute2 import IPRoute, NetNS, netns

from graped.errors import PingForbidden
from graped.network import ping as pinging
from graped.network.arp import Own, request, who_has
from graped.network.arp import answered as arp_answered
from graped.network.neighbours import Arp, Surroundings, surroundings
from graped.network.ping import answered, checksum, echo, ping

root = pytest.mark.skipif(os.getuid() != 0, reason="needs root: network namespaces")
HERE = IPv4Address("127.0.0.1")


# --- packets -------------------------------------------------------------------------------------------------


def test_a_request_is_as_the_standard_has_it() -> None:
    """Summed by hand: 0x0800 + 0x1234 + 0x0001 = 0x1a35, and its complement."""
    assert echo(0x1234, 1, bytes(4)).hex() == "0800e5ca1234000100000000"


@given(st.binary(max_size=64), st.integers(0, 0xFFFF), st.integers(0, 0xFFFF))
def test_what_is_sent_sums_up_to_nothing_wrong(data: bytes, identifier: int, number: int) -> None:
    packet = echo(identifier, number, data)
    assert checksum(packet + b"\0" * (len(data) % 2)) == 0


@given(st.binary(max_size=80), st.booleans())
def test_whatever_comes_is_no_answer_of_ours(packet: bytes, raw: bool) -> None:
    assert answered(packet, b"0123456789abcdef", raw=raw) is None


@given(st.integers(5, 15), st.integers(0, 0xFFFF), st.binary(min_size=16, max_size=16))
def test_an_answer_is_known_by_what_we_sent(words: int, number: int, token: bytes) -> None:
    reply = struct.pack("!BBHHH", 0, 0, 0, 7, number) + token
    assert answered(reply, token, raw=False) == number
    assert answered(bytes([0x40 | words]) + bytes(4 * words - 1) + reply, token, raw=True) == number
    assert answered(b"\x08" + reply[1:], token, raw=False) is None, "a request is no answer"


@given(st.binary(max_size=64))
def test_no_strange_packet_is_an_answer_by_arp(packet: bytes) -> None:
    assert arp_answered(packet) is None or packet[:8] == bytes.fromhex("0001080006040002")


def test_a_question_by_arp_is_as_the_standard_has_it() -> None:
    own = Own(interface="eth0", mac="02:00:00:00:00:01", address=IPv4Interface("10.77.0.1/24"))
    packet = request(own, IPv4Address("10.77.0.2"))
    assert packet.hex(" ", 4) == "00010800 06040001 02000000 00010a4d 00010000 00000000 0a4d0002"
    assert arp_answered(packet) is None
    assert arp_answered(packet[:7] + b"\x02" + packet[8:] + bytes(18)) == IPv4Address("10.77.0.1")


# --- sockets -------------------------------------------------------------------------------------------------


def test_nobody_is_asked_without_a_socket() -> None:
    assert ping(()) == {}


@pytest.mark.lab
@root
@pytest.mark.parametrize("kind", [socket.SOCK_RAW, socket.SOCK_DGRAM])
def test_this_machine_answers_at_each_of_its_addresses(
    kind: int, alone: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pinging, "KINDS", (kind,))
    wanted = [IPv4Address(f"127.0.{n}.1") for n in range(96)]

    def ask() -> tuple[dict[IPv4Address, float | None], float]:
        began = time.monotonic()
        return ping(wanted, timeout_s=8.0), time.monotonic() - began

    found, took_s = alone.submit(ask).result(20)
    assert list(found) == wanted
    assert all(one is not None and one < 6.0 for one in found.values())
    assert took_s < 6.0, "it does not wait where all have answered"


def test_a_kernel_that_forbids_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def no(*_: object) -> socket.socket:
        raise PermissionError

    monkeypatch.setattr(pinging.socket, "socket", no)
    with pytest.raises(PingForbidden) as told:
        ping([HERE])
    assert "CAP_NET_RAW" in told.value.hint


# --- beyond a cable ------------------------------------------------------------------------------------------


@pytest.fixture
def alone() -> Iterator[ThreadPoolExecutor]:
    """A namespace with loopback alone, in which everybody may ping, and a thread in it."""
    name = f"edgeping{os.getpid()}"
    netns.create(name)

    def begin() -> None:
        netns.setns(name)
        with IPRoute() as netlink:
            netlink.link("set", index=1, state="up")
        with open("/proc/sys/net/ipv4/ping_group_range", "w") as file:
            file.write("0 0")

    thread = ThreadPoolExecutor(max_workers=1, initializer=begin)
    try:
        yield thread
    finally:
        thread.shutdown()
        netns.remove(name)


@pytest.fixture
def across() -> Iterator[tuple[ThreadPoolExecutor, Callable[[str], None]]]:
    """A thread in a namespace with a bridge, a cable from it to a machine 10.77.5.2, and what sets that one's end."""
    names = [f"edge{os.getpid()}{end}" for end in "ab"]
    for name in names:
        netns.create(name)
    thread = ThreadPoolExecutor(max_workers=1, initializer=netns.setns, initargs=(names[0],))
    try:
        with IPRoute() as host:
            peer = {"ifname": "wire", "net_ns_fd": names[1], "address": "02:00:00:00:55:0b"}
            host.link("add", ifname=names[0], kind="veth", peer=peer, net_ns_fd=names[0])
        with NetNS(names[0]) as here, NetNS(names[1]) as there:
            here.link("add", ifname="bridge", kind="bridge")
            bridge, port = here.link_lookup(ifname="bridge")[0], here.link_lookup(ifname=names[0])[0]
            here.link("set", index=port, ifname="port", master=bridge, state="up")
            here.addr("add", index=bridge, address="10.77.5.1", prefixlen=24)
            here.link("set", index=bridge, state="up")
            far = there.link_lookup(ifname="wire")[0]
            there.addr("add", index=far, address="10.77.5.2", prefixlen=24)

            def turn(state: str) -> None:
                there.link("set", index=far, state=state)

            yield thread, turn
    finally:
        thread.shutdown()
        for name in names:
            netns.remove(name)


@pytest.mark.lab
@root
def test_a_machine_beside_us_answers_and_falls_silent(
    across: tuple[ThreadPoolExecutor, Callable[[str], None]], record_property: Callable[[str, object], None]
) -> None:
    thread, turn = across
    there, nobody = IPv4Address("10.77.5.2"), IPv4Address("10.77.5.9")

    def ask() -> tuple[dict[IPv4Address, float | None], Surroundings, float]:
        began = time.monotonic()
        found = ping([there, nobody], timeout_s=1.2)
        return found, surroundings(), time.monotonic() - began

    turn("up")
    for _ in range(50):  # a bridge's port listens before it forwards
        found, seen, took_s = thread.submit(ask).result(10)
        if found[there] is not None:
            break
    assert found[there] is not None
    assert found[nobody] is None
    assert took_s < 10.0
    assert seen.neighbours[there].mac == "02:00:00:00:55:0b"
    assert seen.neighbours[there].arp in (Arp.ANSWERS, Arp.SEEN)
    assert seen.neighbours[nobody].arp in (Arp.ASKED, Arp.SILENT)
    assert seen.ports["02:00:00:00:55:0b"].name == "port"
    assert seen.ports["02:00:00:00:55:0b"].carrier
    assert "port" not in seen.down
    began = time.monotonic()
    asked = thread.submit(who_has, [there, nobody, HERE], seen.own, timeout_s=2.0).result(10)
    assert asked == {there: True, nobody: False, HERE: None}
    assert time.monotonic() - began < 10.0
    turn("down")
    found, seen, _ = thread.submit(ask).result(10)
    assert found == {there: None, nobody: None}
    assert "port" in seen.down
    assert not thread.submit(who_has, [there], seen.own, timeout_s=0.3).result(10)[there]
    record_property("summary", f"one that answers and one that does not are told apart in {took_s:.2f} s")
