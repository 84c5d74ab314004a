"""Facts of nodes: asked over SSH by one script, kept in memory with their time; reading them never waits.

Nodes that are up and trusted are asked when they come up, and every ``ssh.facts_s`` seconds after that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Final

from graped.api.facts_types import NodeBrief, NodeFacts
from graped.api.folding import fold
from graped.api.times import rfc3339
from graped.core.chore import Chore, ChoreKind
from graped.core.state import SlotState, State
from graped.errors import CommandFailed, CommandTimeout, GrapeError, NotFound, SshTimeout
from graped.model import SlotId, Stage
from graped.network.ssh_client import Endpoint, connect
from graped.operate.facts.script import SCRIPT, Facts, parse
from graped.operate.house import House
from graped.work import Work

LOOK_S: Final = 2.0  # between two looks at who is to be asked
AT_ONCE: Final = 4  # facts are never urgent: other work with nodes has the processor and the network
ASKED_AT_ONCE: Final = 16  # by a person
CONNECT_S: Final = 10.0
SCRIPT_S: Final = 20.0
RETRY_S: Final = 5.0  # after a failure; then twice as long each time, up to ``facts_s``

Ask = Callable[[Endpoint], str]
"""Run the script on a node and return what it wrote (in a thread). Raises: GrapeError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of one node. Times are monotonic seconds."""

    facts: Facts | None = None
    at: float | None = None
    tried: float
    error: str = ""
    hint: str = ""
    failures: int = 0  # in a row


class FactsOf:
    """The facts of all nodes; implements ``api.operations.Facts``. ``version`` grows with every change."""

    def __init__(self, house: House, ask: Ask | None = None) -> None:
        self._house = house
        self._ask = ask or self._over_ssh
        self._known: dict[SlotId, Known] = {}
        self._asking: set[SlotId] = set()
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="facts")
        self._loop = asyncio.get_running_loop()
        self.version = 0

    async def run(self) -> None:
        """Ask nodes until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                state, now = self._house.state, self._house.clock.monotonic()
                idle = [slot for slot in state.trusted if slot not in self._asking and self._house.is_real(slot)]
                for slot in due(state, idle, self._known, now)[: AT_ONCE - len(self._asking)]:
                    self._asking.add(slot)
                    group.create_task(self._renew(slot))
                await asyncio.sleep(LOOK_S if len(self._asking) < AT_ONCE else LOOK_S / 10)

    # --- what the API asks ------------------------------------------------------------------------------

    def of(self, slots: Iterable[SlotId]) -> Sequence[NodeFacts]:
        """Tell what is known of nodes, in this order."""
        name, wall_of = self._house.state.config.node_name, self._house.clock.wall_of
        return tuple(view(name(slot), self._known.get(slot), wall_of) for slot in slots)

    def brief(self, slot: SlotId) -> NodeBrief | None:
        """Tell some facts of a node that is up, gathered since it is; None where there are none."""
        known, now = self._known.get(slot), self._house.state.slots.get(slot)
        if known is None or known.facts is None or known.at is None or now is None or not _is_of(known.at, now):
            return None
        facts = known.facts
        return NodeBrief(
            at=rfc3339(self._house.clock.wall_of(known.at)), load=facts.load[0] if facts.load else None,
            cpus=facts.cpus, temperature_celsius=facts.temperature_celsius, throttled=facts.throttled or (),
        )  # fmt: skip

    def refresh(self, slots: Sequence[SlotId], *, by: str) -> Chore:
        """Ask nodes now; the job tells which of them did not answer, and why."""

        def one(slot: SlotId, work: Work) -> str:  # in a thread
            work.check()
            self._gather(slot)
            return "asked"

        subject = fold(tuple(map(self._house.state.config.node_name, slots)))
        return self._house.chores.start_each(
            ChoreKind.NODE_FACTS, subject, one, tuple(slots), by=by, at_once=ASKED_AT_ONCE
        )

    # --- asking -----------------------------------------------------------------------------------------

    async def _renew(self, slot: SlotId) -> None:
        try:
            await self._loop.run_in_executor(self._threads, self._gather, slot)
        except GrapeError:
            pass  # it is kept with what is known
        finally:
            self._asking.discard(slot)

    def _gather(self, slot: SlotId) -> None:
        """Ask one node and keep what it says (in a thread). Raises: GrapeError."""
        clock = self._house.clock
        try:
            at = self._house.access.endpoint(slot)
            if not at.address:
                raise NotFound(f"{at.name} has no address")
            begun = clock.monotonic()
            answer = self._ask(at)
        except GrapeError as error:
            known = Known(tried=clock.monotonic(), error=error.detail, hint=error.hint, failures=1)
            self._loop.call_soon_threadsafe(self._keep, slot, known)
            if isinstance(error, CommandTimeout | SshTimeout):  # busy, or it proves its key and does nothing else
                self._loop.call_soon_threadsafe(self._house.access.living.doubts.raise_for, slot)
            raise
        known = Known(facts=parse(answer), at=begun, tried=begun)
        self._loop.call_soon_threadsafe(self._keep, slot, known)

    def _keep(self, slot: SlotId, known: Known) -> None:
        before = self._known.get(slot)
        if known.error and before is not None:
            known = replace(known, facts=before.facts, at=before.at, failures=before.failures + 1)
        self._known[slot] = known
        self.version += 1

    def _over_ssh(self, at: Endpoint) -> str:
        with connect(at, self._house.access.keys.cluster_key(), timeout_s=CONNECT_S) as session:
            # "sh -s", so that no command line of ours is longer than it has to be; nice: the node has its own work
            done = session.run("nice -n 10 sh -s", stdin=SCRIPT, timeout_s=SCRIPT_S, what="facts")
        if not done.stdout.strip():
            raise CommandFailed(f"{at.name}: said nothing of itself")
        return done.stdout


