"""Nodes with a system of their own, met by SSH on loopback: alive or not, trusted or not, and whom they let in."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from graped.config.types import Boot, Cluster, Config, Device, PowerPolicy, Ssh, Stack, Store
from graped.core.events import ConfigChanged
from graped.core.jobs import Outcome, Result
from graped.core.state import SlotState
from graped.errors import HostKeyChanged, NotFound
from graped.model import SlotId, Stage, Verb
from graped.network.ssh_keys import KeyRing, fingerprint_of
from graped.provision.access import Access
from graped.provision.chores import Chores
from tests.api.rack import Rack
from tests.network.sshd import free_port, sshd

A, B, C, NOWHERE = (SlotId(0, number) for number in range(4))
ME = "uid 0"
CLIENT = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ+KOgRv8qrX5D8n5kQ9mW7J1bY8r8yqFZ6qYV4pUqGd grape_docker"
UP_S = 1.0  # from an SSH server that answers to the stage: what is aimed at
BUSY_S = 9.0  # more on a machine that does other things


@dataclass
class Book:
    """A journal on paper."""

    lines: list[str] = field(default_factory=list)
    threads: set[int] = field(default_factory=set)  # that wrote

    def append(
        self, kind: str, message: str, *, node: str | None = None, fields: Mapping[str, object] | None = None
    ) -> object:
        self.lines.append(f"{kind}: {message}")
        self.threads.add(threading.get_ident())
        return None


class World:
    """Three nodes on addresses of their own, one without; netbooting is off."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        devices = {
            number: Device(
                mac=f"02:00:00:00:00:0{number}", boot=Boot.LOCAL, address=IPv4Address(f"127.0.9.{2 + number}")
            )
            for number in range(3)
        } | {3: Device(mac="02:00:00:00:00:03", boot=Boot.LOCAL)}
        config = Config(
            cluster=Cluster(stacks={0: Stack(devices=devices)}),
            ssh=Ssh(user=getpass.getuser(), port=self.port),
            store=Store(state_dir=folder / "state"),
            power=PowerPolicy(stagger_s=0.0, inrush_s=0.0, max_inrush=100, max_booting=100),
        )
        self.rack = Rack(config=config, netboot=False)
        self.engine = self.rack.engine
        self.book = Book()
        self.chores = Chores(self.engine)
        self.access = Access(
            self.engine, self.chores, self.book, self.rack.clock, lambda slot: slot.stack == 0, frozenset()
        )  # fmt: skip
        self.theirs = KeyRing(folder / "theirs")

    @contextlib.contextmanager
    def answering(self, slot: SlotId, keys: str, *more_lines: str) -> Iterator[None]:
        """Run a node's SSH server with the host keys of that name; it lets the cluster's key in."""
        room = self.folder / f"sshd-{slot.slot}-{keys}"
        room.mkdir()
        (room / "authorized").write_text(self.access.keys.cluster_public_key() + "\n")
        host = self.theirs.host_keys(keys) / "ssh_host_ed25519_key"
        more = (f"ListenAddress 127.0.9.{2 + slot.slot}:{self.port}", f"AuthorizedKeysFile {room}/authorized",
                "StrictModes no", "PermitRootLogin yes", *more_lines)  # fmt: skip
        with sshd(room, [host], *more):
            yield

    async def power(self, verb: Verb, *slots: SlotId) -> None:
        await self.engine.ask_power(verb, slots, by=ME)

    def slot(self, slot: SlotId) -> SlotState:
        return self.engine.state.slots[slot]

    async def until(self, true: Callable[[], bool], within_s: float = 20.0) -> float:
        """Wait until something is so; return how long it took."""
        began = time.monotonic()
        async with asyncio.timeout(within_s):
            while not true():  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        return time.monotonic() - began

    async def ended(self, number: int) -> Any:
        await self.until(lambda: self.engine.state.chores[number].ended is not None, 20)
        return self.engine.state.chores[number]


