"""Real file systems to make roots on, each in a file of its own and gone afterwards whatever happened."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from graped.config.types import Strategy
from graped.netboot.mountinfo import mounted_below
from tests.netboot.roots.rig import Rig

SIZE_BYTES = 600_000_000  # sparse; xfs makes none below 300 MB
CLONE_NEWNS = 0x00020000  # <linux/sched.h>
MEMORY = Path("/dev/shm")  # everything is synced all the time, which costs nothing there
FILE_SYSTEM = {
    Strategy.OVERLAY: "ext4",
    Strategy.BTRFS: "btrfs",
    Strategy.REFLINK: "xfs",
    Strategy.COPY: "ext4",
    Strategy.EPHEMERAL: "ext4",
}


def run(*argv: str) -> None:
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)


@pytest.fixture
def own_mounts() -> Iterator[None]:
    """Mount in a namespace of our own: a program of another test that copies all mounts would keep ours in use."""
    if os.geteuid() != 0:
        pytest.skip("needs root: roots are mounted")
    folder, before = Path.cwd(), os.open("/proc/self/ns/mnt", os.O_RDONLY)
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.unshare(CLONE_NEWNS) == 0, os.strerror(ctypes.get_errno())
    try:
        run("mount", "--make-rprivate", "/")
        yield
    finally:
        assert libc.setns(before, CLONE_NEWNS) == 0, os.strerror(ctypes.get_errno())
        os.close(before)
        os.chdir(folder)  # setns has gone to /


@pytest.fixture
def disk(tmp_path: Path, own_mounts: None) -> Iterator[Callable[[str], Path]]:
    """Make a file system of a kind and mount it."""
    made: list[Path] = []

    def make(kind: str) -> Path:
        if shutil.which(f"mkfs.{kind}") is None:
            pytest.skip(f"needs mkfs.{kind}")
        folder = tmp_path / kind
        folder.mkdir()
        with tempfile.NamedTemporaryFile(dir=MEMORY if MEMORY.is_dir() else tmp_path) as image:
            image.truncate(SIZE_BYTES)
            run(f"mkfs.{kind}", "-q", image.name)
            run("mount", "-o", "loop", image.name, str(folder))
        made.append(folder)  # the file has no name any more: it goes with the mount
        return folder

    yield make
    for folder in made:
        for point in mounted_below(folder):
            run("umount", "--lazy", str(point))  # the test has ended: what it left open must not stay


@pytest.fixture
def rig(disk: Callable[[str], Path]) -> Rig:
    """Roots on ext4."""
    return Rig(disk("ext4"))


@pytest.fixture(params=[one for one in Strategy if one is not Strategy.AUTO])
def strategy(request: pytest.FixtureRequest) -> Strategy:
    one: Strategy = request.param
    return one


@pytest.fixture
def rig_of(strategy: Strategy, disk: Callable[[str], Path]) -> Rig:
    """Roots on a file system that can do the strategy."""
    return Rig(disk(FILE_SYSTEM[strategy]))
