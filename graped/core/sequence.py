"""Who may be switched on next: stagger, inrush, boot gate and watt budget as one pure function.

Rules, in the order they are judged for each group of the queue (oldest first):

1. *stagger*: a stack switches a group on at most every ``stagger_s``.
2. *budget*: expected watts of what is (or may be) on in a stack, plus the group's, stay within its budget.
3. *inrush*: at most ``max_inrush`` slots of the cluster are within ``inrush_s`` of their power-on.
4. *boot gate*: at most ``max_booting`` slots of the cluster are between power-on and their boot gate.

A group that waits for 1 or 2 holds back only the younger groups of its own stack: a big node is never overtaken for
ever by small ones, and one full stack does not stop another. 3 and 4 hold back everybody, so order is kept there too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from graped.model import SlotId


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """Slots that come on together (one, or all behind a relay), and what they will draw."""

    slots: tuple[SlotId, ...]
    watts: float

    @property
    def stack(self) -> int:
        """The stack they sit in."""
        return self.slots[0].stack


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """A slot that is on, or may be, or is about to be."""

    slot: SlotId
    watts: float
    on_since: float | None = None  # None: on for longer than we know
    gate_open: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The policy, as numbers. ``budgets`` has the stacks that have one."""

    stagger_s: float
    inrush_s: float
    max_inrush: int
    max_booting: int
    budgets: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """Who goes now, why the others wait, and when time alone may change the answer."""

    go: tuple[Want, ...]
    waiting: dict[SlotId, str]
    wake: float | None


class _Room:
    """What is free while a queue is judged."""

    def __init__(self, live: Sequence[Live], last_on: Mapping[int, float], limits: Limits, now: float) -> None:
        self.limits = limits
        self.now = now
        self.last_on = dict(last_on)
        ends = [one.on_since + limits.inrush_s for one in live if one.on_since is not None]
        self.inrush_ends = sorted(end for end in ends if end > now)
        self.inrush = len(self.inrush_ends)
        self.booting = sum(not one.gate_open for one in live)
        self.watts: dict[int, float] = {}
        for one in live:
            self.watts[one.slot.stack] = self.watts.get(one.slot.stack, 0.0) + one.watts

    def stack_refusal(self, want: Want) -> tuple[str, float | None] | None:
        """Why this group's own stack has no room, and when time alone makes some."""
        due = self.last_on.get(want.stack, float("-inf")) + self.limits.stagger_s
        if self.now < due:
            return "waits for its turn in the stack", due
        budget = self.limits.budgets.get(want.stack)
        drawn = self.watts.get(want.stack, 0.0)
        if budget is not None and drawn + want.watts > budget + 1e-9:
            return f"waits for watts: {drawn:g} of {budget:g} W of stack {want.stack} are taken", None
        return None

    def cluster_refusal(self, want: Want) -> tuple[str, float | None] | None:
        """Why the cluster has no room, and when time alone makes some."""
        over = self.inrush + len(want.slots) - self.limits.max_inrush
        if over > 0 and self.limits.inrush_s > 0:
            wake = self.inrush_ends[min(over, len(self.inrush_ends)) - 1] if self.inrush_ends else None
            return f"waits for inrush: {self.inrush} slots came on just now", wake
        if self.booting + len(want.slots) > self.limits.max_booting:
            return f"waits for the boot gate: {self.booting} nodes are booting", None
        return None

    def take(self, want: Want) -> None:
        """Give the group its place."""
        self.inrush += len(want.slots)
        self.inrush_ends += [self.now + self.limits.inrush_s] * len(want.slots)
        self.booting += len(want.slots)
        self.watts[want.stack] = self.watts.get(want.stack, 0.0) + want.watts
        self.last_on[want.stack] = self.now


def admit(
    queue: Sequence[Want], live: Sequence[Live], last_on: Mapping[int, float], limits: Limits, now: float
) -> Admission:
    """Judge the queue (oldest first) against what is on; the rules stand at the top of this module."""
    room = _Room(live, last_on, limits, now)
    go: list[Want] = []
    waiting: dict[SlotId, str] = {}
    wakes: list[float] = []
    held: set[int] = set()
    closed = ""
    for want in queue:
        if closed or want.stack in held:
            waiting |= dict.fromkeys(want.slots, closed or "waits behind an older one of its stack")
            continue
        refusal = room.stack_refusal(want)
        if refusal is not None:
            held.add(want.stack)
        else:
            refusal = room.cluster_refusal(want)
            closed = refusal[0] if refusal else ""
        if refusal is None:
            room.take(want)
            go.append(want)
            continue
        waiting |= dict.fromkeys(want.slots, refusal[0])
        if refusal[1] is not None:
            wakes.append(refusal[1])
    return Admission(go=tuple(go), waiting=waiting, wake=min(wakes, default=None))


def never_fits(want: Want, limits: Limits) -> str:
    """Why no waiting will ever let this group on ("" if it can)."""
    budget = limits.budgets.get(want.stack)
    if budget is not None and want.watts > budget:
        return f"it needs {want.watts:g} W, the whole budget of stack {want.stack} is {budget:g} W"
    count = len(want.slots)
    for name, most in (("max_inrush", limits.max_inrush), ("max_booting", limits.max_booting)):
        if count > most:
            return f"its relay switches {count} slots at once, power.{name} is {most}"
    return ""
