"""A real file system for /var/lib/docker: one ext4 file a node, beside its roots, reached over NFS by a loop mount.

It survives reset, rollback and new images, grows when more is asked for, never shrinks and is never removed here.
The node writes into the folder, so its name may be anything by now: it is opened without following a link, and
programs are given the open file, not the name.
"""

from __future__ import annotations

import fcntl
import os
import stat
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final

from graped.errors import Conflict, NodeOn
from graped.files import sync_folder
from graped.netboot.roots.records import NODE
from graped.runner import Runner

FILE: Final = "docker.img"
MOUNT_POINT: Final = "/srv/grape/volume"  # where a node sees its folder
TIMEOUT_S: Final = 600.0  # a check of a large volume on a slow disk
_PARTIAL: Final = ".new-"
_SUPERBLOCK: Final = 1024  # its offset; see ext4's on-disk layout, "The Super Block"
_MAGIC: Final = 0xEF53


def volume_folder(folder: Path, node: str) -> Path:
    """Where a node's volume is: exported to that node alone, writable. Raises ValueError for no host name."""
    if not NODE.fullmatch(node):
        raise ValueError(f"not a host name: {node!r}")
    return folder / "volumes" / node


def volume_fstab(master: IPv4Address, exported: Path) -> tuple[str, ...]:
    """Say how a node mounts it. A node whose volume is missing boots all the same (``nofail``). Pure."""
    # addr: the kernel alone can mount it then, on a node without mount.nfs
    nfs = f"{master}:{exported} {MOUNT_POINT} nfs vers=3,tcp,nolock,addr={master},_netdev,nofail 0 0"
    options = f"loop,_netdev,nofail,x-systemd.requires-mounts-for={MOUNT_POINT},x-systemd.before=docker.service"
    return (nfs, f"{MOUNT_POINT}/{FILE} /var/lib/docker ext4 {options} 0 0")


def ensure_volume(folder: Path, node: str, size_bytes: int, runner: Runner, *, node_off: bool = False) -> Path:
    """Have a volume of at least this size; return its path.

    A file system that a node has mounted must not be made larger under it: that needs ``node_off``.

    Raises NodeOn where it has to grow and the node may be on, Conflict where the file is no ext4 file system any more.
    """
    home = volume_folder(folder, node)
    home.parent.mkdir(mode=0o700, exist_ok=True)
    home.mkdir(mode=0o755, exist_ok=True)
    path = home / FILE
    with _alone(home):
        try:
            with _opened(path) as descriptor:
                has_bytes = file_system_bytes(os.pread(descriptor, _SUPERBLOCK + 1024, 0))
                if has_bytes is None:
                    raise _no_volume(path)
                if has_bytes < size_bytes - size_bytes % 4096:
                    _grow(descriptor, node, size_bytes, runner, node_off=node_off)
        except FileNotFoundError:
            _make(path, size_bytes, runner)
    return path


def recover_volumes(folder: Path) -> tuple[str, ...]:
    """Remove what a crash left of volumes that were being made."""
    partial = sorted((folder / "volumes").glob(f"{_PARTIAL}*"))
    for path in partial:
        path.unlink()
    return tuple(path.name for path in partial)


def file_system_bytes(start: bytes) -> int | None:
    """Read the size of an ext2/3/4 file system out of its first 2048 bytes; None where it is none. Pure."""
    block = start[_SUPERBLOCK:]
    if len(block) < 1024 or struct.unpack_from("<H", block, 56)[0] != _MAGIC:
        return None
    low, log_size = struct.unpack_from("<I", block, 4)[0], struct.unpack_from("<I", block, 24)[0]
    is_64_bit = struct.unpack_from("<I", block, 96)[0] & 0x80  # INCOMPAT_64BIT
    high = struct.unpack_from("<I", block, 336)[0] if is_64_bit else 0
    return int((high << 32 | low) << (10 + log_size)) if log_size <= 6 else None


def _make(path: Path, size_bytes: int, runner: Runner) -> None:
    """Make it where no node can reach it, then put it into place."""
    descriptor, name = tempfile.mkstemp(dir=path.parent.parent, prefix=f"{_PARTIAL}{path.parent.name}-")
    try:
        os.ftruncate(descriptor, size_bytes)
        lazy = "lazy_itable_init=1,lazy_journal_init=1"  # what is not written needs no room
        runner.run(("mkfs.ext4", "-q", "-F", "-m", "0", "-L", "grape-docker", "-E", lazy, name), timeout_s=TIMEOUT_S)
        os.fsync(descriptor)
        os.rename(name, path)
        sync_folder(path.parent)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)


def _grow(descriptor: int, node: str, size_bytes: int, runner: Runner, *, node_off: bool) -> None:
    """Grow the file, then the file system: after a crash in between it is the file system that is too small."""
    if not node_off:
        raise NodeOn(f"the volume of {node} has to grow, which needs the node off", hint=f"grapecli power off {node}")
    if os.fstat(descriptor).st_size < size_bytes:
        os.ftruncate(descriptor, size_bytes)
    name = f"/proc/{os.getpid()}/fd/{descriptor}"
    runner.run(("e2fsck", "-f", "-p", name), timeout_s=TIMEOUT_S, expect=frozenset({0, 1}))  # 1: repaired
    runner.run(("resize2fs", name), timeout_s=TIMEOUT_S)
    os.fsync(descriptor)


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Be the only one who makes or grows the volume in this folder."""
    descriptor = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    """Open the file itself. Raises FileNotFoundError, Conflict where it is something else."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _no_volume(path) from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise _no_volume(path)
        yield descriptor
    finally:
        os.close(descriptor)


def _no_volume(path: Path) -> Conflict:
    return Conflict(f"{path} is no ext4 file system", hint="Move it away; a new one is made at the next start.")
