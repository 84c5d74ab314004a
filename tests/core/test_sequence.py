"""Properties of the sequencer: never too many at once, never over the watts, nobody forgotten, order kept."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from graped.core.sequence import Limits, Live, Want, admit, never_fits
from graped.model import SlotId

EPSILON = 1e-9


def limits(**changes: Any) -> Limits:
    base = Limits(stagger_s=0.5, inrush_s=2.0, max_inrush=4, max_booting=8)
    return replace(base, **changes)


def want(stack: int, *numbers: int, watts: float = 7.0) -> Want:
    return Want(slots=tuple(SlotId(stack, number) for number in numbers), watts=watts * len(numbers))


@dataclass
class Run:
    """The sequencer used as the core uses it, in made-up time: what it lets go comes on, gates open after a while."""

    limits: Limits
    queue: list[Want]
    boot_s: float = 3.0
    now: float = 100.0
    live: list[Live] = field(default_factory=list)
    last_on: dict[int, float] = field(default_factory=dict)
    went: list[tuple[float, Want]] = field(default_factory=list)

    def go(self, *, rounds: int = 2000) -> None:
        for _ in range(rounds):
            self.live = [
                replace(one, gate_open=one.on_since is None or self.now >= one.on_since + self.boot_s)
                for one in self.live
            ]
            admission = admit(self.queue, self.live, self.last_on, self.limits, self.now)
            for group in admission.go:
                self.take(group)
            if not self.queue:
                return
            gates = [one.on_since + self.boot_s for one in self.live if one.on_since is not None and not one.gate_open]
            times = [*gates, *([] if admission.wake is None else [admission.wake])]
            if not admission.go:
                if not times:
                    return
                assert min(times) > self.now
                self.now = min(times)

    def take(self, group: Want) -> None:
        self.queue.remove(group)
        self.last_on[group.stack] = self.now
        self.went.append((self.now, group))
        share = group.watts / len(group.slots)
        self.live += [Live(slot=s, watts=share, on_since=self.now, gate_open=False) for s in group.slots]
        self.judge(group)

    def judge(self, group: Want) -> None:
        rush = [one for one in self.live if one.on_since is not None and self.now < one.on_since + self.limits.inrush_s]
        assert len(rush) <= self.limits.max_inrush
        assert sum(not one.gate_open for one in self.live) <= self.limits.max_booting
        budget = self.limits.budgets.get(group.stack)
        if budget is not None:
            assert sum(one.watts for one in self.live if one.slot.stack == group.stack) <= budget + 1e-6


@st.composite
def runs(draw: st.DrawFn) -> Run:
    """Up to four stacks of six slots, some of them grouped behind relays, some on already."""
    queue, live = [], []
    for stack in range(draw(st.integers(1, 4))):
        numbers = draw(st.permutations(range(6)))
        while numbers:
            size = draw(st.integers(1, min(3, len(numbers))))
            group, numbers = numbers[:size], numbers[size:]
            watts = draw(st.sampled_from((3.0, 5.5, 7.0, 12.3)))
            match draw(st.sampled_from(("wait", "on", "off"))):
                case "wait":
                    queue.append(want(stack, *group, watts=watts))
                case "on":
                    live += [Live(slot=SlotId(stack, number), watts=watts) for number in group]
                case _:
                    pass
    budgets = {stack: draw(st.floats(20, 90)) for stack in range(4) if draw(st.booleans())}
    found = Limits(
        stagger_s=draw(st.sampled_from((0.0, 0.1, 0.5, 3.0))),
        inrush_s=draw(st.sampled_from((0.0, 0.5, 2.0))),
        max_inrush=draw(st.integers(3, 8)),
        max_booting=draw(st.integers(3, 10)),
        budgets=budgets,
    )
    return Run(limits=found, queue=list(draw(st.permutations(queue))), live=live, boot_s=draw(st.floats(0.1, 9)))


core = settings.get_profile("core")


@given(run=runs())
@settings(core)
def test_limits_are_kept_and_nobody_that_fits_is_forgotten(run: Run) -> None:
    asked = list(run.queue)
    run.go()
    went = [group for _, group in run.went]
    for stack, left in ((group.stack, group) for group in run.queue):
        budget = run.limits.budgets[stack]  # only watts keep somebody back for ever
        first = next(group for group in run.queue if group.stack == stack)
        drawn = sum(one.watts for one in run.live if one.slot.stack == stack)
        assert drawn + first.watts > budget, f"{left} starves"
    for stack in {group.stack for group in asked}:
        order = [group for group in asked if group.stack == stack and group in went]
        assert [group for group in went if group.stack == stack] == order, "first come, first served in a stack"


@given(run=runs())
@settings(core)
def test_stagger_within_a_stack(run: Run) -> None:
    run.go()
    for stack in {group.stack for _, group in run.went}:
        times = [when for when, group in run.went if group.stack == stack]
        assert all(b - a >= run.limits.stagger_s - EPSILON for a, b in pairwise(times))


@given(run=runs(), data=st.data())
@settings(core)
def test_cancelling_never_makes_anybody_wait_longer(run: Run, data: st.DataObject) -> None:
    """Take groups that wait out of the queue: whoever went at once before still does, and the head moves up."""
    before = admit(run.queue, run.live, run.last_on, run.limits, run.now)
    waiting = [group for group in run.queue if group not in before.go]
    gone = data.draw(st.lists(st.sampled_from(waiting), unique=True)) if waiting else []
    queue = [group for group in run.queue if group not in gone]
    after = admit(queue, run.live, run.last_on, run.limits, run.now)
    assert set(before.go) <= set(after.go)


@given(run=runs())
@settings(core)
def test_everybody_is_told_why_it_waits_and_time_is_asked_for_only_when_it_helps(run: Run) -> None:
    admission = admit(run.queue, run.live, run.last_on, run.limits, run.now)
    gone = {slot for group in admission.go for slot in group.slots}
    held = {slot for group in run.queue for slot in group.slots} - gone
    assert admission.waiting.keys() == held
    assert all(reason for reason in admission.waiting.values())
    if admission.wake is not None:
        assert admission.wake > run.now


def test_stagger_lets_another_stack_go() -> None:
    queue = [want(0, 0), want(0, 1), want(1, 0)]
    admission = admit(queue, [], {}, limits(), 10.0)
    assert admission.go == (queue[0], queue[2])
    assert admission.wake == 10.5


def test_a_full_stack_holds_its_own_younger_ones_and_no_others() -> None:
    """A big node is not overtaken for ever by small ones of its stack."""
    live = [Live(slot=SlotId(0, 5), watts=7)]
    queue = [want(0, 0, watts=12), want(0, 1, watts=1), want(1, 0)]
    admission = admit(queue, live, {}, limits(budgets={0: 15.0}), 10.0)
    assert admission.go == (queue[2],)
    assert "watts" in admission.waiting[SlotId(0, 0)]
    assert "behind an older one" in admission.waiting[SlotId(0, 1)]
    assert admission.wake is None


def test_inrush_of_a_group_waits_until_the_whole_group_has_room() -> None:
    live = [Live(slot=SlotId(1, n), watts=7, on_since=10.0 + n / 10) for n in range(3)]
    queue = [want(0, 0, 1, 2)]
    admission = admit(queue, live, {}, limits(), 11.0)
    assert admission.go == ()
    assert admission.wake == 12.1  # the second of the three has left its window then
    assert admit(queue, live, {}, limits(), 12.1).go == (queue[0],)


def test_boot_gate_counts_what_boots_and_frees_its_place() -> None:
    live = [Live(slot=SlotId(1, n), watts=7, gate_open=n > 3) for n in range(6)]
    assert admit([want(0, 0)], live, {}, limits(max_booting=4), 10.0).go == ()
    assert admit([want(0, 0)], live, {}, limits(max_booting=5), 10.0).go == (want(0, 0),)


def test_cancel_frees_the_place() -> None:
    live = [Live(slot=SlotId(1, n), watts=7, gate_open=False) for n in range(4)]
    policy = limits(max_booting=4)
    assert admit([want(0, 0)], live, {}, policy, 10.0).go == ()
    assert admit([want(0, 0)], live[1:], {}, policy, 10.0).go == (want(0, 0),)


def test_what_can_never_fit_is_told() -> None:
    assert "the whole budget of stack 0 is 10 W" in never_fits(want(0, 0, watts=12), limits(budgets={0: 10.0}))
    assert "power.max_inrush is 4" in never_fits(want(0, 0, 1, 2, 3, 4), limits())
    assert "power.max_booting is 2" in never_fits(want(0, 0, 1, 2), limits(max_booting=2))
    assert never_fits(want(0, 0, 1, 2), limits(budgets={0: 21.0, 1: 1.0})) == ""
