"""What the API asks of netbooting: images, roots, what is wrong; implements ``api.backend.Provision``."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import BinaryIO, Final, cast

from graped.api import types
from graped.api.folding import fold
from graped.api.times import rfc3339
from graped.clock import Clock
from graped.config.types import Strategy
from graped.core.chore import Chore, ChoreKind
from graped.core.state import State
from graped.errors import BadImage, Damaged, GrapeError, InUse, RequestError
from graped.model import SlotId
from graped.netboot.images import diff, execute, prepare
from graped.netboot.images.record import ImageRecord
from graped.netboot.images.workspaces import Workspace
from graped.netboot.roots.history import check_label
from graped.netboot.roots.records import RootRecord
from graped.provision import doctor
from graped.provision.chores import Chores
from graped.provision.edges import Edges
from graped.provision.rootwork import RootWork, must_be_active
from graped.provision.steward import Steward
from graped.work import Work

Settings = Mapping[SlotId, Mapping[str, str | None]]
_MEND: Final = "Somebody wrote into it, or the disk is bad. Import it again, and give its nodes what comes of it."
_TOLD: Final = 5  # differences, each with so much of its path
_PATH_CHARACTERS: Final = 120
SERVED_S: Final = 60.0  # a round waits for servers that start, at most about so long


class Netboot:
    """Joins steward, chores and edges. Everything here belongs to the event loop's thread."""

    def __init__(
        self,
        *,
        edges: Edges,
        steward: Steward,
        chores: Chores,
        work: RootWork,
        state: Callable[[], State],
        clock: Clock,
        set_devices: Callable[[Settings], None],
        check: Callable[[], doctor.Doctor],
    ) -> None:
        self._edges = edges
        self._steward = steward
        self._chores = chores
        self._work = work
        self._state = state
        self._clock = clock
        self._set_devices = set_devices
        self._check = check
        self._loop = asyncio.get_running_loop()

    # --- images ---------------------------------------------------------------------------------------

    def images(self) -> Sequence[types.Image]:
        """List all versions."""
        return tuple(self._image(record) for record in self._edges.images.all())

    def image(self, ref: str) -> types.Image:
        """Show one version. Raises: NotFound, Conflict."""
        return self._image(self._edges.images.find(ref))

    async def import_image(
        self, name: str, source: str, chunks: AsyncIterator[bytes], *, size_bytes: int | None = None, by: str
    ) -> Chore:
        """Take an image as it comes over the socket."""
        store = self._edges.images

        def take(stream: BinaryIO, work: Work) -> str:
            return self._seen(store.import_stream(name, stream, source, work, size_bytes=size_bytes))

        return await self._chores.start_upload(ChoreKind.IMAGE_IMPORT, name, take, chunks, by=by)

    async def remove_image(self, ref: str) -> types.Image:
        """Remove a version that no root lies on. Raises: NotFound, Conflict, InUse."""
        record = self._edges.images.find(ref)
        view = self._image(record)
        users = await asyncio.to_thread(self._users, record.ref)
        if users:
            raise InUse(
                f"{record.ref} is the base of {fold(users)}",
                hint="Give them another image and let them boot it; kept roots count, too: grapecli node show.",
            )
        await asyncio.to_thread(self._edges.images.remove, record)
        self._steward.wake()
        return view

    async def diff_images(self, old: str, new: str) -> Sequence[types.Change]:
        """List what differs between two versions."""
        store = self._edges.images
        before, after = (store.root(store.find(ref)) for ref in (old, new))
        return _changes(await asyncio.to_thread(diff.diff_trees, before, after, Work()))

    async def verify_image(self, ref: str, *, by: str) -> Chore:
        """Compare a version with its digest."""
        record = self._edges.images.find(ref)

        def verify(work: Work) -> str:
            try:
                found = self._edges.images.verify(record, work)
            except BadImage as error:  # its list of files is not the one that its name says
                raise Damaged(error.detail, hint=_MEND) from error
            if found:
                raise Damaged(f"{record.ref} is not what it was: {_told(found)}", hint=_MEND)
            return f"{record.ref} is intact"

        return self._chores.start(ChoreKind.IMAGE_VERIFY, record.ref, verify, by=by)

    async def prepare_image(self, ref: str, *, by: str) -> Chore:
        """Make a version that boots over the network."""
        record, store = self._edges.images.find(ref), self._edges.images
        wanted = self._state().config.netboot.prepare

        def make(work: Work) -> str:
            return self._seen(prepare.prepare(store, record, wanted, work, work.say))

        return self._chores.start(ChoreKind.IMAGE_PREPARE, record.ref, make, by=by)

    async def exec_image(self, ref: str, argv: Sequence[str], *, name: str | None, by: str) -> Chore:
        """Make a version by running a command in one."""
        record, store, words = self._edges.images.find(ref), self._edges.images, tuple(argv)
        if not words:
            raise RequestError("no command was given")

        def run(work: Work) -> str:
            made = execute.execute(store, record, words, name or record.name, work, work.say, network=True)
            return self._seen(made)

        return self._chores.start(ChoreKind.IMAGE_EXEC, record.ref, run, by=by)

    def output(self, job: int, after: int) -> tuple[Sequence[str], int]:
        """Tell what the command of a job wrote behind line ``after``, and the number of its last line."""
        return self._chores.output(job, after)

    async def workspaces(self) -> Sequence[types.Workspace]:
        """List what was opened and neither committed nor dropped."""
        return tuple(map(_workspace, await asyncio.to_thread(self._edges.workspaces.all)))

    async def open_workspace(self, ref: str, *, by: str) -> types.Workspace:
        """Make a writable copy of a version for a person to work in."""
        record = self._edges.images.find(ref)

        def open_it() -> types.Workspace:
            workspaces = self._edges.workspaces
            opened = workspaces.open(record, Work())
            try:
                return _workspace(opened, workspaces.shell(opened))
            except GrapeError:  # its programs cannot run on this machine
                workspaces.drop(opened.id)
                raise

        return await asyncio.to_thread(open_it)

    async def commit_workspace(self, workspace: str, name: str | None, *, by: str) -> Chore:
        """Make a version of a workspace."""
        workspaces = self._edges.workspaces
        opened = workspaces.get(workspace)

        def commit(work: Work) -> str:
            return self._seen(workspaces.commit(workspace, name or "", work))

        return self._chores.start(ChoreKind.IMAGE_COMMIT, opened.image, commit, by=by)

    async def drop_workspace(self, workspace: str) -> types.Workspace:
        """Give a workspace up."""
        opened = self._edges.workspaces.get(workspace)
        await asyncio.to_thread(self._edges.workspaces.drop, workspace)
        return _workspace(opened)

    # --- roots ----------------------------------------------------------------------------------------

    def root(self, slot: SlotId) -> types.Root | None:
        """Show a node's root, as the last round saw it."""
        name = self._state().config.node_name(slot)
        record = self._steward.records.get(name)
        return None if record is None else self._root(record)

    async def diff_node(self, slot: SlotId) -> Sequence[types.Change]:
        """List what a node has changed against its image."""
        name = self._state().config.node_name(slot)
        return _changes(await asyncio.to_thread(self._edges.roots.diff, name, Work()))

    async def set_nodes(self, slots: Sequence[SlotId], changes: types.NodeChanges, *, by: str) -> Chore:
        """Set image, strategy, model or boot of nodes, and make the roots that follow."""
        must_be_active(self._state())
        wanted = {
            key: value or None
            for key in ("image", "strategy", "model", "boot")
            if (value := getattr(changes, key)) is not None
        }
        if wanted.get("image"):
            wanted["image"] = self._edges.images.find(str(wanted["image"])).ref  # what is newest later moves nobody
        self._set_devices(dict.fromkeys(slots, wanted))
        return self._each(ChoreKind.NODE_SET, slots, self._work.make, by)

    def make_roots(self, slots: Sequence[SlotId], *, by: str) -> Chore:
        """Make the roots that the configuration wants."""
        return self._each(ChoreKind.NODE_SET, slots, self._work.make, by)

    async def reset_nodes(self, slots: Sequence[SlotId], *, by: str) -> Chore:
        """Give nodes fresh roots."""
        must_be_active(self._state())
        return self._each(ChoreKind.NODE_RESET, slots, self._work.reset, by)

    async def snapshot_nodes(self, slots: Sequence[SlotId], label: str, *, by: str) -> Chore:
        """Keep copies of roots. Raises: NodeOn, RequestError."""
        must_be_active(self._state())
        check_label(label)
        self._need_off(slots)
        return self._each(ChoreKind.NODE_SNAPSHOT, slots, lambda slot, work: self._work.snapshot(slot, label, work), by)

    async def rollback_nodes(self, slots: Sequence[SlotId], label: str | None, *, by: str) -> Chore:
        """Go back to kept roots. Raises: NodeOn."""
        must_be_active(self._state())
        self._need_off(slots)
        return self._each(ChoreKind.NODE_ROLLBACK, slots, lambda slot, work: self._work.rollback(slot, label, work), by)

    async def drop_kept(self, slots: Sequence[SlotId], label: str, *, by: str) -> Chore:
        """Give up kept roots."""
        must_be_active(self._state())
        return self._each(ChoreKind.NODE_DROP, slots, lambda slot, _: self._work.drop(slot, label), by)

    async def commit_node(self, slot: SlotId, name: str, *, by: str) -> Chore:
        """Make an image version of a node's root. Raises: NodeOn."""
        must_be_active(self._state())
        self._work.needs_off(slot)
        node = self._state().config.node_name(slot)
        return self._chores.start(
            ChoreKind.IMAGE_COMMIT, node, lambda work: self._done(self._work.commit(slot, name, work)), by=by
        )  # fmt: skip

    async def doctor(self) -> Sequence[types.Check]:
        """Look at everything that netbooting rests on."""
        return await self._check().examine()

    # --- inside ---------------------------------------------------------------------------------------

    def _need_off(self, slots: Iterable[SlotId]) -> None:
        for slot in slots:
            self._work.needs_off(slot)

    def _each(self, kind: ChoreKind, slots: Sequence[SlotId], work: Callable[[SlotId, Work], str], by: str) -> Chore:
        """Work on each node; it is done once the last one could be switched on, and would boot what was made."""
        names = fold(tuple(map(self._state().config.node_name, slots)))
        last = slots[-1]

        def each(slot: SlotId, one: Work) -> str:
            try:
                return work(slot, one)
            finally:
                if slot == last:
                    one.phase("serve", None, "")
                    self._serve()

        return self._chores.start_each(kind, names, each, tuple(slots), by=by)

    def _serve(self) -> None:
        """Have the steward serve what is there now, and wait for it (in a thread)."""
        with contextlib.suppress(TimeoutError):  # what keeps it is a fault of its own
            asyncio.run_coroutine_threadsafe(self._steward.served(), self._loop).result(SERVED_S)

    def _done(self, result: str) -> str:
        self._steward.wake_from_thread()
        return result

    def _seen(self, record: ImageRecord) -> str:
        return self._done(record.ref)

    def _users(self, ref: str) -> tuple[str, ...]:
        """Name the nodes that have a root on a version, or are to have one: perhaps it is being made (in a thread)."""
        config = self._state().config
        wanted = {
            config.node_name(SlotId(stack, slot))
            for stack, one in config.cluster.stacks.items()
            for slot, device in one.devices.items()
            if device.image == ref
        }
        return tuple(sorted({*self._edges.roots.users_of(ref), *wanted}))

    def _image(self, record: ImageRecord) -> types.Image:
        return types.Image(
            ref=record.ref, name=record.name, digest=record.digest, created=rfc3339(record.created),
            source=record.source, parent=record.parent, arch=record.arch, boot=record.boot,
            size_bytes=record.size_bytes, files=record.files, prepared=record.prepared, note=record.note,
            nodes=tuple(
                sorted(node for node, root in self._steward.records.items() if record.ref in _images_of(root))
            ),
        )  # fmt: skip

    def _root(self, record: RootRecord) -> types.Root:
        why = self._steward.broken_roots.get(record.node, "")
        return types.Root(
            node=record.node, image=record.image, strategy=_strategy(record.strategy), generation=record.generation,
            made=rfc3339(record.made), mounted=not why, fault=why,
            kept=tuple(
                types.Kept(
                    generation=one.generation, label=one.label, image=one.image, made=rfc3339(one.made), by=one.by.value
                )
                for one in record.kept
            ),
        )  # fmt: skip


def _strategy(strategy: Strategy) -> types.StrategyWord:
    return cast(types.StrategyWord, strategy.value)  # a record says what "auto" came to


def _images_of(record: RootRecord) -> frozenset[str]:
    return frozenset({record.image, *(one.image for one in record.kept)})


def _workspace(opened: Workspace, shell: tuple[str, ...] = ()) -> types.Workspace:
    return types.Workspace(id=opened.id, path=str(opened.path), image=opened.image, shell=shell)


def _told(found: Sequence[diff.Change]) -> str:
    """Tell the first differences in one line: ``changed etc/hostname, added etc/x``."""
    words = [f"{one.kind.value} {one.path[:_PATH_CHARACTERS]}" for one in found[:_TOLD]]
    more = len(found) - len(words)
    return ", ".join(words) + (f" and {more} more" if more else "")


def _changes(found: Iterable[diff.Change]) -> tuple[types.Change, ...]:
    return tuple(types.Change(kind=one.kind.value, path=one.path, what=one.what) for one in found)
