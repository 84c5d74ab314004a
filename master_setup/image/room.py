"""The folder in which something is built, beside what it becomes: gone at the end, however that comes."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from graped.errors import Conflict, NoSpace
from graped.files import remove_tree


@contextmanager
def room(target: Path) -> Iterator[Path]:
    """Give an empty folder on the file system of ``target``, and hold it. What a killed build has left is removed.

    Raises: Conflict where another build of the same target runs, OSError.
    """
    folder = target.parent / f".{target.name}.building"
    folder.mkdir(exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        _hold(descriptor, target)
        try:
            for entry in folder.iterdir():
                remove_tree(entry)
            yield folder
        finally:
            remove_tree(folder)
    finally:
        os.close(descriptor)


def need(folder: Path, size_bytes: int, what: str) -> None:
    """Refuse early what cannot fit. Raises: NoSpace."""
    disk = os.statvfs(folder)
    free = disk.f_bavail * disk.f_frsize
    if size_bytes > free:
        raise NoSpace(
            f"{what} needs {size_bytes / 1e9:.1f} GB, {free / 1e9:.1f} GB are free in {folder.parent}",
            hint="Choose a folder on a larger disk with --out.",
        )


def _hold(descriptor: int, target: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Conflict(f"{target} is being built already", hint="Wait for it, or choose another name.") from None
