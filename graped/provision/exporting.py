"""What nodes are given by NFS: volumes are made, folders laid out and exported. A bad node keeps what it has."""

from __future__ import annotations

from collections.abc import Collection

from graped.errors import NotFound
from graped.model import SlotId
from graped.netboot.nfs.exports import Export, exports_of
from graped.netboot.plan import NetPlan
from graped.netboot.roots.view import Served
from graped.netboot.roots.volumes import ensure_volume
from graped.provision.edges import Edges
from graped.provision.faults import Several


class Exporter:
    """All of it blocks: call it in a worker thread."""

    def __init__(self, edges: Edges) -> None:
        self._edges = edges
        self._exported: tuple[Export, ...] | None = None

    def make_volumes(self, layout: NetPlan, nodes: Collection[str], off: Collection[SlotId]) -> None:
        """Have the volumes of these nodes as large as wanted; they grow only while the node is ``off``.

        Raises GrapeError for the first that could not be made, when all others are there.
        """
        several = Several()
        for node in layout.nodes:
            if node.docker_bytes and node.name in nodes:
                with several.one(node.name):
                    ensure_volume(
                        layout.folder, node.name, node.docker_bytes, self._edges.runner, node_off=node.slot in off
                    )
        several.end()

    def wanted(self, layout: NetPlan, several: Several) -> tuple[Export, ...]:
        """Lay out what is to be exported now; ``several`` is told what is wrong with a node."""
        served = {node.name: self._served(node.name, several) for node in layout.nodes}
        names = {node.address: node.name for node in layout.nodes}
        found = []
        for export in exports_of(layout, served):
            with several.one(names[export.client]):
                if not export.path.is_dir():  # a server would refuse it
                    raise NotFound(f"{export.path} is to be exported but does not exist")
                found.append(export)
        return tuple(found)

    def export(self, exports: tuple[Export, ...]) -> list[str]:
        """Export these folders, or see to it that the server of the ones before lives. Raises: ServerError."""
        before, self._exported = self._exported, None  # after a failure all is applied again
        changes = self._edges.nfs.ensure() if exports == before else self._edges.nfs.apply(exports)
        self._exported = exports
        return changes

    def _served(self, node: str, several: Several) -> tuple[Served, ...]:
        with several.one(node):
            return self._edges.roots.exports(node)
        with several.one(node):
            return self._edges.roots.standing(node)  # it may be running on any of them
        return ()
