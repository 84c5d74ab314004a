"""Other DHCP servers, real ones, beside graped's own."""

from __future__ import annotations

import socket
import time
from ipaddress import IPv4Address

import pytest

from graped.errors import ServerError
from graped.netboot.dhcp.log import Discover
from graped.netboot.dhcp.rival import Rival, find_rivals, is_probe
from tests.lab.network import Place, inside
from tests.netboot.dhcp.master import Master, boot_folder, wait_for
from tests.netboot.plans import node

pytestmark = pytest.mark.lab

OWN = IPv4Address("10.77.0.1")


def look(master: Master, wait_s: float = 1.0, own: IPv4Address | None = OWN) -> tuple[Rival, ...]:
    return master.inside(lambda: find_rivals("eth0", own, wait_s))


def start_rival(master: Master, name: str, address: str) -> Place:
    """Start a DHCP server that gives anybody an address, as a home router does."""
    place = master.network.place(name, address=f"{address}/24")
    room = master.network.run.folder(name)
    words = ("--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--interface=eth0", "--bind-interfaces")
    files = (f"--dhcp-leasefile={room}/leases", "--pid-file=", f"--log-facility={room}/log", "--log-dhcp")
    place.spawn("dnsmasq", *words, *files, "--user=root", "--dhcp-range=10.77.0.200,10.77.0.210", log=room / "out")
    wait_for(lambda: (room / "log").exists() and "sockets bound" in (room / "log").read_text())
    return place


def test_nobody_else_is_nobody(master: Master) -> None:
    begun = time.monotonic()
    assert look(master, 0.5) == ()
    assert time.monotonic() - begun < 8.0
    master.apply(master.plan(node(0)))
    assert look(master, 0.5) == ()


def test_a_rival_is_seen_beside_our_own_server_and_gives_no_lease(master: Master) -> None:
    master.serve(master.plan(node(0)), boot_folder(master.folder.parent / "image"))
    one = start_rival(master, "one", "10.77.0.250")
    two = start_rival(master, "two", "10.77.0.251")
    assert look(master, 6.0) == (
        Rival(IPv4Address("10.77.0.250"), one.mac),
        Rival(IPv4Address("10.77.0.251"), two.mac),
    )
    assert look(master, 6.0, own=IPv4Address("10.77.0.250")) == (Rival(IPv4Address("10.77.0.251"), two.mac),)
    for name in ("one", "two"):
        assert (master.network.run.room / name / "leases").read_text() == ""
    assert all(is_probe(event.mac) for event in master.events() if isinstance(event, Discover))


def test_our_own_server_answers_no_stranger_even_where_it_hears_one(master: Master) -> None:
    """From another machine the question does reach our server, which knows no such MAC address."""
    master.serve(master.plan(node(0)), boot_folder(master.folder.parent / "image"))
    other = master.network.place("other")
    assert inside(other.namespace, lambda: find_rivals("eth0", None, 1.0)) == ()
    heard = [event for event in master.events() if isinstance(event, Discover)]
    assert heard
    assert all(event.ignored and is_probe(event.mac) for event in heard)


def test_a_dhcp_client_that_holds_port_68_is_not_in_the_way(master: Master) -> None:
    one = start_rival(master, "one", "10.77.0.250")
    with master.place.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.bind(("0.0.0.0", 68))
        assert look(master, 6.0) == (Rival(IPv4Address("10.77.0.250"), one.mac),)


def test_an_interface_that_is_not_there_is_told(master: Master) -> None:
    with pytest.raises(ServerError, match="cannot look for other DHCP servers on nowhere0"):
        find_rivals("nowhere0", OWN, 0.1)
    master.place.do("ip", "link", "set", "eth0", "down")
    with pytest.raises(ServerError, match="eth0"):
        look(master, 0.1)
