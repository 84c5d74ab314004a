"""A disk is made of a tree, and taken apart again by those who know nothing of how it was made."""

from __future__ import annotations

import hashlib
import lzma
import os
import shutil
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from graped.netboot.images.partitions import HEAD_BYTES, SUPERBLOCK_OFFSET, ext, is_fat, partitions
from graped.netboot.images.store import ImageStore
from graped.runner import SubprocessRunner
from graped.work import Work
from master_setup.image.disk import make_disk, used_bytes
from master_setup.image.layout import Layout, lay_out
from master_setup.image.progress import Progress
from master_setup.image.release import Release, pack, publish, release
from tests.netboot.images.building import boot_files, plain_tree, portrait, rich_tree
from tests.netboot.images.conftest import Disk

SBIN = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
TOOLS = ("sfdisk", "mkfs.vfat", "mcopy", "mke2fs", "xz", "bmaptool")
DISK_ID = 0x6772_6170
SECOND_NS = 10**9


@pytest.fixture(autouse=True)
def _tools(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = [tool for tool in TOOLS if shutil.which(tool, path=SBIN) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}: apt install fdisk dosfstools mtools e2fsprogs xz-utils bmap-tools")
    monkeypatch.setenv("PATH", SBIN)


def made(tree: Path, image: Path) -> Layout:
    layout = lay_out(used_bytes=used_bytes(tree), disk_id=DISK_ID)
    make_disk(tree, image, layout, SubprocessRunner(), lambda _: None)
    return layout


def test_what_graped_sees_in_it(tmp_path: Path) -> None:
    tree = plain_tree(tmp_path / "tree")
    layout = made(tree, tmp_path / "disk.img")
    with (tmp_path / "disk.img").open("rb") as stream:
        head = stream.read(HEAD_BYTES)
        first, second = partitions(head)
        stream.seek(first.start)
        assert is_fat(stream.read(512))
        stream.seek(second.start + SUPERBLOCK_OFFSET)
        root = ext(stream.read(1024))
    assert (first.start, first.size) == (layout.boot.start_bytes, layout.boot.size_bytes)
    assert (second.start, second.size) == (layout.root.start_bytes, layout.root.size_bytes)
    assert int.from_bytes(head[440:444], "little") == DISK_ID
    assert root is not None
    assert root.size == layout.root.size_bytes
    assert not root.needs_recovery
    status = (tmp_path / "disk.img").stat()
    assert status.st_size == layout.size_bytes
    assert status.st_blocks * 512 < 40_000_000  # what is empty takes no room
    assert list((tree / "boot/firmware").iterdir()) == []  # lies in the other partition


@pytest.mark.lab
def test_an_import_gives_the_same_tree(tmp_path: Path, disk: Disk) -> None:
    tree, boot = rich_tree(tmp_path / "tree"), boot_files(tmp_path / "boot")
    shutil.rmtree(tree / "boot/firmware")
    shutil.copytree(boot, tree / "boot/firmware")
    before = portrait(tree, grain_ns=SECOND_NS, skip=frozenset({"boot"}))
    image = tmp_path / "disk.img"
    made(tree, image)
    store = ImageStore(disk(1_500_000_000) / "images", SubprocessRunner(), lambda: 1_700_000_000.0)
    with image.open("rb") as stream:
        record = store.import_stream("master", stream, "master.img", Work(), size_bytes=image.stat().st_size)
    root = store.root(record)
    assert portrait(root, grain_ns=SECOND_NS, skip=frozenset({"boot", "lost+found"})) == before
    held = portrait(root / "boot/firmware")
    for name, file in portrait(boot).items():
        if name not in (".", "hard links"):
            assert held[name][4] == file[4], name


def test_three_files_that_agree(tmp_path: Path) -> None:
    made(plain_tree(tmp_path / "tree"), tmp_path / "disk.img")
    told: list[Progress] = []
    room = tmp_path / "room"
    room.mkdir()
    packed = pack(
        tmp_path / "disk.img", room, "grape.img.xz", level=0, runner=SubprocessRunner(), tell=told.append
    )  # fmt: skip
    wanted = release(tmp_path / "grape.img.xz")
    publish(packed, wanted)
    assert sorted(path.name for path in wanted.files) == ["grape.img.bmap", "grape.img.xz", "grape.img.xz.sha256"]
    assert list(room.iterdir()) == []

    image = wanted.image.read_bytes()
    assert wanted.checksum.read_text() == f"{hashlib.sha256(image).hexdigest()}  grape.img.xz\n"
    assert lzma.decompress(image) == (tmp_path / "disk.img").read_bytes()
    assert [one.done for one in told if one.phase == "compress"][-1] == (tmp_path / "disk.img").stat().st_size
    _check_bmap(wanted, tmp_path / "disk.img")


def _check_bmap(wanted: Release, disk: Path) -> None:
    """Flash it by its map onto a card that is full of something else, and compare what is in it."""
    rows = ET.parse(wanted.bmap).getroot()
    assert int(rows.findtext("ImageSize") or 0) == disk.stat().st_size
    data = disk.read_bytes()
    card = bytearray(b"\xff" * len(data))
    for row in rows.findall("BlockMap/Range"):
        first, _, last = (row.text or "").strip().partition("-")
        start, end = int(first) * 4096, min((int(last or first) + 1) * 4096, len(data))
        assert hashlib.sha256(data[start:end]).hexdigest() == row.get("chksum")
        card[start:end] = data[start:end]
    flashed = disk.with_name("card.img")
    flashed.write_bytes(card)
    (_, root) = partitions(bytes(card[:HEAD_BYTES]))
    whole = disk.with_name("root.ext4")
    with whole.open("wb") as stream:
        stream.write(card[root.start : root.end])
    subprocess.run(("e2fsck", "-f", "-n", whole), check=True, capture_output=True)
    listed = subprocess.run(("debugfs", "-R", "cat /etc/hostname", whole), capture_output=True, text=True, check=True)
    assert listed.stdout == "raspberrypi\n"
