"""Where the partitions of a disk image lie: a FAT one for the firmware, an ext4 one for the root. Pure."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Final

from graped.errors import RequestError

SECTOR_BYTES: Final = 512
MIB: Final = 1024 * 1024
BOOT_START_BYTES: Final = 4 * MIB  # erase blocks of SD cards: partitions begin at a multiple of 4 MiB
BOOT_BYTES: Final = 512 * MIB  # three kernels with their initrds, and the firmware
ALIGN_BYTES: Final = 4 * MIB
ROOT_SPARE_BYTES: Final = 192 * MIB  # what the first boot writes before the root has grown
OVERHEAD_SHARE: Final = 12  # inodes, journal, bitmaps: a twelfth of what lies in it
FAT32_LBA, LINUX = "c", "83"
BOOT, ROOT = 1, 2  # numbers of the partitions


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """A part of the disk, in bytes."""

    start_bytes: int
    size_bytes: int

    @property
    def end_bytes(self) -> int:
        """The first byte behind it."""
        return self.start_bytes + self.size_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A disk with two partitions: BOOT is the firmware's, ROOT the root."""

    disk_id: int  # 32 bits; the kernel finds partitions by it
    boot: Area
    root: Area

    @property
    def size_bytes(self) -> int:
        """How large the image is."""
        return self.root.end_bytes


def partuuid(disk_id: int, number: int) -> str:
    """Name a partition as the kernel and fstab do. Source: kernel, block/partitions/msdos.c."""
    return f"{disk_id:08x}-{number:02x}"


def lay_out(*, used_bytes: int, disk_id: int, size_bytes: int | None = None) -> Layout:
    """Plan a disk for a root of ``used_bytes``: as small as it may be, or ``size_bytes`` in all.

    Raises: RequestError where that is too small.
    """
    boot = Area(start_bytes=BOOT_START_BYTES, size_bytes=BOOT_BYTES)
    least = _up(used_bytes + used_bytes // OVERHEAD_SHARE + ROOT_SPARE_BYTES)
    root_bytes = least if size_bytes is None else (size_bytes - boot.end_bytes) // ALIGN_BYTES * ALIGN_BYTES
    if root_bytes < least:
        raise RequestError(
            f"an image of {size_bytes} bytes is too small: this system needs {boot.end_bytes + least}",
            hint="Leave --size away: the root grows to the size of the card at the first boot.",
        )
    return Layout(disk_id=disk_id, boot=boot, root=Area(start_bytes=boot.end_bytes, size_bytes=root_bytes))


def fresh_disk_id() -> int:
    """Invent a disk id: 0 would be none."""
    return secrets.randbelow(2**32 - 1) + 1


def sfdisk_script(layout: Layout) -> str:
    """Say the partition table in the words of sfdisk. Source: sfdisk(8), "Input formats"."""
    lines = ["label: dos", f"label-id: 0x{layout.disk_id:08x}", "unit: sectors", f"sector-size: {SECTOR_BYTES}"]
    for area, kind in ((layout.boot, FAT32_LBA), (layout.root, LINUX)):
        start, size = area.start_bytes // SECTOR_BYTES, area.size_bytes // SECTOR_BYTES
        lines.append(f"start={start}, size={size}, type={kind}")
    return "\n".join(lines) + "\n"


def _up(size_bytes: int) -> int:
    return -(-size_bytes // ALIGN_BYTES) * ALIGN_BYTES
