"""graped's dnsmasq, real, with real clients."""

from __future__ import annotations

import itertools
import os
import signal
import threading
import time
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from graped.config.types import Model
from graped.errors import ServerError
from graped.netboot.dhcp.log import Ack, Discover, Event, FileSent, Request
from graped.netboot.dhcp.tail import Tail
from graped.netboot.tftp import apply_folder, boot_files, read_boot, remove_folder
from tests.lab.network import Place
from tests.netboot.dhcp.master import ROM_OPTIONS, Master, Transfer, ask, boot_folder, is_served, offered, wait_for
from tests.netboot.plans import node, pxe

pytestmark = pytest.mark.lab

SAY = """#!/bin/sh
[ "$1" = bound ] && echo "$ip/$mask $hostname $domain $dns $router $ntpsrv" > "$OUT"
exit 0
"""


@pytest.fixture
def client(master: Master) -> Place:
    return master.network.place("client", mac=node(0).mac)


def lease(client: Place, folder: Path) -> str:
    """Get a lease as an operating system does; return what it was told."""
    script, out = folder / "say", folder / "told"
    out.unlink(missing_ok=True)
    script.write_text(SAY)
    script.chmod(0o755)
    udhcpc = ("udhcpc", "-i", "eth0", "-n", "-q", "-t", "3", "-T", "1", "-O", "ntpsrv", "-x", "hostname:other")
    client.do("env", f"OUT={out}", *udhcpc, "-s", script, check=False)
    return out.read_text().strip() if out.exists() else ""


def lookup(place: Place, name: str, server: str = "10.77.0.1", kind: str = "-A") -> str:
    """Ask a DNS server for a name or, by PTR, an address; return its first answer, "" for none."""
    words = ("timeout", "3", "busybox", "nslookup", f"-type={kind[1:]}", name, server)
    said = place.do(*words, check=False).stdout
    return said.split()[-1] if f"{name}\n" in said or f"{name}\tname = " in said else ""


def test_a_system_is_told_its_name_and_where_everything_is(master: Master, client: Place, tmp_path: Path) -> None:
    master.apply(master.plan(node(0)))
    assert lease(client, tmp_path) == "10.77.0.10/24 worker-0-0 grape 10.77.0.1 10.77.0.1 10.77.0.1"


def test_names_are_answered_on_the_cluster_interface_only(master: Master, client: Place) -> None:
    master.apply(master.plan(node(0), node(1)))
    client.set_address("10.77.0.10/24")
    assert lookup(client, "worker-0-1.grape") == "10.77.0.11"  # it never had a lease: it is off
    assert lookup(client, "master.grape") == "10.77.0.1"
    assert lookup(client, "11.0.77.10.in-addr.arpa", kind="-PTR") == "worker-0-1.grape"
    master.apply(master.plan(node(0), node(1, name="other")))
    wait_for(lambda: lookup(client, "other.grape") == "10.77.0.11")
    assert lookup(client, "worker-0-1.grape") != "10.77.0.11"
    master.place.do("ip", "link", "add", "uplink", "type", "bridge")
    master.place.do("ip", "address", "add", "10.99.0.1/24", "dev", "uplink")
    master.place.do("ip", "link", "set", "uplink", "up")
    for server in ("127.0.0.1", "10.99.0.1"):
        assert lookup(master.place, "other.grape", server) != "10.77.0.11"


def test_nodes_come_change_and_go_without_a_restart(master: Master, client: Place) -> None:
    one, two = node(0), node(1)
    assert "dnsmasq started" in master.apply(master.plan(one))
    pid = master.pid()
    assert not is_served(client, two.mac)
    assert master.apply(master.plan(one, two)) == ("reservation worker-0-1 written", "name worker-0-1 written")
    wait_for(lambda: is_served(client, two.mac))
    master.apply(master.plan(one, node(1, address=IPv4Address("10.77.0.99"))))
    wait_for(lambda: offered(client, two.mac) == IPv4Address("10.77.0.99"))
    master.apply(master.plan(one))
    wait_for(lambda: not is_served(client, two.mac))
    assert is_served(client, one.mac)
    master.apply(master.plan(one, two))
    wait_for(lambda: is_served(client, two.mac))
    assert master.apply(master.plan(one, two)) == ()
    assert master.pid() == pid


