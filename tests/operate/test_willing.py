"""Who can be asked to stop: up, pinned, real, and with our key let in; believed until it is refuted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from graped.core.events import NodesTrusted, StageSeen
from graped.errors import SshDenied, SshTimeout
from graped.model import SlotId, Stage, Verb
from graped.network.ssh_client import Endpoint
from graped.operate.power.willing import Willing
from tests.operate.yard import A, B, C, Yard, play, running


class Door:
    """Logs in, or does not; ``knocks`` are the names of those who were asked."""

    def __init__(self) -> None:
        self.closed: dict[str, Exception] = {}
        self.knocks: list[str] = []

    def __call__(self, at: Endpoint) -> None:
        self.knocks.append(at.name)
        if error := self.closed.get(at.name):
            raise error


def following(folder: Path, door: Door, story: Callable[[Yard], Awaitable[None]], *slots: SlotId) -> None:
    async def begin(yard: Yard) -> None:
        willing = Willing(yard.house, door)
        await yard.wake(*slots)
        with running(willing.run):
            await story(yard)

    play(folder, begin)


def can(yard: Yard) -> frozenset[SlotId]:
    return yard.engine.state.soft_off


def test_nodes_that_are_up_and_pinned_can_be_asked_and_each_is_met_once_a_boot(tmp_path: Path) -> None:
    door = Door()

    async def story(yard: Yard) -> None:
        await yard.until(lambda: can(yard) == {A, B})  # C is a made-up node
        await yard.until(lambda: sorted(door.knocks) == ["worker-0-0", "worker-0-1"])
        yard.engine.post(StageSeen(slot=A, stage=Stage.LOST, evidence="no answer"))
        await yard.until(lambda: can(yard) == {B})
        yard.engine.post(StageSeen(slot=A, stage=Stage.UP, evidence="SSH"))
        await yard.until(lambda: can(yard) == {A, B})
        yard.engine.post(NodesTrusted(slots=frozenset({A})))
        await yard.until(lambda: can(yard) == {A})
        await yard.power(Verb.OFF, A, force=True)
        await yard.until(lambda: can(yard) == set())
        assert len(door.knocks) == 3

    following(tmp_path, door, story, A, B, C)


def test_a_node_that_does_not_let_us_in_cannot_be_asked(tmp_path: Path) -> None:
    door = Door()
    door.closed = {"worker-0-0": SshDenied("no"), "worker-0-1": SshTimeout("later")}

    async def story(yard: Yard) -> None:
        await yard.until(lambda: can(yard) == {B})
        await asyncio.sleep(1.5)
        assert can(yard) == {B}
        assert sorted(door.knocks) == ["worker-0-0", "worker-0-1"], "nobody knocks again and again"

    following(tmp_path, door, story, A, B)
