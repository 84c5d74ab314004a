"""Rollouts and reboots of nodes: planned, begun, driven wave after wave, gone on with after a restart of graped.

What comes next is decided by ``core.rollout``; each decision is on the disk before anything of it is begun.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from graped.api import rollout_types as types
from graped.api.folding import fold
from graped.core import asking
from graped.core import rollout as machine
from graped.core.chore import Chore, ChoreKind
from graped.core.rollout_types import (
    Ended,
    Node,
    Orders,
    Rollout,
    Status,
    Step,
    WhenOff,
)
from graped.errors import Cancelled, Conflict, NoTarget, RolloutStopped, Stopping
from graped.model import Power, SlotId, Verb
from graped.operate.aside import aside
from graped.operate.house import House
from graped.operate.rollout.records import Records
from graped.operate.rollout.steps import Steps
from graped.operate.rollout.telling import Telling, progress_of
from graped.operate.rollout.views import name_of, view
from graped.provision.wanted import runs
from graped.work import Progress, Work

LOOK_S: Final = 0.5  # how often is seen whether somebody cancels


@dataclass(slots=True, eq=False)
class _Driven:
    """One that is being driven: ``results`` of nodes that the job was told already."""

    rollout: Rollout
    job: int = 0
    results: set[SlotId] = field(default_factory=set)
    ends: asyncio.Queue[Ended] = field(default_factory=asyncio.Queue)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)


class Rollouts:
    """One daemon's; implements ``api.operations.Rollouts``. Made in the loop's thread."""

    def __init__(self, house: House, steps: Steps) -> None:
        self._house = house
        self._steps = steps
        self._records = Records(house.state.config.store.state_dir / "rollouts")
        self._driven: dict[int, _Driven] = {}
        self._telling = Telling(house)
        self._loop = asyncio.get_running_loop()

    async def run(self) -> None:
        """Say once which ones the last life of graped has left in the middle; nothing goes on by itself."""
        for one in await aside(self._records.all):
            if one.status is Status.RUNNING and one.id not in self._driving_now():
                told = replace(one, status=Status.INTERRUPTED, reason="graped ended in the middle")
                await aside(lambda told=told: self._records.save(told))  # type: ignore[misc]
                hint = f"grapecli image rollout --resume {one.id}" if one.orders.image else "begin again"
                self._telling.tell(told, "interrupted", f"is interrupted: graped ended in the middle; {hint}")
        await aside(self._records.prune)

    # --- what the API asks ------------------------------------------------------------------------------

    async def plan(self, slots: Sequence[SlotId], orders: Orders) -> types.RolloutPlan:
        """Lay out the waves; nothing is done. Raises: NetbootOff, NotFound, Conflict, SharedRelay, OverBudget."""
        orders, nodes = await self._laid_out(slots, orders)
        slots_now = self._house.state.slots
        going = [node for node in nodes if node.step is Step.WAITING]
        off = [node.slot for node in going if slots_now[node.slot].observed is Power.OFF]
        waves = [
            self._telling.each_name([node.slot for node in going if node.wave == number])
            for number in {n.wave for n in going}
        ]
        return types.RolloutPlan(
            image=orders.image or None,
            names=self._telling.each_name(slots),
            waves=tuple(types.RolloutWave(folded=fold(names), names=names) for names in waves),
            cut=self._telling.each_name([node.slot for node in going if node.slot not in off]),
            moved=self._telling.each_name(off),
            skipped=tuple(
                types.RolloutSkip(name=name_of(self._house.state, node.slot), why=node.reason)
                for node in nodes
                if node.step is Step.SKIPPED
            ),
        )

    async def begin(self, slots: Sequence[SlotId], orders: Orders, *, by: str) -> Chore:
        """Begin. Raises: as ``plan``; Conflict, where one of the nodes is in another rollout or reboot."""
        orders, nodes = await self._laid_out(slots, orders)
        if all(node.step is Step.SKIPPED for node in nodes):
            why = "; ".join(sorted({node.reason for node in nodes}))
            raise Conflict(f"there is nothing to do for {self._telling.names(slots)}: {why}")
        self._must_be_free(slots)
        wall = self._house.clock.wall()
        return self._drive(Rollout(id=0, orders=orders, nodes=nodes, by=by, asked=wall), by=by)

    async def resume(self, number: int, *, by: str) -> Chore:
        """Go on with one that was interrupted or cancelled. Raises: NotFound, Conflict."""
        if number in self._driving_now():
            raise Conflict(f"rollout {number} is running already")
        found = await aside(lambda: self._records.get(number))
        slots = [node.slot for node in found.nodes]
        later = [one.id for one in await aside(self._records.all) if one.id > number and _share(one, found)]
        self._must_be_free(slots)
        if found.status not in (Status.RUNNING, Status.INTERRUPTED, Status.CANCELLED):
            raise Conflict(f"rollout {number} is {found.status.value}: nothing is left to go on with")
        if later:
            raise Conflict(f"rollout {number} cannot go on: {later[-1]} came later for some of its nodes")
        if gone := [slot.default_name for slot in slots if slot not in self._house.state.slots]:
            raise Conflict(f"rollout {number} cannot go on: {fold(gone)} is not there any more")
        return self._drive(found, by=by, again=True)

    async def all(self) -> Sequence[types.Rollout]:
        """List all that are known, the newest last."""
        return tuple(map(self._view, await aside(self._records.all)))

    async def one(self, number: int) -> types.Rollout:
        """Show one, by its id or by that of a job that drove it. Raises: NotFound."""
        for live in self._driving_now().values():
            if number in (live.rollout.id, *live.rollout.jobs):
                return self._view(live.rollout)
        return self._view(await aside(lambda: self._records.of_job(number)))

    # --- before -----------------------------------------------------------------------------------------

    async def _laid_out(self, slots: Sequence[SlotId], orders: Orders) -> tuple[Orders, tuple[Node, ...]]:
        """Say which node goes in which wave; those that are left out come first."""
        if not slots:
            raise NoTarget("no node was named", hint="name nodes, e.g. worker-0-[0-3]; no target never means all")
        if orders.image:
            image = await aside(lambda: self._steps.moving.find(orders.image))
            orders = replace(orders, image=image)
        why = {slot: await self._why_not(slot, orders) for slot in slots}
        out = tuple(Node(slot=slot, wave=-1, step=Step.SKIPPED, reason=why[slot]) for slot in slots if why[slot])
        nodes = machine.planned(orders, [slot for slot in slots if not why[slot]])
        state = self._house.state
        for number in {node.wave for node in nodes}:
            wave = tuple(node.slot for node in nodes if node.wave == number)
            if cut := tuple(slot for slot in wave if state.slots[slot].observed is not Power.OFF):
                asking.check(state, Verb.CYCLE, cut)
        return orders, (*out, *nodes)

    async def _why_not(self, slot: SlotId, orders: Orders) -> str:
        """Say why a node is left out; "" it is not."""
        if orders.image and (why := self._steps.moving.why_not(slot)):
            return why
        power = self._house.state.slots[slot].observed
        if power is Power.UNKNOWN:
            return "its power is unknown"
        if power is Power.OFF and (not orders.image or orders.when_off is WhenOff.SKIP):
            return "it is off"
        if orders.image and runs(await aside(lambda: self._steps.moving.root(slot)), orders.image):
            return f"it has {orders.image} already"
        return ""

    def _must_be_free(self, slots: Sequence[SlotId]) -> None:
        for one in self._driving_now().values():
            taken = [node.slot for node in one.rollout.nodes if node.slot in slots]
            if taken:
                hint = f"grapecli jobs cancel {one.job} lets its wave end, and begins none."
                word = "rollout" if one.rollout.orders.image else "reboot"
                raise Conflict(f"{self._telling.names(taken)} is in {word} {one.rollout.id} already", hint=hint)

    def _driving_now(self) -> dict[int, _Driven]:
        """Give those that are driven; a job that was cancelled before it began drives none."""
        chores = self._house.state.chores
        for number, one in list(self._driven.items()):
            if one.job not in chores or chores[one.job].ended is not None:
                del self._driven[number]
        return self._driven

    # --- driving ----------------------------------------------------------------------------------------

    def _drive(self, rollout: Rollout, *, by: str, again: bool = False) -> Chore:
        """Make a job of it. Nothing of it waits for a turn."""
        kind = ChoreKind.IMAGE_ROLLOUT if rollout.orders.image else ChoreKind.NODE_REBOOT
        slots = tuple(node.slot for node in rollout.nodes)
        subject = (
            f"{rollout.orders.image} on {self._telling.names(slots)}"
            if rollout.orders.image
            else self._telling.names(slots)
        )
        one = _Driven(rollout=rollout)

        def work(work: Work) -> str:  # in a thread
            return asyncio.run_coroutine_threadsafe(self._driving(one, work, again=again), self._loop).result()

        chore = self._house.chores.start(kind, subject, work, by=by, slots=slots, at_once=True)
        one.job = chore.id
        one.rollout = replace(rollout, id=rollout.id or chore.id, jobs=(*rollout.jobs, chore.id))
        self._driven[one.rollout.id] = one
        return chore

    async def _driving(self, one: _Driven, work: Work, *, again: bool) -> str:
        """Drive until it ended. Raises: RolloutStopped, Cancelled, Stopping (graped ends)."""
        try:
            await self._begun(one, work, again=again)
            while one.rollout.status is Status.RUNNING:
                await self._turn(one, work)
        finally:
            for task in one.tasks:
                task.cancel()
            self._driven.pop(one.rollout.id, None)
        return self._ended(one)

    async def _begun(self, one: _Driven, work: Work, *, again: bool) -> None:
        before = one.rollout
        if not again:
            self._telling.tell(before, "begun", f"begins: {before.waves} waves, asked by {before.by}")
            await self._became(one, machine.begin(before), None, work)
            return
        work.progress = Progress(phase="looking at the nodes", unit="")
        self._telling.tell(before, "resumed", "goes on where it was")
        nodes = machine.in_hand(before)
        found = await asyncio.gather(*(self._steps.look(before, node) for node in nodes))
        now = machine.resume(before, {node.slot: what for node, what in zip(nodes, found, strict=True)})
        await self._became(one, now, None, work)

    async def _turn(self, one: _Driven, work: Work) -> None:
        """Take what happens next. Raises: Stopping."""
        before = one.rollout
        try:
            async with asyncio.timeout(LOOK_S):
                now = machine.take(before, await one.ends.get())
        except TimeoutError:
            now = before
        for task in [task for task in one.tasks if task.done()]:
            one.tasks.remove(task)
            task.result()  # a bug in it ends this, too
        if self._house.chores.closing:
            raise Stopping("graped is stopping")
        if work.cancelled and not before.cancelled:
            now = machine.cancel(now)
        if now is not before:
            await self._became(one, now, before, work)

    async def _became(self, one: _Driven, now: Rollout, before: Rollout | None, work: Work) -> None:
        """Write down what is next, tell it, and begin it."""
        former = one.rollout
        if now.status is not Status.RUNNING:
            now = replace(now, ended=self._house.clock.wall(), reason=self._telling.why(now))
        await aside(lambda: self._records.save(now))
        one.rollout = now
        self._telling.steps(former, now)
        work.progress = progress_of(now)
        self._telling.results(now, one.job, one.results)
        for action in machine.actions(before, now):
            one.tasks.add(asyncio.create_task(self._steps.do(now, action, one.ends.put_nowait)))

    def _ended(self, one: _Driven) -> str:
        """Tell how it ended, as a chore does."""
        now = one.rollout
        self._telling.tell(now, now.status.value, f"is {now.status.value}" + (f": {now.reason}" if now.reason else ""))
        if now.status is Status.STOPPED:
            raise RolloutStopped(now.reason, hint="grapecli events tells each step; begin again when it is mended.")
        if now.status is Status.CANCELLED:
            raise Cancelled("cancelled")
        steps = [node.step for node in now.nodes]
        return ", ".join(f"{steps.count(step)} {step.value}" for step in dict.fromkeys(steps))

    def _view(self, rollout: Rollout) -> types.Rollout:
        live = self._driving_now().get(rollout.id)
        return view(live.rollout if live else rollout, self._house.state, driven=live is not None)


def _share(one: Rollout, other: Rollout) -> bool:
    return bool({node.slot for node in one.nodes} & {node.slot for node in other.nodes})
