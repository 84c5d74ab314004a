"""What each step of a rollout does to nodes: roots, power, boots watched, commands on nodes.

Everything belongs to the loop's thread but what blocks, which has daemon threads of its own: a node that never answers
must not keep the program from ending.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Protocol

from graped.clock import Clock
from graped.config.types import Strategy
from graped.core.boot import device_of
from graped.core.jobs import Job, Result
from graped.core.lateness import patience_s
from graped.core.rollout_types import Action, Ended, Found, Node, Rollout, Step, WhenOff
from graped.core.state import State
from graped.errors import CommandFailed, GrapeError, NetbootOff
from graped.model import Power, SlotId, Stage, Verb
from graped.netboot.roots.records import RootRecord
from graped.network.ssh_client import connect
from graped.operate.aside import aside
from graped.operate.house import House
from graped.provision.wanted import former, runs
from graped.work import Work

LOGINS_AT_ONCE: Final = 16
ROOTS_AT_ONCE: Final = 3  # the master's disk is not faster with more
LOGIN_S: Final = 10.0
ASK_S: Final = 15.0
HEALTH_PAUSE_S: Final = 2.0  # between two tries of the health command
SLACK_S: Final = 60.0  # beyond all deadlines of a boot together
UNSEEN_S: Final = 30.0  # after a restart of graped: so long is waited for any sign of a node that is on
RESTARTS: Final = 2  # one that starts again by itself so often in one boot does not come up
LINES, MOST = 3, 400  # of what a health command said: lines, and characters in all
ANY_CODE: Final = frozenset(range(-1, 256))
_POLL_S: Final = 5.0
_PAST_FILES: Final = frozenset({Stage.KERNEL, Stage.ROOT})
_FIRST_SIGNS: Final = frozenset({Stage.DHCP, Stage.TFTP})
NO_MARK: Final = "is up; nobody could log in to compare its boot id"
# A new boot has another id; a machine that shares its kernel with others (a container) has another init at least.
BOOT_MARK: Final = "cat /proc/sys/kernel/random/boot_id /proc/1/stat"


Run = Callable[[SlotId, str, float], str]  # node, command, seconds; raises SshError, CommandFailed


class Turning(Protocol):
    """What is needed of the engine."""

    @property
    def state(self) -> State: ...
    async def changed(self, revision: int, timeout_s: float) -> State: ...
    async def ask_power(self, verb: Verb, slots: tuple[SlotId, ...], *, by: str) -> Job: ...


class Moving(Protocol):
    """What is done to roots; all but ``served`` blocks."""

    async def served(self) -> None: ...
    def find(self, image: str) -> str: ...
    def why_not(self, slot: SlotId) -> str: ...
    def root(self, slot: SlotId) -> RootRecord | None: ...
    def move(self, slot: SlotId, image: str, work: Work) -> str: ...
    def back(self, slot: SlotId, generation: str, image: str, work: Work) -> str: ...


class Steps:
    """One daemon's. ``run`` has a command run on a node, and blocks; ``moving`` None: nothing is served here."""

    def __init__(self, engine: Turning, run: Run, moving: Moving | None, clock: Clock) -> None:
        self._engine = engine
        self._run = run
        self._moving = moving
        self._clock = clock
        self._logins = asyncio.Semaphore(LOGINS_AT_ONCE)
        self._roots = asyncio.Semaphore(ROOTS_AT_ONCE)
        self._does: Mapping[Step, Callable[[Rollout, Node], Awaitable[Ended]]] = {
            Step.PREPARING: self._prepare,
            Step.BOOTING: self._boot,
            Step.CHECKING: self._check,
            Step.RETURNING: self._return,
            Step.RISING: self._rise,
        }
        self._verbs = {Step.CYCLING: Verb.CYCLE, Step.STOPPING: Verb.OFF, Step.STARTING: Verb.ON}

    @property
    def moving(self) -> Moving:
        """What is done to roots. Raises: NetbootOff."""
        if self._moving is None:
            hint = "Set netboot.active, interface and address, and restart graped; see graped/README.md."
            raise NetbootOff("netbooting is not switched on", hint=hint)
        return self._moving

    async def do(self, rollout: Rollout, action: Action, post: Callable[[Ended], None]) -> None:
        """Do the work of a step, and post its end for each node; what goes wrong is the end of it."""
        if action.step in self._verbs:
            await self._switch(rollout, action, post)
            return
        node = rollout.node(action.slots[0])
        assert node is not None
        try:
            post(await self._does[action.step](rollout, node))
        except GrapeError as error:
            post(Ended(slot=node.slot, step=action.step, error=error.detail))

    async def look(self, rollout: Rollout, node: Node) -> Found:
        """See where a node is that nobody watched over for a while."""
        image, new, old, was = rollout.orders.image, False, False, ("", "")
        if image:
            record = await aside(lambda: self.moving.root(node.slot))
            was = former(record, image)
            new = record is not None and record.image == image
            old = record is not None and was_it(record, node.was, node.was_image)
        idle = node.step in (Step.PREPARING, Step.READY)
        up = not idle and not await self._up(node.slot, UNSEEN_S) and self._is_up(node.slot)
        mark = await self._mark(node.slot) if up else ""
        rebooted = mark != node.boot if mark and node.boot else None
        return Found(new=new, old=old, up=up, rebooted=rebooted, was=was[0], was_image=was[1])

    # --- forward ----------------------------------------------------------------------------------------

    async def _prepare(self, rollout: Rollout, node: Node) -> Ended:
        slot, image = node.slot, rollout.orders.image
        power = self._engine.state.slots[slot].observed
        if power is Power.UNKNOWN:
            return Ended(slot=slot, step=node.step, error="its power is unknown")
        off = power is Power.OFF
        if not image:
            boot = "" if off else await self._mark(slot)
            return Ended(slot=slot, step=node.step, off=off, skip=off, note="it is off" if off else "", boot=boot)
        record = await aside(lambda: self.moving.root(slot))
        there = record is not None and record.image == image
        if off and not there and rollout.orders.when_off is WhenOff.SKIP:
            return Ended(slot=slot, step=node.step, skip=True, note="it is off")
        if runs(record, image) and not node.was:
            return Ended(slot=slot, step=node.step, skip=True, note=f"it has {image} already")
        boot = "" if off else await self._mark(slot)
        async with self._roots:
            await aside(lambda: self.moving.move(slot, image, Work()))
        if off:
            await self.moving.served()  # it may be switched on any moment
        was, was_image = former(record, image)
        return Ended(slot=slot, step=node.step, off=off, was=was, was_image=was_image, boot=boot)

    async def _boot(self, _: Rollout, node: Node) -> Ended:
        error = await self._up(node.slot)
        if error:
            return Ended(slot=node.slot, step=node.step, error=error)
        if node.slot not in self._engine.state.watched:
            return Ended(slot=node.slot, step=node.step, note="nothing tells its boot stages")
        if not node.boot:
            return Ended(slot=node.slot, step=node.step, note=NO_MARK)
        mark = await self._mark(node.slot)
        if mark == node.boot:
            return Ended(
                slot=node.slot, step=node.step, error="is up, and has not started again: its boot id is the same"
            )
        return Ended(slot=node.slot, step=node.step, note="" if mark else NO_MARK)

    async def _check(self, rollout: Rollout, node: Node) -> Ended:
        """Run the health command until it passes, as long as it may take."""
        health, deadline = rollout.orders.health, self._clock.monotonic() + rollout.orders.health_s
        while True:
            left = deadline - self._clock.monotonic()
            try:
                async with self._logins:
                    await aside(lambda: self._run(node.slot, health, max(1.0, left)))  # noqa: B023
                return Ended(slot=node.slot, step=node.step, note=node.reason)
            except GrapeError as error:
                if deadline - self._clock.monotonic() <= HEALTH_PAUSE_S:
                    return Ended(
                        slot=node.slot, step=node.step, error=f"the health command does not pass: {error.detail}"
                    )
            await asyncio.sleep(HEALTH_PAUSE_S)

    # --- back -------------------------------------------------------------------------------------------

    async def _return(self, _: Rollout, node: Node) -> Ended:
        async with self._roots:
            await aside(lambda: self.moving.back(node.slot, node.was, node.was_image, Work()))
        if node.off:
            await self.moving.served()
        return Ended(slot=node.slot, step=node.step)

    async def _rise(self, _: Rollout, node: Node) -> Ended:
        return Ended(slot=node.slot, step=node.step, error=await self._up(node.slot))

    # --- both -------------------------------------------------------------------------------------------

    async def _switch(self, rollout: Rollout, action: Action, post: Callable[[Ended], None]) -> None:
        """Have an ordinary power job done, with guards and soft-off."""
        verb = self._verbs[action.step]
        try:
            if rollout.orders.image and action.step is not Step.STOPPING:
                await self.moving.served()  # nobody is sent to what is not there yet
            what = "rollout" if rollout.orders.image else "reboot"
            job = await self._engine.ask_power(verb, action.slots, by=f"{what} {rollout.id} of {rollout.by}")
        except GrapeError as error:
            for slot in action.slots:
                post(Ended(slot=slot, step=action.step, error=error.detail))
            return
        waiting = list(action.slots)
        while waiting:
            state = self._engine.state
            job = state.jobs.get(job.id, job)  # ended ones stay there for long enough
            for slot in [slot for slot in waiting if job.tasks[slot].result is not None]:
                waiting.remove(slot)
                task = job.tasks[slot]
                bad = task.result is not Result.DONE
                why = f"power {verb.value} {task.result}: {task.reason}" if bad else ""
                post(Ended(slot=slot, step=action.step, error=why))
            if waiting:
                await self._engine.changed(state.revision, _POLL_S)

    async def _up(self, slot: SlotId, unseen_s: float | None = None) -> str:
        """Wait until a node is up; return why it is not. ``unseen_s``: how long for a first sign, where there is none.

        A node whose boot stages nobody tells is not waited for.
        """
        began = self._clock.monotonic()
        state = self._engine.state
        limit, restarts, last = _boot_max_s(state, slot), 0, state.slots[slot].stage
        while True:
            now = state.slots[slot]
            restarts, last = restarts + (last in _PAST_FILES and now.stage in _FIRST_SIGNS), now.stage
            if now.observed is Power.OFF:
                return "it is off"
            if slot not in state.watched or now.stage is Stage.UP:
                return ""
            if now.late:
                return f"late in {now.stage}: {now.late}"
            if restarts >= RESTARTS:
                return f"started again by itself {restarts} times before it was up"
            waited = self._clock.monotonic() - began
            if waited >= limit or (now.stage is None and unseen_s is not None and waited >= unseen_s):
                return f"not up after {waited:.0f} s, {f'in stage {now.stage}' if now.stage else now.stage_reason}"
            state = await self._engine.changed(state.revision, min(_POLL_S, limit - waited))

    def _is_up(self, slot: SlotId) -> bool:
        return self._engine.state.slots[slot].stage is Stage.UP

    async def _mark(self, slot: SlotId) -> str:
        """Ask a node what tells this boot from all others; "" where nobody can log in."""
        with contextlib.suppress(GrapeError):
            async with self._logins:
                return mark_of(await aside(lambda: self._run(slot, BOOT_MARK, ASK_S)))
        return ""


