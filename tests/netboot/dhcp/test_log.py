"""dnsmasq's log as events: lines that it really wrote."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graped.config.types import Model
from graped.netboot.dhcp.log import (
    Ack,
    Discover,
    Event,
    FileDenied,
    FileFailed,
    FileMissing,
    FileSent,
    ModelSeen,
    Offer,
    Reader,
    Request,
    Started,
    Trouble,
)
from tests.netboot.dhcp import real_log

ROM = "PXEClient:Arch:00000:UNDI:002001"
NODE = IPv4Address("10.77.0.21")
FOLDER = "/srv/tftp/b8-27-eb-00-00-01"


def read(text: str) -> list[Event]:
    reader = Reader()
    return [event for line in text.splitlines() if (event := reader.feed(line)) is not None]


def test_a_start() -> None:
    assert read(real_log.STARTED) == [Started(version="2.90")]


def test_a_3b_is_told_by_the_tag_of_its_constant() -> None:
    mac = "b8:27:eb:00:00:01"
    assert read(real_log.PI3B) == [
        Discover(mac=mac, vendor=ROM),
        ModelSeen(mac=mac, model=Model.PI3B),
        Offer(mac=mac, ip=NODE),
    ]


def test_a_3b_plus_is_told_by_its_serial_said_again_and_again() -> None:
    mac = "b8:27:eb:00:00:01"
    assert read(real_log.PI3BPLUS) == [
        Discover(mac=mac, vendor=ROM),
        Offer(mac=mac, ip=NODE),
        ModelSeen(mac=mac, model=Model.PI3BPLUS),  # a serial that does not end as the MAC address does is none
    ]


@pytest.mark.parametrize("mac", ["b8:27:eb:34:56:78", "b8:27:eb:56:34:12"])
def test_a_serial_may_come_in_either_order(mac: str) -> None:
    serial = "12345678" if mac.endswith("78") else "78563412"
    events = read(real_log.PI3BPLUS.replace("b8:27:eb:00:00:01", mac))
    assert events[-1] == ModelSeen(mac=mac, model=Model.PI3BPLUS, serial=serial)


def test_a_4_with_the_old_form_is_told_by_its_maker() -> None:
    events = read(real_log.PI3BPLUS.replace("b8:27:eb", "dc:a6:32"))
    assert events[-1] == ModelSeen(mac="dc:a6:32:00:00:01", model=Model.PI4)


@pytest.mark.parametrize(("tag", "model"), [("rpi4", Model.PI4), ("rpi5", Model.PI5)])
def test_a_4_and_a_5_say_their_name(tag: str, model: Model) -> None:
    mac = "dc:a6:32:00:00:01"
    assert read(real_log.PI4.replace("rpi4", tag)) == [
        Discover(mac=mac, vendor=ROM),
        ModelSeen(mac=mac, model=model),
        Offer(mac=mac, ip=NODE),
    ]


def test_a_machine_with_ipxe_is_an_ordinary_one() -> None:
    mac = "52:54:00:00:01:01"
    assert read(real_log.IPXE) == [
        Discover(mac=mac, vendor=ROM),
        ModelSeen(mac=mac, model=Model.PXE),
        Offer(mac=mac, ip=IPv4Address("10.77.0.22")),
    ]


def test_a_stranger_is_ignored_and_its_vendor_does_not_stick_to_the_next() -> None:
    first, second = read(real_log.STRANGER)
    assert first == Discover(mac="dc:a6:32:00:00:99", vendor=ROM, refused="ignored")
    assert second == Discover(mac="dc:a6:32:00:00:98", refused="ignored")
    assert isinstance(first, Discover)
    assert first.ignored
    assert first.boot_rom


def test_an_operating_system_is_told_from_a_boot_rom() -> None:
    asked, given_ = read(real_log.SYSTEM)
    assert asked == Request(mac="b8:27:eb:00:00:01", ip=NODE, vendor="udhcp 1.35.0")
    assert isinstance(asked, Request)
    assert not asked.boot_rom
    assert given_ == Ack(mac="b8:27:eb:00:00:01", ip=NODE, host="worker-0-0")


def test_what_stands_in_the_way_is_told() -> None:
    assert read(real_log.REPLACED) == [
        Trouble(text="duplicate dhcp-host IP address 10.77.0.21 at line 1 of /srv/hosts/worker-0-0"),
        Trouble(text="not using configured address 10.77.0.21 because it is leased to b8:27:eb:00:00:01"),
        Discover(mac="b8:27:eb:00:00:07", vendor=ROM, refused="no address available"),
    ]


def test_files_and_that_one_stopped_before_its_first_block_was_not_sent() -> None:
    assert read(real_log.FILES) == [
        FileSent(ip=NODE, path=f"{FOLDER}/config.txt"),
        FileMissing(ip=NODE, path=f"{FOLDER}/12345678/start.elf"),
        FileDenied(path=f"{FOLDER}/big", why="Permission denied"),
        FileDenied(path=f"{FOLDER}/overlays", why="Is a directory"),
        FileFailed(ip=NODE, path=f"{FOLDER}/start.elf", why="8 Early terminate"),
        FileSent(ip=NODE, path=f"{FOLDER}/start.elf"),
        FileFailed(ip=NODE, path=f"{FOLDER}/start.elf", why="8 Early terminate"),
        FileFailed(ip=NODE, path=f"{FOLDER}/kernel8.img"),
    ]


def test_a_client_cannot_write_another_event_into_the_log() -> None:
    forged = "Nov 26 17:22:21 dnsmasq-dhcp[1]: 7 client provides name: DHCPACK(br0) 10.77.0.21 b8:27:eb:00:00:01 x"
    assert read(forged) == []
    name = "Nov 26 17:22:21 dnsmasq-tftp[1]: file /srv/tftp/sent /x to 10.77.0.9 not found for 10.77.0.21"
    assert read(name) == [FileMissing(ip=NODE, path="/srv/tftp/sent /x to 10.77.0.9")]


@given(st.text())
def test_any_line_at_all_is_no_trouble(text: str) -> None:
    reader = Reader()
    for head in ("", "Nov 26 17:22:21 dnsmasq-dhcp[1]: 7 ", "Nov 26 17:22:21 dnsmasq-tftp[1]: "):
        reader.feed(head + text)
