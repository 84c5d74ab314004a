"""What the API asks of netbooting, by plain calls: real images and roots in a folder, a rack in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from ipaddress import IPv4Interface
from pathlib import Path
from typing import Any, cast

import pytest

from graped.api.types import NodeChanges
from graped.config.types import Cluster, Config, Device, Netboot, Stack, Store, Strategy, Supervisor
from graped.core.chore import Chore
from graped.core.events import ConfigChanged
from graped.core.jobs import Outcome, Result
from graped.errors import Damaged, InUse, NetbootOff, NodeOn, NotFound, RequestError
from graped.model import SlotId
from graped.netboot.images.record import ImageRecord
from graped.provision import netboot
from graped.provision.chores import Chores
from graped.provision.edges import build
from graped.provision.rivals import Rivals
from graped.provision.rootwork import RootWork
from graped.provision.steward import Steward
from graped.runner import SubprocessRunner
from graped.work import Work
from tests.api.rack import BITS, Rack
from tests.netboot.images.tiny import ROOT_ONLY, tiny_root

pytestmark = [pytest.mark.lab, ROOT_ONLY]

A, B = SlotId(0, 0), SlotId(0, 1)
ME = "uid 0"


class Looking(Steward):
    """Serves nobody: a round is a look at what is there."""

    async def served(self) -> None:
        await asyncio.to_thread(self._look)


class World:
    """The facade over real edges."""

    def __init__(self, folder: Path, *, active: bool) -> None:
        devices = {n: Device(mac=f"b8:27:eb:00:00:0{n + 1}", strategy=Strategy.COPY) for n in range(2)}
        net = Netboot(
            active=active, interface="eth1", address=IPv4Interface("10.77.0.1/24"), folder=folder / "netboot",
            supervisor=Supervisor.PROCESS,
        )  # fmt: skip
        config = Config(
            cluster=Cluster(stacks={0: Stack(devices=devices)}), netboot=net, store=Store(state_dir=folder)
        )  # fmt: skip
        self.rack = Rack(config=config, netboot=False)
        self.engine = self.rack.engine
        self.edges = build(config, SubprocessRunner(), self.rack.clock.wall)
        self.chores = Chores(self.engine)
        self.steward = Looking(self.edges, self.engine, self.rack.clock, cast(Rivals, None), lambda slots, by: None)
        loop = asyncio.get_running_loop()

        async def set_image(slot: SlotId, image: str) -> None:
            self.set_devices({slot: {"image": image}})

        def pin(slot: SlotId, image: str) -> None:
            asyncio.run_coroutine_threadsafe(set_image(slot, image), loop).result(10)

        self.netboot = netboot.Netboot(
            edges=self.edges,
            steward=self.steward,
            chores=self.chores,
            work=RootWork(self.edges, lambda: self.engine.state, pin),
            state=lambda: self.engine.state,
            clock=self.rack.clock,
            set_devices=self.set_devices,
            check=cast(Any, None),
        )
        self.folder = folder

    def set_devices(self, settings: netboot.Settings) -> None:
        """As the service does: in force when this returns."""
        config = self.engine.state.config
        stacks = dict(config.cluster.stacks)
        for slot, changes in settings.items():
            typed: Mapping[str, Any] = {
                key: Strategy(value) if key == "strategy" and value else value for key, value in changes.items()
            }
            devices = dict(stacks[slot.stack].devices)
            devices[slot.slot] = replace(devices[slot.slot], **typed)
            stacks[slot.stack] = replace(stacks[slot.stack], devices=devices)
        self.engine.post(
            ConfigChanged(config=replace(config, cluster=replace(config.cluster, stacks=stacks)))
        )  # fmt: skip

    def image_of(self, slot: SlotId) -> str | None:
        """What is set for a node."""
        return self.engine.state.config.cluster.stacks[slot.stack].devices[slot.slot].image

    def power(self, slot: SlotId, *, on: bool) -> None:
        """Somebody switches a slot by hand."""
        bit = 1 << BITS[slot.slot]
        self.rack.ports[slot.stack] = self.rack.ports[slot.stack] & ~bit if on else self.rack.ports[slot.stack] | bit
        for _ in range(6):
            self.rack.read_soon(slot.stack)

    def make_image(self, name: str, word: str) -> ImageRecord:
        tree = tiny_root(self.folder / f"tree-{name}-{word}")
        (tree / "etc/issue").write_text(word)
        return self.edges.images.import_tree(name, tree, "a test", Work())

    async def ended(self, chore: Chore) -> Chore:
        while self.engine.state.chores[chore.id].ended is None:
            await self.engine.changed(self.engine.state.revision, 5.0)
        await self.steward.served()
        return self.engine.state.chores[chore.id]

    async def done(self, chore: Chore) -> str:
        """Wait for a chore that is to succeed; tell its result, or those of its nodes."""
        end = await self.ended(chore)
        assert end.outcome is Outcome.DONE, (end.failure, end.nodes)
        return end.result or "; ".join(node.reason for node in end.nodes.values())

    async def give(self, slots: Sequence[SlotId], image: str, strategy: Any = None) -> str:
        return await self.done(
            await self.netboot.set_nodes(slots, NodeChanges(image=image, strategy=strategy), by=ME)
        )  # fmt: skip

    def root_file(self, name: str) -> Path:
        return self.edges.roots.export_path("worker-0-0") / name


@pytest.fixture
def play(tmp_path: Path) -> Callable[..., None]:
    def play(story: Callable[[World], Awaitable[None]], *, active: bool = True) -> None:
        async def bounded() -> None:
            world = World(tmp_path, active=active)
            async with asyncio.timeout(20):
                try:
                    await story(world)
                finally:
                    await world.chores.close(5.0)

        asyncio.run(bounded())

    return play


Play = Callable[..., None]


def test_a_node_is_set_to_the_version_that_was_the_newest_then(play: Play) -> None:
    async def story(world: World) -> None:
        first = world.make_image("lite", "one")
        assert await world.give([A], "lite") == f"{first.ref} (copy)"
        assert world.image_of(A) == first.ref  # in full
        newer = world.make_image("lite", "two")
        assert world.image_of(A) == first.ref
        assert await world.done(world.netboot.make_roots([A], by=ME)) == "as it was"
        root = world.netboot.root(A)
        assert root is not None
        assert (root.image, root.strategy, root.kept, root.mounted) == (first.ref, "copy", (), True)
        assert await world.give([A], "lite") == f"{newer.ref} (copy)"
        root = world.netboot.root(A)
        assert root is not None
        assert [(one.image, one.by) for one in root.kept] == [(first.ref, "set")]
        assert world.netboot.image(first.ref).nodes == world.netboot.image("lite").nodes == ("worker-0-0",)

    play(story)


def test_what_is_not_named_stays_and_the_empty_word_goes_back_to_the_files(play: Play) -> None:
    async def story(world: World) -> None:
        image = world.make_image("lite", "one")
        await world.give([A], image.ref)
        await world.done(await world.netboot.set_nodes([A], NodeChanges(strategy="copy"), by=ME))
        assert world.image_of(A) == image.ref
        assert await world.done(await world.netboot.set_nodes([A], NodeChanges(image=""), by=ME)) == "no image is set"
        assert world.image_of(A) is None

    play(story)


def test_an_image_that_is_none_sets_nothing(play: Play) -> None:
    async def story(world: World) -> None:
        with pytest.raises(NotFound):
            await world.netboot.set_nodes([A], NodeChanges(image="nothing"), by=ME)
        assert world.image_of(A) is None
        assert not world.engine.state.chores

    play(story)


def test_an_image_stays_while_a_root_or_a_kept_root_lies_on_it(play: Play) -> None:
    async def story(world: World) -> None:
        old, new = world.make_image("old", "one"), world.make_image("new", "two")
        await world.give([A, B], old.ref)
        with pytest.raises(InUse, match=r"worker-0-\[0-1\]"):
            await world.netboot.remove_image("old")
        await world.give([A], new.ref)  # A keeps the root it had
        world.edges.roots.remove("worker-0-1")
        world.set_devices({B: {"image": None}})
        with pytest.raises(InUse, match=r"worker-0-0$"):
            await world.netboot.remove_image("old")
        world.edges.roots.drop("worker-0-0", "set-1")
        with pytest.raises(InUse, match=r"worker-0-0$"):  # it may still run on it
            await world.netboot.remove_image("old")
        world.edges.roots.release("worker-0-0")
        assert (await world.netboot.remove_image("old")).ref == old.ref
        assert world.edges.images.all() == (new,)

    play(story)


def test_an_image_is_listed_once_it_is_there_and_not_once_it_was_removed(play: Play) -> None:
    async def story(world: World) -> None:
        image = world.make_image("lite", "one")
        assert [one.ref for one in world.netboot.images()] == [image.ref]
        await world.netboot.remove_image("lite")
        assert world.netboot.images() == ()

    play(story)


def test_an_image_stays_under_a_running_node_that_keeps_nothing(play: Play) -> None:
    async def story(world: World) -> None:
        old, new = world.make_image("old", "one"), world.make_image("new", "two")
        await world.give([A], old.ref, "ephemeral")
        world.power(A, on=True)
        assert (await world.give([A], new.ref)).endswith("from its next boot on")
        with pytest.raises(InUse, match=r"worker-0-0$"):
            await world.netboot.remove_image("old")

    play(story)


def test_an_image_stays_while_it_is_set_for_a_node_that_has_no_root_yet(play: Play) -> None:
    async def story(world: World) -> None:
        image = world.make_image("lite", "one")
        world.set_devices({B: {"image": image.ref}})
        with pytest.raises(InUse, match=r"worker-0-1$"):
            await world.netboot.remove_image("lite")

    play(story)


def test_what_needs_a_node_off_is_refused_while_it_is_on(play: Play) -> None:
    async def story(world: World) -> None:
        image = world.make_image("lite", "one")
        await world.give([A, B], image.ref)
        world.power(B, on=True)
        before = len(world.engine.state.chores)
        for ask in (
            lambda: world.netboot.snapshot_nodes([A, B], "before", by=ME),
            lambda: world.netboot.rollback_nodes([A, B], None, by=ME),
            lambda: world.netboot.commit_node(B, "mine", by=ME),
        ):
            with pytest.raises(NodeOn, match="worker-0-1 is on") as refused:
                await ask()
            assert refused.value.code == "node_on"
            assert "power off worker-0-1" in refused.value.hint
        assert len(world.engine.state.chores) == before
        await world.done(await world.netboot.snapshot_nodes([A], "before", by=ME))

    play(story)


def test_a_node_that_comes_on_while_others_are_worked_on_is_left_alone(play: Play) -> None:
    async def story(world: World) -> None:
        image = world.make_image("lite", "one")
        await world.give([A, B], image.ref)
        chore = await world.netboot.snapshot_nodes([A, B], "before", by=ME)
        world.power(B, on=True)  # its turn has not come
        end = await world.ended(chore)
        assert end.nodes[A].result is Result.DONE
        assert end.nodes[B].result is Result.FAILED
        assert "worker-0-1 is on" in end.nodes[B].reason

    play(story)


def test_a_rollback_pins_the_image_that_it_went_back_to(play: Play) -> None:
    async def story(world: World) -> None:
        old, new = world.make_image("lite", "one"), world.make_image("lite", "two")
        await world.give([A], old.ref)
        world.root_file("state").write_text("of old")
        await world.give([A], "lite")
        assert world.image_of(A) == new.ref
        assert await world.done(await world.netboot.rollback_nodes([A], None, by=ME)) == f"back on {old.ref}"
        assert world.image_of(A) == old.ref
        assert world.root_file("state").read_text() == "of old"
        assert await world.done(world.netboot.make_roots([A], by=ME)) == "as it was"  # a round does not undo it

    play(story)


def test_a_rollback_within_an_image_pins_nothing(play: Play) -> None:
    async def story(world: World) -> None:
        world.make_image("lite", "one")
        world.set_devices({A: {"image": "lite"}})
        await world.done(world.netboot.make_roots([A], by=ME))
        await world.done(await world.netboot.snapshot_nodes([A], "before", by=ME))
        world.root_file("state").write_text("bad")
        await world.done(await world.netboot.rollback_nodes([A], "before", by=ME))
        assert not world.root_file("state").exists()
        assert world.image_of(A) == "lite"

    play(story)


@pytest.mark.parametrize("label", ["", "-a", "a b", "a/b", "x" * 49, "reset-3", "ä", "a\n"])
def test_a_label_that_is_none_is_refused_at_once(play: Play, label: str) -> None:
    async def story(world: World) -> None:
        with pytest.raises(RequestError, match="no label"):
            await world.netboot.snapshot_nodes([A], label, by=ME)
        assert not world.engine.state.chores

    play(story)


def test_a_label_that_is_taken_or_not_there_fails_its_node(play: Play) -> None:
    async def story(world: World) -> None:
        await world.give([A], world.make_image("lite", "one").ref)
        assert await world.done(await world.netboot.snapshot_nodes([A], "one", by=ME)) == "kept as one"
        taken = await world.ended(await world.netboot.snapshot_nodes([A], "one", by=ME))
        assert (taken.outcome, taken.nodes[A].reason) == (Outcome.FAILED, "worker-0-0 has a snapshot one already")
        gone = await world.ended(await world.netboot.rollback_nodes([A], "two", by=ME))
        assert gone.nodes[A].reason == "worker-0-0 has no snapshot two"
        root = world.netboot.root(A)
        assert root is not None
        assert [(one.label, one.by) for one in root.kept] == [("one", "snapshot")]

    play(story)


def test_a_kept_root_that_is_dropped_is_gone_and_its_image_may_go_too(play: Play) -> None:
    async def story(world: World) -> None:
        old, new = world.make_image("lite", "one"), world.make_image("full", "two")
        await world.give([A], old.ref)
        await world.done(await world.netboot.snapshot_nodes([A], "one", by=ME))
        await world.give([A], new.ref)
        root = world.netboot.root(A)
        assert root is not None
        for kept in root.kept:
            assert (
                await world.done(await world.netboot.drop_kept([A], kept.label, by=ME)) == f"{kept.label} is given up"
            )
        gone = await world.ended(await world.netboot.drop_kept([A], "one", by=ME))
        assert gone.outcome is Outcome.FAILED
        after = world.netboot.root(A)
        assert after is not None
        assert (after.image, after.kept) == (new.ref, ())

    play(story)


def test_a_commit_makes_a_version_of_what_a_node_has(play: Play) -> None:
    async def story(world: World) -> None:
        image = world.make_image("lite", "one")
        await world.give([A], image.ref)
        world.root_file("etc/new").write_text("made by hand")
        assert [one.path for one in await world.netboot.diff_node(A)] == ["etc/new"]
        ref = await world.done(await world.netboot.commit_node(A, "mine", by=ME))
        made = world.netboot.image("mine")
        assert (made.ref, made.parent) == (ref, image.ref)
        assert "etc/new" in [one.path for one in await world.netboot.diff_images(image.ref, ref)]

    play(story)


def test_a_damaged_image_says_what_is_wrong_with_it(play: Play) -> None:
    async def story(world: World) -> None:
        image = world.make_image("lite", "one")
        assert await world.done(await world.netboot.verify_image("lite", by=ME)) == f"{image.ref} is intact"
        tree = world.edges.images.root(image)
        (tree / "etc/issue").write_text("two")
        for number in range(9):
            (tree / f"new{number}").touch()
        end = await world.ended(await world.netboot.verify_image("lite", by=ME))
        assert end.failure is not None
        assert end.failure.code == Damaged.code == "damaged"
        told = f"{image.ref} is not what it was: changed etc/issue, added new0, added new1, added new2, added new3"
        assert end.failure.message == f"{told} and 5 more"
        (tree.parent / "manifest").write_text("")
        end = await world.ended(await world.netboot.verify_image("lite", by=ME))
        assert end.failure is not None
        assert end.failure.code == "damaged"

    play(story)


def test_an_upload_knows_how_much_will_come(play: Play, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async def bad() -> AsyncIterator[bytes]:
            yield b"no image at all" * 1000

        chore = await world.netboot.import_image("x", "a test", bad(), size_bytes=15_000, by=ME)
        end = await world.ended(chore)
        assert end.failure is not None
        assert end.failure.code == "bad_image"
        assert end.progress is not None
        assert (end.progress.phase, end.progress.total) == ("read", 15_000)
        assert world.edges.images.all() == ()

    play(story)


def test_what_a_command_writes_is_kept_with_its_job(play: Play) -> None:
    async def story(world: World) -> None:
        world.make_image("lite", "one")
        words = ("sh", "-c", "echo hello; echo there >&2; touch /x")
        chore = await world.netboot.exec_image("lite", words, name=None, by=ME)
        ref = await world.done(chore)
        assert world.netboot.output(chore.id, 0) == (("hello", "there"), 2)
        assert world.netboot.image(ref).name == "lite"

    play(story)


def test_without_servers_images_are_still_there_and_roots_are_not_touched(play: Play) -> None:
    async def story(world: World) -> None:
        image = world.make_image("lite", "one")
        await world.steward.served()
        assert [one.ref for one in world.netboot.images()] == [image.ref]
        for ask in (
            lambda: world.netboot.set_nodes([A], NodeChanges(image="lite"), by=ME),
            lambda: world.netboot.reset_nodes([A], by=ME),
            lambda: world.netboot.snapshot_nodes([A], "x", by=ME),
            lambda: world.netboot.rollback_nodes([A], None, by=ME),
            lambda: world.netboot.commit_node(A, "x", by=ME),
        ):
            with pytest.raises(NetbootOff):
                await ask()
        assert world.netboot.root(A) is None
        assert (await world.netboot.remove_image("lite")).ref == image.ref

    play(story, active=False)
