"""What is known of roots: records, what a node is to be served, which images are needed, what a node has changed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from graped.config.types import Strategy
from graped.errors import GrapeError, NotFound
from graped.netboot.images.diff import Change
from graped.netboot.roots import sweep
from graped.netboot.roots.building import Builder
from graped.netboot.roots.changes import diff_copy, diff_overlay, without_personal
from graped.netboot.roots.mounts import Mounts
from graped.netboot.roots.records import Layout, Making, RootRecord, read_making, read_record
from graped.work import Work


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """One folder that a node is to be given by NFS. ``generation`` is "" for the private files of an ephemeral node."""

    path: Path
    read_only: bool
    generation: str


class RootView:
    """The reading half of :class:`graped.netboot.roots.roots.Roots`: it may be called while anything is changed."""

    def __init__(self, layout: Layout, mounts: Mounts, builder: Builder) -> None:
        self._layout = layout
        self._mounts = mounts
        self._builder = builder

    def all(self) -> dict[str, RootRecord]:
        """Return all records by node; one that cannot be read is not there (``mount_all`` tells it)."""
        found = {}
        for node in sweep.nodes(self._layout):
            record = sweep.readable(self._layout, node)
            if record is not None:
                found[node] = record
        return found

    def get(self, node: str) -> RootRecord | None:
        """Return a node's record. Raises BadRecord."""
        return read_record(self._layout, node)

    def known(self, node: str) -> RootRecord:
        """Return a node's record. Raises NotFound, BadRecord."""
        record = read_record(self._layout, node)
        if record is None:
            raise NotFound(f"{node} has no root", hint=f"grapecli node set {node} --image NAME")
        return record

    def export_path(self, node: str) -> Path:
        """Where the tree is that a node mounts as its root. Raises NotFound, BadRecord."""
        record = self.known(node)
        return self._builder.path(node, record.generation, self._making(node, record.generation))

    def exports(self, node: str) -> tuple[Served, ...]:
        """Return all that a node is still to be given: its current root first, none twice. Raises BadRecord.

        An overlay that is not mounted is left out: an NFS server would hold on to the empty folder below it.
        """
        record = read_record(self._layout, node)
        if record is None:
            return ()
        served: dict[Path, Served] = {}
        for generation in (record.generation, *reversed(record.serving)):
            for one in self._served(node, generation):
                served.setdefault(one.path, one)
        return tuple(served.values())

    def standing(self, node: str) -> tuple[Served, ...]:
        """Return all roots of a node that stand, the newest first, for when its record cannot be read.

        The node may be running on any of them. What can still be said of none is left out.
        """
        served: dict[Path, Served] = {}
        for generation in reversed(sweep.generations(self._layout, node)):
            with contextlib.suppress(GrapeError, OSError):
                for one in self._served(node, generation):
                    served.setdefault(one.path, one)
        return tuple(served.values())

    def in_use_images(self) -> frozenset[str]:
        """Return the refs of all images that a root lies on. Raises BadRecord: then nobody can say."""
        return frozenset().union(*map(self.images_of, sweep.nodes(self._layout)))

    def images_of(self, node: str) -> frozenset[str]:
        """Return the refs of the images that roots of a node lie on: the current one, kept ones, those still served.

        Raises NotFound, BadRecord.
        """
        record = self.known(node)
        served = {self._making(node, one).image for one in record.serving}
        return frozenset({record.image, *(one.image for one in record.kept)} | served)

    def users_of(self, ref: str) -> tuple[str, ...]:
        """Return the nodes that have a root on an image. Raises BadRecord: then nobody can say."""
        return tuple(sorted(node for node in sweep.nodes(self._layout) if ref in self.images_of(node)))

    def diff(self, node: str, work: Work) -> tuple[Change, ...]:
        """List what a node has changed against its image; what Grape wrote for it is left out. Raises NotFound."""
        record = self.known(node)
        making = self._making(node, record.generation)
        lower = self._layout.folder / making.lower
        root = self._builder.path(node, record.generation, making)
        match making.strategy:
            case Strategy.EPHEMERAL:
                return ()
            case Strategy.OVERLAY:
                self._builder.mount(node, record.generation, making)
                changes = diff_overlay(lower, self._layout.generation(node, record.generation) / "upper", root, work)
            case _:
                changes = diff_copy(lower, root, work)
        return without_personal(changes, root, making.personal)

    def _making(self, node: str, generation: str) -> Making:
        making = read_making(self._layout, node, generation)
        if making is None:
            raise NotFound(f"root {generation} of {node} is gone", hint=f"grapecli node reset {node}")
        return making

    def _served(self, node: str, generation: str) -> Iterator[Served]:
        making = self._making(node, generation)
        ephemeral = making.strategy is Strategy.EPHEMERAL
        if making.strategy is Strategy.OVERLAY and (node, generation) not in self._mounts.mounted():
            return
        yield Served(path=self._builder.path(node, generation, making), read_only=ephemeral, generation=generation)
        if ephemeral:
            yield Served(path=self._layout.private(node), read_only=True, generation="")
