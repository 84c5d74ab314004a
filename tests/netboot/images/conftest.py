"""A store on a disk of its own, so that it can be filled up, synced quickly, and looked through for leftovers."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from graped.netboot.images.store import ImageStore
from graped.runner import SubprocessRunner
from tests.netboot.images.building import boot_files, disk_image, rich_tree, run

Disk = Callable[[int], Path]
TOOLS = ("mkfs.ext4", "mkfs.vfat", "mcopy", "e2fsck", "losetup", "mount")


@pytest.fixture
def root_tools() -> None:
    """Skip where a loop device cannot be mounted or a tool is missing."""
    if os.geteuid() != 0:
        pytest.skip("needs root: loop devices, owners and device nodes")
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    missing = [tool for tool in TOOLS if shutil.which(tool, path=path) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}: apt install e2fsprogs dosfstools mtools util-linux mount")


@pytest.fixture
def disk(root_tools: None) -> Iterator[Disk]:
    """Make ext4 disks of some bytes in memory, mounted; gone afterwards."""
    home = Path(tempfile.mkdtemp(prefix="grape-images-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
    points: list[Path] = []

    def make(size_bytes: int) -> Path:
        image, point = home / f"{len(points)}.ext4", home / f"{len(points)}"
        image.touch()
        os.truncate(image, size_bytes)
        run("mkfs.ext4", "-q", "-F", "-O", "^has_journal", "-m", "0", image)
        point.mkdir()
        run("mount", "-o", "loop", image, point)
        points.append(point)
        return point

    yield make
    for point in reversed(points):
        for _ in range(20):
            if subprocess.run(["umount", "-R", point], capture_output=True).returncode == 0 or not point.is_mount():
                break
            subprocess.run(["umount", "-l", point], capture_output=True)
    shutil.rmtree(home)


@pytest.fixture
def store(disk: Disk) -> ImageStore:
    return ImageStore(disk(200_000_000) / "images", SubprocessRunner(), lambda: 1_700_000_000.0)


@pytest.fixture(scope="session")
def pi_image(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """Make an .img as of a Pi once; with the tree and the boot files that are in it. For tests with ``root_tools``."""
    folder = tmp_path_factory.mktemp("pi")
    tree, boot = rich_tree(folder / "tree"), boot_files(folder / "boot")
    return disk_image(folder / "pi.img", tree, boot), tree, boot


@pytest.fixture
def img(root_tools: None, request: pytest.FixtureRequest) -> tuple[Path, Path, Path]:
    found: tuple[Path, Path, Path] = request.getfixturevalue("pi_image")
    return found
