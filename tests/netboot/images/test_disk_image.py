"""A disk image becomes a version with everything that is in it, and leaves nothing else."""

from __future__ import annotations

import gzip
import os
import shutil
import zipfile
from pathlib import Path
from typing import BinaryIO, cast

import pytest

from graped.errors import BadImage, Cancelled, NoSpace
from graped.netboot.images.leftovers import LOOPS, loops_below
from graped.netboot.images.space import Space
from graped.netboot.images.store import ImageStore
from graped.netboot.mountinfo import mounted_below
from graped.runner import SubprocessRunner
from graped.work import Progress, Work
from tests.netboot.images.building import (
    BOOT_START,
    IMAGE_END,
    MIB,
    ROOT_START,
    disk_image,
    gpt,
    mbr,
    plain_tree,
    portrait,
    run,
)
from tests.netboot.images.conftest import Disk

pytestmark = pytest.mark.lab
Img = tuple[Path, Path, Path]
SECOND_NS = 10**9
FOUND = frozenset({"lost+found", "boot"})
LINUX = bytes.fromhex("af3dc60f838472478e793d69d8477de4")
ESP = bytes.fromhex("28732ac11ff8d211ba4b00a0c93ec93b")


def seconds(root: Path) -> dict[str, tuple[object, ...]]:
    return portrait(root, grain_ns=SECOND_NS, skip=FOUND)


def assert_nothing_left(store: ImageStore, *refs: str) -> None:
    assert sorted(os.listdir(store.folder)) == sorted(refs)
    assert mounted_below(store.folder) == ()
    assert loops_below(store.folder, LOOPS) == ()


def test_everything_is_kept(store: ImageStore, img: Img) -> None:
    image, tree, boot = img
    with image.open("rb") as stream:
        record = store.import_stream("pi", stream, "pi.img", Work(), size_bytes=image.stat().st_size)
    root = store.root(record)

    assert seconds(root) == seconds(tree)
    held = portrait(root / "boot/firmware")
    for name, file in portrait(boot).items():
        if name not in (".", "hard links"):
            assert held[name][4] == file[4], name
    assert store.boot(record) == root / "boot/firmware"
    assert (record.arch, record.boot, record.prepared) == ("arm64", "boot/firmware", False)
    assert store.verify(record, Work()) == ()
    assert store.all() == (record,)
    assert_nothing_left(store, record.ref)


@pytest.mark.parametrize("packed", ["xz", "gz", "bz2", "zst", "zip"])
def test_packed_images_are_the_same_version(store: ImageStore, img: Img, tmp_path: Path, packed: str) -> None:
    image = img[0]
    with image.open("rb") as stream:
        plain = store.import_stream("pi", stream, "pi.img", Work())
    target = tmp_path / f"pi.img.{packed}"
    match packed:
        case "zip":
            with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr("README.txt", "read me")
                archive.write(image, "2024-03-15-raspios.img")
        case "zst":
            import zstandard

            target.write_bytes(zstandard.compress(image.read_bytes()))
        case _:
            quick = {"xz": ("lzma", {"preset": 0}), "gz": ("gzip", {"compresslevel": 1}), "bz2": ("bz2", {})}
            module, how = quick[packed]
            target.write_bytes(__import__(module).compress(image.read_bytes(), **how))
    with target.open("rb") as stream:
        assert store.import_stream("pi", stream, target.name, Work()) == plain
    assert_nothing_left(store, plain.ref)


def test_boot_files_of_an_older_raspberry_pi_os(store: ImageStore, tmp_path: Path, img: Img) -> None:
    """A FAT32 partition that is mounted at /boot, over what is there in the root file system."""
    tree = plain_tree(tmp_path / "tree")
    shutil.rmtree(tree / "boot/firmware")
    (tree / "boot/config-6.1").write_text("hidden by the mount")
    (tree / "etc/fstab").write_text("PARTUUID=1-01  /boot  vfat  defaults  0  2\n")
    image = disk_image(tmp_path / "pi.img", tree, img[2], fat=32, root_start=41 * MIB)
    with image.open("rb") as stream:
        record = store.import_stream("bullseye", stream, "pi.img", Work())
    root = store.root(record)
    assert record.boot == "boot"
    assert sorted(os.listdir(root / "boot")) == sorted(os.listdir(img[2]))
    assert (root / "boot/kernel8.img").read_bytes() == (img[2] / "kernel8.img").read_bytes()
    assert (root / "boot/overlays").stat().st_mode & 0o7777 == 0o755
    assert (root / "boot/kernel8.img").stat().st_mode & 0o7777 == 0o644
    assert store.verify(record, Work()) == ()


