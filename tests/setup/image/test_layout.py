"""A card's partitions: aligned, apart, and said the same way in the table, to the kernel and in fstab."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graped.errors import RequestError
from master_setup.image import firmware
from master_setup.image.layout import (
    ALIGN_BYTES,
    BOOT_START_BYTES,
    MIB,
    SECTOR_BYTES,
    fresh_disk_id,
    lay_out,
    partuuid,
    sfdisk_script,
)

GIB = 1024 * MIB


@given(used=st.integers(0, 40 * GIB), disk_id=st.integers(1, 2**32 - 1))
def test_partitions_are_aligned_and_large_enough(used: int, disk_id: int) -> None:
    layout = lay_out(used_bytes=used, disk_id=disk_id)
    for area in (layout.boot, layout.root):
        assert area.start_bytes % ALIGN_BYTES == 0
        assert area.size_bytes % ALIGN_BYTES == 0
    assert layout.boot.start_bytes == BOOT_START_BYTES
    assert layout.boot.end_bytes == layout.root.start_bytes
    assert layout.root.end_bytes == layout.size_bytes
    assert layout.root.size_bytes > used * 13 // 12 + 100 * MIB


@given(size=st.integers(4 * GIB, 64 * GIB))
def test_a_size_is_kept_but_for_the_last_few_megabytes(size: int) -> None:
    layout = lay_out(used_bytes=GIB, disk_id=1, size_bytes=size)
    assert size - ALIGN_BYTES < layout.size_bytes <= size


def test_a_card_that_is_too_small_is_refused() -> None:
    with pytest.raises(RequestError, match="too small: this system needs"):
        lay_out(used_bytes=2 * GIB, disk_id=1, size_bytes=2 * GIB)


def test_the_table_as_sfdisk_reads_it() -> None:
    layout = lay_out(used_bytes=GIB, disk_id=0xA1B2, size_bytes=4 * GIB)
    lines = sfdisk_script(layout).splitlines()
    assert lines[:4] == ["label: dos", "label-id: 0x0000a1b2", "unit: sectors", "sector-size: 512"]
    assert lines[4] == "start=8192, size=1048576, type=c"
    assert lines[5] == f"start=1056768, size={layout.root.size_bytes // SECTOR_BYTES}, type=83"


def test_one_name_for_a_partition_everywhere() -> None:
    root, boot = partuuid(0xA1B2, 2), partuuid(0xA1B2, 1)
    assert root == "0000a1b2-02"  # as the kernel prints it: 8 and 2 digits in hexadecimal
    assert f'ROOTPART="PARTUUID={root}"' in firmware.settings(root).splitlines()
    table = [line.split() for line in firmware.fstab(boot, root).splitlines()[1:]]
    assert [row[:3] for row in table] == [
        ["PARTUUID=0000a1b2-02", "/", "ext4"],
        ["PARTUUID=0000a1b2-01", "/boot/firmware", "vfat"],
    ]


def test_settings_of_the_firmware_are_a_shell_s() -> None:
    words = firmware.settings("1-02").splitlines()[1:]
    assert {word.partition("=")[0] for word in words} == {"ROOTPART", "CONSOLES", "CMA"}
    assert "CMA=0" in words  # a Pi 4 does not boot with the hook's default, and no hook can see it while we build


def test_disk_ids_are_never_none() -> None:
    assert all(0 < fresh_disk_id() < 2**32 for _ in range(100))