def test_a_board_that_replaces_another_gets_its_address(master: Master, client: Place, tmp_path: Path) -> None:
    master.apply(master.plan(node(0)))
    assert lease(client, tmp_path).startswith("10.77.0.10/24")
    new = node(0, mac="dc:a6:32:00:00:77")
    said = master.apply(master.plan(new))
    assert "lease of 10.77.0.10 to b8:27:eb:00:00:01 given up" in said
    wait_for(lambda: offered(client, new.mac) == new.address)
    assert not is_served(client, node(0).mac)
    assert "given up" not in " ".join(master.apply(master.plan(new)))


def test_a_change_of_one_node_disturbs_no_transfer_of_another(master: Master, tmp_path: Path) -> None:
    boot = boot_folder(master.folder.parent / "image", kernel8__img=4_000_000)
    one, two = node(0), node(1)
    told = master.plan(one, two)
    master.serve(told, boot)
    booting = master.network.place("booting", mac=one.mac, address="10.77.0.10/24")
    pid = master.pid()
    transfer = Transfer(booting, "kernel8.img")
    for round_ in range(12):
        transfer.take(120)
        changed = node(1, address=IPv4Address("10.77.0.100") + round_, mac=f"dc:a6:32:00:00:{round_:02x}")
        told = master.plan(one, changed, node(2 + round_))
        folder = boot_files(told, changed, read_boot(boot), Path(f"/roots/other/{round_}"))
        assert apply_folder(master.tftp, folder)
        assert master.apply(told)
        remove_folder(master.tftp, changed.mac)
        # its own folder, too: what it has begun to fetch is not pulled away
        assert apply_folder(master.tftp, boot_files(told, one, read_boot(boot), Path(f"/roots/one/{round_}")))
    assert not transfer.done
    transfer.take()
    assert transfer.data == (boot / "kernel8.img").read_bytes()
    assert master.pid() == pid


def test_only_a_new_main_file_restarts_it_and_only_once(master: Master, client: Place) -> None:
    master.apply(master.plan(node(0)))
    pid = master.pid()
    other = master.plan(node(0), tftp_max=99)
    assert master.apply(other) == ("main configuration", "dnsmasq restarted")
    assert master.pid() not in (None, pid)
    assert master.apply(other) == ()
    assert is_served(client, node(0).mac)


def test_a_killed_server_is_healed_and_one_that_runs_is_taken_over(master: Master, client: Place) -> None:
    told = master.plan(node(0))
    master.apply(told)
    pid = master.pid()
    master.graped = master.life()
    assert master.apply(told) == ()
    assert master.pid() == pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: master.pid() is None)
    assert master.apply(told) == ("dnsmasq started",)
    assert is_served(client, node(0).mac)


def test_a_server_that_hangs_is_told_until_it_goes_on(master: Master) -> None:
    told = master.plan(node(0))
    master.apply(told)
    pid = master.pid()
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(ServerError, match="does not answer"):
            master.apply(told)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert master.apply(told) == ()
    assert master.pid() == pid