@pytest.fixture
def play(tmp_path: Path) -> Callable[[Callable[[World], Awaitable[None]]], None]:
    def play(story: Callable[[World], Awaitable[None]]) -> None:
        async def bounded() -> None:
            world = World(tmp_path)
            stop = asyncio.Event()
            async with asyncio.timeout(90):
                engine = asyncio.create_task(world.engine.run(stop))
                access = asyncio.create_task(world.access.run())
                try:
                    await story(world)
                finally:
                    access.cancel()
                    stop.set()
                    await asyncio.gather(engine, access, return_exceptions=True)
                    await world.chores.close(1.0)

        asyncio.run(bounded())

    return play


Play = Callable[[Callable[[World], Awaitable[None]]], None]


def test_a_node_is_up_soon_after_its_ssh_answers_and_lost_is_its_own_end(
    play: Play, record_property: Callable[[str, object], None]
) -> None:
    async def story(world: World) -> None:
        world.access.keys.pin("worker-0-0", world.theirs.public_keys(world_keys(world, "a")))
        await world.power(Verb.ON, A)
        await world.until(lambda: world.slot(A).stage is Stage.POWERED)
        await asyncio.sleep(0.5)
        assert world.slot(A).stage is Stage.POWERED, "nobody answers yet"
        with world.answering(A, "a"):
            took_s = await world.until(lambda: world.slot(A).stage is Stage.UP)
            record_property("summary", f"a node with its own disk is up {took_s:.2f} s after its SSH answers")
            assert took_s < UP_S + BUSY_S
            assert world.slot(A).stage_reason.startswith("SSH-2.0-OpenSSH")
            await world.until(lambda: A in world.engine.state.trusted)

    play(story)


