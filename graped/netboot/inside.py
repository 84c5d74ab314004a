"""Paths inside an untrusted root: looked up as a program in that root would, and never out of it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

LINKS_MAX: Final = 40  # as many as the kernel follows, path_resolution(7)
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def resolve(root: Path, path: str) -> Path | None:
    """Find what ``path`` is for a program whose ``/`` is ``root``; None where it leads to nothing.

    Links are followed inside ``root``: an absolute one starts again at ``root``, ``..`` stops there.
    The answer is a path below ``root`` with no link in it, good for as long as nobody changes the tree.
    """
    todo = [part for part in reversed(path.split("/")) if part not in ("", ".")]
    done: list[str] = []
    links = 0
    while todo:
        part = todo.pop()
        if part == "..":
            del done[-1:]
            continue
        here = root.joinpath(*done, part)
        try:
            target = os.readlink(here)
        except OSError as error:
            if error.errno != errno.EINVAL:  # EINVAL: it is there, and no link
                return None
            done.append(part)
            continue
        links += 1
        if links > LINKS_MAX:
            return None
        if target.startswith("/"):
            done.clear()
        todo += [step for step in reversed(target.split("/")) if step not in ("", ".")]
    return root.joinpath(*done)


@contextmanager
def folder_inside(root: Path, path: str) -> Iterator[int]:
    """Open the folder ``path`` below ``root`` and hold it, whoever swaps what on the way: no link is followed.

    Raises: OSError (ENOTDIR or ELOOP where a part of the path is a link).
    """
    descriptor = os.open(root, _FOLDER)
    try:
        for part in path.split("/"):
            if part in ("", "."):
                continue
            if part == "..":
                raise OSError(errno.EINVAL, "a path with '..' is not looked up", path)
            deeper = os.open(part, _FOLDER, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = deeper
        yield descriptor
    finally:
        os.close(descriptor)
