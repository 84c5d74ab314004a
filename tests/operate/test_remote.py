"""Commands and files on nodes: the real core, engine and journal, and real SSH servers."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from graped.api.remote_types import NodeOutput
from graped.core.jobs import Outcome
from graped.errors import NoSpace, TooLarge
from graped.model import SlotId, Verb
from graped.operate.remote import spool
from graped.operate.remote.sessions import Sessions
from graped.operate.remote.working import OUTPUT_BYTES, Remote
from tests.operate.servers import answering
from tests.operate.yard import ME, NOWHERE, A, B, Yard, address, play

SOME_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ+KOgRv8qrX5D8n5kQ9mW7J1bY8r8yqFZ6qYV4pUqGd"
HUNG = 4.0  # seconds that a hanging node is given: enough for one that answers, also on a busy machine


class Party:
    """A yard with what is tested."""

    def __init__(self, yard: Yard) -> None:
        self.yard = yard
        self.sessions = Sessions(yard.house)
        self.remote = Remote(yard.house, self.sessions)

    async def run(self, *slots: SlotId, command: str, timeout_s: float = 20.0, **how: Any) -> dict[str, NodeOutput]:
        """Run it to its end; what each node said."""
        options = {"stdin": b"", "fanout": 32, "by": ME, **how}
        chore = self.remote.run(slots, command, timeout_s=timeout_s, **options)
        await self.yard.until(lambda: self.remote.results(chore.id, 0).ended, 30)
        await self.yard.until(lambda: self.yard.engine.state.chores[chore.id].ended is not None)
        self.job = self.yard.engine.state.chores[chore.id]
        return {one.name: one for one in self.remote.results(chore.id, 0).nodes}

    async def told(self, kind: str) -> list[Any]:
        """What the event log has of a kind."""
        return await self.yard.rack.journal.latest(kind=kind)


async def pieces(*data: bytes) -> AsyncIterator[bytes]:
    for one in data:
        yield one


def test_each_node_runs_it_and_the_event_log_knows_who_asked_what_and_how_it_ended(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        party = Party(yard)
        await yard.wake(A, B)
        with answering(yard, A), answering(yard, B):
            said = await party.run(A, B, command="echo $NODE; cat\ntest $NODE = worker-0-0", stdin=b"hello\n")
        assert {name: (one.code, one.stdout) for name, one in said.items()} == {
            "worker-0-0": (0, "worker-0-0\nhello\n"), "worker-0-1": (1, "worker-0-1\nhello\n"),
        }  # fmt: skip
        assert party.job.outcome is Outcome.WITH_ERRORS
        assert party.job.nodes[B].reason == "exit code 1"
        (asked,) = await party.told("node.run.asked")
        assert asked.message.endswith("echo $NODE; cat\\ntest $NODE = worker-0-0"), "one line"
        assert asked.fields["command"] == "echo $NODE; cat\ntest $NODE = worker-0-0"
        assert asked.fields["nodes"] == ["worker-0-0", "worker-0-1"]
        assert asked.fields["by"] == ME
        await yard.until(lambda: not party.remote._tasks)
        (end,) = await party.told("node.run.outcome")
        assert end.fields["outcome"] == {"exit code 0": "worker-0-0", "exit code 1": "worker-0-1"}

    play(tmp_path, story)


def test_a_node_that_nobody_can_log_in_on_says_why_and_the_others_do_not_wait(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        party = Party(yard)
        await yard.wake(A, NOWHERE)
        with answering(yard, A):
            said = await party.run(A, B, NOWHERE, command="echo fine")
        codes = {name: one.error.code if one.error else one.code for name, one in said.items()}
        assert codes == {"worker-0-0": 0, "worker-0-1": "node_off", "worker-0-3": "ssh_failed"}
        assert said["worker-0-3"].error is not None
        assert said["worker-0-3"].error.message == "it has no address"

    play(tmp_path, story)


def test_a_hanging_node_costs_its_timeout_alone(tmp_path: Path) -> None:
    async def hang(reader: Any, writer: Any) -> None:
        await asyncio.sleep(20)

    async def story(yard: Yard) -> None:
        party = Party(yard)
        await yard.wake(A, B)
        yard.access.keys.pin("worker-0-1", (SOME_KEY,))
        server = await asyncio.start_server(hang, address(B), yard.port)
        with answering(yard, A):
            began = time.monotonic()
            said = await party.run(A, B, command="echo fine", timeout_s=HUNG)
            took_s = time.monotonic() - began
        server.close()
        assert said["worker-0-0"].code == 0
        assert said["worker-0-0"].seconds < HUNG
        assert said["worker-0-1"].error is not None
        assert said["worker-0-1"].error.code == "ssh_timeout"
        assert HUNG * 0.8 < took_s < HUNG + 10.0

    play(tmp_path, story)


def test_a_node_that_hangs_behind_a_kept_login_costs_no_more(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        party = Party(yard)
        await yard.wake(A)
        with answering(yard, A):
            for _ in range(2):
                hung = int((await party.run(A, command="echo $PPID"))["worker-0-0"].stdout)
            os.kill(
                hung, signal.SIGSTOP
            )  # sshd's process of this login; as in a machine that hangs, it stays connected
            try:
                began = time.monotonic()
                (one,) = (await party.run(A, command="echo fine", timeout_s=HUNG)).values()
                took_s = time.monotonic() - began
            finally:
                os.kill(hung, signal.SIGCONT)
        assert (one.code, one.stdout) == (0, "fine\n"), "by a login of its own"
        assert took_s < 2 * HUNG - 0.5

    play(tmp_path, story)


def test_what_is_cut_is_said_to_be(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        party = Party(yard)
        await yard.wake(A)
        with answering(yard, A):
            (one,) = (await party.run(A, command=f"yes | head -c {OUTPUT_BYTES + 1}")).values()
        assert (len(one.stdout), one.stdout_cut, one.stderr_cut, one.code) == (OUTPUT_BYTES, True, False, 0)

    play(tmp_path, story)


def test_a_cancelled_job_ends_its_commands_and_tells_of_each_node(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        party = Party(yard)
        await yard.wake(A, B)
        with answering(yard, A), answering(yard, B):
            line = f"echo $$ > {tmp_path}/$NODE.pid; exec sleep 60"
            chore = party.remote.run((A, B), line, stdin=b"", timeout_s=50, fanout=1, by=ME)
            await yard.until((tmp_path / "worker-0-0.pid").exists)
            await yard.engine.cancel(chore.id, by=ME)
            await yard.until(lambda: party.remote.results(chore.id, 0).ended, 15)
            said = {one.name: one for one in party.remote.results(chore.id, 0).nodes}
            pid = int((tmp_path / "worker-0-0.pid").read_text())
            await yard.until(lambda: not Path(f"/proc/{pid}").exists())
        assert {one.error.code for one in said.values() if one.error} == {"cancelled"}
        assert set(said) == {"worker-0-0", "worker-0-1"}
        assert "not begun" in (said["worker-0-1"].error.message if said["worker-0-1"].error else "")
        assert yard.engine.state.chores[chore.id].outcome is Outcome.CANCELLED

    play(tmp_path, story)


def test_a_changed_host_key_stops_it_with_both_fingerprints_and_is_told_once(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        party = Party(yard)
        await yard.wake(A)
        with answering(yard, A):
            pass
        with answering(yard, A, "stranger", pin=False):
            for _ in range(2):
                (one,) = (await party.run(A, command="true")).values()
        assert one.error is not None
        assert one.error.code == "host_key_changed"
        assert one.error.message.count("SHA256:") == 2
        assert "grapecli node trust worker-0-0" in one.error.hint
        (event,) = await party.told("node.host_key_changed")
        assert event.node == "worker-0-0"
        assert event.fields["pinned"] == yard.access.keys.fingerprint("worker-0-0")
        assert event.fields["shown"] in one.error.message

    play(tmp_path, story)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: a user's own sshd is not told from one started anew")
def test_a_login_is_kept_and_goes_with_the_power_and_with_another_pin(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        party = Party(yard)
        await yard.wake(A)
        sweeping = asyncio.create_task(party.sessions.run())
        with answering(yard, A):
            line = "echo ${SSH_CONNECTION}"
            first, again = [(await party.run(A, command=line))["worker-0-0"].stdout for _ in range(2)]
            assert first == again, "the same connection"
            yard.access.changed_keys.seen(A, "worker-0-0", yard.access.keys.public_keys("worker-0-0"), "")
            other = (await party.run(A, command=line))["worker-0-0"].stdout
            assert other != first, "somebody else was seen to answer there"
            job = await yard.power(Verb.OFF, A, force=True)
            await yard.ended(job)
            await yard.until(lambda: not party.sessions._kept)
        sweeping.cancel()

    play(tmp_path, story)


def test_a_server_that_was_started_anew_has_to_prove_its_key_again(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        party = Party(yard)
        await yard.wake(A)
        with answering(yard, A):
            first = (await party.run(A, command="echo $SSH_CONNECTION"))["worker-0-0"].stdout
        assert party.sessions._kept[A].session.alive, "its processes outlive who listens"
        with answering(yard, A):
            second = (await party.run(A, command="echo $SSH_CONNECTION"))["worker-0-0"].stdout
            assert second != first
        with answering(yard, A, "stranger", pin=False):
            (one,) = (await party.run(A, command="true")).values()
        assert one.error is not None
        assert one.error.code == "host_key_changed"

    play(tmp_path, story)


def test_a_login_that_died_unseen_is_made_anew(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        party = Party(yard)
        await yard.wake(A)
        with answering(yard, A):
            assert (await party.run(A, command="true"))["worker-0-0"].code == 0
            (kept,) = party.sessions._kept.values()
            kept.session.close()
            assert (await party.run(A, command="true"))["worker-0-0"].code == 0

    play(tmp_path, story)


def test_a_file_is_on_all_nodes_and_nothing_of_it_stays_here(tmp_path: Path) -> None:
    async def story(yard: Yard) -> None:
        party = Party(yard)
        state_dir = yard.engine.state.config.store.state_dir
        await yard.wake(A, B)
        yard.access.keys.cluster_key()
        before = os.listdir(state_dir)
        data = os.urandom(300_000)
        with ExitStack() as servers:
            for slot in (A, B):
                servers.enter_context(answering(yard, slot))
            target = tmp_path / "there"
            chore = await party.remote.copy(
                (A,), str(target), pieces(data[:1000], data[1000:]), size_bytes=None, mode=0o640, by=ME
            )  # fmt: skip
            await yard.until(lambda: yard.engine.state.chores[chore.id].ended is not None)
            assert target.read_bytes() == data
            assert target.stat().st_mode & 0o777 == 0o640
            progress = yard.engine.state.chores[chore.id].progress
            assert progress is not None
            assert (progress.phase, progress.total) == ("copy", len(data))
            chore = await party.remote.copy((B,), str(tmp_path), pieces(data), size_bytes=len(data), mode=0o644, by=ME)
            await yard.until(lambda: yard.engine.state.chores[chore.id].ended is not None)
            assert "it is a folder" in yard.engine.state.chores[chore.id].nodes[B].reason
        await yard.until(lambda: not party.remote._tasks)
        assert os.listdir(state_dir) == before

    play(tmp_path, story)


def test_a_file_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        with pytest.raises(TooLarge):
            await spool.take(tmp_path, pieces(b"12345"), size_bytes=5, limit_bytes=4)
        with pytest.raises(TooLarge):
            await spool.take(tmp_path, pieces(b"12", b"345"), size_bytes=None, limit_bytes=4)
        monkeypatch.setattr(spool, "SPARE_BYTES", 1 << 60)
        with pytest.raises(NoSpace):
            await spool.take(tmp_path, pieces(b"12345"), size_bytes=5)
        assert os.listdir(tmp_path) == []

    asyncio.run(story())
