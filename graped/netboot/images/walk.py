"""Go through a tree in one canonical order without ever following a link, also while somebody changes it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from graped.errors import BadImage

DEPTH_MAX: Final = 200  # a descriptor is held for each level, and 1024 is all that a daemon has
FOLDER_FLAGS: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing in the tree. ``folder`` is an open descriptor, good until the walk goes on."""

    path: str  # below the root, "" for the root itself
    folder: int  # where it is
    name: str  # its name there, "." for the root
    status: os.stat_result
    leaving: bool = False  # a folder whose content is behind us

    @property
    def key(self) -> list[bytes]:
        """What the order is by: the path, part by part, as bytes."""
        return order(self.path)

    @property
    def handle(self) -> str:
        """A path for calls that take no descriptor; its last part may be a link that must not be followed."""
        return f"/proc/self/fd/{self.folder}/{self.name}"


@dataclass(frozen=True, slots=True)
class _Level:
    descriptor: int
    entry: Entry
    names: Iterator[str]


def order(path: str) -> list[bytes]:
    """Give the key by which paths of a tree are ordered."""
    return os.fsencode(path).split(b"/") if path else []


def walk(root: Path, *, leaving: bool = False) -> Iterator[Entry]:
    """Yield the root, then everything below it: names in byte order, a folder before what is in it.

    With ``leaving`` each folder comes a second time after its content. What vanishes meanwhile is passed over.
    Another file system mounted in the tree is not entered. Raises: BadImage where the tree is absurdly deep.
    """
    descriptor = os.open(root, FOLDER_FLAGS)
    status = os.fstat(descriptor)
    top = Entry("", descriptor, ".", status)
    levels = [_Level(descriptor, top, _names(descriptor))]
    try:
        yield top
        while levels:
            level = levels[-1]
            name = next(level.names, None)
            if name is None:
                if leaving:
                    yield Entry(level.entry.path, level.entry.folder, level.entry.name, level.entry.status, True)
                levels.pop()
                os.close(level.descriptor)
                continue
            entry = _look(level, name)
            if entry is None:
                continue
            deeper = _enter(entry, status.st_dev)
            if deeper is not None:
                if len(levels) >= DEPTH_MAX:
                    os.close(deeper)
                    raise BadImage(f"folders are nested more than {DEPTH_MAX} deep at {entry.path[:80]}...")
                levels.append(_Level(deeper, entry, _names(deeper)))
            yield entry
            if deeper is None and leaving and stat.S_ISDIR(entry.status.st_mode):
                yield Entry(entry.path, entry.folder, entry.name, entry.status, True)
    finally:
        for level in levels:
            os.close(level.descriptor)


def _names(descriptor: int) -> Iterator[str]:
    return iter(sorted(os.listdir(descriptor), key=os.fsencode))


def _look(level: _Level, name: str) -> Entry | None:
    try:
        status = os.stat(name, dir_fd=level.descriptor, follow_symlinks=False)
    except FileNotFoundError:
        return None
    above = level.entry.path
    return Entry(f"{above}/{name}" if above else name, level.descriptor, name, status)


def _enter(entry: Entry, device: int) -> int | None:
    """Open the folder that ``entry`` is; None where it is none, no longer one, or where another disk begins."""
    if not stat.S_ISDIR(entry.status.st_mode) or entry.status.st_dev != device:
        return None
    try:
        return os.open(entry.name, FOLDER_FLAGS, dir_fd=entry.folder)
    except (FileNotFoundError, NotADirectoryError):  # somebody was quicker
        return None
