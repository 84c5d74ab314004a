"""What a root tree is made of: values alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from graped.errors import GrapeError


class NotBuilt(GrapeError):
    """A tree or image could not be built; nothing of it is left."""

    code = "not_built"
    title = "The image was not built"


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeFile:
    """A file that is put into the tree. Owner and group are numbers."""

    path: str  # absolute, in the tree
    content: bytes = b""
    mode: int = 0o644
    owner: int = 0
    group: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeLink:
    """A symbolic link that is put into the tree."""

    path: str
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeCopy:
    """A file or folder of this machine, copied to ``path`` in the tree; everything in it belongs to root there."""

    path: str
    source: Path


Addition = TreeFile | TreeLink | TreeCopy


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A Debian root tree: what is essential and required, and ``packages`` with what they depend on.

    ``early`` is put in before the packages that are not essential are installed, ``files`` after them; then ``hooks``
    run inside the tree, as root, without a shell. ``debs`` are packages of this machine that are installed with the
    rest. Patterns of ``left_out`` name files that no package installs (dpkg's path-exclude), now and later.
    """

    suite: str
    arch: str  # Debian's name: amd64, arm64, armhf
    packages: tuple[str, ...] = ()
    components: tuple[str, ...] = ("main",)
    sources: str = ""  # apt's sources, one-line or deb822; "": those of Debian that this machine has
    debs: tuple[Path, ...] = ()
    early: tuple[Addition, ...] = ()
    files: tuple[Addition, ...] = ()
    hooks: tuple[tuple[str, ...], ...] = ()
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """One package of a tree."""

    name: str
    version: str
    arch: str
    size_bytes: int  # of its file

    def __str__(self) -> str:
        """Say it as apt does."""
        return f"{self.name} {self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What became of a recipe."""

    packages: tuple[Package, ...]
    epoch: int  # seconds; no file is newer: the moment of the package lists, or SOURCE_DATE_EPOCH