def due(state: State, idle: Iterable[SlotId], known: Mapping[SlotId, Known], now: float) -> list[SlotId]:
    """Tell which of these nodes are to be asked, the longest waiting first. Pure."""
    every_s = state.config.ssh.facts_s
    waiting: list[tuple[float, SlotId]] = []
    for slot in idle:
        stage, last = state.slots.get(slot), known.get(slot)
        if every_s <= 0 or stage is None or stage.stage is not Stage.UP:
            continue
        if last is None or not _is_of(last.tried, stage):
            waiting.append((float("-inf"), slot))  # it has just come up
        elif now >= last.tried + pause_s(last, every_s):
            waiting.append((last.tried, slot))
    return [slot for _, slot in sorted(waiting)]


def pause_s(last: Known, every_s: float) -> float:
    """Tell how long a node is left alone that was asked. Pure."""
    return min(every_s, RETRY_S * 2.0 ** min(last.failures - 1, 16)) if last.failures else every_s


def view(name: str, known: Known | None, wall_of: Callable[[float], float]) -> NodeFacts:
    """Say what is known of a node. Pure but for ``wall_of``."""
    if known is None:
        return NodeFacts(name=name)
    at = None if known.at is None else rfc3339(wall_of(known.at))
    whole = NodeFacts(name=name, at=at, tried=rfc3339(wall_of(known.tried)), error=known.error, hint=known.hint)
    facts = known.facts
    if facts is None:
        return whole
    return replace(
        whole, model=facts.model, serial=facts.serial, kernel=facts.kernel, arch=facts.arch, os=facts.os,
        cpus=facts.cpus, load=facts.load, temperature_celsius=facts.temperature_celsius,
        temperature_source=facts.temperature_source, throttled=facts.throttled,
        throttled_before=facts.throttled_before, throttled_source=facts.throttled_source,
        memory_bytes=facts.memory_bytes, memory_free_bytes=facts.memory_free_bytes, disks=facts.disks,
        booted=None if facts.booted is None else rfc3339(facts.booted), boot_id=facts.boot_id,
        uptime_s=facts.uptime_s, missing=dict(facts.missing),
    )  # fmt: skip


def _is_of(at: float, slot: SlotState) -> bool:
    """Whether a moment is of the time since a node is up."""
    return slot.stage is Stage.UP and (slot.stage_since is None or at >= slot.stage_since)
