"""What dnsmasq's log means for the boot stages of the nodes."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path

import pytest

from graped.config.types import Boot, Model, Strategy
from graped.core.events import BootFact, BootSeen, StageSeen
from graped.model import SlotId, Stage
from graped.netboot.dhcp import log
from graped.netboot.plan import NetPlan, NodePlan
from graped.provision.sightings import DENIED_AT_MOST, Denied, MacHeard, Sightings, Stranger

A = SlotId(0, 0)
MAC, IP = "b8:27:eb:00:00:01", IPv4Address("10.77.0.10")
FOLDER = Path("/srv/netboot")
ROM = "PXEClient:Arch:00000:UNDI:002001"


@pytest.fixture
def sightings() -> Sightings:
    node = NodePlan(
        slot=A, name="worker-0-0", mac=MAC, address=IP, model=None, serial=None, boot=Boot.NETWORK, image="x",
        strategy=Strategy.AUTO, docker_bytes=0,
    )  # fmt: skip
    found = Sightings(size_of=lambda path: len(path))
    found.know(
        NetPlan(
            interface="eth1", master=IPv4Interface("10.77.0.1/24"), folder=FOLDER, domain="grape", dns=(), ntp=(),
            tftp_max=50, kernel_args="", config_txt=(), nodes=(node,),
        )
    )  # fmt: skip
    return found


def told(sightings: Sightings, seen: log.Event, stage: Stage | None) -> list[object]:
    return list(sightings.take(seen, lambda _: stage))


def stages(events: list[object]) -> list[Stage | None]:
    return [event.stage for event in events if isinstance(event, StageSeen)]


def test_a_boot_rom_asking_is_dhcp_and_counted(sightings: Sightings) -> None:
    events = told(sightings, log.Discover(mac=MAC, vendor=ROM), Stage.POWERED)
    assert stages(events) == [Stage.DHCP]
    assert events[-1] == BootSeen(slot=A, what=BootFact.DISCOVER)


def test_a_pi_3b_that_asks_again_while_it_loads_is_no_new_boot(sightings: Sightings) -> None:
    events = told(sightings, log.Discover(mac=MAC, vendor=ROM), Stage.TFTP)
    assert stages(events) == []
    assert events == [BootSeen(slot=A, what=BootFact.DISCOVER)]


def test_a_boot_rom_asking_in_a_running_node_is_a_new_boot(sightings: Sightings) -> None:
    assert stages(told(sightings, log.Discover(mac=MAC, vendor=ROM), Stage.UP)) == [Stage.DHCP]


def test_a_file_sent_is_tftp_with_its_name_and_size(sightings: Sightings) -> None:
    path = f"{FOLDER}/tftp/b8-27-eb-00-00-01/overlays/x.dtbo"
    events = told(sightings, log.FileSent(ip=IP, path=path), Stage.DHCP)
    assert stages(events) == [Stage.TFTP]
    assert events[-1] == BootSeen(slot=A, what=BootFact.FILE, path="overlays/x.dtbo", size_bytes=len(path))
    assert stages(told(sightings, log.FileSent(ip=IP, path=path), Stage.TFTP)) == []


@pytest.mark.parametrize(
    ("name", "tells"),
    [("start4.elf", True), ("kernel8.img", True), ("bcm2711-rpi-4-b.dtb", True), ("initramfs8", True),
     ("recovery.elf", False), ("00000001/start.elf", False), ("pieeprom.upd", False), ("dt-blob.bin", False)],
)  # fmt: skip
def test_only_a_missing_file_that_a_boot_needs_is_told(sightings: Sightings, name: str, tells: bool) -> None:
    path = f"{FOLDER}/tftp/b8-27-eb-00-00-01/{name}"
    events = told(sightings, log.FileMissing(ip=IP, path=path), Stage.TFTP)
    assert events == ([BootSeen(slot=A, what=BootFact.MISSING, path=name)] if tells else [])


@pytest.mark.parametrize(
    ("stage", "then"), [(Stage.TFTP, [Stage.KERNEL]), (Stage.DHCP, [Stage.KERNEL]), (Stage.UP, []), (None, [])]
)
def test_an_operating_system_asking_is_kernel_while_it_boots(
    sightings: Sightings, stage: Stage | None, then: list[Stage]
) -> None:
    for seen in (log.Discover(mac=MAC, vendor="Linux ipconfig"), log.Request(mac=MAC, ip=IP)):
        assert stages(told(sightings, seen, stage)) == then


def test_the_model_is_told_when_it_is_news(sightings: Sightings) -> None:
    seen = log.ModelSeen(mac=MAC, model=Model.PI4)
    assert told(sightings, seen, None) == [BootSeen(slot=A, what=BootFact.MODEL, model=Model.PI4)]
    assert told(sightings, seen, None) == []


def test_a_stranger_is_told_and_moves_nobody(sightings: Sightings) -> None:
    seen = log.Discover(mac="b8:27:eb:ff:ff:ff", vendor=ROM, refused="ignored")
    assert told(sightings, seen, None) == [Stranger(mac="b8:27:eb:ff:ff:ff", vendor=ROM)]
    assert told(sightings, log.FileSent(ip=IPv4Address("10.77.0.99"), path="/x"), None) == []


def test_a_node_that_gets_no_answer_yet_is_no_stranger(sightings: Sightings) -> None:
    seen = log.Discover(mac=MAC, vendor=ROM, refused="ignored")
    assert stages(told(sightings, seen, Stage.POWERED)) == [Stage.DHCP]


def test_a_file_that_may_not_be_read_is_told_once_until_it_could_be(sightings: Sightings) -> None:
    path, why = f"{FOLDER}/tftp/b8-27-eb-00-00-01/kernel8.img", "Permission denied"
    denied = log.FileDenied(path=path, why=why)
    assert told(sightings, denied, Stage.TFTP) == [Denied(path=path, why=why, slot=A)]
    assert told(sightings, denied, Stage.TFTP) == []
    told(sightings, log.FileSent(ip=IP, path=path), Stage.TFTP)
    assert len(told(sightings, denied, Stage.TFTP)) == 1


@pytest.mark.parametrize("path", [f"{FOLDER}/tftp/00-00-00-00-00-00/x", f"{FOLDER}/tftp", "/etc/shadow"])
def test_a_file_of_no_node_is_told_as_nobodys(sightings: Sightings, path: str) -> None:
    assert told(sightings, log.FileDenied(path=path, why="Permission denied"), None) == [
        Denied(path=path, why="Permission denied", slot=None)
    ]


def test_a_folder_that_is_asked_for_is_no_trouble_and_a_client_cannot_flood_the_log(sightings: Sightings) -> None:
    assert told(sightings, log.FileDenied(path=f"{FOLDER}/overlays", why="Is a directory"), None) == []
    asked = [log.FileDenied(path=f"/x/{number}", why="Permission denied") for number in range(2 * DENIED_AT_MOST)]
    assert sum(len(told(sightings, one, None)) for one in asked) == DENIED_AT_MOST


def test_whoever_asks_is_heard_known_or_not_and_a_folder_tells_a_serial(sightings: Sightings) -> None:
    stranger = "dc:a6:32:00:00:09"
    asked = log.Discover(mac=stranger, vendor=ROM, refused="ignored")
    assert sightings.heard(asked) == MacHeard(mac=stranger, vendor=ROM)
    assert sightings.heard(log.Request(mac=MAC, ip=IP)) == MacHeard(mac=MAC)
    model = log.ModelSeen(mac=MAC, model=Model.PI4, serial=None)
    assert sightings.heard(model) == MacHeard(mac=MAC, model=Model.PI4, asked=False)
    folder = f"{FOLDER}/tftp/{MAC.replace(':', '-')}"
    first = log.FileMissing(ip=IP, path=f"{folder}/1000beef/start4.elf")
    assert sightings.heard(first) == MacHeard(mac=MAC, serial="1000beef", asked=False)
    assert sightings.heard(log.FileSent(ip=IP, path=f"{folder}/start4.elf")) is None
    assert sightings.heard(log.FileSent(ip=IPv4Address("10.77.0.99"), path=f"{folder}/1000beef/x")) is None
