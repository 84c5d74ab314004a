"""48 boards at once, 25 MB of boot files each: all of them boot, and graped costs little against a bare dnsmasq."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.lab.bare import BareDnsmasq
from tests.lab.bootrom import Board, BootRom, Loop, Rom
from tests.lab.bootrom.loop import boot_all
from tests.lab.cluster import Cluster, address
from tests.lab.machines import Pi
from tests.lab.network import Network
from tests.lab.rack import Slot
from tests.lab.run import Run

SLOTS: list[Slot] = [(stack, slot) for stack in range(8) for slot in range(6)]
SIZES = {"start4.elf": 2_255_616, "fixup4.dat": 5_456, "bcm2711-rpi-4-b.dtb": 55_939, "kernel8.img": 22_700_000}
CONFIG = "arm_64bit=1\n"
STORM_S = 180.0
POWER = "[power]\nstagger_s = 0.05\ninrush_s = 0\nmax_inrush = 96\nmax_booting = {max_booting}\n"
FSTAB = "PARTUUID=0-01 /boot/firmware vfat defaults 0 2\nPARTUUID=0-02 / ext4 defaults 0 1\n"


def board(slot: Slot) -> Board:
    return Board(rom=Rom.PI4, mac=mac(slot), serial=f"10{slot[0]:03}{slot[1]:03}")


def mac(slot: Slot) -> str:
    return f"dc:a6:32:00:0{slot[0]}:0{slot[1]}"


@pytest.fixture
def tree(lab: Run) -> Path:
    """A root file system with hardly more in it than 25 MB of boot files, of random bytes."""
    root = lab.folder("tree")
    for name in ("bin", "boot/firmware", "dev", "etc/ssh", "proc", "root", "run", "sys", "tmp", "usr/lib", "var"):
        (root / name).mkdir(parents=True)
    (root / "bin/sh").write_text("#!/bin/false\n")
    (root / "etc/fstab").write_text(FSTAB)
    for name, size in SIZES.items():
        (root / "boot/firmware" / name).write_bytes(os.urandom(size))
    (root / "boot/firmware/config.txt").write_text(CONFIG)
    (root / "boot/firmware/cmdline.txt").write_text("console=tty1 root=PARTUUID=0-02 rootwait\n")
    return root


def bare_s(tree: Path) -> float:
    """How long it takes 48 boards to fetch it from a bare dnsmasq, all at once."""
    with Run() as run:
        network = Network(run)
        server = network.place("yardstick", address="10.77.0.1/24")
        BareDnsmasq(server, tree / "boot/firmware", {mac(slot): address(slot) for slot in SLOTS})
        places = {slot: network.place(f"bare-{slot[0]}-{slot[1]}", mac=mac(slot)) for slot in SLOTS}
        roms = [BootRom(places[slot], board(slot), then_system=True) for slot in SLOTS]
        started = time.monotonic()
        booted = boot_all(roms, timeout_s=STORM_S)
        took_s = time.monotonic() - started
    assert all(one.ok for one in booted), [one.outcome for one in booted]
    return took_s


def graped_s(tree: Path, *, max_booting: int) -> float:
    """How long it takes them with graped, from the command to the last one's kernel."""
    with Run() as run:
        network, loop = Network(run), Loop()
        run.at_end(loop.close)
        cluster = Cluster(run, network, {slot: mac(slot) for slot in SLOTS}, POWER.format(max_booting=max_booting))
        boards = {slot: Pi(network, loop, board(slot), f"pi-{slot[0]}-{slot[1]}") for slot in SLOTS}
        cluster.start(boards)
        cluster.image(tree, "storm", prepared=False)
        cluster.cli("node", "set", "@all", "--image", "storm")
        started = time.monotonic()
        cluster.rack.daemon.client().post("/v1/power", {"nodes": "@all", "verb": "on"})
        cluster.until(lambda: all(pi.roms and pi.roms[-1].outcome for pi in boards.values()), STORM_S, "all booted")
        took_s = time.monotonic() - started
        assert [pi.roms[-1].outcome for pi in boards.values()] == ["kernel"] * len(SLOTS)
        assert {pi.roms[-1].files["kernel8.img"].size for pi in boards.values()} == {SIZES["kernel8.img"]}
        cluster.until(lambda: set(cluster.stages().values()) == {"kernel"}, 60.0, "all were seen to leave TFTP")
        assert cluster.rack.trouble() == []
    return took_s


def test_a_storm_of_48_boards(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bare, gated, free = bare_s(tree), graped_s(tree, max_booting=8), graped_s(tree, max_booting=96)
    megabytes = sum(SIZES.values()) / 1e6
    with capsys.disabled():
        print(f"\n48 boards, {megabytes:.1f} MB each: bare dnsmasq {bare:.1f} s;", end=" ")
        print(f"graped with the boot gate (8 at once) {gated:.1f} s, {gated / bare:.2f} x (aim <= 1.1 x);", end=" ")
        print(f"without it {free:.1f} s, {free / bare:.2f} x")
