"""Which files each model asks for, and in which order. Generators: they yield what to fetch and are sent what came.

Sources: 3B, 3B+: tftpd logs of firmware#1012; 4: rpi-eeprom#87 and #417; 5: rpi-eeprom#881 (the exact order is not
documented). A file that most systems do not have is asked for all the same: a server has to say so quickly.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from tests.lab.bootrom import config_txt
from tests.lab.bootrom.boards import Board, Rom
from tests.lab.bootrom.result import File

TREE = {
    Rom.PI3B: "bcm2710-rpi-3-b.dtb",
    Rom.PI3BPLUS: "bcm2710-rpi-3-b-plus.dtb",
    Rom.PI4: "bcm2711-rpi-4-b.dtb",
    Rom.PI5: "bcm2712-rpi-5-b.dtb",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """Fetch a file, or only ``probe`` whether it is there."""

    path: str
    probe: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """What it would run. ``failed`` says why it would not."""

    kernel: str = ""
    cmdline: str = ""
    failed: str = ""


Files = Generator[Ask, File | None, Ready]  # of a probe: some File where it is there


def files_of(board: Board) -> Files:
    """Give the order of a board's model."""
    match board.rom:
        case Rom.PI3B | Rom.PI3BPLUS:
            return _pi3(board)
        case Rom.PI4:
            return _pi4(board)
        case Rom.PI5:
            return _pi5(board)


def _pi3(board: Board) -> Files:
    if (yield Ask(path="bootcode.bin")) is None:
        return Ready(failed="no bootcode.bin")
    yield Ask(path="bootsig.bin")
    prefix = yield from _prefix(board)
    yield Ask(path=f"{prefix}autoboot.txt")
    yield Ask(path=f"{prefix}config.txt")
    yield Ask(path=f"{prefix}recovery.elf")
    for name in ("start.elf", "fixup.dat"):
        if (yield Ask(path=prefix + name)) is None:
            return Ready(failed=f"no {name}")
    for _ in range(3):
        yield Ask(path=f"{prefix}config.txt")
    config = yield from _config(prefix, board)
    yield Ask(path=f"{prefix}dt-blob.bin")
    yield Ask(path=f"{prefix}bootcfg.txt")
    cmdline = yield from _hardware(prefix, board, config)
    yield Ask(path=f"{prefix}recovery7.img")
    yield Ask(path=f"{prefix}armstub7.bin")
    return (yield from _kernel(prefix, board, config, cmdline, initramfs_first=False))


def _pi4(board: Board) -> Files:
    prefix = yield from _prefix(board)
    yield Ask(path=f"{prefix}config.txt")
    for name in ("vl805.sig", "vl805.bin", "pieeprom.sig", "pieeprom.upd"):
        yield Ask(path=prefix + name)
    for name in ("start4.elf", "fixup4.dat"):
        if (yield Ask(path=prefix + name)) is None:
            return Ready(failed=f"no {name}")
    config = yield from _config(prefix, board)
    cmdline = yield from _hardware(prefix, board, config)
    return (yield from _kernel(prefix, board, config, cmdline, initramfs_first=True))


def _pi5(board: Board) -> Files:
    prefix = yield from _prefix(board)
    yield Ask(path=f"{prefix}pieeprom.sig")
    config = yield from _config(prefix, board)
    cmdline = yield from _hardware(prefix, board, config)
    return (yield from _kernel(prefix, board, config, cmdline, initramfs_first=False))


def _prefix(board: Board) -> Generator[Ask, File | None, str]:
    """Stay below the serial where one of the model's files is there."""
    for name in board.way.prefix_by:
        if (yield Ask(path=f"{board.serial}/{name}", probe=True)) is not None:
            return f"{board.serial}/"
    return ""


def _config(prefix: str, board: Board) -> Generator[Ask, File | None, config_txt.ConfigTxt]:
    file = yield Ask(path=f"{prefix}config.txt")
    return config_txt.read(file.data.decode(errors="replace") if file else "", board.rom)


def _hardware(prefix: str, board: Board, config: config_txt.ConfigTxt) -> Generator[Ask, File | None, str]:
    """Fetch device tree and overlays, and give the kernel's command line."""
    yield Ask(path=prefix + config.values.get("device_tree", TREE[board.rom]))
    yield Ask(path=f"{prefix}overlays/overlay_map.dtb")
    for name in config.overlays:
        yield Ask(path=f"{prefix}overlays/{name}.dtbo")
    file = yield Ask(path=prefix + config.values.get("cmdline", "cmdline.txt"))
    return file.data.decode(errors="replace").strip() if file else ""


def _kernel(prefix: str, board: Board, config: config_txt.ConfigTxt, cmdline: str, *, initramfs_first: bool) -> Files:
    """Fetch the first kernel that is there, and its initramfs."""
    tried = config_txt.kernels(config, board.rom)
    first = config_txt.initramfs(config, tried[0])
    if first and initramfs_first:
        yield Ask(path=prefix + first)
    for name in tried:
        if (yield Ask(path=prefix + name)) is None:
            continue
        archive = config_txt.initramfs(config, name)
        if archive and not (initramfs_first and archive == first):
            yield Ask(path=prefix + archive)
        return Ready(kernel=name, cmdline=cmdline)
    return Ready(failed=f"no {' or '.join(tried)}")
