"""What the judge is told besides the trace: who asked for what, when graped lived, what nature did."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tests.campaign.wire import Line, Place, Slot

FOREVER = float("inf")
LAST_FRAME_S = 0.3  # so long after graped's death the rack may work on what it had asked for
FORGOTTEN = "forgotten in a crash"  # accepted, and killed before anything of it was written anywhere


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """One process of graped, from before its start until after its end."""

    start: float
    end: float = FOREVER
    killed: bool = False


@dataclass(slots=True, kw_only=True)
class Command:
    """A job: ``asked`` is before it can have been accepted; ``until`` gives each slot's end where that was earlier."""

    id: int
    verb: str
    slots: frozenset[Slot]
    asked: float
    by: str = ""
    accepted: float = 0.0  # when it was accepted for sure
    ended: float | None = None
    outcome: str = ""
    results: dict[Slot, str] = field(default_factory=dict)
    until: dict[Slot, float] = field(default_factory=dict)  # superseded or cancelled

    @property
    def policy(self) -> str:
        """Which policy asked, "" for a person."""
        return self.by.split()[1] if self.by.startswith("policy ") else ""

    def open_until(self, slot: Slot) -> float:
        """When it had nothing more to do with a slot."""
        return min(self.until.get(slot, FOREVER), FOREVER if self.ended is None else self.ended)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A stack lost its power for a moment; ``port`` are its pins just before."""

    t: float
    stack: int
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stuck:
    """A pin of a stack's port may have been held for a while."""

    since: float
    until: float
    stack: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicySpan:
    """What graped was configured to do after an outage, from ``t`` on."""

    t: float
    policy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything but the trace."""

    places: dict[Place, int]  # where each stack's power port is
    commands: dict[int, Command]
    lives: Sequence[Life]
    outages: Sequence[Outage] = ()
    stuck: Sequence[Stuck] = ()
    policies: Sequence[PolicySpan] = ()
    stagger_s: float = 0.0
    inrush_s: float = 0.0
    max_inrush: int = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """What must never happen, and where."""

    what: str
    line: Line | None = None
    t: float = 0.0

    def __str__(self) -> str:
        return self.what if self.line is None else f"{self.what}\n    {self.line}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Crashed:
    """A byte that arrived changed, and graped was killed before it could repair it."""

    stack: int
    line: Line


@dataclass(slots=True)
class Verdict:
    """Counts of what was fine, and what was not."""

    counts: Counter[str] = field(default_factory=Counter)
    violations: list[Violation] = field(default_factory=list)

    def blame(self, what: str, line: Line | None = None, t: float = 0.0) -> None:
        """Note a violation."""
        self.violations.append(Violation(what=what, line=line, t=line.t if line else t))

    def add(self, other: Verdict) -> None:
        """Take over another verdict."""
        self.counts.update(other.counts)
        self.violations += other.violations


class History:
    """What each slot's power truly was and when, from the rack's own announcements."""

    def __init__(self) -> None:
        self._times: dict[Slot, list[float]] = {}
        self._states: dict[Slot, list[bool]] = {}

    def note(self, t: float, slot: Slot, on: bool) -> None:
        """Take a change, or the state at connecting."""
        states = self._states.setdefault(slot, [])
        if states and states[-1] is on:
            return
        self._times.setdefault(slot, []).append(t)
        states.append(on)

    def at(self, slot: Slot, t: float) -> bool:
        """Tell the power at a moment."""
        place = bisect_right(self._times[slot], t) - 1
        return self._states[slot][max(place, 0)]

    def within(self, slot: Slot, since: float, until: float) -> list[bool]:
        """Tell every state between two moments, in order."""
        times = self._times[slot]
        first = max(bisect_right(times, since) - 1, 0)
        last = bisect_right(times, until)
        return self._states[slot][first : max(last, first + 1)]

    def slots(self) -> Iterable[Slot]:
        """Name every slot."""
        return self._states.keys()


def life_at(lives: Sequence[Life], t: float) -> int | None:
    """Number the life a moment belongs to; one frame may still be in the rack's hands when graped dies."""
    number = bisect_right(lives, t, key=lambda life: life.start) - 1
    return number if number >= 0 and t <= lives[number].end + LAST_FRAME_S else None
