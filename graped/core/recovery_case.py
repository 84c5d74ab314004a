"""The step that is due for one node in trouble; the table is at the top of graped.core.recovery."""

from __future__ import annotations

from typing import Final

from graped.config.types import RecoveryMode
from graped.core import asking
from graped.core.draft import Draft
from graped.core.effects import SaveQuarantine, SoftReboot
from graped.core.events import EvidenceSeen, PowerAsked
from graped.core.jobs import Result
from graped.core.recovery_book import LOOK_S, Book, of_an_hour, times
from graped.core.recovery_evidence import LIVES, SENTENCES, verdict
from graped.core.recovery_hold import Proof, proof, witnesses
from graped.core.recovery_trouble import Cast, mode_of
from graped.core.recovery_types import BY, HOUR_S, Recovery, RecoveryStep, Verdict
from graped.errors import OverBudget, SharedRelay
from graped.model import SlotId, Verb

GUARDS_S: Final = 10.0  # a hung node has nothing to drain that could answer
ANSWER_S: Final = 10.0  # a look takes less; what was seen counts until the next one is back
FRESH_S: Final = LOOK_S + ANSWER_S
LONG_S: Final = 600.0  # who is in trouble for longer, and gets nothing but advice, is looked at less often
SELDOM_S: Final = 60.0