def test_gpt_with_an_efi_partition(store: ImageStore, tmp_path: Path) -> None:
    tree = plain_tree(tmp_path / "tree")
    shutil.rmtree(tree / "boot/firmware")
    (tree / "boot/vmlinuz-6.1").write_text("kernel")
    (tree / "etc/fstab").write_text("")
    (tmp_path / "esp/EFI/BOOT").mkdir(parents=True)
    table = gpt((ESP, BOOT_START, ROOT_START - BOOT_START), (LINUX, ROOT_START, IMAGE_END - ROOT_START))
    image = disk_image(tmp_path / "pc.img", tree, tmp_path / "esp", table)
    with image.open("rb") as stream:
        record = store.import_stream("pc", stream, "pc.img", Work())
    assert record.boot == "boot"
    assert (store.root(record) / "boot/vmlinuz-6.1").read_text() == "kernel"
    assert (store.root(record) / "boot/efi/EFI/BOOT").is_dir()


def test_a_file_system_without_a_table(store: ImageStore, tmp_path: Path) -> None:
    image = tmp_path / "root.ext4"
    image.touch()
    os.truncate(image, 32 * MIB)
    run("mkfs.ext4", "-q", "-F", "-d", plain_tree(tmp_path / "tree"), image)
    with image.open("rb") as stream:
        record = store.import_stream("bare", stream, "root.ext4", Work())
    assert portrait(store.root(record), grain_ns=SECOND_NS, skip=FOUND) == portrait(
        tmp_path / "tree", grain_ns=SECOND_NS, skip=FOUND
    )


def test_an_image_of_a_card_in_use_has_its_journal_replayed(store: ImageStore, disk: Disk, tmp_path: Path) -> None:
    """Copy a mounted file system whose newest file is in the journal only."""
    image, point = tmp_path / "card.img", tmp_path / "point"
    disk_image(image, plain_tree(tmp_path / "tree"), None)
    point.mkdir()
    run("mount", "-o", f"loop,offset={ROOT_START},sizelimit={IMAGE_END - ROOT_START}", image, point)
    try:
        (point / "etc/late").write_text("in the journal")
        os.sync()
        (point / "etc/late").rename(point / "etc/later")
        descriptor = os.open(point / "etc", os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
        shutil.copyfile(image, tmp_path / "copy.img")
    finally:
        run("umount", point)
    with (tmp_path / "copy.img").open("rb") as stream:
        record = store.import_stream("card", stream, "copy.img", Work())
    assert (store.root(record) / "etc/later").read_text() == "in the journal"
    assert not (store.root(record) / "etc/late").exists()


@pytest.mark.parametrize("end", [600, BOOT_START + 100, ROOT_START + 1500, ROOT_START + 20 * MIB, IMAGE_END - 512])
@pytest.mark.parametrize("packed", [False, True])
def test_a_truncated_image(store: ImageStore, img: Img, end: int, packed: bool) -> None:
    data = img[0].read_bytes()[:end]
    if packed:
        data = gzip.compress(data, 1)[:-20]
    with pytest.raises(BadImage) as caught:
        store.import_stream("pi", _stream(data), "pi.img", Work())
    assert "truncated" in caught.value.detail
    assert caught.value.hint
    assert_nothing_left(store)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (mbr((0x0C, BOOT_START, MIB)) + bytes(4 * MIB), "no Linux partition"),
        (mbr((0x83, BOOT_START, MIB)) + bytes(4 * MIB), "no Linux partition"),
        (mbr((0x0F, BOOT_START, MIB)) + bytes(4 * MIB), "logical"),
        (gpt((LINUX, BOOT_START, MIB))[:600] + bytes(4 * MIB), "GPT"),
        (mbr() + bytes(MIB), "no partitions"),
        (b"", "empty"),
        (os.urandom(510) + b"\0\0" + os.urandom(5000), "neither"),
    ],
    ids=["fat", "nothing", "logical", "gpt", "none", "empty", "noise"],
)
def test_no_linux_in_it(store: ImageStore, data: bytes, said: str) -> None:
    with pytest.raises(BadImage, match=said) as caught:
        store.import_stream("pi", _stream(data), "pi.img", Work())
    assert caught.value.hint
    assert_nothing_left(store)


@pytest.mark.parametrize(
    ("start", "size", "said"),
    [(2048, 2048, "cannot be mounted"), (4096, 8 * MIB, "is damaged|cannot be mounted")],
    ids=["group descriptors", "inodes"],
)
def test_a_damaged_file_system(store: ImageStore, img: Img, start: int, size: int, said: str) -> None:
    data = bytearray(img[0].read_bytes())
    for at in range(ROOT_START + start, ROOT_START + start + size, 1024):
        data[at : at + 1024] = os.urandom(1024)
    with pytest.raises(BadImage, match=said):
        store.import_stream("pi", _stream(bytes(data)), "pi.img", Work())
    assert_nothing_left(store)


