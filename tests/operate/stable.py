"""Nodes that boot what their root says when their power comes on; records of roots go on as the real ones do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from uuid import uuid4

from graped.config.types import Deadlines, Strategy
from graped.core.events import ConfigChanged, SlotsWatched, StageSeen
from graped.errors import CommandFailed, NodeOn, NoSpace, NotFound, SshTimeout
from graped.model import Power, SlotId, Stage
from graped.netboot.roots import history
from graped.netboot.roots.records import Origin, RootRecord
from graped.operate.rollout.steps import Steps
from graped.work import Work
from tests.operate.yard import Yard

OLD, NEW, DEAD = "bookworm@111111111111", "trixie@222222222222", "broken@333333333333"
BOOT_S = 0.03
LATE_S = 0.6  # of each of five stages: far more than a boot, also on a busy machine


@dataclass(slots=True)
class Horse:
    """One node: what it runs since its power came on."""

    boot: str = field(default_factory=lambda: str(uuid4()))
    boots: int = 0
    runs: str = ""  # generation
    image: str = ""
    on: bool = False


class Stable:
    """The nodes of a yard: ``sick_at`` fails on a new image, ``full`` takes no root, ``battery`` never goes down."""

    def __init__(self, yard: Yard, *slots: SlotId) -> None:
        self.yard = yard
        self.slots = slots
        self.horses = {slot: Horse() for slot in slots}
        self.roots = {slot: _root(yard.engine.state.config.node_name(slot)) for slot in slots}
        self.sick_at: set[SlotId] = set()
        self.full: set[SlotId] = set()
        self.battery: set[SlotId] = set()
        self.cards: set[SlotId] = set()
        self.commands: list[tuple[SlotId, str]] = []
        self.rounds = 0
        config = yard.engine.state.config
        late = Deadlines(powered_s=LATE_S, dhcp_s=LATE_S, tftp_s=LATE_S, kernel_s=LATE_S, root_s=LATE_S)
        yard.engine.post(ConfigChanged(config=replace(config, netboot=replace(config.netboot, deadlines=late))))
        yard.engine.post(SlotsWatched(slots=frozenset(slots)))

    def steps(self) -> Steps:
        return Steps(self.yard.engine, self.run, self, self.yard.rack.clock)

    # --- machines ---

    async def live(self) -> None:
        while True:
            for slot, horse in self.horses.items():
                now = self.yard.engine.state.slots[slot].observed is Power.ON
                if now and not horse.on:
                    asyncio.get_running_loop().create_task(self._boot(slot, horse))
                if not now and horse.on:
                    self.roots[slot] = replace(self.roots[slot], serving=())
                horse.on = now
            await asyncio.sleep(0.004)

    async def _boot(self, slot: SlotId, horse: Horse) -> None:
        horse.boots += 1
        if slot not in self.battery:
            horse.boot, horse.runs, horse.image = str(uuid4()), self.roots[slot].generation, self.roots[slot].image
        await asyncio.sleep(BOOT_S)
        if horse.image != DEAD and horse.on:
            self.yard.engine.post(StageSeen(slot=slot, stage=Stage.UP, evidence="SSH-2.0-OpenSSH"))

    def run(self, slot: SlotId, command: str, timeout_s: float) -> str:
        """Have a command run (in a thread)."""
        horse = self.horses[slot]
        self.commands.append((slot, command))
        if not horse.on or horse.image == DEAD:
            raise SshTimeout("no answer")
        if "boot_id" in command:
            return f"{horse.boot}\n1 (sys temd) S {' '.join(['0'] * 18)} {7} 0\n"
        if slot in self.sick_at and horse.image != OLD:
            raise CommandFailed(f"{command}: exit code 3")
        return ""

    # --- roots ---

    async def served(self) -> None:
        self.rounds += 1

    def find(self, image: str) -> str:
        found = [ref for ref in (OLD, NEW, DEAD) if image in (ref, ref.partition("@")[0])]
        if not found:
            raise NotFound(f"there is no image {image}")
        return found[0]

    def why_not(self, slot: SlotId) -> str:
        return "it boots from its own disk" if slot in self.cards else ""

    def root(self, slot: SlotId) -> RootRecord | None:
        return self.roots[slot]

    def move(self, slot: SlotId, image: str, work: Work) -> str:
        if slot in self.full:
            raise NoSpace("the disk is full")
        record = self.roots[slot]
        if record.image != image:
            new = replace(
                record, image=image, generation=str(record.next), next=record.next + 1, kept=(), serving=()
            )  # fmt: skip
            self.roots[slot] = history.successor(record, new, Origin.SET, time.time())
        return "made"

    def back(self, slot: SlotId, generation: str, image: str, work: Work) -> str:
        if self.yard.engine.state.slots[slot].observed is not Power.OFF:
            raise NodeOn("it is on")
        record = self.roots[slot]
        if record.generation == generation:
            return "as it was"
        kept = next(one for one in record.kept if one.generation == generation)
        assert kept.image == image
        new = replace(record, image=image, generation=generation, kept=(), serving=())
        self.roots[slot] = history.successor(record, new, Origin.ROLLBACK, time.time())
        return "back"


def _root(node: str) -> RootRecord:
    return RootRecord(node=node, image=OLD, strategy=Strategy.COPY, generation="1", made=0.0, next=2)


@contextmanager
def living(stable: Stable) -> Iterator[None]:
    task = asyncio.ensure_future(stable.live())
    try:
        yield
    finally:
        task.cancel()
