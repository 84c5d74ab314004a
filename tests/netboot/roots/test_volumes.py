"""The volume of a node: a real ext4 file, in a folder that the node can write."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from graped.errors import CommandFailed, Conflict, NodeOn
from graped.netboot.roots.volumes import (
    ensure_volume,
    file_system_bytes,
    recover_volumes,
    volume_folder,
    volume_fstab,
)
from graped.runner import Output, SubprocessRunner

NODE = "worker-0-0"
MB = 1_000_000

pytestmark = pytest.mark.skipif(shutil.which("mkfs.ext4") is None, reason="needs e2fsprogs")


class Failing(SubprocessRunner):
    """A machine on which one program fails."""

    def __init__(self, program: str) -> None:
        super().__init__()
        self._program = program

    def run(
        self,
        argv: tuple[str, ...],
        *,
        timeout_s: float,
        expect: frozenset[int] = frozenset({0}),
        env: Mapping[str, str] | None = None,
    ) -> Output:
        if argv[0] == self._program:
            raise CommandFailed(f"{argv[0]} fails in this test")
        return super().run(argv, timeout_s=timeout_s, expect=expect, env=env)


class Slow(SubprocessRunner):
    """A machine that is slow to make a file system, and counts them."""

    made = 0

    def run(
        self,
        argv: tuple[str, ...],
        *,
        timeout_s: float,
        expect: frozenset[int] = frozenset({0}),
        env: Mapping[str, str] | None = None,
    ) -> Output:
        Slow.made += 1
        time.sleep(0.2)
        return super().run(argv, timeout_s=timeout_s, expect=expect, env=env)


def size_of(path: Path) -> int | None:
    with path.open("rb") as stream:
        return file_system_bytes(stream.read(2048))


def sound(path: Path) -> bool:
    return SubprocessRunner().run(("e2fsck", "-f", "-n", str(path)), timeout_s=60.0).code == 0


def test_a_volume_takes_no_room_until_it_is_written(tmp_path: Path) -> None:
    path = ensure_volume(tmp_path, NODE, 4_000 * MB, SubprocessRunner())
    assert path == volume_folder(tmp_path, NODE) / "docker.img"
    assert path.stat().st_size == 4_000 * MB
    assert path.stat().st_blocks * 512 < 20 * MB
    assert size_of(path) == 4_000 * MB // 4096 * 4096
    assert sound(path)
    assert oct(path.stat().st_mode) == "0o100600"
    assert (tmp_path / "volumes").stat().st_mode & 0o777 == 0o700


def test_it_grows_while_its_node_is_off_and_never_shrinks(tmp_path: Path) -> None:
    runner = SubprocessRunner()
    path = ensure_volume(tmp_path, NODE, 50 * MB, runner)
    inode = path.stat().st_ino
    with pytest.raises(NodeOn, match="has to grow"):
        ensure_volume(tmp_path, NODE, 80 * MB, runner)
    assert size_of(path) == 50 * MB // 4096 * 4096
    ensure_volume(tmp_path, NODE, 80 * MB, runner, node_off=True)
    assert size_of(path) == 80 * MB // 4096 * 4096
    ensure_volume(tmp_path, NODE, 50 * MB, runner, node_off=True)
    ensure_volume(tmp_path, NODE, 80 * MB, runner)  # nothing to do: the node may be on
    assert size_of(path) == 80 * MB // 4096 * 4096
    assert path.stat().st_ino == inode
    assert sound(path)


def test_a_growth_that_was_interrupted_goes_on(tmp_path: Path) -> None:
    path = ensure_volume(tmp_path, NODE, 50 * MB, SubprocessRunner())
    with pytest.raises(CommandFailed):
        ensure_volume(tmp_path, NODE, 80 * MB, Failing("resize2fs"), node_off=True)
    assert path.stat().st_size == 80 * MB
    assert sound(path)
    ensure_volume(tmp_path, NODE, 80 * MB, SubprocessRunner(), node_off=True)
    assert size_of(path) == 80 * MB // 4096 * 4096


def test_a_making_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed):
        ensure_volume(tmp_path, NODE, 50 * MB, Failing("mkfs.ext4"))
    assert os.listdir(volume_folder(tmp_path, NODE)) == []
    assert os.listdir(tmp_path / "volumes") == [NODE]


def test_what_a_crash_left_is_removed_and_volumes_stay(tmp_path: Path) -> None:
    path = ensure_volume(tmp_path, NODE, 50 * MB, SubprocessRunner())
    (tmp_path / "volumes" / ".new-worker-0-1-abc").write_text("half")
    assert recover_volumes(tmp_path) == (".new-worker-0-1-abc",)
    assert recover_volumes(tmp_path) == ()
    assert path.exists()


@pytest.mark.parametrize("evil", ["link", "folder", "pipe", "junk", "empty"])
def test_what_a_node_puts_in_its_place_is_not_followed(tmp_path: Path, evil: str) -> None:
    precious = ensure_volume(tmp_path, "worker-0-1", 50 * MB, SubprocessRunner())
    path = volume_folder(tmp_path, NODE) / "docker.img"
    path.parent.mkdir()
    match evil:
        case "link":
            path.symlink_to(precious)
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
        case "junk":
            path.write_bytes(bytes(5000))
        case _:
            path.touch()
    with pytest.raises(Conflict, match="no ext4"):
        ensure_volume(tmp_path, NODE, 80 * MB, SubprocessRunner(), node_off=True)
    assert size_of(precious) == 50 * MB // 4096 * 4096


def test_a_size_beyond_32_bits_of_blocks_is_read() -> None:
    block = bytearray(2048)
    block[1024 + 56 : 1024 + 58] = b"\x53\xef"
    block[1024 + 4 : 1024 + 8] = (7).to_bytes(4, "little")
    block[1024 + 24 : 1024 + 28] = (2).to_bytes(4, "little")  # 4 KiB
    assert file_system_bytes(bytes(block)) == 7 * 4096
    block[1024 + 336 : 1024 + 340] = (1).to_bytes(4, "little")
    assert file_system_bytes(bytes(block)) == 7 * 4096  # the upper half counts only with the 64-bit feature
    block[1024 + 96] = 0x80
    assert file_system_bytes(bytes(block)) == (2**32 + 7) * 4096
    assert file_system_bytes(bytes(2048)) is None
    assert file_system_bytes(b"") is None


def test_how_a_node_mounts_it() -> None:
    nfs, loop = volume_fstab(IPv4Address("10.77.0.1"), Path("/var/lib/grape/netboot/volumes/worker-0-0"))
    assert nfs.split()[:3] == [
        "10.77.0.1:/var/lib/grape/netboot/volumes/worker-0-0", "/srv/grape/volume", "nfs"
    ]  # fmt: skip
    assert loop.split()[:3] == ["/srv/grape/volume/docker.img", "/var/lib/docker", "ext4"]
    for line in (nfs, loop):
        options = line.split()[3].split(",")
        assert {"_netdev", "nofail"} <= set(options)
        assert len(line.split()) == 6
    assert "x-systemd.requires-mounts-for=/srv/grape/volume" in loop
    with pytest.raises(ValueError, match="host name"):
        volume_folder(Path("/x"), "../y")


def test_two_who_make_it_at_once_make_it_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        for made in [pool.submit(ensure_volume, tmp_path, NODE, 50 * MB, Slow()) for _ in range(4)]:
            made.result(timeout=60)
    assert Slow.made == 1
