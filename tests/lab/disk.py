"""A root as a disk: ext4 in a sparse file, which is copied and mounted sooner than a tree, and gone at once."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

from tests.lab.cache import cached, key_of
from tests.lab.run import Run

SIZE: Final = "12G"  # as far as the file may grow; it starts with what the root holds
MAKE_S: Final = 300.0


def disk(run: Run, name: str, root: Path) -> Path:
    """Mount a fresh copy of a cached root file system that is gone with the run, and give where."""
    top = run.folder(f"machines/{name}")
    file = top.with_suffix(".ext4")
    subprocess.run(("cp", "--sparse=always", "--reflink=auto", _made(root), file), check=True)
    # Without barriers: what the machine commits need not wait for this machine's disk.
    subprocess.run(("mount", "-o", "loop,nobarrier", file, top), check=True)
    return top


def _made(root: Path) -> Path:
    made = root.parent.name  # root-bare-1234...
    key = key_of(made, Path(__file__).read_bytes())
    return cached(f"disk-{made.split('-')[1]}", key, lambda into: _make(into / "disk", root)) / "disk"


def _make(path: Path, root: Path) -> None:
    # Nobody pulls the plug of the kernel that has it mounted: it needs no journal.
    words = ("mke2fs", "-q", "-F", "-t", "ext4", "-O", "^has_journal", "-d", str(root), str(path), SIZE)
    subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, check=True, timeout=MAKE_S)