def steps_of(house: House) -> Steps:
    """Put them together for one daemon."""
    moving = house.provisioning.moving if house.provisioning is not None else None

    def run(slot: SlotId, command: str, timeout_s: float) -> str:
        at = house.access.endpoint(slot)
        with connect(at, house.access.keys.cluster_key(), timeout_s=LOGIN_S) as session:
            said = session.run(command, timeout_s=timeout_s, expect=ANY_CODE)
        if said.code == 0:
            return said.stdout
        lines = [line.strip() for line in f"{said.stdout}\n{said.stderr}".splitlines() if line.strip()]
        told = f": {' / '.join(lines[-LINES:])}" if lines else ""
        raise CommandFailed(f"exit code {said.code}{told}"[:MOST], exit_code=said.code)

    return Steps(house.engine, run, moving, house.clock)


def mark_of(output: str) -> str:
    """Make one word of boot id and the start time of init; "" for what is neither. Pure. Source: proc(5)."""
    boot, _, stat = output.strip().partition("\n")
    fields = stat.rpartition(")")[2].split()  # from the third on
    return f"{boot}:{fields[19]}" if len(boot) == 36 and len(fields) > 19 else ""


def was_it(record: RootRecord, generation: str, image: str) -> bool:
    """Whether a root is the one that a node had: the very one, or one as good, where it keeps nothing. Pure."""
    return record.generation == generation or (record.strategy is Strategy.EPHEMERAL and record.image == image)


def _boot_max_s(state: State, slot: SlotId) -> float:
    """Tell how long a boot may take in all."""
    device = device_of(state.config, slot)
    stages = (Stage.POWERED, Stage.DHCP, Stage.TFTP, Stage.KERNEL, Stage.ROOT)
    return SLACK_S + sum(patience_s(state.config, device, stage) or 0.0 for stage in stages)
