"""The lab's own tools: a network that leaves nothing behind, boot ROMs against a dnsmasq written by hand."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab import remains
from tests.lab.bare import BareDnsmasq
from tests.lab.bootrom import Board, BootRom, Faults, Loop, Rom, boot_all
from tests.lab.bootrom.faults import odd_requests
from tests.lab.network import Network, Place
from tests.lab.run import PREFIX, ROOMS, Run, remove_dead_runs
from tests.netboot.dhcp.master import wait_for

MASTER = "10.77.0.1/24"
VICTIM = """
import sys, time
from tests.lab.network import Network
from tests.lab.run import Run
run = Run()
place = Network(run).place("node", address="10.77.0.2/24")
place.spawn("sleep", "600", log=run.room / "log")
print(run.id, flush=True)
time.sleep(600)
"""


@pytest.fixture
def boot(lab: Run) -> Path:
    """Give boot files for every model."""
    folder = lab.folder("boot")
    sizes = {
        "bootcode.bin": 52_456,
        "start.elf": 700_000,
        "start4.elf": 600_000,
        "fixup.dat": 7_314,
        "fixup4.dat": 5_456,
    }
    sizes |= {"kernel8.img": 1_468 * 512, "bcm2711-rpi-4-b.dtb": 50_000}  # a last block of no bytes
    for name, size in sizes.items():
        (folder / name).write_bytes(os.urandom(size))
    (folder / "config.txt").write_text("arm_64bit=1\n")
    (folder / "cmdline.txt").write_text("root=/dev/nfs nfsroot=10.77.0.1:/x,vers=3,tcp rw ip=dhcp\n")
    return folder


def boards(count: int = 1) -> list[Board]:
    return [
        Board(rom=rom, mac=f"b8:27:eb:00:{kind:02x}:{n:02x}", serial=f"{0x10000000 + 256 * kind + n:08x}")
        for n in range(count)
        for kind, rom in enumerate(Rom)
    ]


def serve(network: Network, boot: Path, known: list[Board], **more: str) -> tuple[BareDnsmasq, Place]:
    place = network.place("master", address=MASTER)
    nodes = {board.mac: f"10.77.0.{20 + number}" for number, board in enumerate(known)}
    server = BareDnsmasq(place, boot, nodes, **more)
    return server, place


def test_places_reach_each_other_and_a_pulled_cable_parts_them(lab: Run) -> None:
    network = Network(lab)
    one, two = network.place("one", address="10.77.0.1/24"), network.place("two", address="10.77.0.2/24")
    receiver, sender = (place.socket(socket.AF_INET, socket.SOCK_DGRAM) for place in (one, two))
    receiver.bind(("10.77.0.1", 4000))
    receiver.settimeout(5.0)
    sender.sendto(b"here", ("10.77.0.1", 4000))
    assert receiver.recv(100) == b"here"
    two.set_link(up=False)
    receiver.settimeout(0.3)
    sender.sendto(b"gone", ("10.77.0.1", 4000))
    with pytest.raises(TimeoutError):
        receiver.recv(100)


def test_a_killed_run_is_removed_by_the_next(lab: Run) -> None:
    command = (sys.executable, "-c", VICTIM)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as victim:
        assert victim.stdout is not None
        name = victim.stdout.readline().strip()
        assert remove_dead_runs() == []  # it lives
        assert len(remains.namespaces(PREFIX + name)) == 2
        wait_for(lambda: len(remains.processes(PREFIX + name)) == 1)  # it has begun, and gets there
        victim.send_signal(signal.SIGKILL)
    assert remove_dead_runs() == [name]
    assert remains.namespaces(PREFIX + name) == []
    assert remains.processes(PREFIX + name) == set()
    assert not (ROOMS / name).exists()


@pytest.mark.parametrize("faults", [Faults(), Faults(garbage=True, lose_every=400, twice_every=300, late_every=900)])
def test_each_model_gets_every_file_byte_equal(lab: Run, boot: Path, faults: Faults) -> None:
    network, known = Network(lab), boards()
    server, _ = serve(network, boot, known)
    roms = [
        BootRom(
            network.place(f"n{board.rom[0]}{len(board.rom)}", mac=board.mac), board, faults=faults, then_system=True
        )
        for board in known
    ]
    booted = boot_all(roms, timeout_s=60.0)
    for result, rom in zip(booted, roms, strict=True):
        assert result.ok, (rom.board.rom, result, server.log()[-2000:])
        for file in result.files.values():
            assert hashlib.sha256((boot / file.path).read_bytes()).hexdigest() == file.sha256
        assert result.cmdline.endswith("ip=dhcp")
        assert result.system_lease is not None
        assert result.lease is not None
        assert result.system_lease.address == result.lease.address
    assert server.process.poll() is None


def test_an_unknown_board_gets_nothing_and_a_3b_gives_up(lab: Run, boot: Path) -> None:
    network = Network(lab)
    strange = boards()[0]
    serve(network, boot, [])
    result = boot_all([BootRom(network.place("n", mac=strange.mac), strange)], timeout_s=40.0)[0]
    assert (result.outcome, result.discovers) == ("gave up after 5 DISCOVERs", 5)


def test_a_3b_needs_the_three_spaces_and_a_4_does_not(lab: Run, boot: Path) -> None:
    network, known = Network(lab), [board for board in boards() if board.rom in {Rom.PI3B, Rom.PI4}]
    serve(network, boot, known, menu="Raspberry Pi Boot")
    roms = {board.rom: BootRom(network.place(f"n{board.rom}", mac=board.mac), board) for board in known}
    loop = Loop()
    try:
        for rom in roms.values():
            loop.power_on(rom)
        assert loop.wait(roms[Rom.PI4], 60.0).ok
        old = roms[Rom.PI3B].result
        wait_for(lambda: bool(old.refused), 30.0)  # it asks every 5 s
        loop.power_off(roms[Rom.PI3B])
    finally:
        loop.close()
    assert (old.outcome, old.files) == ("power cut", {})
    assert set(old.refused) == {"three spaces are missing after 'Raspberry Pi Boot'"}


def test_no_odd_request_leads_outside(lab: Run, boot: Path) -> None:
    network, known = Network(lab), boards()[:1]
    server, _ = serve(network, boot, known)
    node = network.place("node", mac=known[0].mac, address="10.77.0.20/24")
    fetch = ("busybox", "tftp", "-g", "-r", "config.txt", "-l", "/dev/null", "10.77.0.1")
    wait_for(lambda: node.do(*fetch, check=False).returncode == 0, 60.0)  # from then on it listens
    for request in odd_requests():
        with node.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(0.3)
            sock.sendto(request, ("10.77.0.1", 69))
            try:
                assert sock.recv(2000)[1] == 5, request
            except TimeoutError:
                pass
    assert server.process.poll() is None


def test_a_socket_that_a_starting_process_still_holds_disturbs_no_board(
    lab: Run, boot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, held = Network(lab), []
    some = boards(2)
    serve(network, boot, some)
    made = Place.socket

    def shared(place: Place, family: int, kind: int, protocol: int = 0) -> socket.socket:
        one = made(place, family, kind, protocol)
        held.append(one.dup())  # as a fork does, until its exec
        return one

    monkeypatch.setattr(Place, "socket", shared)
    roms = [BootRom(network.place(f"held-{n}", mac=board.mac), board) for n, board in enumerate(some)]
    try:
        booted = boot_all(roms, timeout_s=60.0)
    finally:
        for one in held:
            one.close()
    assert [one.outcome for one in booted] == ["kernel"] * len(some)
