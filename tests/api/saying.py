"""Nodes in memory that tell facts, blink and talk; one whose name ends in 4 cannot be reached."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property

from graped.api.console_types import NodeLog, NodeLogLine
from graped.api.facts_types import NodeBrief, NodeDisk, NodeFacts
from graped.api.folding import fold
from graped.core.chore import Chore, ChoreKind
from graped.engine import Engine
from graped.errors import SshTimeout
from graped.model import SlotId
from graped.provision.chores import Chores
from graped.work import Work

AT = "2026-11-26T12:00:00.000Z"


class _Nodes:
    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @cached_property
    def chores(self) -> Chores:
        return Chores(self.engine)

    def name(self, slot: SlotId) -> str:
        return self.engine.state.config.node_name(slot)

    def each(self, kind: ChoreKind, slots: Sequence[SlotId], done: Callable[[SlotId], str], by: str) -> Chore:
        def one(slot: SlotId, work: Work) -> str:
            if self.name(slot).endswith("4"):
                raise SshTimeout(f"{self.name(slot)}: no answer in 10 s")
            return done(slot)

        return self.chores.start_each(kind, fold(tuple(map(self.name, slots))), one, tuple(slots), by=by, at_once=4)


class Facts(_Nodes):
    """Implements ``operations.Facts``."""

    version = 0
    known: frozenset[SlotId] = frozenset()

    def of(self, slots: Iterable[SlotId]) -> Sequence[NodeFacts]:
        return tuple(self._of(slot) for slot in slots)

    def _of(self, slot: SlotId) -> NodeFacts:
        if slot not in self.known:
            return NodeFacts(name=self.name(slot))
        return NodeFacts(
            name=self.name(slot), at=AT, tried=AT, model="Raspberry Pi 4 Model B Rev 1.4", kernel="6.6.20", os="Debian",
            arch="aarch64", cpus=4, load=(0.51, 0.4, 0.3), temperature_celsius=52.6, temperature_source="thermal_zone0",
            throttled=("under-voltage",), throttled_before=("under-voltage", "throttled"), throttled_source="vcgencmd",
            memory_bytes=4_000_000_000, memory_free_bytes=3_000_000_000, uptime_s=90_000.0, booted=AT,
            disks=(NodeDisk(mount="/", source="10.77.0.1:/root", size_bytes=64_000_000_000, used_bytes=2_000_000_000),),
            missing={"serial": "only root may read it"},
        )  # fmt: skip

    def brief(self, slot: SlotId) -> NodeBrief | None:
        if slot not in self.known:
            return None
        return NodeBrief(at=AT, load=0.51, cpus=4, temperature_celsius=52.6, throttled=("under-voltage",))

    def refresh(self, slots: Sequence[SlotId], *, by: str) -> Chore:
        def ask(slot: SlotId) -> str:
            self.known |= {slot}
            self.version += 1
            return "asked"

        return self.each(ChoreKind.NODE_FACTS, slots, ask, by)


class Identify(_Nodes):
    """Implements ``operations.Identify``."""

    def start(self, slots: Sequence[SlotId], *, seconds: float, by: str) -> Chore:
        return self.each(ChoreKind.NODE_IDENTIFY, slots, lambda _: f"its LED ACT has blinked for {seconds:g} s", by)


class Console(_Nodes):
    """Implements ``operations.Console``: one log, which all nodes have."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.lines: list[NodeLogLine] = []
        self.more = asyncio.Event()

    @property
    def why(self) -> str:
        return ""

    def say(self, text: str, level: int | None = 6) -> None:
        number = 1000 + len(self.lines)
        self.lines.append(NodeLogLine(id=number, time=AT, source="kernel", level=level, text=text))
        self.more.set()
        self.more = asyncio.Event()

    def log(self, slot: SlotId, *, after: int | None, limit: int) -> NodeLog:
        lines = self.lines[-limit:] if after is None else [one for one in self.lines if one.id > after][:limit]
        last = lines[-1].id if lines else after or 0
        return NodeLog(name=self.name(slot), lines=tuple(lines), last=last)

    async def wait(self, slot: SlotId, after: int, timeout_s: float) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                while not self.lines or self.lines[-1].id <= after:
                    await self.more.wait()
        except TimeoutError:
            pass
