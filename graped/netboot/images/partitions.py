"""Where the partitions of a disk image are, and what is in them. Pure: bytes in, values out."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import Final

from graped.errors import BadImage

HEAD_BYTES: Final = 65_536  # both kinds of table are in here
SECTOR_BYTES: Final = 512
MBR_ENTRY: Final = struct.Struct("<B3sB3sII")  # status, first CHS, type, last CHS, first sector, sectors
EXTENDED: Final = frozenset({0x05, 0x0F, 0x85})
PROTECTIVE: Final = 0xEE
GPT_HEADER: Final = struct.Struct("<8s4sIIIQQQQ16sQIII")  # UEFI 2.10, table 5.5
GPT_SECTORS: Final = (512, 4096)
EXT_MAGIC: Final = 0xEF53
SUPERBLOCK_OFFSET, SUPERBLOCK_BYTES = 1024, 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """A part of the disk."""

    number: int
    start: int  # bytes
    size: int  # bytes

    @property
    def end(self) -> int:
        """The first byte behind it."""
        return self.start + self.size


@dataclass(frozen=True, slots=True, kw_only=True)
class Ext:
    """What the superblock of an ext2, 3 or 4 file system says of itself."""

    size: int  # bytes
    used: int  # bytes
    needs_recovery: bool  # it was in use: what is only in its journal is not in its place yet


def partitions(head: bytes) -> tuple[Partition, ...]:
    """Read the partition table from the first 64 KiB, by place on the disk; empty where there is none.

    Logical partitions of a DOS table are left out: their places are told in the middle of the disk.
    Raises: BadImage for a GPT whose check sums are wrong.
    """
    if len(head) < SECTOR_BYTES or head[510:512] != b"\x55\xaa":
        return ()
    entries = [MBR_ENTRY.unpack_from(head, 446 + 16 * number) for number in range(4)]
    if any(entry[0] not in (0x00, 0x80) for entry in entries):
        return ()  # the boot sector of a file system, which ends in the same two bytes
    if any(entry[2] == PROTECTIVE for entry in entries):
        return _gpt(head)
    found = [
        Partition(number=number, start=first * SECTOR_BYTES, size=sectors * SECTOR_BYTES)
        for number, (_, _, kind, _, first, sectors) in enumerate(entries, 1)
        if kind and kind not in EXTENDED and first and sectors
    ]
    return _by_place(found)


def has_extended(head: bytes) -> bool:
    """Whether a DOS table has logical partitions, which are not read."""
    return len(head) >= SECTOR_BYTES and any(head[446 + 16 * number + 4] in EXTENDED for number in range(4))


def ext(superblock: bytes) -> Ext | None:
    """Read a superblock (the second 1024 bytes of a partition); None where it is none.

    Source: kernel, Documentation/filesystems/ext4/super.rst.
    """
    if len(superblock) < SUPERBLOCK_BYTES or struct.unpack_from("<H", superblock, 0x38)[0] != EXT_MAGIC:
        return None
    (blocks,), (free,), (log_size,) = (struct.unpack_from("<I", superblock, at) for at in (0x4, 0xC, 0x18))
    (incompatible,) = struct.unpack_from("<I", superblock, 0x60)
    if log_size > 6:
        return None  # blocks of more than 64 KiB are none
    if incompatible & 0x80:  # 64bit: the upper halves
        blocks |= struct.unpack_from("<I", superblock, 0x150)[0] << 32
        free |= struct.unpack_from("<I", superblock, 0x158)[0] << 32
    block_bytes = 1024 << log_size
    used = max(0, blocks - free) * block_bytes
    return Ext(size=blocks * block_bytes, used=used, needs_recovery=bool(incompatible & 0x4))


def is_fat(sector: bytes) -> bool:
    """Whether a partition begins as FAT12, FAT16 or FAT32 do. Source: Microsoft FAT specification, 3.1-3.3."""
    if len(sector) < SECTOR_BYTES or sector[510:512] != b"\x55\xaa":
        return False
    return sector[54:57] == b"FAT" or sector[82:87] == b"FAT32"


def _gpt(head: bytes) -> tuple[Partition, ...]:
    for sector in GPT_SECTORS:
        if head[sector : sector + 8] == b"EFI PART" and len(head) >= sector + GPT_HEADER.size:
            return _gpt_entries(head, sector)
    raise BadImage("its partition table (GPT) is missing", hint="Fetch it again, and compare its check sum.")


def _gpt_entries(head: bytes, sector: int) -> tuple[Partition, ...]:
    fields = GPT_HEADER.unpack_from(head, sector)
    header_bytes, header_crc = fields[2], fields[3]
    table_at, count, entry_bytes, table_crc = fields[10] * sector, fields[11], fields[12], fields[13]
    header = head[sector : sector + header_bytes]
    table = head[table_at : table_at + count * entry_bytes]
    sane = GPT_HEADER.size <= header_bytes <= sector and 128 <= entry_bytes <= 4096 and count <= 512
    if (
        not sane
        or len(table) < count * entry_bytes
        or zlib.crc32(header[:16] + bytes(4) + header[20:]) != header_crc
        or zlib.crc32(table) != table_crc
    ):
        raise BadImage("its partition table (GPT) is damaged", hint="Fetch it again, and compare its check sum.")
    found = []
    for number in range(count):
        kind, _, first, last = struct.unpack_from("<16s16sQQ", table, number * entry_bytes)
        if any(kind) and first and last >= first:
            found.append(Partition(number=number + 1, start=first * sector, size=(last - first + 1) * sector))
    return _by_place(found)


def _by_place(found: list[Partition]) -> tuple[Partition, ...]:
    return tuple(sorted(found, key=lambda partition: partition.start))
