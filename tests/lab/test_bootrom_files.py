"""Which files each model asks for, by plain calls."""

from __future__ import annotations

import pytest

from tests.lab.bootrom.boards import Board, Rom
from tests.lab.bootrom.files import Ready, files_of
from tests.lab.bootrom.result import Intake

SERIAL = "9ffefdef"
BOOT = {
    "bootcode.bin": b"1", "start.elf": b"2", "fixup.dat": b"3", "start4.elf": b"4", "fixup4.dat": b"5",
    "kernel8.img": b"6", "kernel7.img": b"7", "kernel_2712.img": b"8", "initramfs8": b"9", "initramfs_2712": b"a",
    "config.txt": b"auto_initramfs=1\n[pi3]\ndtoverlay=disable-bt,x=1\n[pi4]\narm_64bit=0\n[all]\n",
    "cmdline.txt": b"root=/dev/nfs rw ip=dhcp\n",
}  # fmt: skip


def boot(rom: Rom, tree: dict[str, bytes]) -> tuple[list[str], Ready]:
    """Give the files of a tree to a board; tell what it asked for (a probe with a question mark)."""
    asked: list[str] = []
    files = files_of(Board(rom=rom, mac="b8:27:eb:00:00:01", serial=SERIAL))
    came = None
    try:
        while True:
            ask = files.send(came)
            asked.append(ask.path + ("?" if ask.probe else ""))
            came = None
            if ask.path in tree:
                intake = Intake()
                intake.take(memoryview(tree[ask.path]))
                came = intake.file(ask.path, len(tree[ask.path]), 0.0)
    except StopIteration as stop:
        return asked, stop.value


def test_a_3b_asks_in_the_order_of_the_field() -> None:
    asked, ready = boot(Rom.PI3B, BOOT)
    assert asked == [
        "bootcode.bin", "bootsig.bin", f"{SERIAL}/start.elf?", "autoboot.txt", "config.txt", "recovery.elf",
        "start.elf", "fixup.dat", "config.txt", "config.txt", "config.txt", "config.txt", "dt-blob.bin", "bootcfg.txt",
        "bcm2710-rpi-3-b.dtb", "overlays/overlay_map.dtb", "overlays/disable-bt.dtbo", "cmdline.txt",
        "recovery7.img", "armstub7.bin", "kernel8.img", "initramfs8",
    ]  # fmt: skip
    assert ready == Ready(kernel="kernel8.img", cmdline="root=/dev/nfs rw ip=dhcp")


def test_a_4_asks_for_its_own_firmware_and_kernel() -> None:
    asked, ready = boot(Rom.PI4, BOOT | {"kernel7l.img": b"b", "initramfs7l": b"c"})
    assert asked[:2] == [f"{SERIAL}/start4.elf?", f"{SERIAL}/start.elf?"]
    assert asked[3:9] == ["vl805.sig", "vl805.bin", "pieeprom.sig", "pieeprom.upd", "start4.elf", "fixup4.dat"]
    assert asked[-2:] == ["initramfs7l", "kernel7l.img"]
    assert "bootcode.bin" not in asked
    assert ready.kernel == "kernel7l.img"


def test_a_5_brings_its_firmware_along() -> None:
    asked, ready = boot(Rom.PI5, BOOT)
    assert asked[0] == f"{SERIAL}/config.txt?"
    assert not [name for name in asked if name.endswith((".elf", ".dat", "bootcode.bin"))]
    assert (ready.kernel, asked[-1]) == ("kernel_2712.img", "initramfs_2712")
    without = {name: data for name, data in BOOT.items() if "2712" not in name}
    assert boot(Rom.PI5, without)[1].kernel == "kernel8.img"


@pytest.mark.parametrize("rom", list(Rom))
def test_a_folder_of_its_serial_is_preferred(rom: Rom) -> None:
    boot_files = BOOT | {"kernel7l.img": b"b"}
    tree = boot_files | {f"{SERIAL}/{name}": data for name, data in boot_files.items()}
    asked, ready = boot(rom, tree)
    inside = [name for name in asked if not name.startswith(SERIAL)]
    assert inside == (["bootcode.bin", "bootsig.bin"] if rom in {Rom.PI3B, Rom.PI3BPLUS} else [])
    assert not ready.failed


@pytest.mark.parametrize(
    ("rom", "lost", "failed"),
    [
        (Rom.PI3B, "bootcode.bin", "no bootcode.bin"),
        (Rom.PI3BPLUS, "fixup.dat", "no fixup.dat"),
        (Rom.PI4, "start4.elf", "no start4.elf"),
        (Rom.PI5, "kernel", "no kernel_2712.img or kernel8.img"),
    ],
)
def test_what_stops_a_board(rom: Rom, lost: str, failed: str) -> None:
    tree = {name: data for name, data in BOOT.items() if not name.startswith(lost)}
    assert boot(rom, tree)[1].failed == failed