def test_a_crash_of_graped_before_the_restart_is_made_up_for(
    master: Master, client: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    master.apply(master.plan(node(0)))
    pid, new = master.pid(), master.plan(node(1), tftp_max=99)

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("graped.netboot.dhcp.dnsmasq.Dnsmasq._tell", crash)
        with pytest.raises(KeyboardInterrupt):
            master.apply(new)
    assert master.pid() == pid
    master.graped = master.life()
    assert master.apply(new) == ("dnsmasq restarted",)
    assert is_served(client, node(1).mac)
    assert not is_served(client, node(0).mac)


def test_a_crash_of_graped_before_the_signal_is_made_up_for(
    master: Master, client: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    master.apply(master.plan(node(0), node(1)))
    assert is_served(client, node(1).mac)

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("graped.netboot.dhcp.dnsmasq.Dnsmasq._tell", crash)
        with pytest.raises(KeyboardInterrupt):
            master.apply(master.plan(node(0)))
    assert is_served(client, node(1).mac)  # not forgotten yet
    master.graped = master.life()
    assert master.apply(master.plan(node(0))) == ()
    wait_for(lambda: not is_served(client, node(1).mac))
    assert is_served(client, node(0).mac)


def test_what_dnsmasq_calls_wrong_replaces_nothing(master: Master, client: Place) -> None:
    master.apply(master.plan(node(0)))
    pid, before = master.pid(), (master.folder / "dnsmasq" / "dnsmasq.conf").read_text()
    for wrong in (
        master.plan(node(0), node(1, address=node(0).address)),
        master.plan(node(0), tftp_max="many"),
    ):
        with pytest.raises(ServerError, match="old one stays"):
            master.apply(wrong)
    assert (master.folder / "dnsmasq" / "dnsmasq.conf").read_text() == before
    assert sorted(path.name for path in (master.folder / "dnsmasq" / "hosts").iterdir()) == ["worker-0-0"]
    assert master.pid() == pid
    assert is_served(client, node(0).mac)


def test_a_storm_of_signals_does_not_kill_it(master: Master, client: Place, tmp_path: Path) -> None:
    nodes = [node(number) for number in range(24)]
    master.apply(master.plan(*nodes))
    pid = master.pid()
    assert pid is not None
    for round_ in range(20):
        for one in nodes[round_ % 4 :: 4]:
            os.kill(pid, signal.SIGHUP)
            assert ask(client, one.mac, ROM_OPTIONS) is not None
        assert lease(client, tmp_path).startswith("10.77.0.10/24")
    assert master.pid() == pid


def test_changes_as_fast_as_they_come_do_not_hold_up_a_3b(master: Master, client: Place) -> None:
    nodes = [node(number) for number in range(3)]
    master.apply(master.plan(*nodes))
    done = threading.Event()

    def change() -> None:
        for one in itertools.cycle((nodes[:2], nodes)):
            if done.is_set():
                return
            master.apply(master.plan(*one))

    changing = threading.Thread(target=change)
    changing.start()
    try:
        time.sleep(0.5)
        begun = time.monotonic()
        assert ask(client, node(0).mac, ROM_OPTIONS | {97: b"\0" + b"\x44" * 16}) is not None
        assert time.monotonic() - begun < 4.0
    finally:
        done.set()
        changing.join()


def test_the_log_is_begun_anew_when_large_and_nothing_is_lost(master: Master, client: Place, tmp_path: Path) -> None:
    boot = boot_folder(master.folder.parent / "image")
    master.serve(master.plan(node(0)), boot)
    log = master.folder / "dnsmasq" / "log"
    client.set_address("10.77.0.10/24")
    assert not master.graped.rotate(master.folder)
    seen: list[Event] = []
    for _ in range(3):
        before = log.stat().st_ino
        Transfer(client, "fixup.dat").take()
        assert ask(client, node(0).mac) is not None
        assert master.graped.rotate(master.folder, limit_bytes=100)
        wait_for(lambda: "DHCPOFFER" in log.with_name("log.1").read_text())
        assert log.stat().st_ino != before
        Transfer(client, "start.elf").take()
        wait_for(lambda: "start.elf" in log.read_text())
        seen += master.events() + master.events()
    names = [event.path.rpartition("/")[2] for event in seen if isinstance(event, FileSent)]
    assert names == ["fixup.dat", "start.elf"] * 3
    assert sum(isinstance(event, Discover) for event in seen) == 3
    assert log.stat().st_mode & 0o007 == 0


def test_the_log_tells_a_system_from_a_boot_rom(master: Master, client: Place, tmp_path: Path) -> None:
    master.serve(master.plan(node(0)), boot_folder(master.folder.parent / "image"))
    assert ask(client, node(0).mac, ROM_OPTIONS) is not None
    lease(client, tmp_path)
    seen = master.events()
    assert [event.boot_rom for event in seen if isinstance(event, Discover)] == [True, False]
    assert [event.boot_rom for event in seen if isinstance(event, Request)] == [False]
    assert Ack(mac=node(0).mac, ip=IPv4Address("10.77.0.10"), host="worker-0-0") in seen


@pytest.mark.parametrize(
    ("options", "file"),
    [
        ({}, "undionly.kpxe"),
        ({93: b"\0\x07", 60: b"PXEClient:Arch:00007:UNDI:003016"}, "snponly.efi"),
        ({93: b"\0\x09", 60: b"PXEClient:Arch:00009:UNDI:003016"}, "snponly.efi"),
        ({77: b"iPXE"}, "boot.ipxe"),
        ({77: b"iPXE", 93: b"\0\x07", 60: b"PXEClient:Arch:00007:UNDI:003010"}, "boot.ipxe"),
    ],
)
def test_a_pc_is_told_what_it_loads_and_nothing_meant_for_a_pi(
    master: Master, client: Place, options: dict[int, bytes], file: str
) -> None:
    master.apply(master.plan(node(0), pxe(1), pxe(2, mac="b8:27:eb:99:00:01", model=Model.PXE)))
    guid = {97: b"\0" + bytes(range(16))}
    for mac in (pxe(1).mac, "b8:27:eb:99:00:01"):
        offer = ask(client, mac, ROM_OPTIONS | guid | options)
        assert offer is not None
        assert offer.options[67].rstrip(b"\0").decode() == file
        assert offer.next_server == IPv4Address("10.77.0.1")
        assert b"Raspberry" not in offer.options.get(43, b"")


@pytest.mark.parametrize(
    ("mac", "guid", "wait_s"),
    [
        ("b8:27:eb:00:00:01", b"\x44" * 16, 1.0),
        ("52:54:00:00:00:01", b"\x44" * 16, 1.0),
        ("b8:27:eb:00:00:01", b"\x12\x34\x56\x78" * 4, 0.0),
        ("52:54:00:00:00:01", b"RPi4" + bytes(12), 0.0),
        ("52:54:00:00:00:01", b"RPi5" + bytes(12), 0.0),
        ("52:54:00:00:00:01", b"RPi9" + bytes(12), 0.0),
    ],
)
def test_a_pi_is_told_the_menu_and_a_3b_only_after_a_second(
    master: Master, client: Place, mac: str, guid: bytes, wait_s: float
) -> None:
    master.apply(master.plan(node(0, mac=mac)))
    begun = time.monotonic()
    offer = ask(client, mac, ROM_OPTIONS | {97: b"\0" + guid})
    assert offer is not None
    assert wait_s <= time.monotonic() - begun < (2.5 if wait_s else 0.9)  # dnsmasq counts whole seconds
    assert offer.options[43].hex() == "0601030a04005058450917000014" + b"Raspberry Pi Boot   ".hex() + "ff"
    assert offer.options[60] == b"PXEClient"
    assert 67 not in offer.options


def test_what_stood_in_the_log_before_graped_came_is_not_told_again(master: Master, client: Place) -> None:
    master.apply(master.plan(node(0)))
    assert ask(client, node(0).mac) is not None
    assert Tail(master.folder / "dnsmasq" / "log").lines() == []


def test_images_are_open_to_the_server_alone(master: Master, client: Place) -> None:
    """They hold programs set to root, which no user of the master may reach."""
    images = master.folder / "images"
    images.mkdir()
    boot = boot_folder(images / "bookworm@3f9c2a4b5d6e" / "root" / "boot" / "firmware")
    master.serve(master.plan(node(0)), boot)
    client.set_address("10.77.0.10/24")
    transfer = Transfer(client, "start4.elf")
    transfer.take()
    assert transfer.data == (boot / "start4.elf").read_bytes()
    assert images.stat().st_mode & 0o007 == 0
    assert master.graped.unreadable(master.folder) == ()
    images.chmod(0o700)
    assert f"b8-27-eb-00-00-01/kernel8.img: {images} is closed to dnsmasq" in master.graped.unreadable(master.folder)
    master.apply(master.plan(node(0)))
    assert master.graped.unreadable(master.folder) == ()


def test_a_folder_that_the_server_could_not_enter_is_told_before_anything_is_lost(master: Master) -> None:
    master.folder.chmod(0o700)
    with pytest.raises(ServerError, match=f"{master.folder} is closed to dnsmasq"):
        master.apply(master.plan(node(0)))


def test_it_works_under_any_umask(master: Master, client: Place) -> None:
    before = os.umask(0o077)
    try:
        master.apply(master.plan(node(0), node(1)))
        master.apply(master.plan(node(0)))  # a SIGHUP: now it reads as its own account
    finally:
        os.umask(before)
    assert is_served(client, node(0).mac)
