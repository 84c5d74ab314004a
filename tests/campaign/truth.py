"""Judge what graped said: its answers against the rack's truth, its jobs against what became of them, its events."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tests.campaign.evidence import FORGOTTEN, Command, Crashed, Evidence, History, Life, Outage, Verdict, life_at
from tests.campaign.wire import ALL_OFF, Line, Slot, is_on

ROUNDING_S = 0.002  # times in answers are milliseconds
CLOCK_S = 0.05  # a busy machine between the wire and the clock
SURE_READS = 8  # true reads in a row, and a moment to go on reading: six of one session have counted
LOOK_BACK = 1000  # reads
REPORT_S = 30.0  # within so long a change by itself is said, through hangs and restarts
LATEST_CAUSE_S = 5.0  # so long before a policy acts lies what it acts on, at most
RELOAD_S = 2.0  # how long a changed policy may take to come into force
REPORTS = frozenset({"power.changed_by_itself", "port.changed_during_crash", "port.changed_while_stopped"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What one answer said of one slot."""

    asked: float
    answered: float
    slot: Slot
    observed: str
    read_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One event."""

    id: int
    t: float
    kind: str
    stack: int | None
    fields: dict[str, object]


class Reads:
    """The successful reads of each stack's port, to be found by time."""

    def __init__(self, lines: Iterable[Line], evidence: Evidence) -> None:
        self._lines: dict[int, list[Line]] = {stack: [] for stack in evidence.places.values()}
        for line in lines:
            if line.op == "receive_byte" and line.result == "ok" and line.place in evidence.places:
                self._lines[evidence.places[line.place]].append(line)
        self._times = {stack: [line.t for line in reads] for stack, reads in self._lines.items()}

    def last(self, stack: int, t: float, count: int) -> list[Line]:
        """Give the last ``count`` reads up to a moment."""
        end = bisect_right(self._times[stack], t)
        return self._lines[stack][max(end - count, 0) : end]

    def between(self, stack: int, since: float, until: float) -> list[Line]:
        """Give the reads between two moments."""
        times = self._times[stack]
        return self._lines[stack][bisect_right(times, since) : bisect_right(times, until)]


def judge_answers(said: Iterable[Said], history: History, reads: Reads) -> Verdict:
    """What an answer says of a slot was true at some moment between the reading it names and its arrival."""
    verdict = Verdict()
    for one in said:
        verdict.counts[f"said {one.observed}"] += 1
        if one.observed == "unknown":
            continue
        if one.read_at is None:
            verdict.blame(f"{one.slot} is said to be {one.observed} without any reading", t=one.answered)
            continue
        last = reads.last(one.slot[0], one.read_at + ROUNDING_S, 2)
        if not last:
            verdict.blame(f"{one.slot} is said to be {one.observed}, but was never read", t=one.answered)
            continue
        on = one.observed == "on"
        if on in history.within(one.slot, last[-1].t - CLOCK_S, one.answered):
            continue
        if all(line.flipped and line.data is not None and is_on(line.data, one.slot[1]) is on for line in last):
            verdict.counts["said after two equal flips"] += 1  # once in 1,600 polls; put right by the next one
        else:
            verdict.blame(f"{one.slot} was said to be {one.observed} at {one.answered:.3f}, and is not", last[-1])
    return verdict


def judge_jobs(commands: Iterable[Command], history: History, cancelled: frozenset[int]) -> Verdict:
    """What a job calls done was done; what it does not call done was taken back, superseded or interrupted."""
    verdict = Verdict()
    for command in commands:
        verdict.counts[f"job {command.outcome or 'lost in a crash'}"] += 1
        for slot in command.slots:
            result = command.results.get(slot, "")
            if result == "done" and not _was_done(command, slot, history):
                verdict.blame(f"job {command.id}: {command.verb} of {slot} is called done and was not", t=command.asked)
            elif result == "cancelled" and command.id not in cancelled:
                verdict.blame(f"job {command.id}: {slot} is cancelled, and nobody asked", t=command.asked)
            elif result == "failed":
                verdict.blame(f"job {command.id}: {command.verb} of {slot} failed", t=command.asked)
    return verdict


def _was_done(command: Command, slot: Slot, history: History) -> bool:
    assert command.ended is not None
    states = history.within(slot, command.asked - CLOCK_S, command.ended + ROUNDING_S)
    if command.verb != "cycle":
        return (command.verb == "on") in states
    return False in states and True in states[states.index(False) :]


def judge_calm(
    truth: dict[Slot, bool], said: Iterable[Said], commands: Iterable[Command], touched: frozenset[Slot], t: float
) -> Verdict:
    """Without faults and with no job open: answers are the truth, and each slot is as the last job wanted it.

    ``touched`` are the slots that changed by themselves since their last job.
    """
    verdict = Verdict()
    for one in said:
        if one.observed != ("on" if truth[one.slot] else "off"):
            verdict.blame(f"in a calm, {one.slot} is said to be {one.observed} and is not", t=t)
    last: dict[Slot, Command] = {}
    for command in sorted(commands, key=lambda one: one.id):
        last |= dict.fromkeys(command.slots, command)
    for slot, command in last.items():
        if command.results.get(slot) != "done" or slot in touched:
            continue
        verdict.counts["slots as wanted in a calm"] += 1
        if truth[slot] is not (command.verb != "off"):
            verdict.blame(f"in a calm, {slot} is not as job {command.id} ({command.verb}) left it", t=t)
    return verdict


