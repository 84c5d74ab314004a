"""The roots of all nodes: made beside the running one, switched to by one record, given up when nobody needs them.

Each change of a node is: make a generation (no record names it yet), write the record (now it has happened), clean up
(which the next start or ``retire`` does as well). So a crash anywhere leaves the old state or the new one.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from graped.config.types import Strategy
from graped.errors import Conflict, GrapeError, InUse, NotFound
from graped.files import remove_tree, sync_folder
from graped.netboot.images.diff import Change
from graped.netboot.images.record import ImageRecord
from graped.netboot.images.store import ImageStore
from graped.netboot.roots import history, sweep
from graped.netboot.roots.building import Builder, Step
from graped.netboot.roots.changes import diff_copy, diff_overlay, without_personal
from graped.netboot.roots.identity import Identity
from graped.netboot.roots.mounts import Mounts
from graped.netboot.roots.probe import Prober
from graped.netboot.roots.records import (
    RECORD,
    Layout,
    Making,
    Origin,
    RootRecord,
    read_making,
    read_record,
    write_record,
)
from graped.runner import Runner
from graped.work import Work


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """One folder that a node is to be given by NFS. ``generation`` is "" for the private files of an ephemeral node."""

    path: Path
    read_only: bool
    generation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Retired:
    """Which generations of a node are gone, and which are still in use."""

    dropped: tuple[str, ...]
    busy: tuple[str, ...]


class Roots:
    """All roots below one folder. Methods of one node exclude each other; those of two nodes may run side by side."""

    def __init__(
        self,
        folder: Path,
        images: ImageStore,
        mounts: Mounts,
        runner: Runner,
        wall: Callable[[], float],
        *,
        step: Step = lambda _: None,
    ) -> None:
        self._layout = Layout(folder)
        self._images = images
        self._mounts = mounts
        self._wall = wall
        self._step = step
        self._builder = Builder(self._layout, mounts, runner, step)
        self._prober = Prober(self._layout, mounts, runner)
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    # --- at the start ---------------------------------------------------------------------------------

    def recover(self) -> tuple[str, ...]:
        """Remove what a crash has left: what no record names. Returns what was removed. Nobody else is at work yet."""
        with self._probing(), suppress(GrapeError, OSError):
            self._prober.clean()
        swept = sweep.sweep(self._layout, self._mounts, self._builder)
        return (*swept, *self._drop_bases())

    def mount_all(self) -> dict[str, str]:
        """Mount what is served and not mounted, as after a reboot of the master; return node -> what went wrong."""
        problems = {}
        for node in sweep.nodes(self._layout):
            try:
                with self._locks[node]:
                    self._mount(self.known(node))
            except (GrapeError, OSError) as error:
                problems[node] = str(error)
        return problems

    # --- reading --------------------------------------------------------------------------------------

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

    def choose(self, strategy: Strategy) -> Strategy:
        """Return what AUTO comes to here, found by trying once. Raises Conflict where a strategy cannot be used."""
        with self._probing():
            return self._prober.choose(strategy)

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

    def in_use_images(self) -> frozenset[str]:
        """Return the refs of all images that a root lies on. Raises BadRecord: then nobody can say."""
        records = [self.known(node) for node in sweep.nodes(self._layout)]
        kept = {one.image for record in records for one in record.kept}
        served = {self._making(record.node, one).image for record in records for one in record.serving}
        return frozenset({record.image for record in records} | kept | served)

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

    # --- changing -------------------------------------------------------------------------------------

    def create(self, node: str, image: ImageRecord, strategy: Strategy, identity: Identity, work: Work) -> RootRecord:
        """Give a node a fresh root on an image, beside the one it has, which is kept and served on.

        Raises what making it raises (NoSpace, Cancelled, BadImage, Conflict); then everything is as before.
        """
        chosen = self.choose(strategy)
        with self._locks[node]:
            return self._fresh(node, image, chosen, identity, Origin.SET, work)

    def reset(self, node: str, identity: Identity, work: Work) -> RootRecord:
        """Give a node a fresh root on the image it has; the old one is kept. Raises as ``create``, NotFound."""
        with self._locks[node]:
            record = self.known(node)
            image = self._images.find(record.image)
            return self._fresh(node, image, record.strategy, identity, Origin.RESET, work)

    def snapshot(self, node: str, label: str, work: Work) -> RootRecord:
        """Keep a copy of a node's root as it is now; the node should be off. Raises Conflict, NotFound, NoSpace."""
        with self._locks[node]:
            record = self.known(node)
            if record.strategy is Strategy.EPHEMERAL:
                raise Conflict(f"{node} keeps nothing: there is nothing to take a snapshot of")
            generation = self._number(record)
            after = history.with_snapshot(record, generation, label, self._wall())
            making = self._making(node, record.generation)
            self._builder.clone(node, generation, making, record.generation, None, work)
            return self._commit(after)

    def rollback(self, node: str, label: str | None, identity: Identity, work: Work) -> RootRecord:
        """Go back to a kept root (None: the newest); the node should be off. The root it had is kept.

        A snapshot stays, and the node gets a copy of it; what was kept of a reset or of another image becomes the
        node's root itself. Raises NotFound, and as ``create``.
        """
        with self._locks[node]:
            record = self.known(node)
            kept = history.find_kept(record, label)
            self._images.find(kept.image)
            making, generation, number = self._making(node, kept.generation), kept.generation, record.next
            if kept.by is Origin.SNAPSHOT:
                generation = self._number(record)
                number = int(generation) + 1
                self._builder.clone(node, generation, making, kept.generation, identity, work)
            else:
                self._builder.enter(node, generation, making, identity)
            new = self._record(node, kept.image, kept.strategy, generation, number)
            return self._commit(history.successor(record, new, Origin.ROLLBACK, self._wall()))

    def drop(self, node: str, label: str) -> RootRecord:
        """Give up one kept root; ``retire`` removes it. Raises NotFound."""
        with self._locks[node]:
            return self._commit(history.without_kept(self.known(node), label))

    def release(self, node: str) -> RootRecord:
        """Say that a node is off or runs on its current root: older ones are no longer to be exported.

        Then apply the exports, so that the NFS server lets go, and ``retire``. Raises NotFound.
        """
        with self._locks[node]:
            record = self.known(node)
            return self._commit(replace(record, serving=())) if record.serving else record

    def retire(self, node: str) -> Retired:
        """Unmount and remove what nobody needs; what is in use stays, for the next time. Raises NotFound."""
        with self._locks[node]:
            record = self.known(node)
            record, busy = self._unmount_idle(record)
            dropped = []
            for generation in sweep.generations(self._layout, node):
                if generation not in record.generations and generation not in busy:
                    self._step("drop")
                    sweep.destroy(self._layout, self._builder, node, generation)
                    dropped.append(generation)
            sweep.sweep_private(self._layout, node)
        self._drop_bases()
        return Retired(dropped=tuple(dropped), busy=tuple(sorted(busy)))

    def remove(self, node: str) -> None:
        """Remove all roots of a node, not its volume. Raises InUse: then everything is as before."""
        with self._locks[node]:
            record = self.known(node)
            self._step("unmount")
            try:
                for one in sorted(self._mounts.mounted()):
                    if one[0] == node:
                        self._mounts.unmount(*one)
            except InUse:
                self._mount(record)
                raise
            self._step("record")
            (self._layout.node(node) / RECORD).unlink()
            sync_folder(self._layout.node(node))
            for generation in sweep.generations(self._layout, node):
                self._step("drop")
                sweep.destroy(self._layout, self._builder, node, generation)
            self._step("folder")
            remove_tree(self._layout.node(node))
            sweep.sweep_private(self._layout, node)
        self._drop_bases()

    # --- inside ---------------------------------------------------------------------------------------

    def _fresh(
        self, node: str, image: ImageRecord, strategy: Strategy, identity: Identity, by: Origin, work: Work
    ) -> RootRecord:
        former = read_record(self._layout, node)
        self._step("home")
        self._layout.roots.mkdir(mode=0o700, parents=True, exist_ok=True)  # 0700: roots hold programs set to root
        self._layout.node(node).mkdir(mode=0o755, exist_ok=True)
        generation = self._number(former, node)
        lower = str(self._images.root(image).relative_to(self._layout.folder))
        making = Making(image=image.ref, strategy=strategy, lower=lower, personal={})
        self._builder.make(node, generation, making, identity, work)
        new = self._record(node, image.ref, strategy, generation, int(generation) + 1)
        return self._commit(history.successor(former, new, by, self._wall()))

    def _record(self, node: str, image: str, strategy: Strategy, generation: str, number: int) -> RootRecord:
        return RootRecord(
            node=node, image=image, strategy=strategy, generation=generation, made=self._wall(), next=number
        )

    def _commit(self, record: RootRecord) -> RootRecord:
        self._step("record")
        write_record(self._layout, record)
        self._step("done")
        return record

    def _number(self, record: RootRecord | None, node: str = "") -> str:
        """Number a new generation: never one that was there before, also not one that a crash left."""
        there = sweep.generations(self._layout, record.node if record else node)
        return str(max([record.next if record else 1, *(int(one) + 1 for one in there)]))

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

    def _mount(self, record: RootRecord) -> None:
        for generation in (record.generation, *record.serving):
            self._builder.mount(record.node, generation, self._making(record.node, generation))

    def _unmount_idle(self, record: RootRecord) -> tuple[RootRecord, frozenset[str]]:
        """Unmount what is not served, and let go of old roots that nobody asked to keep, unless they are in use."""
        needed = {record.generation, *record.serving}
        busy = set()
        for node, generation in sorted(self._mounts.mounted()):
            if node == record.node and generation not in needed:
                try:
                    self._step("unmount")
                    self._mounts.unmount(node, generation)
                except InUse:
                    busy.add(generation)
        after = history.pruned(record)
        return (self._commit(after) if after != record else record), frozenset(busy)

    def _drop_bases(self) -> tuple[str, ...]:
        try:
            return self._builder.drop_bases(self.in_use_images())
        except GrapeError:
            return ()  # while a record cannot be read, all of them may be needed

    @contextmanager
    def _probing(self) -> Iterator[None]:
        with self._locks[""]:
            yield
