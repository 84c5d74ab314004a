"""Nodes moved to another image and back to their very root: real images and roots in a folder."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from graped.config.types import Strategy
from graped.core.jobs import Outcome
from graped.errors import GrapeError, NodeOn, NotFound
from graped.model import SlotId
from graped.netboot.roots.records import Kept, Origin, RootRecord
from graped.provision.moving import Moving
from graped.provision.rootwork import RootWork
from graped.provision.wanted import former, runs
from graped.work import Work
from tests.netboot.images.tiny import ROOT_ONLY
from tests.provision.test_netboot import A, Play, World, play

__all__ = ["play"]  # the fixture


def moving(world: World) -> Moving:
    loop = asyncio.get_running_loop()

    async def set_image(slot: SlotId, image: str | None) -> None:
        world.set_devices({slot: {"image": image}})

    def pin(slot: SlotId, image: str | None) -> None:
        asyncio.run_coroutine_threadsafe(set_image(slot, image), loop).result(10)

    state = lambda: world.engine.state  # noqa: E731
    return Moving(world.edges, state, RootWork(world.edges, state, pin), pin, world.steward.served)


async def aside(call: Callable[[], object]) -> object:
    return await asyncio.to_thread(call)


@pytest.mark.lab
@ROOT_ONLY
def test_a_node_goes_to_an_image_and_back_to_the_very_root_that_it_had(play: Play) -> None:
    async def story(world: World) -> None:
        old, new = world.make_image("lite", "one"), world.make_image("lite", "two")
        await world.give([A], old.ref)
        world.root_file("state").write_text("mine")
        world.power(A, on=True)
        it = moving(world)
        assert it.find("lite") == new.ref
        assert it.why_not(A) == ""
        assert "no MAC address" in it.why_not(SlotId(0, 5))
        was, was_image = former(it.root(A), new.ref)
        assert (was, was_image) == ("1", old.ref)
        await aside(lambda: it.move(A, new.ref, Work()))
        assert world.image_of(A) == new.ref
        assert not world.root_file("state").exists()
        assert former(it.root(A), new.ref) == (was, was_image)  # also when asked after it
        assert not runs(it.root(A), new.ref)  # it still has the old one to leave
        with pytest.raises(NodeOn):
            await aside(lambda: it.back(A, was, was_image, Work()))
        world.power(A, on=False)
        await aside(lambda: it.back(A, was, was_image, Work()))
        assert world.root_file("state").read_text() == "mine"
        assert world.image_of(A) == old.ref
        root = it.root(A)
        assert root is not None
        assert (root.generation, root.image) == (was, old.ref)
        await aside(lambda: it.back(A, was, was_image, Work()))  # again, as after a crash: nothing
        assert world.root_file("state").read_text() == "mine"
        assert (await world.ended(world.netboot.make_roots([A], by="x"))).outcome is Outcome.DONE
        assert world.root_file("state").read_text() == "mine"  # a round does not undo it

    play(story)


@pytest.mark.lab
@ROOT_ONLY
def test_a_root_that_cannot_be_made_leaves_what_was_wanted(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(world: World) -> None:
        old, new = world.make_image("lite", "one"), world.make_image("lite", "two")
        world.set_devices({A: {"image": "lite@" + old.ref.partition("@")[2]}})
        await world.done(world.netboot.make_roots([A], by="x"))
        it = moving(world)
        tree = world.edges.images.root(new)
        tree.rename(tree.with_name("gone"))
        with pytest.raises((GrapeError, OSError)):
            await aside(lambda: it.move(A, new.ref, Work()))
        assert world.image_of(A) is None  # nothing was set by a command before: the files say it
        root = it.root(A)
        assert root is not None
        assert root.image == old.ref

    play(story)


@pytest.mark.lab
@ROOT_ONLY
def test_a_root_that_is_not_kept_any_more_is_no_way_back(play: Play) -> None:
    async def story(world: World) -> None:
        old, new = world.make_image("lite", "one"), world.make_image("lite", "two")
        await world.give([A], old.ref)
        it = moving(world)
        await aside(lambda: it.move(A, new.ref, Work()))
        world.edges.roots.drop("worker-0-0", "set-1")
        with pytest.raises(NotFound, match="not kept any more"):
            await aside(lambda: it.back(A, "1", old.ref, Work()))
        root = it.root(A)
        assert root is not None
        assert root.image == new.ref

    play(story)


def test_the_former_root_is_the_one_before_the_move() -> None:
    now = RootRecord(node="a", image="lite@2", strategy=Strategy.COPY, generation="5", made=0.0, next=6)
    kept = Kept(generation="3", label="x", image="lite@1", strategy=Strategy.COPY, made=0.0, by=Origin.SET)
    assert former(None, "lite@2") == ("", "")
    assert former(now, "lite@3") == ("5", "lite@2")
    assert former(now, "lite@2") == ("", "")
    snapshot = replace(kept, generation="4", by=Origin.SNAPSHOT)
    assert former(replace(now, kept=(kept, snapshot)), "lite@2") == ("3", "lite@1")
    assert runs(now, "lite@2")
    assert not runs(replace(now, serving=("3",)), "lite@2")
    assert not runs(None, "lite@2")
