"""Lines of ``/etc/fstab`` that still make sense on a node without a disk. Pure."""

from __future__ import annotations

from typing import Final

VOLUME: Final = "srv/grape/volume"  # where a node mounts the folder of its docker.img
DOCKER: Final = "var/lib/docker"
BY_DISK: Final = ("/dev/", "UUID=", "LABEL=", "PARTUUID=", "PARTLABEL=")
ALWAYS_GONE: Final = ("PARTUUID=", "/dev/mmcblk")  # the SD card itself
BOOT: Final = ("/", "/boot", "/boot/firmware", "/boot/efi")


def netboot_fstab(text: str) -> str:
    """Leave out what is on a disk: the root, the boot partition, swap, the SD card, and what a boot would wait for.

    What stays: comments, proc and tmpfs, network file systems, and a disk that may be missing (``nofail``).
    """
    return "".join(f"{line}\n" for line in text.splitlines() if not _is_gone(line.split()))


def _is_gone(fields: list[str]) -> bool:
    if len(fields) < 3 or fields[0].startswith("#"):
        return False
    source, place, kind = fields[:3]
    if place in BOOT or kind == "swap" or source.startswith(ALWAYS_GONE):
        return True
    options = fields[3].split(",") if len(fields) > 3 else []
    return source.startswith(BY_DISK) and not {"nofail", "noauto"} & set(options)
