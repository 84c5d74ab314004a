"""Judge how fast slots come on: one at a time in a stack, staggered, and never too many in their inrush window."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.campaign.evidence import Evidence, Verdict
from tests.campaign.wire import Line, Slot, changed_slots, is_on

SLACK_S = 0.005  # the trace tells the start of a transaction, graped counts from its end


@dataclass(slots=True)
class _Life:
    """What came on in one life of graped."""

    last: dict[int, tuple[float, Slot, int | None]] = field(
        default_factory=dict
    )  # by stack: when, which, by which byte
    came: dict[Slot, float] = field(default_factory=dict)


class Pace:
    """Follows the bytes that switch slots on."""

    def __init__(self, evidence: Evidence, verdict: Verdict) -> None:
        self._evidence = evidence
        self._verdict = verdict
        self._lives: dict[int, _Life] = {}

    def byte(self, stack: int, line: Line, asked: dict[int, bool], number: int) -> None:
        """Take one byte: ``asked`` are the slots that it was to switch."""
        life = self._lives.setdefault(number, _Life())
        ons = [slot for slot, on in asked.items() if on]
        if len(ons) > 1 and self._evidence.stagger_s:
            self._verdict.blame(f"slots {ons} of stack {stack} are switched on by one byte", line)
        assert line.before is not None
        assert line.after is not None
        self.off(stack, line.after, number)
        moved = changed_slots(line.before, line.after)
        for slot in ons:
            if moved.get(slot):
                self._came_on(life, (stack, slot), line)

    def nature(self, stack: int, port: int, number: int) -> None:
        """Forget what went off by itself: it draws nothing, and nobody may have seen that it was on."""
        life = self._lives.setdefault(number, _Life())
        if stack in life.last and not is_on(port, life.last[stack][1][1]):
            del life.last[stack]
        self.off(stack, port, number)

    def off(self, stack: int, port: int, number: int) -> None:
        """Forget the slots that a port shows as off."""
        life = self._lives.setdefault(number, _Life())
        for slot in range(6):
            if not is_on(port, slot):
                life.came.pop((stack, slot), None)

    def _came_on(self, life: _Life, slot: Slot, line: Line) -> None:
        t, other, data = life.last.get(slot[0], (float("-inf"), slot, None))
        again = other == slot and data == line.data  # a flipped bit had undone it
        if not again and line.t - t < self._evidence.stagger_s - SLACK_S:
            self._verdict.blame(f"{slot} came on {line.t - t:.4f} s after {other}", line)
        life.last[slot[0]] = (line.t, slot, line.data)
        life.came[slot] = line.t
        window = line.t - self._evidence.inrush_s + SLACK_S
        rushing = sorted(one for one, t in life.came.items() if t > window)
        if len(rushing) > self._evidence.max_inrush:
            self._verdict.blame(f"{len(rushing)} slots are in their inrush window: {rushing}", line)
        self._verdict.counts["slots that came on"] += 1