def test_a_disk_too_small_is_refused_before_it_is_filled(disk: Disk, img: Img, tmp_path: Path) -> None:
    """The superblock says how much is in use: nothing behind it is read."""
    (tmp_path / "fill").mkdir()
    (tmp_path / "fill/big").write_bytes(os.urandom(16 * MIB))
    image = disk_image(tmp_path / "big.img", tmp_path / "fill", img[2])
    store = ImageStore(disk(24 * MIB) / "images", SubprocessRunner(), lambda: 0.0)
    with image.open("rb") as stream, pytest.raises(NoSpace) as caught:
        store.import_stream("pi", stream, "big.img", Work())
    assert stream.closed
    assert "needs" in caught.value.detail
    assert caught.value.hint
    assert_nothing_left(store)


@pytest.mark.parametrize("size", [13, 18, 26])
def test_a_disk_that_is_full_at_last(
    disk: Disk, tmp_path: Path, img: Img, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """With the looks at free space taken away the kernel says it: in the spool, the copy, the boot files."""
    (tmp_path / "fill").mkdir()
    (tmp_path / "fill/big").write_bytes(os.urandom(8 * MIB))
    (tmp_path / "boot").mkdir()
    (tmp_path / "boot/kernel8.img").write_bytes(os.urandom(5 * MIB))
    image = disk_image(tmp_path / "big.img", tmp_path / "fill", tmp_path / "boot")
    store = ImageStore(disk(size * MIB) / "images", SubprocessRunner(), lambda: 0.0)
    monkeypatch.setattr(Space, "free_bytes", lambda _: 2**60)
    phases: list[str] = []
    with image.open("rb") as stream, pytest.raises(NoSpace, match="full"):
        store.import_stream("pi", stream, "big.img", Work(lambda now: phases.append(now.phase)))
    assert phases[-1] == {13: "read", 18: "copy", 26: "boot files"}[size]
    assert_nothing_left(store)


def test_an_empty_boot_partition(store: ImageStore, tmp_path: Path, img: Img) -> None:
    (tmp_path / "boot").mkdir()
    image = disk_image(tmp_path / "empty.img", img[1], tmp_path / "boot")
    with image.open("rb") as stream:
        record = store.import_stream("pi", stream, "empty.img", Work())
    assert record.boot == ""
    assert_nothing_left(store, record.ref)


def test_a_boot_folder_that_is_a_link(store: ImageStore, tmp_path: Path, img: Img) -> None:
    (tmp_path / "tree/etc").mkdir(parents=True)
    (tmp_path / "tree/etc/fstab").write_text("/dev/mmcblk0p1 /boot/x vfat defaults 0 2\n")
    (tmp_path / "tree/boot").symlink_to(tmp_path)
    image = disk_image(tmp_path / "link.img", tmp_path / "tree", img[2])
    with image.open("rb") as stream, pytest.raises(BadImage, match="no folder"):
        store.import_stream("pi", stream, "link.img", Work())
    assert not (tmp_path / "x").exists()
    assert_nothing_left(store)


def test_a_bomb_of_zeros_takes_no_room(store: ImageStore) -> None:
    """A table that claims a terabyte, packed into a megabyte: the first superblock is missing, so it ends there."""
    bomb = gzip.compress(mbr((0x83, BOOT_START, 10**12 // 512 * 512)) + bytes(60 * MIB), 1)
    with pytest.raises(BadImage, match="no Linux partition"):
        store.import_stream("bomb", _stream(bomb), "bomb.img.gz", Work())
    assert_nothing_left(store)


def test_cancelled_in_each_phase(store: ImageStore, img: Img) -> None:
    phases: list[str] = []
    with img[0].open("rb") as stream:
        record = store.import_stream("pi", stream, "pi.img", Work(lambda now: phases.append(now.phase)))
    store.remove(record)
    assert list(dict.fromkeys(phases)) == ["read", "count", "copy", "boot files", "digest", "sync"]
    for phase in dict.fromkeys(phases):
        with img[0].open("rb") as stream, pytest.raises(Cancelled):
            store.import_stream("pi", stream, "pi.img", cancelled_in(phase))
        assert_nothing_left(store)


def cancelled_in(phase: str) -> Work:
    """Work that somebody cancels when a phase is under way."""

    def tell(now: Progress) -> None:
        if now.phase == phase and (now.done or not now.total):
            work.cancel()

    work = Work(tell)
    return work


def _stream(data: bytes) -> BinaryIO:
    return cast("BinaryIO", _Trickle(data))


class _Trickle:
    """A stream as a socket is one: not seekable, and it gives less than it is asked for."""

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)

    def read(self, size: int) -> bytes:
        part, self._data = self._data[: min(size, 100_001)], self._data[100_001 if size > 100_001 else size :]
        return bytes(part)
