"""Images and roots in memory: what is asked is done, by the real chores, on dictionaries."""

from __future__ import annotations

import hashlib
import sys
import threading
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import BinaryIO

from graped.api import types
from graped.core.chore import Chore, ChoreKind
from graped.engine import Engine
from graped.errors import BadImage, Conflict, InUse, NodeOn, NotFound
from graped.model import Power, SlotId
from graped.provision.chores import Chores
from graped.work import Work

MADE = "2026-11-26T12:00:00.000Z"


def image(name: str, digest: str, **more: object) -> types.Image:
    whole = hashlib.sha256(digest.encode()).hexdigest()
    one = types.Image(
        ref=f"{name}@{whole[:12]}", name=name, digest=whole, created=MADE, source="a test", parent="", arch="arm64",
        boot="boot/firmware", size_bytes=400_000_000, files=30_000, prepared=True, note="",
    )  # fmt: skip
    return replace(one, **more)  # type: ignore[arg-type]


class Provision:
    """Implements ``backend.Provision``. A body that begins with ``BAD`` is no image."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.kept = [image("bookworm", "one"), image("bookworm", "two"), image("lite", "three")]
        self.roots: dict[SlotId, types.Root] = {}
        self.workspaces_open: dict[str, types.Workspace] = {}
        self.set: list[tuple[tuple[SlotId, ...], types.NodeChanges]] = []
        self.by: list[str] = []
        self.largest_chunk = 0
        self.may_go = threading.Event()  # what is run waits for it behind each line
        self.may_go.set()
        self.shell: tuple[str, ...] = (sys.executable, "-c", "raise SystemExit(3)")
        for number in range(2):
            self._give(SlotId(0, number), self.kept[0].ref)

    @cached_property
    def chores(self) -> Chores:
        return Chores(self.engine)

    # --- what is ---

    def images(self) -> Sequence[types.Image]:
        return tuple(self.image(one.ref) for one in sorted(self.kept, key=lambda one: one.name))

    def image(self, ref: str) -> types.Image:
        name, _, digest = ref.partition("@")
        found = [one for one in self.kept if one.name == name and one.digest.startswith(digest)]
        if not found:
            raise NotFound(f"there is no image {ref}", hint="grapecli image list shows them")
        if digest and len(found) > 1:
            raise Conflict(f"{ref} is more than one image")
        return replace(found[-1], nodes=tuple(root.node for root in self.roots.values() if root.image == found[-1].ref))

    def root(self, slot: SlotId) -> types.Root | None:
        return self.roots.get(slot)

    # --- what is done at once ---

    async def remove_image(self, ref: str) -> types.Image:
        gone = self.image(ref)
        if gone.nodes:
            raise InUse(f"{gone.ref} is used by {', '.join(gone.nodes)}")
        self.kept = [one for one in self.kept if one.ref != gone.ref]
        return gone

    async def diff_images(self, old: str, new: str) -> Sequence[types.Change]:
        if self.image(old) == self.image(new):
            return ()
        return (types.Change(kind="changed", path="etc/motd", what="content"),)

    async def diff_node(self, slot: SlotId) -> Sequence[types.Change]:
        if slot not in self.roots:
            raise NotFound("this node has no root")
        return (types.Change(kind="added", path="root/hello", what=""),)

    async def workspaces(self) -> Sequence[types.Workspace]:
        return tuple(self.workspaces_open.values())

    async def open_workspace(self, ref: str, *, by: str) -> types.Workspace:
        number = f"w{len(self.workspaces_open) + 1}"
        one = types.Workspace(id=number, path=f"/tmp/{number}", image=self.image(ref).ref, shell=self.shell)
        self.workspaces_open[number] = one
        return one

    async def drop_workspace(self, workspace: str) -> types.Workspace:
        if workspace not in self.workspaces_open:
            raise NotFound(f"there is no workspace {workspace}")
        return self.workspaces_open.pop(workspace)

    async def doctor(self) -> Sequence[types.Check]:
        return (
            types.Check(name="dhcp", state="ok", message="no other server answers"),
            types.Check(name="space", state="warning", message="3 GB are free", hint="remove an image"),
        )

    # --- what takes long ---

    async def import_image(
        self, name: str, source: str, chunks: AsyncIterator[bytes], *, size_bytes: int | None = None, by: str
    ) -> Chore:
        async def measured() -> AsyncIterator[bytes]:
            async for chunk in chunks:
                self.largest_chunk = max(self.largest_chunk, len(chunk))
                yield chunk

        def work(stream: BinaryIO, work: Work) -> str:
            if stream.read(3) == b"BAD":
                raise BadImage("this is no image", hint="Give a tar or a disk image.")
            work.phase("read", size_bytes)
            digest, size = hashlib.sha256(), 3
            while data := stream.read(1 << 20):
                digest.update(data)
                size += len(data)
                work.advance(len(data))
            made = image(name, digest.hexdigest(), source=source, size_bytes=size)
            self.kept.append(made)
            return made.ref

        self.by.append(by)
        return await self.chores.start_upload(ChoreKind.IMAGE_IMPORT, name, work, measured(), by=by)

    async def verify_image(self, ref: str, *, by: str) -> Chore:
        one = self.image(ref)
        return self.chores.start(ChoreKind.IMAGE_VERIFY, one.ref, lambda work: "intact", by=by)

    async def prepare_image(self, ref: str, *, by: str) -> Chore:
        one = self.image(ref)
        return self.chores.start(ChoreKind.IMAGE_PREPARE, one.ref, lambda work: self._made(one, one.name), by=by)

    async def exec_image(self, ref: str, argv: Sequence[str], *, name: str | None, by: str) -> Chore:
        one = self.image(ref)

        def work(work: Work) -> str:
            """Say each word of ``echo``; count with ``seq``."""
            work.phase("run", unit="lines")
            program, *words = argv
            if program == "seq":
                words = [str(number + 1) for number in range(int(words[0]))]
            for word in words if program in ("echo", "seq") else ():
                work.say(word)
                work.advance(1)
                assert self.may_go.wait(10)
            return self._made(one, name or one.name)

        return self.chores.start(ChoreKind.IMAGE_EXEC, one.ref, work, by=by)

    def output(self, job: int, after: int) -> tuple[Sequence[str], int]:
        return self.chores.output(job, after)

    async def commit_workspace(self, workspace: str, name: str | None, *, by: str) -> Chore:
        one = self.image((await self.drop_workspace(workspace)).image)
        return self.chores.start(ChoreKind.IMAGE_COMMIT, one.ref, lambda work: self._made(one, name or one.name), by=by)

    async def commit_node(self, slot: SlotId, name: str, *, by: str) -> Chore:
        self._off([slot])
        if slot not in self.roots:
            raise NotFound("this node has no root")
        one = self.image(self.roots[slot].image)
        return self.chores.start(ChoreKind.IMAGE_COMMIT, name, lambda work: self._made(one, name), by=by)

    async def set_nodes(self, slots: Sequence[SlotId], changes: types.NodeChanges, *, by: str) -> Chore:
        self.set.append((tuple(slots), changes))
        ref = self.image(changes.image).ref if changes.image else None
        return self._each(ChoreKind.NODE_SET, slots, by, ref)

    async def reset_nodes(self, slots: Sequence[SlotId], *, by: str) -> Chore:
        return self._each(ChoreKind.NODE_RESET, slots, by, None)

    async def snapshot_nodes(self, slots: Sequence[SlotId], label: str, *, by: str) -> Chore:
        self._off(slots)
        return self._each(ChoreKind.NODE_SNAPSHOT, slots, by, None)

    async def rollback_nodes(self, slots: Sequence[SlotId], label: str | None, *, by: str) -> Chore:
        self._off(slots)
        return self._each(ChoreKind.NODE_ROLLBACK, slots, by, None)

    async def drop_kept(self, slots: Sequence[SlotId], label: str, *, by: str) -> Chore:
        return self._each(ChoreKind.NODE_DROP, slots, by, None)

    def _each(self, kind: ChoreKind, slots: Sequence[SlotId], by: str, ref: str | None) -> Chore:
        def each(slot: SlotId, work: Work) -> str:
            if ref:
                self._give(slot, ref)
            if slot not in self.roots:
                raise NotFound("it has no root")
            return self.roots[slot].image

        return self.chores.start_each(kind, f"{len(slots)} nodes", each, tuple(slots), by=by)

    def _off(self, slots: Sequence[SlotId]) -> None:
        for slot in slots:
            if self.engine.state.slots[slot].observed is Power.ON:
                raise NodeOn(f"{slot.default_name} is on")

    def _give(self, slot: SlotId, ref: str) -> None:
        kept = types.Kept(generation="1", label="before", image=ref, made=MADE, by="snapshot")
        self.roots[slot] = types.Root(
            node=slot.default_name, image=ref, strategy="overlay", generation="2", made=MADE, kept=(kept,)
        )

    def _made(self, parent: types.Image, name: str) -> str:
        made = image(name, f"{parent.digest}{len(self.kept)}", parent=parent.ref)
        self.kept.append(made)
        return made.ref
