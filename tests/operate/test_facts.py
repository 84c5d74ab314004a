"""Facts: who is asked when, what is kept, and that reading them never waits; at the end over a real SSH server."""

from __future__ import annotations

import asyncio
import getpass
import os
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from graped.config.types import Ssh
from graped.core.jobs import Outcome, Result
from graped.core.state import SlotState, State
from graped.errors import SshTimeout
from graped.model import SlotId, Stage
from graped.network.ssh_client import Endpoint
from graped.network.ssh_keys import KeyRing
from graped.operate.facts import gathering as module
from graped.operate.facts.gathering import FactsOf, Known, due
from graped.operate.house import House
from tests.api.rack import Rack, config_of
from tests.network.sshd import LOOPBACK, sshd
from tests.operate.dwelling import Door, dwell, ended, running, switched_on, until, up

A, B, C, D, E = (SlotId(0, slot) for slot in range(5))
ANSWER = "model Raspberry Pi 5\nload 0.5 0.4 0.3\ntemperature 51000 thermal_zone0\nthrottled 0x1 vcgencmd\n"


class Nodes:
    """Answer as told; count who was asked, and how many at once."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.down: set[str] = set()
        self.wait_s = 0.0
        self.most = self._now = 0
        self._lock = threading.Lock()

    def __call__(self, at: Endpoint) -> str:
        with self._lock:
            self.asked.append(at.name)
            self._now += 1
            self.most = max(self.most, self._now)
        time.sleep(self.wait_s)
        with self._lock:
            self._now -= 1
        if at.name in self.down:
            raise SshTimeout(f"{at.name}: no answer in 10 s", hint="Is it on?")
        return ANSWER


def state_of(slots: dict[SlotId, SlotState], facts_s: float = 300.0) -> State:
    return State(config=replace(config_of(), ssh=Ssh(facts_s=facts_s)), slots=slots)


def test_who_is_due_is_up_and_new_or_was_asked_long_ago() -> None:
    at_100 = SlotState(stage=Stage.UP, stage_since=100.0)
    slots = {A: at_100, B: at_100, C: SlotState(stage=Stage.ROOT, stage_since=100.0), D: at_100, E: at_100}
    known = {B: Known(tried=300.0), D: Known(tried=200.0), E: Known(tried=90.0)}
    assert due(state_of(slots), list(slots), known, 300.0) == [A, E]  # never asked; asked before it came up
    assert due(state_of(slots), list(slots), known, 500.0) == [A, E, D]
    assert due(state_of(slots), [B, D], known, 600.0) == [D, B]  # who waits longest is first


@pytest.mark.parametrize(("failures", "pause_s"), [(1, 5.0), (2, 10.0), (4, 40.0), (9, 300.0), (1000, 300.0)])
def test_a_node_that_failed_is_asked_again_sooner_and_less_often_each_time(failures: int, pause_s: float) -> None:
    slots = {A: SlotState(stage=Stage.UP, stage_since=100.0)}
    failed = {A: Known(tried=200.0, error="no answer", failures=failures)}
    assert due(state_of(slots), [A], failed, 199.9 + pause_s) == []
    assert due(state_of(slots), [A], failed, 200.0 + pause_s) == [A]


def test_without_a_period_nobody_is_asked() -> None:
    slots = {A: SlotState(stage=Stage.UP, stage_since=100.0)}
    assert due(state_of(slots, facts_s=0.0), [A], {}, 1e6) == []


def test_a_node_that_comes_up_is_asked_at_once_and_shown_while_it_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_S", 0.02)
    nodes = Nodes()

    async def story(house: House, rack: Rack) -> None:
        facts = FactsOf(house, nodes)
        switched_on(rack)
        async with running(facts):
            await asyncio.sleep(0.1)
            assert (nodes.asked, facts.brief(A)) == ([], None)
            up(rack, A)
            await until(lambda: facts.brief(A))
            brief = facts.brief(A)
            assert brief is not None
            assert (brief.load, brief.temperature_celsius, brief.throttled) == (0.5, 51.0, ("under-voltage",))
            assert nodes.asked == ["worker-0-0"]
            assert facts.of([A])[0].model == "Raspberry Pi 5"
            assert facts.of([A])[0].missing["serial"] == "the node did not say"
            rack.stage(0, 0, Stage.DHCP)  # it starts again
            await until(lambda: facts.brief(A) is None)
            assert facts.of([A])[0].model == "Raspberry Pi 5"  # what was, with its time
            up(rack, A)
            await until(lambda: facts.brief(A))
            assert nodes.asked == ["worker-0-0"] * 2

    dwell(story)


def test_few_are_asked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_S", 0.02)
    nodes = Nodes()
    nodes.wait_s = 0.05
    slots = [SlotId(stack, slot) for stack in range(4) for slot in range(5)]

    async def story(house: House, rack: Rack) -> None:
        facts = FactsOf(house, nodes)
        switched_on(rack)
        up(rack, *slots)
        async with running(facts):
            await until(lambda: all(facts.brief(slot) for slot in slots))
        assert (len(nodes.asked), nodes.most) == (20, module.AT_ONCE)

    dwell(story, config=config_of(4))


def test_a_refresh_tells_who_did_not_answer_and_keeps_what_was_known() -> None:
    nodes = Nodes()

    async def story(house: House, rack: Rack) -> None:
        facts = FactsOf(house, nodes)
        chore = await ended(house, facts.refresh([A, B], by="uid 0"))
        assert chore.outcome is Outcome.DONE
        await until(lambda: facts.of([A])[0].at)
        version, before = facts.version, facts.of([B])[0]
        nodes.down.add("worker-0-1")
        chore = await ended(house, facts.refresh([A, B], by="uid 0"))
        assert chore.outcome is Outcome.WITH_ERRORS
        assert (chore.nodes[A].result, chore.nodes[B].result) == (Result.DONE, Result.FAILED)
        await until(lambda: facts.version == version + 2)
        after = facts.of([B])[0]
        assert (after.error, after.hint) == ("worker-0-1: no answer in 10 s", "Is it on?")
        assert (after.at, after.model) == (before.at, before.model)
        assert after.tried != before.tried
        doubts = house.access.living.doubts
        assert (doubts.concern(A, Stage.UP), doubts.concern(B, Stage.UP)) == (False, True), "who is silent is doubted"

    dwell(story)


def test_reading_facts_does_not_wait_for_a_node_that_hangs() -> None:
    nodes = Nodes()
    nodes.wait_s = 2.0

    async def story(house: House, rack: Rack) -> None:
        facts = FactsOf(house, nodes)
        chore = facts.refresh([A], by="uid 0")
        await until(lambda: nodes.asked)
        begun = time.monotonic()
        assert facts.of([A])[0].at is None
        assert time.monotonic() - begun < 1.5
        await ended(house, chore)

    dwell(story)


def test_a_real_machine_is_asked_over_ssh(tmp_path: Path) -> None:
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    ring = KeyRing(tmp_path / "ssh")
    hosts = ring.host_keys("worker-0-0")
    (tmp_path / "authorized").write_text(ring.cluster_public_key() + "\n")
    more = (f"AuthorizedKeysFile {tmp_path}/authorized", "StrictModes no", "PermitRootLogin yes")
    with sshd(tmp_path, [hosts / "ssh_host_ed25519_key"], *more) as port:

        async def story(house: House, rack: Rack) -> None:
            door = house.access
            assert isinstance(door, Door)
            door.at = Endpoint(
                name="", address=LOOPBACK, port=port, user=getpass.getuser(), host_keys=ring.public_keys("worker-0-0")
            )
            door.keys = ring
            facts = FactsOf(house)
            chore = await ended(house, facts.refresh([A], by="uid 0"))
            assert chore.outcome is Outcome.DONE, chore
            await until(lambda: facts.of([A])[0].at)
            (told,) = facts.of([A])
            assert (told.kernel, told.arch) == (os.uname().release, os.uname().machine)
            assert told.boot_id == boot_id
            assert told.disks[0].mount == "/"

        dwell(story)
