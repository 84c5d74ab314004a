"""How a root is made of an image: what each strategy must be able to do, and the two that copy."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from graped.netboot.images.copy import copy_tree
from graped.work import Work


class Way(Protocol):
    """One strategy. ``home`` is the folder of a generation, in which ``fs`` is the root."""

    def make(self, lower: Path, home: Path, work: Work) -> None:
        """Fill a new generation from an image's tree. Raises Cancelled, GrapeError, OSError; the caller cleans up."""

    def clone(self, source: Path, home: Path, work: Work) -> None:
        """Fill a new generation with the state of another on the same image."""


class Copy(Way):
    """A tree of its own; ``reflink`` shares the blocks of files until they are changed."""

    def __init__(self, *, reflink: bool) -> None:
        self._reflink = reflink

    def make(self, lower: Path, home: Path, work: Work) -> None:
        """See Way."""
        copy_tree(lower, home / "fs", work, reflink=self._reflink)

    def clone(self, source: Path, home: Path, work: Work) -> None:
        """See Way."""
        copy_tree(source / "fs", home / "fs", work, reflink=self._reflink)


class Ephemeral(Way):
    """Nothing at all: the node reads the image and writes into its own memory."""

    def make(self, lower: Path, home: Path, work: Work) -> None:
        """See Way."""

    def clone(self, source: Path, home: Path, work: Work) -> None:
        """See Way."""
