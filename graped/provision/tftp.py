"""Have each node's TFTP folder lead to the root that it is to boot."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import lru_cache
from pathlib import Path

from graped.config.types import Boot, Strategy
from graped.errors import BadImage
from graped.netboot import tftp
from graped.netboot.dhcp.layout import Layout
from graped.netboot.plan import NetPlan, NodePlan
from graped.netboot.roots.records import RootRecord
from graped.netboot.tftp import BootFolder, FolderPlan
from graped.provision.edges import Edges
from graped.provision.faults import Several


def apply(
    layout: NetPlan, edges: Edges, records: Mapping[str, RootRecord], broken: Collection[str] = ()
) -> tuple[str, ...]:
    """Put all folders in place, each whole or not at all; return in words what changed.

    A node without a record has no folder, unless it is ``broken``: then nobody knows, and it keeps the one it has.

    Raises: GrapeError for the first node that has none, when all others have theirs.
    """
    at, several, changes = Layout(layout.folder).tftp, Several(), []
    served = []
    for node in layout.nodes:
        record = records.get(node.name)
        if node.boot is not Boot.NETWORK or (record is None and node.name not in broken):
            continue
        served.append(node.mac)
        if record is None:
            continue
        with several.one(node.name):
            if tftp.apply_folder(at, folder_of(layout, node, record, edges)):
                changes.append(f"{node.name} boots {record.image}")
    changes += [f"{name} removed" for name in tftp.keep_only(at, served)]
    several.end()
    return tuple(changes)


def folder_of(layout: NetPlan, node: NodePlan, record: RootRecord, edges: Edges) -> FolderPlan:
    """Lay out a node's folder. Raises: BadImage, NotFound."""
    image = edges.images.find(record.image)
    boot = edges.images.boot(image)
    if boot is None:
        raise BadImage(
            f"{image.ref} has no boot files", hint="Import an image with a boot partition or a kernel in /boot."
        )
    return tftp.boot_files(
        layout,
        node,
        _read(boot),
        edges.roots.export_path(node.name),
        ephemeral=record.strategy is Strategy.EPHEMERAL,
        private=next((one.path for one in edges.roots.exports(node.name) if not one.generation), None),
        loaders=tftp.loaders_in(),
    )


@lru_cache(maxsize=32)
def _read(boot: Path) -> BootFolder:
    """Look through a boot folder once: a version of an image never changes."""
    return tftp.read_boot(boot)
