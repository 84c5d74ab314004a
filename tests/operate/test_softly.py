"""Soft-off from the command to the cut: the real core and engine, a node that is a fake with a will of its own."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from graped.core.events import MetersRead, SoftOffChanged
from graped.core.jobs import Result, Step
from graped.errors import PingForbidden, SshDenied
from graped.model import MeterKind, Power, Reading, Verb
from graped.network.ssh_client import Endpoint
from graped.operate.compose import Operations
from graped.operate.evidence.pinging import Pings
from graped.operate.power.softly import ASKED, TRY_S, Softly, alive
from tests.operate.yard import A, B, Yard, machine, play, running


@dataclass
class Nodes:
    """Systems that obey after a while, or never; ``down_at`` by address, monotonic seconds."""

    takes_s: float = 0.3
    obeys: bool = True
    may_ping: bool = True
    refuses: Exception | None = None
    slow_login_s: float = 0.0
    asked: list[str] = field(default_factory=list)
    down_at: dict[str, float] = field(default_factory=dict)
    rounds: int = 0
    widest: int = 0

    def ask(self, at: Endpoint) -> None:
        time.sleep(self.slow_login_s)
        if self.refuses is not None:
            raise self.refuses
        self.asked.append(at.name)
        if self.obeys:
            self.down_at[at.address] = time.monotonic() + self.takes_s

    def down(self, where: str) -> bool:
        return time.monotonic() >= self.down_at.get(where, float("inf"))

    def tries(self, at: Endpoint) -> bool:
        return not self.down(at.address)

    def ping(
        self, addresses: Iterable[IPv4Address], *, timeout_s: float = 0, tries: int = 0, pause_s: float = 0
    ) -> Mapping[IPv4Address, float | None]:
        if not self.may_ping:
            raise PingForbidden("the kernel does not let this process send pings", hint="CAP_NET_RAW")
        found = {one: None if self.down(str(one)) else 0.001 for one in addresses}
        self.rounds += 1
        self.widest = max(self.widest, len(found))
        if None in found.values():
            time.sleep(timeout_s)
        return found


Story = Callable[[Yard, Softly, Nodes], Awaitable[None]]


def stopping(folder: Path, story: Story, nodes: Nodes | None = None, **policy: float) -> None:
    """Play a story in which A and B are up and can be asked."""
    nodes = nodes or Nodes()

    async def begin(yard: Yard) -> None:
        softly = Softly(yard.house, Pings(yard.engine.post, nodes.ping), tries=nodes.tries, asks=nodes.ask)
        yard.engine.ask_node = lambda effect: softly.ask(effect)  # type: ignore[arg-type]
        await yard.wake(A, B)
        yard.engine.post(SoftOffChanged(slots=frozenset({A, B})))
        with running(softly.run):
            await story(yard, softly, nodes)

    play(folder, begin, **{"soft_off_max_s": 8.0, **policy})


def test_a_node_that_goes_down_is_seen_settles_and_is_cut(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    told: list[str] = []

    async def story(yard: Yard, softly: Softly, nodes: Nodes) -> None:
        began = time.monotonic()
        job = await yard.power(Verb.OFF, A)
        await yard.until(lambda: yard.task(job, A).reason == ASKED)
        await yard.until(lambda: "settles" in yard.task(job, A).reason)
        told.append(yard.task(job, A).reason)
        assert yard.engine.state.slots[A].observed is Power.ON, "it is not cut while it settles"
        await yard.ended(job)
        took_s = time.monotonic() - began
        task = yard.task(job, A)
        assert task.result is Result.DONE
        assert task.way[1].startswith("soft-off: is down after ")
        assert task.way[1].endswith(" s: no ping, no SSH")
        assert took_s >= nodes.takes_s + 0.2
        record_property("summary", f"soft-off of a node that takes {nodes.takes_s} s: {took_s:.2f} s, 0.2 s to settle")

    stopping(tmp_path, story, settle_s=0.2)
    assert told[0].startswith("is down after ")
    assert told[0].endswith("and settles for 0.2 s")


def test_a_node_that_never_goes_down_is_cut_at_the_deadline_and_forgotten(tmp_path: Path) -> None:
    async def story(yard: Yard, softly: Softly, nodes: Nodes) -> None:
        job = await yard.power(Verb.OFF, A)
        took_s = await yard.ended(job)
        assert 1.4 <= took_s < 7.0
        assert yard.task(job, A).way[1] == f"soft-off: not down after 1.5 s ({ASKED})"
        await yard.until(lambda: not softly.at_work)
        rounds = nodes.rounds
        await asyncio.sleep(0.7)
        assert nodes.rounds <= rounds + 1, "nobody is pinged any more"

    stopping(tmp_path, story, Nodes(obeys=False), soft_off_max_s=1.5)


def test_a_refused_login_is_told_at_once_and_cut(tmp_path: Path) -> None:
    async def story(yard: Yard, softly: Softly, nodes: Nodes) -> None:
        job = await yard.power(Verb.OFF, A)
        assert await yard.ended(job) < 3.0
        assert yard.task(job, A).way[1] == "soft-off: could not be asked: it does not let root in with our key"

    denied = SshDenied("worker-0-0: it does not let root in with our key")
    stopping(tmp_path, story, Nodes(refuses=denied))


def test_a_bug_in_it_is_no_reason_to_wait(tmp_path: Path) -> None:
    async def story(yard: Yard, softly: Softly, nodes: Nodes) -> None:
        job = await yard.power(Verb.OFF, A)
        assert await yard.ended(job) < 3.0
        assert yard.task(job, A).way[1] == "soft-off: graped failed inside (ZeroDivisionError)"

    stopping(tmp_path, story, Nodes(refuses=ZeroDivisionError()))


def test_without_ping_the_ssh_port_tells_and_that_is_a_fault_of_the_daemon(tmp_path: Path) -> None:
    async def story(yard: Yard, softly: Softly, nodes: Nodes) -> None:
        job = await yard.power(Verb.OFF, A)
        await yard.until(lambda: "ping" in yard.engine.state.faults)
        await yard.ended(job)
        assert yard.task(job, A).way[1].endswith(" s: no SSH")
        nodes.may_ping = True
        job = await yard.power(Verb.OFF, B)
        await yard.ended(job)
        assert "ping" not in yard.engine.state.faults

    stopping(tmp_path, story, Nodes(may_ping=False))


def test_a_second_off_goes_on_with_the_first_and_asks_nobody_again(tmp_path: Path) -> None:
    async def story(yard: Yard, softly: Softly, nodes: Nodes) -> None:
        first = await yard.power(Verb.OFF, A)
        await yard.until(lambda: nodes.asked == ["worker-0-0"])
        second = await yard.power(Verb.CYCLE, A)
        assert yard.task(first, A).result is Result.SUPERSEDED
        await yard.ended(second)
        assert nodes.asked == ["worker-0-0"]
        assert yard.task(second, A).way[1].startswith("soft-off: is down after ")
        assert yard.engine.state.slots[A].observed is Power.ON

    stopping(tmp_path, story, Nodes(takes_s=1.0))


def test_force_during_a_slow_login_cuts_at_once_and_leaves_nothing_behind(tmp_path: Path) -> None:
    async def story(yard: Yard, softly: Softly, nodes: Nodes) -> None:
        await yard.power(Verb.OFF, A)
        await asyncio.sleep(0.1)
        job = await yard.power(Verb.OFF, A, force=True)
        assert await yard.ended(job) < 3.0
        await yard.until(lambda: not softly.at_work)

    stopping(tmp_path, story, Nodes(slow_login_s=4.0), soft_off_max_s=12.0)


def test_nodes_go_down_side_by_side_and_share_their_pings(tmp_path: Path) -> None:
    async def story(yard: Yard, softly: Softly, nodes: Nodes) -> None:
        jobs = [await yard.power(Verb.OFF, A), await yard.power(Verb.OFF, B)]
        for job in jobs:
            await yard.ended(job)
        assert nodes.widest == 2
        assert sorted(nodes.asked) == ["worker-0-0", "worker-0-1"]

    stopping(tmp_path, story)


def test_the_stacks_current_tells_what_fell(tmp_path: Path) -> None:
    def meter(yard: Yard, value: int) -> None:
        one = Reading(kind=MeterKind.CURRENT, value=value, at=yard.rack.clock.monotonic())
        yard.engine.post(MetersRead(stack=0, readings=(one,), missing={}))

    async def story(yard: Yard, softly: Softly, nodes: Nodes) -> None:
        meter(yard, 1530)
        job = await yard.power(Verb.OFF, A)
        await yard.until(lambda: "settles" in yard.task(job, A).reason)
        meter(yard, 1120)
        await yard.ended(job)
        assert yard.task(job, A).way[1].endswith("no ping, no SSH, the stack's current fell by 0.41 A")

    stopping(tmp_path, story, settle_s=0.3)


def test_its_own_port_tells_whether_a_kernel_is_there(tmp_path: Path) -> None:
    with machine(tmp_path) as node:
        assert alive(node.at)
    assert alive(node.at), "refused: a kernel did that"
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):  # its queue is full: who comes now gets no answer, as from a system that is down
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        began = time.monotonic()
        assert not alive(replace(node.at, port=full.getsockname()[1]))
        assert time.monotonic() - began < TRY_S + 5.0


def test_a_real_login_asks_and_only_what_was_wired_by_the_daemon_does_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the command to ``systemctl`` over a real SSH server, through the daemon's own composition."""
    with machine(tmp_path) as node:
        monkeypatch.setattr("graped.operate.power.softly.alive", lambda at: not node.said)
        monkeypatch.setattr(Pings, "ask", _by(lambda: not node.said))

        async def story(yard: Yard) -> None:
            operations = Operations(yard.house)
            there = node.at
            monkeypatch.setattr(yard.access, "endpoint", lambda slot: there)
            monkeypatch.setattr(yard.access.keys, "cluster_key", lambda: node.key)
            await yard.wake(A)
            with running(*operations.parts().values()):
                await yard.until(lambda: yard.engine.state.soft_off == {A})
                job = await yard.power(Verb.OFF, A)
                assert yard.task(job, A).step is Step.SOFT_OFF
                await yard.ended(job)
                assert "is down after" in yard.task(job, A).way[1]

        play(tmp_path, story)
        assert [line.split()[-1] for line in node.said] == ["poweroff"] * len(node.said)
        assert node.said


def _by(alive: Callable[[], bool]) -> Callable[..., Awaitable[Mapping[IPv4Address, float | None]]]:
    async def ask(_: Pings, addresses: Iterable[IPv4Address], **how: float) -> Mapping[IPv4Address, float | None]:
        return {one: 0.001 if alive() else None for one in addresses}

    return ask