def judge_outages(evidence: Evidence, reads: Reads, told: Sequence[Told], end: float) -> Verdict:
    """An outage of a stack whose slots graped had seen on is said; one that nobody could see is counted."""
    verdict = Verdict()
    reports = [one for one in told if one.kind in REPORTS]
    for outage in evidence.outages:
        if not _was_seen(outage, evidence.lives, reads) or not _could_be_seen(outage, reads):
            verdict.counts["outages that could not be seen"] += 1
            continue
        found = (one for one in reports if one.stack == outage.stack and 0 <= one.t - outage.t + ROUNDING_S <= REPORT_S)
        if next(found, None):
            verdict.counts["outages reported"] += 1
        elif end - outage.t > 1.0:
            verdict.blame(f"an outage of stack {outage.stack} was never reported", t=outage.t)
    return verdict


def _was_seen(outage: Outage, lives: Sequence[Life], reads: Reads) -> bool:
    """Whether slots were on, and graped had read so for sure in the life that the outage falls into."""
    if outage.port == ALL_OFF or life_at(lives, outage.t) is None:
        return False
    row = 0
    for line in reversed(reads.last(outage.stack, outage.t - CLOCK_S, LOOK_BACK)):
        if line.before != outage.port or life_at(lives, line.t) != life_at(lives, outage.t):
            return False
        row = row + 1 if line.data == line.before else 0
        if row == SURE_READS:
            return True
    return False


def _could_be_seen(outage: Outage, reads: Reads) -> bool:
    """Whether the port was read before a byte that was on its way switched slots on again."""
    later = reads.between(outage.stack, outage.t, outage.t + REPORT_S)
    return next((line.before for line in later if line.before != outage.port), None) == ALL_OFF


def judge_crashes(crashed: Iterable[Crashed], told: Sequence[Told]) -> Verdict:
    """A byte that arrived changed and could not be repaired in its life is told by the next one that reads the port.

    Unless its own life had given up and told it: a pin that is held lets nobody repair it.
    """
    verdict = Verdict()
    for one in crashed:
        later = [event for event in told if event.stack == one.stack and event.t >= one.line.t]
        adopted = next((event for event in later if event.kind == "stack.adopted"), None)
        if adopted is None or adopted.fields["value"] == one.line.data:
            continue  # nobody came to read it, or by then it was as it was meant to be
        if any(_tells(event, one.line) for event in later[: later.index(adopted)]):
            verdict.counts["changed on its way, told, then killed"] += 1
            continue
        for event in later:
            if event.kind == "port.changed_during_crash" and event.fields["recorded"] == one.line.data:
                verdict.counts["changed during a crash, and told"] += 1
                break
        else:
            verdict.blame("a byte arrived changed, graped was killed, and its successor never said so", one.line)
    return verdict


def _tells(event: Told, line: Line) -> bool:
    """Whether a life told that a port shows what a byte has become."""
    return event.kind == "power.changed_by_itself" and event.fields["value"] == line.after


def judge_policies(evidence: Evidence, history: History, told: Sequence[Told]) -> Verdict:
    """A policy acts only where it is in force, after an outage or a start that found every slot off."""
    verdict = Verdict()
    for command in evidence.commands.values():
        if not command.policy:
            continue
        verdict.counts[f"policy {command.policy} acted"] += 1
        (stack,) = {stack for stack, _ in command.slots}
        if command.policy not in _in_force(evidence, command.asked):
            verdict.blame(
                f"policy {command.policy} acted at {command.asked:.3f} and was not in force: "
                f"{[span for span in evidence.policies if abs(span.t - command.asked) < 5]}",
                t=command.asked,
            )
        if not _lay_dark(evidence, told, stack, command.asked):
            verdict.blame(f"policy {command.policy} switched stack {stack} on without an outage", t=command.asked)
        for slot in command.slots if command.policy == "restore" else ():
            if not _wanted_on(evidence, history, slot, command):
                verdict.blame(f"policy restore switched {slot} on, which was not wanted on", t=command.asked)
    return verdict


def _in_force(evidence: Evidence, t: float) -> set[str]:
    """The policies configured at a moment, or a moment before: a reload takes its time."""
    spans = list(evidence.policies)
    ends = [span.t for span in spans[1:]] + [t]
    return {span.policy for span, end in zip(spans, ends, strict=True) if span.t <= t and end >= t - RELOAD_S}


def _lay_dark(evidence: Evidence, told: Sequence[Told], stack: int, t: float) -> bool:
    if any(one.stack == stack and t - LATEST_CAUSE_S <= one.t <= t + CLOCK_S for one in evidence.outages):
        return True
    return any(
        one.kind in ("stack.adopted", "power.changed_by_itself")
        and one.stack == stack
        and one.fields.get("value") == ALL_OFF
        and abs(one.t - t) < 0.1
        for one in told
    )


def _wanted_on(evidence: Evidence, history: History, slot: Slot, restore: Command) -> bool:
    """Whether the last thing that somebody asked of it is not an off, or it was on since it was asked off."""
    asked = (one for one in evidence.commands.values() if slot in one.slots and one.id < restore.id)
    last = max((one for one in asked if one.outcome != FORGOTTEN), key=lambda one: one.id, default=None)
    if last is None or last.verb != "off" or last.results.get(slot) == "cancelled":
        return True  # a cancelled off is taken back: what is, is wanted
    return True in history.within(slot, last.asked if last.ended is None else last.ended, restore.asked)