class Case:
    """One node in trouble, at one moment."""

    def __init__(self, draft: Draft, book: Book, cast: Cast, slot: SlotId, entry: Recovery) -> None:
        assert entry.since is not None
        self.draft, self.book, self.cast, self.slot, self.entry = draft, book, cast, slot, entry
        self.policy, self.now = draft.config.recovery, draft.now
        self.mode = mode_of(draft, slot)
        patience = 0.0 if slot in cast.gave_up else self.policy.patience_s
        self.due = entry.since + patience
        self.asked: set[SlotId] = set()
        self.seen: EvidenceSeen | None = None
        self.verdict = Verdict.UNKNOWN

    def decide(self) -> set[SlotId]:
        """Take the step that is due; return who is looked at for it."""
        if self.mode is RecoveryMode.OFF:
            self._set(RecoveryStep.LEAVE, "recovery is off for it", tell=False)
            return set()
        if self._cancelled() or self._refused():
            return set()
        self._look()
        if self.seen is None or self.verdict is Verdict.UNKNOWN:
            why = "is being looked at" if self.seen is None else SENTENCES[self.verdict]
            self._set(RecoveryStep.WAIT, why, tell=self.now >= self.due + LOOK_S or self.seen is not None)
        elif self.verdict in LIVES:
            self._set(RecoveryStep.LEAVE, SENTENCES[self.verdict])
        elif self.now < self.due:
            self._set(RecoveryStep.WAIT, f"may come by itself until then: {SENTENCES[self.verdict]}", self.due)
        elif self._proved():
            self._act()
        return self.asked

    def _look(self) -> None:
        assert self.entry.since is not None
        advises = self.mode is RecoveryMode.ADVISE and self.now >= self.entry.since + LONG_S
        every_s = SELDOM_S if advises else LOOK_S
        self.book.look_at(self.slot, every_s)
        self.asked.add(self.slot)
        seen = self.book.looks[self.slot].seen
        if seen is not None and seen.at >= max(self.entry.since, self.now - every_s - ANSWER_S):
            self.seen, self.verdict = seen, verdict(seen)

    def _proved(self) -> bool:
        """Whether the way to it is sound, as far as another node can prove that."""
        alone = self.entry.attempts > 0
        others = witnesses(self.cast, self.slot, alone=alone)
        for other in others:
            self.book.look_at(other)
            self.asked.add(other)
        match proof(self.cast, self.book.looks, others, self.now - FRESH_S):
            case Proof.SOUND:
                return True
            case Proof.BROKEN:
                names = ", ".join(map(self.draft.name, others))
                self._set(RecoveryStep.WAIT, f"no answer from {names} either, which should be up")
            case Proof.OPEN:
                why = "another node is looked at first" if others else "no other node is up yet to compare with"
                self._set(RecoveryStep.WAIT, why, tell=not others)
        return False

    def _act(self) -> None:
        if self._softly():
            return
        entry, policy = self.entry, self.policy
        pause = min(policy.pause_s * 2.0 ** (entry.attempts - 1), policy.pause_max_s) if entry.attempts else 0.0
        again = entry.cycles[-1] + pause if entry.cycles and entry.attempts else self.now
        recent = of_an_hour(entry, self.now)
        if self.now < again:
            self._set(
                RecoveryStep.PAUSE, f"was cycled {times(entry.attempts)}, the next may follow after {pause:g} s", again
            )
        elif entry.attempts >= policy.quarantine_after:
            self._quarantine()
        elif len(recent) >= policy.max_cycles_per_hour:
            free = recent[-policy.max_cycles_per_hour] + HOUR_S if policy.max_cycles_per_hour else None
            self._set(RecoveryStep.PAUSE, f"was cycled {times(len(recent))} in the last hour: that is all", free)
        else:
            self._cycle(recent)

    def _softly(self) -> bool:
        """Ask a system that lets us in to start again, once, and let it do so; False where that is over."""
        entry = self.entry
        if entry.soft_at is not None:
            until = entry.soft_at + self.policy.pause_s
            waits = self.now < until and not entry.soft_failed
            if waits:
                self._set(RecoveryStep.SOFT_REBOOT, "was asked to start again", until, tell=False)
            return waits
        if self.verdict is not Verdict.SICK:
            return False
        if self._may(RecoveryStep.SOFT_REBOOT):
            self.book.put(self.slot, soft_at=self.now)
            self.draft.effects.append(SoftReboot(slot=self.slot))
            self.book.wake(self.now + self.policy.pause_s)
        return True

    def _cycle(self, recent: tuple[float, ...]) -> None:
        if not self._may(RecoveryStep.CYCLE):
            return
        number = self.draft.next_job
        asking.accept(self.draft, PowerAsked(job=number, verb=Verb.CYCLE, slots=(self.slot,), by=BY))
        self.draft.set_task(number, self.slot, guarded_until=self.now + GUARDS_S)
        self.book.put(self.slot, since=None, began=None, next_at=None, job=number, attempts=self.entry.attempts + 1,
                      cycles=(*recent, self.now))  # fmt: skip

    def _quarantine(self) -> None:
        tried = f"{self.entry.trouble}; {times(self.entry.attempts, 'cycle')} brought nothing: {self._evidence()}"
        if self._may(RecoveryStep.QUARANTINE, tried):
            reason = "".join(one if one.isprintable() else "?" for one in tried[:200])  # nodes say what they like
            self.book.put(self.slot, since=None, began=None, next_at=None, quarantine=reason)
            self.draft.effects.append(SaveQuarantine(slot=self.slot, reason=reason))

    def _may(self, step: RecoveryStep, why: str = "") -> bool:
        """Tell a step; whether it is to be taken, too."""
        acts = self.mode is RecoveryMode.ACT
        why = why or f"{self.entry.trouble}; {SENTENCES[self.verdict]}"
        self._set(step, why, verb=_DONE[step] if acts else f"{_ADVISED[step]} (mode advise)", again=acts)
        return acts

    def _cancelled(self) -> bool:
        """Leave a node alone whose cycle somebody cancelled."""
        entry, job = self.entry, self.draft.jobs.get(self.entry.job) if self.entry.job is not None else None
        if not entry.left and job is not None and job.tasks[self.slot].result is Result.CANCELLED:
            self.entry = self.book.put(self.slot, left=job.tasks[self.slot].reason or "its cycle was cancelled")
        if self.entry.left:
            self._set(RecoveryStep.LEAVE, self.entry.left)
        return bool(self.entry.left)

    def _refused(self) -> bool:
        """Leave a node alone whose cycle would be refused: it shares its relay, or can never come on again."""
        try:
            asking.check(self.draft.before, Verb.CYCLE, (self.slot,))
        except (SharedRelay, OverBudget) as error:
            self._set(RecoveryStep.LEAVE, error.detail)
            return True
        return False

    def _set(
        self, step: RecoveryStep, why: str, next_at: float | None = None, *,
        tell: bool = True, verb: str = "", again: bool = False,
    ) -> None:  # fmt: skip
        """Take down a step, and tell it once."""
        told, evidence = f"{step}: {why if step is not RecoveryStep.PAUSE else ''}", self._evidence()
        if next_at is not None:
            self.book.wake(next_at)
        if tell and (again or told != self.entry.told):
            words = verb or _WORDS[step]
            self.draft.log(f"recovery.{step}", f"{self.draft.name(self.slot)} {words}: {why}", slot=self.slot,
                           step=step.value, why=why, evidence=evidence, mode=self.mode.value)  # fmt: skip
        else:
            told = self.entry.told
        self.entry = self.book.put(self.slot, step=step, why=why, next_at=next_at, evidence=evidence, told=told)

    def _evidence(self) -> str:
        return f"{self.entry.trouble}; {self.seen.text or self.verdict}" if self.seen else self.entry.trouble


_DONE: Final = {
    RecoveryStep.SOFT_REBOOT: "is asked to start again",
    RecoveryStep.CYCLE: "is power-cycled",
    RecoveryStep.QUARANTINE: "goes into quarantine",
}
_ADVISED: Final = {
    RecoveryStep.SOFT_REBOOT: "would be asked to start again",
    RecoveryStep.CYCLE: "would be power-cycled",
    RecoveryStep.QUARANTINE: "would go into quarantine",
}
_WORDS: Final = {
    RecoveryStep.WAIT: "is given time",
    RecoveryStep.LEAVE: "is left alone",
    RecoveryStep.PAUSE: "is left on for a while",
    RecoveryStep.SOFT_REBOOT: "was asked to start again",
}
