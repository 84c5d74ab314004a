"""Partition tables and superblocks, written here by the books and read by graped."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graped.errors import BadImage
from graped.netboot.images.disk import fstab_boot, listed_bytes
from graped.netboot.images.partitions import Ext, Partition, ext, has_extended, is_fat, partitions
from graped.netboot.images.spool import looks_like_disk
from tests.netboot.images.building import IMAGE_END, MIB, gpt, mbr

GUID = bytes(range(16))


def test_a_dos_table_as_raspberry_pi_os_has_it() -> None:
    """2024-03-15-raspios-bookworm-arm64-lite.img: type c at sector 8192, 512 MiB; type 83 behind it."""
    head = mbr((0x0C, 8192 * 512, 1048576 * 512), (0x83, 1056768 * 512, 4292608 * 512))
    assert partitions(head) == (
        Partition(number=1, start=4_194_304, size=536_870_912),
        Partition(number=2, start=541_065_216, size=2_197_815_296),
    )
    assert not has_extended(head)


def test_logical_partitions_are_left_out() -> None:
    head = mbr((0x0E, MIB, MIB), (0x05, 4 * MIB, 4 * MIB), (0x83, 2 * MIB, MIB))
    assert [part.number for part in partitions(head)] == [1, 3]
    assert has_extended(head)


@pytest.mark.parametrize("sector", [512, 4096])
def test_a_gpt(sector: int) -> None:
    head = gpt((GUID, MIB, 2 * MIB), (GUID, 8 * MIB, 16 * MIB), sector=sector).ljust(65_536, b"\0")
    assert partitions(head) == (
        Partition(number=1, start=MIB, size=2 * MIB),
        Partition(number=2, start=8 * MIB, size=16 * MIB),
    )


@pytest.mark.parametrize("at", [512 + 60, 512 + 16, 1024 + 40, 512 + 80, 512 + 13])
def test_a_damaged_gpt(at: int) -> None:
    head = bytearray(gpt((GUID, MIB, 2 * MIB)).ljust(65_536, b"\0"))
    head[at] ^= 0xFF
    with pytest.raises(BadImage, match="GPT"):
        partitions(bytes(head))


def test_a_gpt_that_is_cut() -> None:
    for end in (512, 600, 1024, 3000, 17_407):
        with pytest.raises(BadImage, match="GPT"):
            partitions(gpt((GUID, MIB, 2 * MIB))[:end])


def test_no_table() -> None:
    fat = bytearray(512)
    fat[446:450] = b"boot"  # code of a boot sector
    fat[510:] = b"\x55\xaa"
    assert partitions(bytes(fat)) == ()
    assert partitions(bytes(512)) == ()
    assert partitions(b"\x55\xaa") == ()


@given(head=st.binary(max_size=2000), signed=st.booleans(), protective=st.booleans())
def test_noise_is_a_table_or_a_bad_image(head: bytes, signed: bool, protective: bool) -> None:
    noise = bytearray(head.ljust(512, b"\0"))
    if signed:
        noise[510:512] = b"\x55\xaa"
    if protective:
        noise[446], noise[450], noise[512:520] = 0, 0xEE, b"EFI PART"
    try:
        found = partitions(bytes(noise))
    except BadImage:
        return
    assert all(part.start > 0 and part.size > 0 for part in found)
    ext(bytes(noise))
    is_fat(bytes(noise))
    looks_like_disk(bytes(noise))


def superblock(blocks: int, free: int, log_size: int, incompatible: int, high: int = 0) -> bytes:
    block = bytearray(1024)
    struct.pack_into("<I", block, 4, blocks)
    struct.pack_into("<I", block, 12, free)
    struct.pack_into("<I", block, 24, log_size)
    struct.pack_into("<H", block, 56, 0xEF53)
    struct.pack_into("<I", block, 96, incompatible)
    struct.pack_into("<I", block, 336, high)
    return bytes(block)


def test_superblocks() -> None:
    assert ext(superblock(1000, 400, 2, 0)) == Ext(size=4_096_000, used=2_457_600, needs_recovery=False)
    assert ext(superblock(1000, 400, 0, 0x4)) == Ext(size=1_024_000, used=614_400, needs_recovery=True)
    assert ext(superblock(0, 0, 2, 0x80, high=1)) == Ext(size=2**44, used=2**44, needs_recovery=False)
    assert ext(superblock(0, 0, 2, 0, high=1)) == Ext(size=0, used=0, needs_recovery=False)
    assert ext(superblock(1, 0, 30, 0)) is None
    assert ext(bytes(1024)) is None
    assert ext(b"") is None


def test_fat() -> None:
    sector = bytearray(512)
    sector[510:] = b"\x55\xaa"
    assert not is_fat(bytes(sector))
    assert is_fat(bytes(sector[:54]) + b"FAT16   " + bytes(sector[62:]))
    assert is_fat(bytes(sector[:82]) + b"FAT32   " + bytes(sector[90:]))
    assert not is_fat(b"FAT")
    assert not is_fat(mbr((0x0C, MIB, IMAGE_END)))


@pytest.mark.parametrize(
    ("line", "where"),
    [
        ("PARTUUID=ab-01  /boot/firmware  vfat  defaults  0 2", "boot/firmware"),
        ("/dev/mmcblk0p1 /boot vfat defaults 0 2", "boot"),
        ("UUID=1 /boot/efi vfat umask=0077 0 1", "boot/efi"),
        ("#/dev/mmcblk0p1 /boot vfat defaults 0 2", ""),
        ("/dev/sda1 /boot ext4 defaults 0 2", ""),
        ("/dev/sda1 /data vfat defaults 0 2", ""),
        ("/dev/sda1 /boot/../etc vfat defaults 0 2", ""),
        ("/dev/sda1 /boot//x vfat defaults 0 2", ""),
        ("short", ""),
    ],
)
def test_where_an_fstab_mounts_the_boot_files(line: str, where: str) -> None:
    assert fstab_boot(f"proc /proc proc defaults 0 0\n{line}\n") == where


def test_how_large_the_boot_files_are() -> None:
    one = "Directory for ::/\n\nCONFIG.TXT\n        1 file                   4 bytes\n"
    free = "                         76 681 216 bytes free\n"
    assert listed_bytes(one + free) == 4
    assert listed_bytes(f"{one}\nTotal files listed:\n      305 files           6 670 550 bytes\n{free}") == 6_670_550
    with pytest.raises(BadImage, match="listed"):
        listed_bytes("init :: non DOS media")
