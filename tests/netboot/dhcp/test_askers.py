"""Who asks for an address: what a request tells of its board, and a real socket that hears it."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from ipaddress import IPv4Address

import pytest

from graped.config.types import Model
from graped.errors import ServerError
from graped.netboot.dhcp.askers import Asker, Wire, asker
from graped.netboot.dhcp.packets import Kind, Message, Option, encode, frame
from graped.netboot.dhcp.rival import PROBE_MAKER
from graped.network.stations import stations

ROM = b"PXEClient:Arch:00000:UNDI:002001"


def request(mac: str, guid: str = "", vendor: bytes = ROM, kind: Kind = Kind.DISCOVER) -> Message:
    options: dict[int, bytes] = {Option.VENDOR_CLASS: vendor} if vendor else {}
    if guid:
        options[Option.CLIENT_MACHINE_ID] = b"\0" + bytes.fromhex(guid)
    return Message(kind=kind, xid=1, mac=mac, options=options)


@pytest.mark.parametrize(
    ("mac", "guid", "model", "serial"),
    [
        ("b8:27:eb:2c:c0:04", "44" * 16, Model.PI3B, None),
        ("b8:27:eb:9a:44:10", "009a4410" * 4, Model.PI3BPLUS, "009a4410"),
        ("dc:a6:32:01:17:2a", "52506934" + "1131c000" + "2a170132" + "00000001", Model.PI4, None),
        ("d8:3a:dd:01:17:2a", "52506935" + "1131c000" + "2a1701dd" + "00000001", Model.PI5, None),
        ("52:54:00:12:34:56", "00112233445566778899aabbccddeeff", Model.PXE, None),
        ("b8:27:eb:2c:c0:04", "", None, None),
    ],
)
def test_a_boot_rom_says_what_it_is(mac: str, guid: str, model: Model | None, serial: str | None) -> None:
    assert asker(request(mac, guid)) == Asker(mac=mac, vendor=ROM.decode(), model=model, serial=serial)


def test_a_system_says_less_and_neither_answers_nor_our_own_questions_count() -> None:
    assert asker(request("52:54:00:12:34:56", vendor=b"udhcp 1.35", kind=Kind.REQUEST)) == Asker(
        mac="52:54:00:12:34:56", vendor="udhcp 1.35"
    )
    assert asker(request("52:54:00:12:34:56", kind=Kind.OFFER)) is None
    assert asker(request(f"{PROBE_MAKER}:01:02:03")) is None


LINK = "enrolask"


@pytest.fixture
def bridge() -> Iterator[str]:
    """Two ends of a cable, one of them in a bridge."""
    if os.geteuid() != 0:
        pytest.skip("needs root: it makes network links")
    _ip("link", "add", LINK, "type", "bridge")
    try:
        _ip("link", "add", "enrolport", "type", "veth", "peer", "name", "enrolfar")
        _ip("link", "set", "enrolport", "master", LINK, "up")
        for name in (LINK, "enrolfar"):
            _ip("link", "set", name, "up")
        yield LINK
    finally:
        _ip("link", "delete", LINK)
        subprocess.run(("ip", "link", "delete", "enrolport"), check=False, capture_output=True, timeout=10)


def _ip(*words: str) -> None:
    subprocess.run(("ip", *words), check=True, timeout=10)


def test_a_request_on_the_wire_is_heard_and_nothing_else_comes_up(bridge: str) -> None:
    wire = Wire(bridge)
    message = request("dc:a6:32:01:17:2a", "52506934" + "00" * 12)
    asks = frame(
        encode(message), source_mac=message.mac, source=IPv4Address(0), target=IPv4Address("255.255.255.255")
    )  # fmt: skip
    other = asks[:36] + (68).to_bytes(2, "big") + asks[38:]  # to a client
    try:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as far:
            far.bind(("enrolfar", 0))
            heard: tuple[Asker, ...] = ()
            deadline = time.monotonic() + 10
            while not heard and time.monotonic() < deadline:  # a port of a bridge takes a moment
                far.send(other)
                far.send(asks)
                time.sleep(0.05)
                heard = wire.read()
        assert set(heard) == {Asker(mac=message.mac, vendor=ROM.decode(), model=Model.PI4)}
        ago_s = stations(bridge)[message.mac]
        assert 0 <= ago_s < 5
    finally:
        wire.close()


def test_an_interface_that_is_not_there_is_named() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root: it opens a packet socket")
    with pytest.raises(ServerError, match="enrolgone"):
        Wire("enrolgone")
