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
from graped.core.events import ChoreNodeEnded
from graped.core.jobs import Result
from graped.core.rollout_types import (
    BACKWARD,
    BAD,
    FORWARD,
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
from graped.operate.house import House
from graped.operate.rollout_records import Records
from graped.operate.rollout_steps import Steps, aside
from graped.operate.rollout_views import name_of, view
from graped.provision.wanted import runs
from graped.work import Progress, Work

LOOK_S: Final = 0.5  # how often is seen whether somebody cancels
_TOLD: Final = BAD | {Step.PASSED, Step.MOVED, Step.SKIPPED}  # steps that are lines of the event log
_GOOD: Final = frozenset({Step.PASSED, Step.MOVED, Step.SKIPPED})


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
        self._loop = asyncio.get_running_loop()

    async def run(self) -> None:
        """Say once which ones the last life of graped has left in the middle; nothing goes on by itself."""
        for one in await aside(self._records.all):
            if one.status is Status.RUNNING and one.id not in self._driving_now():
                told = replace(one, status=Status.INTERRUPTED, reason="graped ended in the middle")
                await aside(lambda told=told: self._records.save(told))  # type: ignore[misc]
                hint = f"grapecli image rollout --resume {one.id}" if one.orders.image else "begin again"
                self._tell(told, "interrupted", f"is interrupted: graped ended in the middle; {hint}")
        await aside(self._records.prune)

    # --- what the API asks ------------------------------------------------------------------------------

    async def plan(self, slots: Sequence[SlotId], orders: Orders) -> types.RolloutPlan:
        """Lay out the waves; nothing is done. Raises: NetbootOff, NotFound, Conflict, SharedRelay, OverBudget."""
        orders, nodes = await self._laid_out(slots, orders)
        slots_now = self._house.state.slots
        going = [node for node in nodes if node.step is Step.WAITING]
        off = [node.slot for node in going if slots_now[node.slot].observed is Power.OFF]
        waves = [self._all([node.slot for node in going if node.wave == number]) for number in {n.wave for n in going}]
        return types.RolloutPlan(
            image=orders.image or None,
            names=self._all(slots),
            waves=tuple(types.RolloutWave(folded=fold(names), names=names) for names in waves),
            cut=self._all([node.slot for node in going if node.slot not in off]),
            moved=self._all(off),
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
            raise Conflict(f"there is nothing to do for {self._names(slots)}: {why}")
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
                raise Conflict(f"{self._names(taken)} is in {word} {one.rollout.id} already", hint=hint)

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
        subject = f"{rollout.orders.image} on {self._names(slots)}" if rollout.orders.image else self._names(slots)
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
            self._tell(before, "begun", f"begins: {before.waves} waves, asked by {before.by}")
            await self._became(one, machine.begin(before), None, work)
            return
        work.progress = Progress(phase="looking at the nodes", unit="")
        self._tell(before, "resumed", "goes on where it was")
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
            now = replace(now, ended=self._house.clock.wall(), reason=self._why(now))
        await aside(lambda: self._records.save(now))
        one.rollout = now
        self._tell_steps(former, now)
        work.progress = _progress(now)
        self._tell_results(one)
        for action in machine.actions(before, now):
            one.tasks.add(asyncio.create_task(self._steps.do(now, action, one.ends.put_nowait)))

    def _ended(self, one: _Driven) -> str:
        """Tell how it ended, as a chore does."""
        now = one.rollout
        self._tell(now, now.status.value, f"is {now.status.value}" + (f": {now.reason}" if now.reason else ""))
        if now.status is Status.STOPPED:
            raise RolloutStopped(now.reason, hint="grapecli events tells each step; begin again when it is mended.")
        if now.status is Status.CANCELLED:
            raise Cancelled("cancelled")
        steps = [node.step for node in now.nodes]
        return ", ".join(f"{steps.count(step)} {step.value}" for step in dict.fromkeys(steps))

    def _why(self, rollout: Rollout) -> str:
        """Say in a line why it ended before its end."""
        bad = [node for node in rollout.nodes if node.step in BAD]
        left = [node.slot for node in rollout.nodes if node.step is Step.WAITING]
        parts = []
        if rollout.status is Status.STOPPED:
            first = next((node for node in bad if not node.reason.startswith(machine.WITH_ITS_WAVE)), bad[0])
            parts = [f"{self._names([first.slot])}: {first.reason}"]
            back = [node.slot for node in bad if node.step is Step.BACK]
            stuck = [node.slot for node in bad if node.step is Step.STUCK]
            parts += [f"{self._names(back)} back on the former root"] if back else []
            parts += [f"{self._names(stuck)} could not be brought back"] if stuck else []
        if left:
            parts.append(f"not begun: {self._names(left)}")
        return "; ".join(parts)

    # --- telling ----------------------------------------------------------------------------------------

    def _tell_steps(self, before: Rollout, now: Rollout) -> None:
        for old, new in zip(before.nodes, now.nodes, strict=True):
            turned = new.step in BACKWARD | {Step.STUCK} and old.step in FORWARD
            if turned and not new.reason.startswith(machine.WITH_ITS_WAVE):
                self._tell(now, "failed", new.reason, new)
            if new.step is not old.step and new.step in _TOLD:
                self._tell(now, new.step.value, new.reason, new)
        if now.wave != before.wave:
            names = self._names([node.slot for node in now.nodes if node.wave == now.wave])
            self._tell(now, "wave", f"wave {now.wave + 1} of {now.waves} begins: {names}")

    def _tell(self, rollout: Rollout, what: str, text: str, node: Node | None = None) -> None:
        """Write a line into the event log: ``rollout.passed``, ``reboot.stopped``."""
        word, job = "rollout" if rollout.orders.image else "reboot", rollout.jobs[-1] if rollout.jobs else None
        name = name_of(self._house.state, node.slot) if node else None
        subject = f"{name}: {word} {what}" + (f" ({text})" if text else "") if name else f"{word} {rollout.id} {text}"
        fields: dict[str, object] = {"rollout": rollout.id, "image": rollout.orders.image or None}
        if node:
            fields |= {"wave": node.wave + 1, "reason": node.reason, "root": "new" if node.moved else "former"}
        self._house.journal.append(
            f"{word}.{what}", subject, node=name, stack=node.slot.stack if node else None, job=job, fields=fields
        )  # fmt: skip

    def _tell_results(self, one: _Driven) -> None:
        """Tell the job what became of the nodes of waves that are over."""
        now, over = one.rollout, one.rollout.status is not Status.RUNNING
        for node in now.nodes:
            if node.slot in one.results or not (over or node.wave < now.wave):
                continue
            one.results.add(node.slot)
            left = node.step is Step.WAITING
            result = Result.DONE if node.step in _GOOD else Result.CANCELLED if left else Result.FAILED
            words = {Step.SKIPPED: f"skipped: {node.reason}", Step.WAITING: "not begun", Step.MOVED: "at its next boot"}
            reason = words.get(node.step, node.reason)
            self._house.engine.post(ChoreNodeEnded(chore=one.job, slot=node.slot, result=result, reason=reason))

    def _view(self, rollout: Rollout) -> types.Rollout:
        live = self._driving_now().get(rollout.id)
        return view(live.rollout if live else rollout, self._house.state, driven=live is not None)

    def _all(self, slots: Sequence[SlotId]) -> tuple[str, ...]:
        return tuple(name_of(self._house.state, slot) for slot in slots)

    def _names(self, slots: Sequence[SlotId]) -> str:
        return fold(self._all(slots))


def _share(one: Rollout, other: Rollout) -> bool:
    return bool({node.slot for node in one.nodes} & {node.slot for node in other.nodes})


def _progress(rollout: Rollout) -> Progress:
    """Tell how far it is, and what is being done: ``wave 2 of 3: 1 checking, 3 booting``."""
    waiting = _TOLD | {Step.WAITING}
    steps = [node.step for node in rollout.nodes if node.step not in waiting]
    told = ", ".join(f"{steps.count(step)} {step.value}" for step in dict.fromkeys(steps))
    done = sum(node.step in _TOLD for node in rollout.nodes)
    phase = f"wave {rollout.wave + 1} of {rollout.waves}" + (f": {told}" if told else "")
    return Progress(phase=phase, done=done, total=len(rollout.nodes), unit="nodes")
