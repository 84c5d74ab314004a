"""Three calls of the kernel that Python's standard library lacks: file handles, a file system's sync, shared blocks."""

from __future__ import annotations

import ctypes
import fcntl
import os
from pathlib import Path
from typing import Final

AT_FDCWD: Final = -100
HANDLE_LIMIT: Final = 128  # MAX_HANDLE_SZ of <fcntl.h>
FICLONE: Final = 0x40049409  # _IOW(0x94, 9, int) of <linux/fs.h>
_libc: Final = ctypes.CDLL(None, use_errno=True)


class _Handle(ctypes.Structure):
    """``struct file_handle``; see name_to_handle_at(2)."""

    _fields_ = (
        ("size", ctypes.c_uint),
        ("kind", ctypes.c_int),
        ("data", ctypes.c_ubyte * HANDLE_LIMIT),
    )


def file_handle(path: Path) -> tuple[int, bytes]:
    """Return kind and bytes of the handle by which an NFS server knows a file. Raises OSError where there is none."""
    handle, mount_id = _Handle(size=HANDLE_LIMIT), ctypes.c_int()
    _called(_libc.name_to_handle_at(AT_FDCWD, os.fsencode(path), ctypes.byref(handle), ctypes.byref(mount_id), 0), path)
    return handle.kind, bytes(handle.data[: handle.size])


def open_handle(mount: Path, kind: int, data: bytes) -> int:
    """Open the file of a handle for reading, as an NFS server does; return a descriptor. Raises OSError (ESTALE)."""
    handle = _Handle(size=len(data), kind=kind, data=(ctypes.c_ubyte * HANDLE_LIMIT)(*data))
    folder = os.open(mount, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        descriptor: int = _libc.open_by_handle_at(folder, ctypes.byref(handle), os.O_RDONLY | os.O_CLOEXEC)
        return _called(descriptor, mount)
    finally:
        os.close(folder)


def sync_file_system(path: Path) -> None:
    """Have everything on the file system of a folder survive a power cut."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _called(_libc.syncfs(folder), path)
    finally:
        os.close(folder)


def share_blocks(source: Path, target: Path) -> None:
    """Make a file with the blocks of another. Raises OSError where the file system cannot."""
    with source.open("rb") as old, target.open("xb") as new:
        fcntl.ioctl(new, FICLONE, old.fileno())


def _called(result: int, path: Path) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(path))
    return result
