"""Which folder is exported to which node, under which ids. Pure.

File handles of two overlays on one image are equal for every file that nobody has changed yet: only the export's own id
tells the nodes apart. A running node keeps handles that hold this id, so it must be the same after every restart, and
never another folder's. Both follow from the node's number and its root's generation; nothing is stored.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address
from itertools import groupby
from pathlib import Path
from typing import Final, Protocol

from graped.netboot.plan import NetPlan, NodePlan

KIND_SHIFT: Final = 28
NODE_SHIFT: Final = 20
GENERATIONS: Final = 1 << NODE_SHIFT  # then ids come again: a million roots later
SHARED: Final = 1 << KIND_SHIFT


class Kind(IntEnum):
    """The upper bits of an ``fsid``."""

    ROOT = 1  # one generation of a node's root
    VOLUME = 2  # the folder with a node's docker.img
    PRIVATE = 3  # the own files of an ephemeral node
    IMAGE = 4  # an image version: read-only, for many


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """A folder for one client. The same ``path`` always has the same ``fsid`` (1 to 2^32 - 1)."""

    path: Path
    client: IPv4Address
    fsid: int
    read_only: bool = False

    def __str__(self) -> str:
        return f"{self.path} to {self.client}" + (" (read-only)" if self.read_only else "")


class Folder(Protocol):
    """A folder that a node is to be given: ``roots.Served`` is one. ``generation`` is "" for private files."""

    @property
    def path(self) -> Path: ...
    @property
    def read_only(self) -> bool: ...
    @property
    def generation(self) -> str: ...


def exports_of(plan: NetPlan, served: Mapping[str, Sequence[Folder]]) -> tuple[Export, ...]:
    """Lay out all exports, by path: what each node (by name) is to be given, and its volume.

    A node that the plan does not know gets nothing, and one without a root no volume either.
    """
    found = [export for node in plan.nodes for export in _of_node(plan, node, served.get(node.name, ()))]
    return tuple(sorted(set(found), key=lambda export: (str(export.path), export.client)))


def by_path(exports: Iterable[Export]) -> dict[Path, tuple[Export, ...]]:
    """Gather the clients of each folder."""
    ordered = sorted(exports, key=lambda export: (str(export.path), export.client))
    return {path: tuple(group) for path, group in groupby(ordered, key=lambda export: export.path)}


def root_fsid(node: NodePlan, generation: str) -> int:
    """Return the id of one generation ("17") of a node's root."""
    return _fsid(Kind.ROOT, node.number, int(generation) % GENERATIONS)


def image_fsid(version: str) -> int:
    """Return the id of an image version, by its folder's name ("bookworm@3f9c2a4b5d6e")."""
    return (Kind.IMAGE << KIND_SHIFT) | int.from_bytes(hashlib.sha256(version.encode()).digest()[:4], "big") % SHARED


def _of_node(plan: NetPlan, node: NodePlan, folders: Sequence[Folder]) -> Iterable[Export]:
    for folder in folders:
        fsid = _fsid_of(plan, node, folder)
        yield Export(path=folder.path, client=node.address, fsid=fsid, read_only=folder.read_only)
    if folders and node.docker_bytes:
        volume = plan.folder / "volumes" / node.name
        yield Export(path=volume, client=node.address, fsid=_fsid(Kind.VOLUME, node.number))


def _fsid_of(plan: NetPlan, node: NodePlan, folder: Folder) -> int:
    images = plan.folder / "images"
    if folder.path.is_relative_to(images):
        return image_fsid(folder.path.relative_to(images).parts[0])
    return root_fsid(node, folder.generation) if folder.generation else _fsid(Kind.PRIVATE, node.number)


def _fsid(kind: Kind, number: int, generation: int = 0) -> int:
    return (kind << KIND_SHIFT) | (number << NODE_SHIFT) | generation
