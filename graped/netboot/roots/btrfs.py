"""A root as a btrfs snapshot of a subvolume that is made of the image once and shares its blocks."""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from graped.files import remove_tree
from graped.netboot.images.copy import copy_tree
from graped.netboot.roots.strategies import Way
from graped.runner import Runner
from graped.work import Work

SUBVOLUME_INODE: Final = 256  # BTRFS_FIRST_FREE_OBJECTID: the root folder of every subvolume
TIMEOUT_S: Final = 300.0
PARTIAL: Final = ".partial-"


class Btrfs(Way):
    """Snapshots. ``bases`` is where subvolumes of images are kept, by the image's ref."""

    def __init__(self, bases: Path, runner: Runner) -> None:
        self._bases = bases
        self._runner = runner
        self._lock = threading.Lock()  # a base is made once, and not dropped before its first snapshot

    def make(self, lower: Path, home: Path, work: Work) -> None:
        """See Way."""
        with self._lock:
            base = self._bases / lower.parent.name
            if not base.is_dir():
                self._bases.mkdir(mode=0o700, exist_ok=True)
                self._make_base(lower, base, work)
            self._btrfs("subvolume", "snapshot", str(base), str(home / "fs"))

    def clone(self, source: Path, home: Path, work: Work) -> None:
        """See Way."""
        self._btrfs("subvolume", "snapshot", str(source / "fs"), str(home / "fs"))

    def delete_root(self, home: Path) -> None:
        """Remove the subvolume of a generation, where it has one."""
        if is_subvolume(home / "fs"):
            self._delete(home / "fs")

    def drop_bases(self, needed: Iterable[str]) -> tuple[str, ...]:
        """Remove the subvolumes of images that no root uses, and those that are half made."""
        with self._lock:
            found = sorted(self._bases.iterdir()) if self._bases.is_dir() else []
            dropped = [path for path in found if path.name not in set(needed)]
            for path in dropped:
                if is_subvolume(path):
                    self._delete(path)
                remove_tree(path)
        return tuple(path.name for path in dropped)

    def _make_base(self, lower: Path, base: Path, work: Work) -> None:
        """Make the subvolume of an image: complete or not under this name."""
        partial = self._bases / f"{PARTIAL}{secrets.token_hex(4)}"
        try:
            self._btrfs("subvolume", "create", str(partial))
            copy_tree(lower, partial, work, reflink=True)
            partial.rename(base)
        except BaseException:
            if is_subvolume(partial):
                self._delete(partial)
            raise

    def _delete(self, subvolume: Path) -> None:
        self._btrfs("subvolume", "delete", "--commit-after", str(subvolume))

    def _btrfs(self, *words: str) -> None:
        self._runner.run(("btrfs", *words), timeout_s=TIMEOUT_S)


def is_subvolume(path: Path) -> bool:
    """Whether a folder, not a link to one, is the root of a btrfs subvolume (or of a whole btrfs)."""
    try:
        status = path.lstat()
    except OSError:
        return False
    return status.st_ino == SUBVOLUME_INODE and os.major(status.st_dev) == 0  # an anonymous device: no plain disk
