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

from graped.config.types import NfsServer, Strategy
from graped.errors import Conflict, GrapeError, InUse
from graped.files import remove_tree, sync_folder
from graped.netboot.images.record import ImageRecord
from graped.netboot.images.store import ImageStore
from graped.netboot.roots import history, sweep
from graped.netboot.roots.building import Builder, Step
from graped.netboot.roots.identity import Identity
from graped.netboot.roots.mounts import Mounts
from graped.netboot.roots.probe import Prober
from graped.netboot.roots.records import (
    RECORD,
    Layout,
    Making,
    Origin,
    RootRecord,
    read_record,
    write_record,
)
from graped.netboot.roots.view import RootView
from graped.netboot.roots.volumes import recover_volumes
from graped.runner import Runner
from graped.work import Work


@dataclass(frozen=True, slots=True, kw_only=True)
class Retired:
    """Which generations of a node are gone, and which are still in use."""

    dropped: tuple[str, ...]
    busy: tuple[str, ...]


class Roots(RootView):
    """All roots below one folder. Nodes may be worked on side by side; on one node, changes wait for each other.

    What is called in passing (``mount_all``, ``release``, ``retire``) never waits for a change that takes long.
    """

    def __init__(
        self,
        folder: Path,
        images: ImageStore,
        mounts: Mounts,
        runner: Runner,
        wall: Callable[[], float],
        *,
        server: NfsServer = NfsServer.KERNEL,
        step: Step = lambda _: None,
    ) -> None:
        layout = Layout(folder)
        super().__init__(layout, mounts, Builder(layout, mounts, runner, step))
        self._images = images
        self._wall = wall
        self._step = step
        self._prober = Prober(layout, mounts, runner, server)
        self._changing: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)  # by node; held for minutes
        self._recording = threading.Lock()  # from reading a record to writing it

    # --- at the start ---------------------------------------------------------------------------------

    def recover(self) -> tuple[str, ...]:
        """Remove what a crash has left: what no record names. Returns what was removed. Nobody else is at work yet."""
        with self._probing(), suppress(GrapeError, OSError):
            self._prober.clean()
        swept = sweep.sweep(self._layout, self._mounts, self._builder)
        return (*swept, *self._drop_bases(), *recover_volumes(self._layout.folder))

    def mount_all(self) -> dict[str, str]:
        """Mount what is served and not mounted, as after a reboot of the master; return node -> what went wrong.

        A node that is being changed is left to whoever changes it.
        """
        self._mounts.mount_ahead(self._mounts_wanted())
        problems = {}
        for node in sweep.nodes(self._layout):
            try:
                with self._unless_changing(node) as free:
                    if free:
                        self._mount(self.known(node))
            except (GrapeError, OSError) as error:
                problems[node] = str(error)
        return problems

    def choose(self, strategy: Strategy) -> Strategy:
        """Return what AUTO comes to here, found by trying once. Raises Conflict where a strategy cannot be used."""
        with self._probing():
            return self._prober.choose(strategy)

    # --- changing -------------------------------------------------------------------------------------

    def create(self, node: str, image: ImageRecord, strategy: Strategy, identity: Identity, work: Work) -> RootRecord:
        """Give a node a fresh root on an image, beside the one it has, which is kept and served on.

        Raises what making it raises (NoSpace, Cancelled, BadImage, Conflict); then everything is as before.
        """
        chosen = self.choose(strategy)
        with self._changing[node]:
            return self._fresh(node, image, chosen, identity, Origin.SET, work)

    def reset(self, node: str, identity: Identity, work: Work) -> RootRecord:
        """Give a node a fresh root on the image it has; the old one is kept. Raises as ``create``, NotFound."""
        with self._changing[node]:
            record = self.known(node)
            image = self._images.find(record.image)
            return self._fresh(node, image, record.strategy, identity, Origin.RESET, work)

    def snapshot(self, node: str, label: str, work: Work) -> RootRecord:
        """Keep a copy of a node's root as it is now; the node should be off. Raises Conflict, NotFound, NoSpace."""
        with self._changing[node]:
            record = self.known(node)
            if record.strategy is Strategy.EPHEMERAL:
                raise Conflict(f"{node} keeps nothing: there is nothing to take a snapshot of")
            generation, now = self._number(record), self._wall()
            history.with_snapshot(record, generation, label, now)  # refused now, not after the copy
            making = self._making(node, record.generation)
            self._builder.clone(node, generation, making, record.generation, None, work)
            return self._update(node, lambda record: history.with_snapshot(record, generation, label, now))

    def rollback(self, node: str, label: str | None, identity: Identity, work: Work) -> RootRecord:
        """Go back to a kept root (None: the newest); the node should be off. The root it had is kept.

        A snapshot stays, and the node gets a copy of it; what was kept of a reset or of another image becomes the
        node's root itself. Raises NotFound, and as ``create``.
        """
        with self._changing[node]:
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
            return self._succeed(new, Origin.ROLLBACK)

    def drop(self, node: str, label: str) -> RootRecord:
        """Give up one kept root; ``retire`` removes it. Raises NotFound."""
        with self._changing[node]:
            return self._update(node, lambda record: history.without_kept(record, label))

    def release(self, node: str) -> RootRecord:
        """Say that a node is off or runs on its current root: older ones are no longer to be exported.

        Then apply the exports, so that the NFS server lets go, and ``retire``. Raises NotFound.
        """
        return self._update(node, lambda record: replace(record, serving=()))

    def retire(self, node: str) -> Retired:
        """Unmount and remove what nobody needs. Raises NotFound.

        What is in use stays for the next time (``busy``); so does everything while the node is being changed.
        """
        with self._unless_changing(node) as free:
            if not free:
                return Retired(dropped=(), busy=sweep.generations(self._layout, node))
            busy = self._unmount_idle(self.known(node))
            record = self._update(node, history.pruned)
            dropped = []
            for generation in sweep.generations(self._layout, node):
                if generation not in record.generations and generation not in busy:
                    self._step("drop")
                    sweep.destroy(self._layout, self._builder, node, generation)
                    dropped.append(generation)
            sweep.sweep_private(self._layout, node)
        self._drop_bases()
        return Retired(dropped=tuple(dropped), busy=busy)

    def remove(self, node: str) -> None:
        """Remove all roots of a node, not its volume. Raises InUse: then everything is as before."""
        with self._changing[node]:
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
            with self._recording:
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
        return self._succeed(new, by)

    def _record(self, node: str, image: str, strategy: Strategy, generation: str, number: int) -> RootRecord:
        return RootRecord(
            node=node, image=image, strategy=strategy, generation=generation, made=self._wall(), next=number
        )

    def _succeed(self, new: RootRecord, by: Origin) -> RootRecord:
        """Make a root that is ready the current one."""
        self._step("record")
        with self._recording:
            former = read_record(self._layout, new.node)
            after = history.successor(former, new, by, self._wall())
            write_record(self._layout, after)
        self._step("done")
        return after

    def _update(self, node: str, change: Callable[[RootRecord], RootRecord]) -> RootRecord:
        """Change a node's record; where nothing is different, nothing is written. Raises NotFound, BadRecord."""
        self._step("record")
        with self._recording:
            record = self.known(node)
            after = change(record)
            if after != record:
                write_record(self._layout, after)
        self._step("done")
        return after

    def _number(self, record: RootRecord | None, node: str = "") -> str:
        """Number a new generation: never one that was there before, also not one that a crash left."""
        there = sweep.generations(self._layout, record.node if record else node)
        return str(max([record.next if record else 1, *(int(one) + 1 for one in there)]))

    def _mounts_wanted(self) -> Iterator[tuple[str, str]]:
        """Name what has to be mounted, as far as that can be read."""
        for node in sweep.nodes(self._layout):
            with suppress(GrapeError, OSError):
                record = self.known(node)
                for generation in (record.generation, *record.serving):
                    if self._making(node, generation).strategy is Strategy.OVERLAY:
                        yield node, generation

    def _mount(self, record: RootRecord) -> None:
        for generation in (record.generation, *record.serving):
            self._builder.mount(record.node, generation, self._making(record.node, generation))

    def _unmount_idle(self, record: RootRecord) -> tuple[str, ...]:
        """Unmount what is not served; return what is in use."""
        needed = {record.generation, *record.serving}
        busy = []
        for node, generation in sorted(self._mounts.mounted()):
            if node == record.node and generation not in needed:
                try:
                    self._step("unmount")
                    self._mounts.unmount(node, generation)
                except InUse:
                    busy.append(generation)
        return tuple(busy)

    def _drop_bases(self) -> tuple[str, ...]:
        try:
            return self._builder.drop_bases(self.in_use_images())
        except GrapeError:
            return ()  # while a record cannot be read, all of them may be needed

    @contextmanager
    def _unless_changing(self, node: str) -> Iterator[bool]:
        """Keep changes of a node away for a moment; False where one is going on."""
        free = self._changing[node].acquire(blocking=False)
        try:
            yield free
        finally:
            if free:
                self._changing[node].release()

    @contextmanager
    def _probing(self) -> Iterator[None]:
        with self._changing[""]:
            yield
