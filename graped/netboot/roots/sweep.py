"""What is there against what records name: found at the start, and when a node's old roots are given up."""

from __future__ import annotations

import contextlib

from graped.config.types import Strategy
from graped.errors import GrapeError
from graped.files import remove_tree
from graped.netboot.roots.building import Builder
from graped.netboot.roots.mounts import Mounts
from graped.netboot.roots.records import (
    GENERATION,
    NODE,
    RECORD,
    BadRecord,
    Layout,
    RootRecord,
    read_making,
    read_record,
)


def nodes(layout: Layout) -> tuple[str, ...]:
    """Name all nodes that have a record, readable or not."""
    if not layout.roots.is_dir():
        return ()
    return tuple(sorted(path.name for path in layout.roots.iterdir()
                        if NODE.fullmatch(path.name) and (path / RECORD).exists()))  # fmt: skip


def generations(layout: Layout, node: str) -> tuple[str, ...]:
    """Name all generations of a node that are there, needed or not, in order."""
    home = layout.node(node)
    found = [path.name for path in home.iterdir() if GENERATION.fullmatch(path.name)] if home.is_dir() else []
    return tuple(sorted(found, key=int))


def readable(layout: Layout, node: str) -> RootRecord | None:
    """Return a record, None also where it cannot be read."""
    with contextlib.suppress(BadRecord):
        return read_record(layout, node)
    return None


def destroy(layout: Layout, builder: Builder, node: str, generation: str) -> None:
    """Remove a generation that no record names. Raises InUse: then it is as before."""
    try:
        making = read_making(layout, node, generation)
        strategy = making.strategy if making else None  # None: killed before anything was in it
    except BadRecord:
        strategy = Strategy.BTRFS  # which looks for subvolumes first
    builder.destroy(node, generation, strategy)


def sweep(layout: Layout, mounts: Mounts, builder: Builder) -> tuple[str, ...]:
    """Unmount and remove what no record names; return what was removed.

    What is in use stays. A node whose record cannot be read is not touched.
    """
    removed: list[str] = []
    homes = sorted(layout.roots.iterdir()) if layout.roots.is_dir() else []
    for home in homes:
        if NODE.fullmatch(home.name):
            with contextlib.suppress(BadRecord, OSError):
                removed += _sweep_node(layout, mounts, builder, home.name)
    return (*removed, *_sweep_all_private(layout))


def _sweep_node(layout: Layout, mounts: Mounts, builder: Builder, node: str) -> list[str]:
    record = read_record(layout, node)
    needed = record.generations if record else frozenset()
    served = {record.generation, *record.serving} if record else set()
    for _, generation in sorted(one for one in mounts.mounted() if one[0] == node and one[1] not in served):
        with contextlib.suppress(GrapeError):
            mounts.unmount(node, generation)
    removed = []
    for generation in generations(layout, node):
        if generation not in needed:
            with contextlib.suppress(GrapeError):
                destroy(layout, builder, node, generation)
                removed.append(f"{node}/{generation}")
    for temporary in layout.node(node).glob(f".{RECORD}.*"):
        temporary.unlink()
    if record is None and not generations(layout, node):
        remove_tree(layout.node(node))
        removed.append(node)
    return removed


def sweep_private(layout: Layout, node: str) -> bool:
    """Remove the private files of a node that is not ephemeral, or is no more. Raises BadRecord."""
    record = read_record(layout, node)
    used = {record.generation, *record.serving} if record else set()
    makings = [read_making(layout, node, generation) for generation in used]
    if any(making and making.strategy is Strategy.EPHEMERAL for making in makings):
        return False
    there = layout.private(node).exists()
    remove_tree(layout.private(node))
    return there


def _sweep_all_private(layout: Layout) -> list[str]:
    folder = layout.folder / "private"
    there = [path.name for path in folder.iterdir() if NODE.fullmatch(path.name)] if folder.is_dir() else []
    gone = []
    for node in sorted(there):
        with contextlib.suppress(BadRecord):
            if sweep_private(layout, node):
                gone.append(f"private/{node}")
    return gone
