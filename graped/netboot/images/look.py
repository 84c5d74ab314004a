"""What kind of system a tree is: its processor, and where its boot files are."""

from __future__ import annotations

import fnmatch
import os
import struct
from pathlib import Path
from typing import Final

from graped.netboot.images.content import open_regular
from graped.netboot.inside import resolve

MACHINES: Final = {183: "arm64", 40: "armhf", 62: "amd64"}  # e_machine, elf(5) and <elf.h>
PROGRAMS: Final = ("bin/sh", "sbin/init", "usr/bin/env", "bin/busybox", "usr/lib/systemd/systemd")
BOOT_FOLDERS: Final = ("boot/firmware", "boot")
BOOT_FILES: Final = (
    "bootcode.bin", "start*.elf", "config.txt", "cmdline.txt", "kernel*.img", "bcm27*.dtb",
    "vmlinuz*", "Image*", "boot.ipxe",
)  # fmt: skip


def architecture(root: Path) -> str:
    """Tell the processor by the ELF header of a program every system has; "" where there is none we know."""
    for program in PROGRAMS:
        place = resolve(root, program)
        if place is not None:
            found = elf_machine(_head(place))
            if found:
                return found
    return ""


def elf_machine(head: bytes) -> str:
    """Read the processor from the first 20 bytes of a file; "" where it is none of ours. Source: elf(5)."""
    if len(head) < 20 or head[:4] != b"\x7fELF" or head[5] not in (1, 2):
        return ""
    (machine,) = struct.unpack("<H" if head[5] == 1 else ">H", head[18:20])
    return MACHINES.get(machine, "")


def boot_folder(root: Path) -> str:
    """Where the boot files are, below ``root``: "boot/firmware", "boot", or "" where neither has any."""
    for name in BOOT_FOLDERS:
        place = root / name
        if resolve(root, name) != place or not place.is_dir():
            continue  # not there, or a link
        if any(fnmatch.fnmatchcase(file, pattern) for file in os.listdir(place) for pattern in BOOT_FILES):
            return name
    return ""


def _head(path: Path) -> bytes:
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        descriptor = open_regular(folder, path.name)
    finally:
        os.close(folder)
    if descriptor is None:
        return b""
    with os.fdopen(descriptor, "rb") as stream:
        return stream.read(20)
