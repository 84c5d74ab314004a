"""Take a disk image apart: the root file system by a read-only loop mount, the boot partition by mtools."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

from graped.errors import BadImage, CommandFailed, NoSpace
from graped.files import remove_tree
from graped.netboot.images.copy import copy_tree
from graped.netboot.images.leftovers import unmount_below
from graped.netboot.images.partitions import Partition
from graped.netboot.images.source import Source
from graped.netboot.images.space import HINT, Space
from graped.netboot.images.spool import Layout, spool
from graped.netboot.inside import resolve
from graped.runner import Runner
from graped.work import Work

TOOL_S: Final = 600.0
MTOOLS: Final = {"MTOOLS_SKIP_CHECK": "1", "LC_ALL": "C.UTF-8"}
EMPTY: Final = 'mdir: File "::" not found'  # what it says of a file system without any file
FIRMWARE, BOOT, EFI = "boot/firmware", "boot", "boot/efi"


def unpack_disk(
    source: Source, place: Path, runner: Runner, space: Space, work: Work, step: Callable[[str], None]
) -> None:
    """Fill ``place/root`` from a disk image; what is made beside it is gone at the end, also after an error.

    Raises: BadImage, NoSpace, Cancelled, CommandFailed.
    """
    image = place / "spool.img"
    layout = spool(source, image, space)
    step("spooled")
    _copy_root(image, place, layout, runner, work, step)
    if layout.boot is not None:
        work.phase("boot files", unit="")
        _copy_boot(image, place, layout.boot, runner, space)
        step("boot files copied")
    image.unlink()
    step("spool removed")


def _copy_root(
    image: Path, place: Path, layout: Layout, runner: Runner, work: Work, step: Callable[[str], None]
) -> None:
    point = place / "mount"
    point.mkdir()
    step("mount point made")
    root = layout.root
    # Where the journal holds what is nowhere else, the kernel is to replay it: into the spool, which is ours.
    access = "rw" if layout.ext.needs_recovery else "ro,noload"
    options = f"{access},nodev,nosuid,noexec,loop,offset={root.start},sizelimit={root.size}"
    try:
        runner.run(("mount", "-t", "ext4", "-o", options, str(image), str(point)), timeout_s=TOOL_S)
    except CommandFailed as error:
        raise BadImage(
            f"its Linux partition cannot be mounted: {error.detail}",
            hint="Check it with `e2fsck` where it was made; Grape needs loop devices and root rights.",
        ) from error
    try:
        step("mounted")
        copy_tree(point, place / "root", work)
        step("root copied")
    finally:
        unmount_below(point, runner)
    step("unmounted")
    point.rmdir()


def _copy_boot(image: Path, place: Path, boot: Partition, runner: Runner, space: Space) -> None:
    """Copy the FAT partition to where the system mounts it, over what is hidden there by the mount."""
    fresh = place / "boot"
    fresh.mkdir(mode=0o755)
    drive = f"{image}@@{boot.start}"
    try:
        listed = runner.run(("mdir", "-/", "-a", "-w", "-i", drive, "::"), timeout_s=TOOL_S, env=MTOOLS).stdout
        size_bytes = listed_bytes(listed)
        space.need(size_bytes, "the boot files")
        # -s: with folders, -m: with times, -n: never ask, -Q: end at the first error
        argv = ("mcopy", "-s", "-m", "-n", "-Q", "-i", drive, "::", str(fresh))
        runner.run(argv, timeout_s=TOOL_S, env=MTOOLS)
    except CommandFailed as error:
        if EMPTY in error.detail:
            fresh.rmdir()
            return
        if os.strerror(errno.ENOSPC) in error.detail:
            raise NoSpace("the disk is full: copying the boot files", hint=HINT) from error
        raise BadImage(f"its boot partition cannot be read: {error.detail}") from error
    copied = sum(path.stat().st_size for path in fresh.rglob("*") if path.is_file())
    if copied != size_bytes:  # mcopy 4.0.32 ends with 0 where the disk was full in the middle of the last file
        raise NoSpace(f"the disk is full: {copied} of {size_bytes} bytes of boot files were copied", hint=HINT)
    _own(fresh)
    root = place / "root"
    goal = _make_folders(root, boot_place(root, _is_efi(fresh)))
    remove_tree(goal)
    os.rename(fresh, goal)


def listed_bytes(listing: str) -> int:
    """Read from what ``mdir -/`` says how large all files are together. Pure. Raises: BadImage."""
    totals = re.findall(r"^ +\d[\d ]* files? +(\d[\d ]*) bytes$", listing, re.MULTILINE)
    if not totals:
        raise BadImage("its boot partition cannot be listed", hint="Look at it with `mdir -/ -i FILE@@OFFSET ::`.")
    return int(str(totals[-1]).replace(" ", ""))  # of all folders together, where there is more than one


def boot_place(root: Path, efi: bool) -> str:
    """Where below ``root`` the FAT partition belongs: what fstab says, else boot/firmware, boot/efi or boot."""
    table = resolve(root, "etc/fstab")
    if table is not None and table.is_file():
        named = fstab_boot(table.read_text(errors="replace"))
        if named:
            return named
    if resolve(root, FIRMWARE) == root / FIRMWARE and (root / FIRMWARE).is_dir():
        return FIRMWARE
    return EFI if efi else BOOT


def fstab_boot(table: str) -> str:
    """Where an fstab mounts a FAT file system below /boot, without the first slash; "" nowhere. Pure."""
    for line in table.splitlines():
        fields = line.split()
        if len(fields) < 3 or fields[0].startswith("#") or fields[2] not in ("vfat", "msdos", "auto"):
            continue
        parts = fields[1].strip("/").split("/")
        if fields[1].startswith("/") and parts[0] == "boot" and not {"", ".", ".."} & set(parts):
            return "/".join(parts)
    return ""


def _is_efi(folder: Path) -> bool:
    names = {name.lower() for name in os.listdir(folder)}
    return "efi" in names and not names & {"config.txt", "bootcode.bin"}


def _make_folders(root: Path, path: str) -> Path:
    """Make ``path`` below ``root`` and return it; a link or file on the way is refused, whoever put it there."""
    here = root
    for part in path.split("/"):
        here = here / part
        if here.is_symlink() or (here.exists() and not here.is_dir()):
            raise BadImage(f"/{path}, where the boot partition belongs, leads through what is no folder")
        here.mkdir(mode=0o755, exist_ok=True)
    return here


def _own(folder: Path) -> None:
    """Give files of a FAT partition the owner and modes that its mount would show."""
    for entry in (folder, *folder.rglob("*")):
        os.chown(entry, 0, 0)
        entry.chmod(0o755 if entry.is_dir() else 0o644)
    os.utime(folder)  # the root of a FAT has no time, and mcopy takes a wild one