def test_a_node_whose_key_is_right_and_whose_commands_hang_is_lost_until_one_ends(
    play: Play, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("graped.provision.pulse.LIVING_S", 0.2)
    monkeypatch.setattr("graped.provision.pulse.DOUBT_S", 0.2)
    monkeypatch.setattr("graped.provision.doubts.COMMAND_S", 2.0)
    hang = tmp_path / "hang"
    line = f"ForceCommand while test -e {hang}; do sleep 0.1; done"

    async def story(world: World) -> None:
        world.access.keys.pin("worker-0-0", world.theirs.public_keys(world_keys(world, "a")))
        await world.power(Verb.ON, A)
        with world.answering(A, "a", line):
            await world.until(lambda: world.slot(A).stage is Stage.UP)
            doubts = world.access.living.doubts
            doubts.raise_for(A)
            await world.until(lambda: not doubts.concern(A, Stage.UP))
            assert world.slot(A).stage is Stage.UP, "commands end: there is nothing to doubt"
            hang.touch()
            await asyncio.sleep(1.5)
            assert world.slot(A).stage is Stage.UP, "nobody doubts it: its key is all that is asked for"
            world.access.living.doubts.raise_for(A)
            await world.until(lambda: world.slot(A).stage is Stage.LOST)
            assert "a command does not end" in world.slot(A).stage_reason
            await asyncio.sleep(1.5)
            assert world.slot(A).stage is Stage.LOST, "its key alone does not make it live"
            hang.unlink()
            await world.until(lambda: world.slot(A).stage is Stage.UP)

    play(story)


def world_keys(world: World, name: str) -> str:
    world.theirs.host_keys(name)
    return name


def test_an_unknown_key_is_untrusted_until_it_is_pinned(play: Play) -> None:
    async def story(world: World) -> None:
        world_keys(world, "b")
        with world.answering(B, "b"):
            await world.power(Verb.ON, B)
            await world.until(lambda: world.slot(B).stage_reason == "untrusted: grapecli node trust worker-0-1")
            assert world.slot(B).stage is Stage.POWERED
            before = await world.access.ssh(B)
            assert (before.trusted, before.host_keys, before.why) == (
                False, (), "untrusted: grapecli node trust worker-0-1",
            )  # fmt: skip
            world.access.keys.pin("worker-0-1", world.theirs.public_keys("b"))
            world.access.pinned()
            await world.until(lambda: world.slot(B).stage is Stage.UP and B in world.engine.state.trusted)
            after = await world.access.ssh(B)
            assert (after.trusted, after.why, after.address) == (True, "", "127.0.9.3")
            assert after.fingerprint == fingerprint_of(world.theirs.public_keys("b")[0])
            await world.until(world.access.keys.known_hosts.exists)
            assert "127.0.9.3" in world.access.keys.known_hosts.read_text()

    play(story)


def test_somebody_else_with_the_address_is_never_up(play: Play) -> None:
    async def story(world: World) -> None:
        for name in ("c", "stranger"):
            world_keys(world, name)
        world.access.keys.pin("worker-0-2", world.theirs.public_keys("c"))
        with world.answering(C, "stranger"):
            await world.power(Verb.ON, C)
            await world.until(lambda: "not the pinned one" in world.slot(C).stage_reason)
            assert world.slot(C).stage is Stage.POWERED
            world.access.changed_keys.met(C, world.theirs.public_keys("stranger")[0])  # somebody else meets him, too
            await asyncio.sleep(0.1)
        pinned, shown = (fingerprint_of(world.theirs.public_keys(name)[0]) for name in ("c", "stranger"))
        (line,) = world.book.lines
        assert line.startswith("node.host_key_changed: worker-0-2: its host key is not the pinned one")
        assert pinned in line
        assert shown in line
        assert "grapecli node trust worker-0-2" in line

    play(story)


def test_a_key_is_accepted_and_so_is_the_next_one_and_the_event_log_has_both(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is written on a node is ``let_in``'s own matter; its home is that of this user, so it is not done here."""
    monkeypatch.setattr("graped.network.trust.let_in", lambda *_, **__: False)
    me = getpass.getuser()

    async def story(world: World) -> None:
        for name in ("a", "anew"):
            world_keys(world, name)
        old, new = (fingerprint_of(world.theirs.public_keys(name)[0]) for name in ("a", "anew"))
        await world.power(Verb.ON, A)
        with world.answering(A, "a"):
            (shown,) = await world.access.look((A,), me)
            assert (shown.state, shown.fingerprint, shown.lets_us_in) == ("new", old, True)
            chore = world.access.trust({A: old}, user=me, password=None, by=ME)
            assert (await world.ended(chore.id)).outcome is Outcome.DONE
            await world.until(lambda: world.slot(A).stage is Stage.UP)
            assert (await world.access.ssh(A, prove=True)).trusted
        with world.answering(A, "anew"):
            with pytest.raises(HostKeyChanged) as refused:
                await world.access.ssh(A, prove=True)
            assert old in refused.value.detail
            assert new in refused.value.detail
            assert "grapecli node trust worker-0-0" in refused.value.hint
            (shown,) = await world.access.look((A,), me)
            assert (shown.state, shown.fingerprint, shown.pinned) == ("changed", new, old)
            wrong = world.access.trust({A: old}, user=me, password=None, by=ME)
            assert (await world.ended(wrong.id)).outcome is Outcome.FAILED, "not the key that was accepted"
            chore = world.access.trust({A: new}, user=me, password=None, by=ME)
            assert (await world.ended(chore.id)).outcome is Outcome.DONE
            assert (await world.access.ssh(A, prove=True)).fingerprint == new
        await world.until(lambda: len(world.book.lines) == 3)
        assert [line.split(":")[0] for line in world.book.lines] == [
            "node.trusted", "node.host_key_changed", "node.trusted",
        ]  # fmt: skip
        assert world.book.lines[2].endswith(f"{new}, and no more: {old}")
        assert world.book.threads == {threading.get_ident()}, "the journal belongs to the loop's thread"

    play(story)


def test_a_node_without_an_address_is_not_asked_and_says_so(play: Play) -> None:
    async def story(world: World) -> None:
        await world.until(lambda: world.engine.state.watched == {A, B, C})
        told = await world.access.ssh(NOWHERE)
        assert (told.address, told.trusted) == (None, False)
        assert told.why.startswith("it has no address")

    play(story)


def test_a_node_whose_address_is_another_one_is_asked_there_at_once(play: Play) -> None:
    async def story(world: World) -> None:
        world.access.keys.pin("worker-0-0", world.theirs.public_keys(world_keys(world, "a")))
        with world.answering(A, "a"):
            await world.power(Verb.ON, A)
            await world.until(lambda: world.slot(A).stage is Stage.UP)
        config = world.engine.state.config
        devices = dict(config.cluster.stacks[0].devices)
        devices[0] = replace(devices[0], address=devices[1].address)
        devices[1] = replace(devices[1], address=IPv4Address("127.0.9.9"))
        stacks = {0: replace(config.cluster.stacks[0], devices=devices)}
        world.theirs.host_keys("b")
        with world.answering(B, "b"):  # somebody else is at its new address
            world.engine.post(ConfigChanged(config=replace(config, cluster=replace(config.cluster, stacks=stacks))))
            await world.until(lambda: world.slot(A).stage is Stage.LOST)
            assert "not the pinned one" in world.slot(A).stage_reason

    play(story)


def test_keys_of_clients_are_kept_told_and_forgotten(play: Play) -> None:
    async def story(world: World) -> None:
        key = await world.access.set_client_key("grape_docker", CLIENT, by=ME)
        again = await world.access.set_client_key("grape_docker", CLIENT, by=ME)
        assert key == again
        assert await world.access.client_keys() == (key,)
        assert key.fingerprint == fingerprint_of(CLIENT)
        assert (world.access.keys.clients.all()) == {"grape_docker": CLIENT}
        await world.access.remove_client_key("grape_docker", by=ME)
        assert await world.access.client_keys() == ()
        with pytest.raises(NotFound):
            await world.access.remove_client_key("grape_docker", by=ME)
        with pytest.raises(NotFound):
            await world.access.install_client_key("grape_docker", (A,), by=ME)
        assert [line.split(":")[0] for line in world.book.lines] == ["key.set", "key.removed"]

    play(story)


def test_a_key_is_installed_on_each_node_that_can_be_reached(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written on a node is ``let_in``'s own matter; its home is that of this user, so it is not done here."""
    let: list[tuple[str, tuple[str, ...], str]] = []
    together = threading.Barrier(2)

    def let_in(session: Any, keys: tuple[str, ...], *, user: str) -> bool:
        let.append((session.endpoint.name, keys, user))
        together.wait(10)  # both nodes at the same time, or nobody comes on
        return session.endpoint.name == "worker-0-0"

    monkeypatch.setattr("graped.provision.access.let_in", let_in)

    async def story(world: World) -> None:
        for name, node in (("a", "worker-0-0"), ("b", "worker-0-1"), ("c", "worker-0-2")):
            world.access.keys.pin(node, world.theirs.public_keys(world_keys(world, name)))
        await world.access.set_client_key("grape_docker", CLIENT, by=ME)
        with world.answering(A, "a"), world.answering(B, "b"):
            chore = await world.access.install_client_key("grape_docker", (A, B, C, NOWHERE), by=ME)
            end = await world.ended(chore.id)
        assert end.outcome is Outcome.WITH_ERRORS
        told = {slot.slot: (node.result, node.reason) for slot, node in end.nodes.items()}
        assert told[0] == (Result.DONE, "added")
        assert told[1] == (Result.DONE, "as it was")
        assert told[2][0] is told[3][0] is Result.FAILED
        assert "port" in told[2][1]
        assert told[3][1] == "worker-0-3 has no address"
        assert sorted(let) == [(node, (CLIENT,), getpass.getuser()) for node in ("worker-0-0", "worker-0-1")]

    play(story)
