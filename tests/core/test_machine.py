"""A rack in all weathers: random commands, faults and time, with every byte judged by the world."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from graped.config.types import Model
from graped.core.events import BootFact, GuardRemoved
from graped.core.jobs import Result, Step
from graped.errors import OverBudget, SharedRelay
from graped.model import Power, SlotId, StackCondition, Stage, Verb
from tests.core.world import BOARD, RELAY, World, byte, make_config, slots

STACKS = (0, 1, 2)  # two boards, and relays of which one switches three slots
POLICY: dict[str, Any] = {
    "stagger_s": 0.5,
    "inrush_s": 2.0,
    "max_inrush": 4,
    "max_booting": 5,
    "boot_gate_s": 6.0,
    "cycle_off_s": 1.5,
    "guard_max_s": 3.0,
    "soft_off_max_s": 3.0,
    "give_up_s": 8.0,
}
ALL = [SlotId(key, slot) for key in (0, 1) for slot in range(6)] + [SlotId(2, slot) for slot in range(4)]

stacks = st.sampled_from(STACKS)
boards = st.sampled_from((0, 1))
GUARDS = ("docker", "backup")
moments = st.sampled_from((0.004, 0.012, 0.021, 0.033, 0.2, 1.1, 3.0))


class Rack(RuleBasedStateMachine):
    """The world, driven by chance."""

    @initialize(on=st.sets(st.integers(0, 5)), evidence=st.booleans(), tight=st.booleans())
    def begin(self, on: set[int], evidence: bool, tight: bool) -> None:
        budgets = {1: 4 * 7.0} if tight else {}
        config = make_config(STACKS, budgets=budgets, **POLICY)
        self.world = World(config, ports={0: byte(*on)}, layouts={2: RELAY}, boot_evidence=evidence)
        self.cancelled: set[int] = set()

    @rule(verb=st.sampled_from(Verb), chosen=st.sets(st.sampled_from(ALL), min_size=1), force=st.booleans())
    def ask(self, verb: Verb, chosen: set[SlotId], force: bool) -> None:
        group = set(slots(2, 0, 1, 2))
        targets = chosen | group if chosen & group else chosen
        self.world.ask(verb, sorted(targets), force=force)

    @rule(chosen=st.sets(st.sampled_from(ALL), min_size=1))
    def ask_for_part_of_a_relay(self, chosen: set[SlotId]) -> None:
        group = set(slots(2, 0, 1, 2))
        part = sorted((chosen | {SlotId(2, 0)}) - {SlotId(2, 2)})
        try:
            self.world.ask(Verb.ON, part)
        except SharedRelay:
            return
        except OverBudget:
            raise AssertionError("nothing is over its budget") from None
        assert not group & set(part) or self.world.state.stacks[2].layout is None

    @precondition(lambda self: self.world.state.jobs)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.world.state.jobs)))
        self.world.cancel(number)

    @rule(
        guarded=st.sets(st.sampled_from(ALL)), soft=st.sets(st.sampled_from(ALL)),
        name=st.sampled_from(GUARDS), lease_s=st.sampled_from((1.0, 2.5, 100.0)),
    )  # fmt: skip
    def register(self, guarded: set[SlotId], soft: set[SlotId], name: str, lease_s: float) -> None:
        self.world.guard(guarded, soft, name=name, lease_s=lease_s)

    @rule(name=st.sampled_from(GUARDS))
    def withdraw(self, name: str) -> None:
        self.world.send(GuardRemoved(name=name))

    @rule()
    def clients_answer(self) -> None:
        for asked in self.world.asked_guards:
            self.world.tell(asked.job, asked.slot, "nearly done", name=asked.guards[0])
            for name in asked.guards:
                self.world.let_go(asked.job, asked.slot, name=name)
        for stopped in self.world.asked_soft_off:
            self.world.down(stopped.job, stopped.slot)
        self.world.asked_guards.clear()
        self.world.asked_soft_off.clear()

    @rule(slot=st.sampled_from(ALL), stage=st.sampled_from([*Stage, None]), initial=st.booleans())
    def evidence(self, slot: SlotId, stage: Stage | None, initial: bool) -> None:
        self.world.stage(slot, stage, initial=initial)

    @rule(slot=st.sampled_from(ALL), what=st.sampled_from(BootFact), model=st.sampled_from((None, *Model)))
    def boot_fact(self, slot: SlotId, what: BootFact, model: Model | None) -> None:
        self.world.fact(slot, what, "start.elf", 2_950_000, model)

    @rule(watched=st.sets(st.sampled_from(ALL)))
    def watch(self, watched: set[SlotId]) -> None:
        self.world.watch(watched)

    @rule(seconds=moments)
    def time(self, seconds: float) -> None:
        self.world.run(seconds)

    @rule(key=stacks)
    def silence(self, key: int) -> None:
        self.world.ports[key].silent = True

    @rule(key=stacks)
    def answer(self, key: int) -> None:
        self.world.ports[key].silent = False

    @rule(key=boards, bit=st.integers(0, 7))
    def flip_next(self, key: int, bit: int) -> None:
        self.world.ports[key].flips.append(1 << bit)

    @rule(key=stacks, count=st.integers(1, 3))
    def lose_next(self, key: int, count: int) -> None:
        self.world.ports[key].lose = count

    @rule(key=stacks, before=st.booleans())
    def no_read_back(self, key: int, before: bool) -> None:
        if before:
            self.world.ports[key].deaf_before = 1
        else:
            self.world.ports[key].deaf = 1

    @rule(key=stacks)
    def no_time(self, key: int) -> None:
        self.world.ports[key].hurry = True

    @rule(key=boards)
    def brown_out(self, key: int) -> None:
        self.world.brown_out(key)

    @rule(key=boards, on=st.sets(st.integers(0, 5)))
    def others(self, key: int, on: set[int]) -> None:
        self.world.others_write(key, byte(*on))

    @rule(key=boards, slot=st.integers(0, 5))
    def stick(self, key: int, slot: int) -> None:
        self.world.ports[key].stuck = 1 << BOARD.bits[slot]

    @rule()
    def unstick(self) -> None:
        for one in self.world.ports.values():
            one.stuck = 0

    @invariant()
    def inrush_is_kept(self) -> None:
        """The world judges it at each byte; here only that nobody was forgotten by its bookkeeping."""
        for slot, job in self.world.state.claims.items():
            assert slot in self.world.state.jobs[job].tasks

    @invariant()
    def guards_hold_what_they_look_after_and_nothing_for_ever(self) -> None:
        """Who holds a slot is registered for it, with a lease that runs, and the slot waits for guards."""
        world = self.world
        for job in world.state.jobs.values():
            for slot, task in job.tasks.items():
                held = [hold for hold in task.holds if not hold.over]
                assert (task.step is Step.GUARDS) is bool(held)
                for hold in held:
                    guard = world.state.guards[hold.guard]
                    assert slot in guard.slots
                    assert guard.until > world.now
                    assert task.until is not None
                    assert hold.since <= world.now < task.until <= hold.since + POLICY["guard_max_s"]

    def teardown(self) -> None:
        """With all faults gone and time passing, every job ends, and every slot is what was last asked of it."""
        if not hasattr(self, "world"):
            return
        world = self.world
        world.heal()
        world.guard()
        world.run(1.5)
        for one in world.state.stacks.values():
            assert one.condition is StackCondition.OK
        for _ in range(12):
            world.run(10)
            if all(self._only_waits_for_watts(job, slot) for slot, job in world.state.claims.items()):
                break
        world.run(1.5)
        for slot, job in world.state.claims.items():
            assert self._only_waits_for_watts(job, slot), (slot, world.task(job, slot))
        self._judge_end()

    def _only_waits_for_watts(self, job: int, slot: SlotId) -> bool:
        """A slot may wait for ever where its stack's watts are really taken, or behind an older one that does."""
        world = self.world
        budget = world.state.config.cluster.stacks[slot.stack].budget_watts
        if budget is None or not world.task(job, slot).reason.startswith("waits"):
            return False
        on = [one for one in world.state.slots if one.stack == slot.stack and world.observed(one) is Power.ON]
        return 7.0 * (len(on) + 1) > budget

    def _judge_end(self) -> None:
        world = self.world
        for key, stack in world.state.stacks.items():
            assert stack.in_flight is None, key
            world._judge_observed(key)
        last: dict[SlotId, Result | None] = {}
        for _, job in sorted(world.state.jobs.items()):
            last |= {slot: task.result for slot, task in job.tasks.items()}
            for task in job.tasks.values():
                if task.result is Result.FAILED and "given up" not in task.reason:
                    assert "shares its relay" in task.reason
                    assert any("given up" in other.reason for other in job.tasks.values())
        for slot, one in world.state.slots.items():
            if one.desired is not one.observed and slot not in world.state.claims:
                assert one.fault is not None, f"{slot} is not as wanted, and nobody says why"
            if one.desired is one.observed:
                assert one.fault is None


Rack.TestCase.settings = settings(settings.get_profile("core"))
TestRack = Rack.TestCase
