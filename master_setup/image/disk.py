"""A disk image out of a root tree, written without loop devices and without FAT in the kernel."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from graped.errors import CommandFailed, NoSpace
from graped.runner import Runner
from master_setup.image.feed import feed
from master_setup.image.layout import SECTOR_BYTES, Layout, sfdisk_script
from master_setup.image.progress import Progress, Tell

BOOT_FOLDER: Final = "boot/firmware"
BOOT_LABEL, ROOT_LABEL = "GRAPEBOOT", "grape-root"
BLOCK_BYTES: Final = 4096
CLUSTER_SECTORS: Final = 8  # FAT32 has 65 525 clusters or more, else mtools and firmware take it for FAT16
TOOL_S: Final = 1800.0
MTOOLS: Final = {"MTOOLS_SKIP_CHECK": "1", "LC_ALL": "C.UTF-8"}


def make_disk(tree: Path, image: Path, layout: Layout, runner: Runner, tell: Tell) -> None:
    """Write ``image`` (new, sparse): table, boot partition from ``tree``/boot/firmware, root from the rest of it.

    The boot files are moved out of the tree into a folder beside it, as they lie under a mount later.
    Raises: NoSpace, CommandFailed.
    """
    with image.open("xb") as stream:
        stream.truncate(layout.size_bytes)
    tell(Progress(phase="partition table"))
    feed(("sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", str(image)), [sfdisk_script(layout).encode()])
    tell(Progress(phase="boot partition"))
    _write_boot(take_boot(tree), image, layout, runner)
    tell(Progress(phase="root partition"))
    _write_root(tree, image, layout, runner)


def take_boot(tree: Path) -> Path:
    """Move the boot files out of ``tree``, and leave an empty folder to mount them on."""
    inside, beside = tree / BOOT_FOLDER, tree.with_name(f"{tree.name}.boot")
    os.rename(inside, beside)
    inside.mkdir(mode=0o755)
    return beside


def used_bytes(folder: Path) -> int:
    """How much an ext4 needs for the files of a tree: whole blocks, a block an entry that is no file."""
    total, seen = 0, set()
    for where, folders, files in os.walk(folder):
        for name in (*folders, *files):
            status = os.lstat(os.path.join(where, name))
            if status.st_ino not in seen:
                seen.add(status.st_ino)
                size = min(status.st_size, status.st_blocks * SECTOR_BYTES) if stat.S_ISREG(status.st_mode) else 1
                total += -(-size // BLOCK_BYTES) * BLOCK_BYTES
    return total


def _write_boot(folder: Path, image: Path, layout: Layout, runner: Runner) -> None:
    area = layout.boot
    runner.run(
        (
            "mkfs.vfat", "-F", "32", "-s", str(CLUSTER_SECTORS), "-n", BOOT_LABEL, "-i", f"{layout.disk_id:08x}",
            f"--offset={area.start_bytes // SECTOR_BYTES}", str(image), str(area.size_bytes // 1024),
        ),
        timeout_s=TOOL_S,
    )  # fmt: skip
    entries = sorted(str(path) for path in folder.iterdir())
    if not entries:
        return
    # -s: with folders, -m: with times, -Q: end at the first error
    argv = ("mcopy", "-s", "-m", "-Q", "-i", f"{image}@@{area.start_bytes}", *entries, "::")
    try:
        runner.run(argv, timeout_s=TOOL_S, env=MTOOLS)
    except CommandFailed as error:
        if "No space" in error.detail or "Disk full" in error.detail:
            raise NoSpace(f"the boot files do not fit into {area.size_bytes} bytes: {error.detail}") from error
        raise


def _write_root(tree: Path, image: Path, layout: Layout, runner: Runner) -> None:
    area = layout.root
    # Where nothing is written a card holds what it held before: the kernel, not we, zeroes unused inode tables.
    options = f"offset={area.start_bytes},root_owner=0:0,lazy_itable_init=1"
    runner.run(
        (
            "mke2fs", "-q", "-F", "-t", "ext4", "-m", "1", "-b", str(BLOCK_BYTES), "-L", ROOT_LABEL, "-E", options,
            "-d", str(tree), str(image), f"{area.size_bytes // 1024}k",
        ),
        timeout_s=TOOL_S,
    )  # fmt: skip
