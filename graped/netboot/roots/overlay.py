"""A root as an overlay: the image below, never touched; what the node writes above, in ``upper``.

Made, mounted with ``nfs_export``, and copied with its index. The index is what ties the names of one file of the image
together once it was changed through one of them: a copy of ``upper`` alone would show the old content behind the
other names. Its entries for folders name folders of the old ``upper`` by handle; they are left out, and the kernel does
without. Source: overlayfs.rst, "Index" and "NFS export".
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Final

from graped.errors import BadImage
from graped.files import remove_tree
from graped.netboot.images.copy import measure
from graped.netboot.images.space import Space
from graped.netboot.roots.mounting import own_id
from graped.netboot.roots.strategies import Way
from graped.runner import Runner
from graped.work import Work

COPY_TIMEOUT_S: Final = 3600.0
_HANDLE: Final = "trusted.overlay.upper"


class Overlay(Way):
    """Two empty folders and a mount."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def make(self, lower: Path, home: Path, work: Work) -> None:
        """See Way."""
        for name in ("upper", "work", "fs"):
            (home / name).mkdir(mode=0o755)
        like(lower, home / "upper")  # the root of the overlay is seen with the attributes of its upper layer

    def clone(self, source: Path, home: Path, work: Work) -> None:
        """See Way."""
        Space(home).need(measure(source / "upper", work).size_bytes, "the copy of what the node has changed")
        (home / "fs").mkdir(mode=0o755)
        (home / "work").mkdir(mode=0o755)
        index = source / "work" / "index"
        layers = [str(source / "upper"), *([str(index)] if index.is_dir() else [])]
        work.phase("copy", unit="")
        # One cp for both: a changed file of the image is one inode in them.
        argv = ("cp", "-a", "--reflink=auto", "--sparse=auto", "--", *layers, str(home))
        self._runner.run(argv, timeout_s=COPY_TIMEOUT_S)
        work.check()
        own_id(home / "upper", anew=True)
        if index.is_dir():
            _clean_index(home / "index")
            (home / "index").rename(home / "work" / "index")


def lay_folders(lower: Path, upper: Path, names: Iterable[str]) -> None:
    """Make the folders of these files in the upper layer of an overlay that is not mounted, as they are in the image.

    Files that are put there before the first mount cost nothing; written through the overlay, each that the image has
    would be copied up and synced first. Raises BadImage where a folder of the image is none, or a file is one.
    """
    names = tuple(names)
    ways = {str(way): None for name in names for way in reversed(PurePosixPath(name).parents) if way.name}
    for way in ways:
        below, above = lower / way, upper / way
        if below.is_symlink() or (below.exists() and not below.is_dir()):
            raise BadImage(f"{way} in the image is a link or a file, not a folder", hint="Prepare the image again.")
        if below.is_dir() and not above.exists():
            above.mkdir()
            like(below, above)
    for name in names:  # no link on the way: that was looked at
        if (lower / name).is_dir() and not (lower / name).is_symlink():
            raise BadImage(f"{name} in the image is a folder, where a file is to be written")


def like(source: Path, target: Path) -> None:
    """Give a folder the owner, mode, times and attributes of another."""
    status = source.stat()
    os.chown(target, status.st_uid, status.st_gid)
    shutil.copystat(source, target)


def _clean_index(index: Path) -> None:
    with contextlib.suppress(OSError):
        os.removexattr(index, _HANDLE)  # the handle of the upper layer that it belonged to
    for entry in list(os.scandir(index)):
        if entry.is_dir(follow_symlinks=False):
            remove_tree(Path(entry.path))
        elif entry.name.startswith("#"):  # a temporary of the kernel's
            os.unlink(entry.path)
