"""Rollouts in memory: waves as the core cuts them; each node comes through at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

from graped.api import rollout_types as types
from graped.api.folding import fold
from graped.core import rollout as machine
from graped.core.chore import Chore, ChoreKind
from graped.core.rollout_types import Ended, Orders, Rollout, Status, Step
from graped.engine import Engine
from graped.errors import Conflict, NotFound
from graped.model import Power, SlotId
from graped.operate.rollout.views import view
from graped.provision.chores import Chores
from tests.api.provision import image


class Rollouts:
    """Implements ``operations.Rollouts``."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.known: dict[int, Rollout] = {}

    @cached_property
    def chores(self) -> Chores:
        return Chores(self.engine)

    async def plan(self, slots: Sequence[SlotId], orders: Orders) -> types.RolloutPlan:
        on = [slot for slot in slots if self.engine.state.slots[slot].observed is Power.ON]
        waves = [self._names(wave) for wave in machine.waves(on, orders.canary, orders.wave)]
        return types.RolloutPlan(
            image=self._ref(orders), names=self._names(slots), cut=self._names(on), moved=(),
            waves=tuple(types.RolloutWave(folded=fold(names), names=names) for names in waves),
            skipped=tuple(
                types.RolloutSkip(name=name, why="it is off")
                for name in self._names([slot for slot in slots if slot not in on])
            ),
        )  # fmt: skip

    async def begin(self, slots: Sequence[SlotId], orders: Orders, *, by: str) -> Chore:
        on = [slot for slot in slots if self.engine.state.slots[slot].observed is Power.ON]
        if not on:
            raise Conflict("there is nothing to do: it is off")
        now = Rollout(
            id=0, orders=replace(orders, image=self._ref(orders) or ""), nodes=machine.planned(orders, on), by=by
        )
        return self._go(now)

    async def resume(self, number: int, *, by: str) -> Chore:
        found = self._get(number)
        if found.status is not Status.INTERRUPTED:
            raise Conflict(f"rollout {number} is {found.status.value}: nothing is left to go on with")
        return self._go(found)

    async def all(self) -> Sequence[types.Rollout]:
        return tuple(view(one, self.engine.state, driven=False) for one in self.known.values())

    async def one(self, number: int) -> types.Rollout:
        return view(self._get(number), self.engine.state, driven=False)

    def _go(self, now: Rollout) -> Chore:
        kind = ChoreKind.IMAGE_ROLLOUT if now.orders.image else ChoreKind.NODE_REBOOT
        slots = tuple(node.slot for node in now.nodes)
        chore = self.chores.start(kind, fold(self._names(slots)), lambda _: "all of them", by=now.by, slots=slots)
        now = replace(now, id=now.id or chore.id, jobs=(*now.jobs, chore.id), status=Status.RUNNING)
        now = machine.begin(now)
        while now.status is Status.RUNNING:
            working = [node for node in now.nodes if node.step not in (Step.PASSED, Step.WAITING)]
            for node in working:
                now = machine.take(now, Ended(slot=node.slot, step=node.step))
        self.known[now.id] = now
        return chore

    def _get(self, number: int) -> Rollout:
        for one in self.known.values():
            if number in one.jobs:
                return one
        raise NotFound(f"there is no rollout {number}")

    def _ref(self, orders: Orders) -> str | None:
        if orders.image.startswith("none"):
            raise NotFound(f"there is no image {orders.image}")
        known = {"bookworm": image("bookworm", "two").ref, "lite": image("lite", "three").ref}
        return known.get(orders.image, orders.image) or None

    def _names(self, slots: Sequence[SlotId]) -> tuple[str, ...]:
        return tuple(map(self.engine.state.config.node_name, slots))
