"""What is done about a node in trouble: lost, late in a boot stage, or without a sign of life.

| it ...                                               | step        | then                                           |
|------------------------------------------------------|-------------|------------------------------------------------|
| is under a hold (graped.core.recovery_hold)          | hold        | its patience anew when the hold is released    |
| was looked at, and lives (.recovery_evidence)        | leave       | looked at again                                |
| has mode ``off``; shares its relay; would exceed its | leave       | mode ``off`` is not told                       |
| budget                                               |             |                                                |
| had its cycle cancelled by somebody                  | leave       | until it is well, or somebody switches it      |
| is in trouble for less than ``patience_s``           | wait        | a Pi 3B whose boot ROM has halted: no patience |
| cannot be told about, or nobody proves the way to it | wait        | looked at again                                |
| is sick, and was not asked yet                       | soft reboot | ``pause_s`` to go                              |
| was cycled less than its pause ago                   | pause       |                                                |
| was cycled ``quarantine_after`` times in vain        | quarantine  | left alone until it is released                |
| was cycled ``max_cycles_per_hour`` times in an hour  | pause       | until the first of them is an hour old         |
| else                                                 | cycle       | an ordinary job; guards have it for 10 s       |

The first row that fits counts. The pause from a cycle to the next is ``pause_s``, doubled with each one, at most
``pause_max_s``; a node that was well for ``pause_max_s`` begins anew, but its cycles of the last hour count. Mode
``advise`` tells the steps and does nothing: no job, no soft reboot, no quarantine. Nodes that nobody wants on, that
somebody works on, or of whose power nothing is known are in no trouble (graped.core.recovery_trouble).
"""

from __future__ import annotations

from dataclasses import replace

from graped.core import asking
from graped.core.draft import Draft
from graped.core.events import CancelAsked, EvidenceSeen, RecoveryReleased, SoftRebootEnded
from graped.core.jobs import Step
from graped.core.recovery_book import Book, keep
from graped.core.recovery_case import Case
from graped.core.recovery_hold import ALL, causes, covering, key_of
from graped.core.recovery_trouble import Cast, look_over, suspects
from graped.core.recovery_types import BY, RecoveryHold, RecoveryStep
from graped.model import SlotId


def evidence_seen(draft: Draft, event: EvidenceSeen) -> None:
    """Take what a look at a node found; one that nobody asked for is passed over."""
    book = Book(draft)
    look = book.looks.get(event.slot)
    if look is not None:
        book.put_look(event.slot, replace(look, seen=event))


def soft_reboot_ended(draft: Draft, event: SoftRebootEnded) -> None:
    """Take whether a node could be asked to start again."""
    book = Book(draft)
    entry = book.entries.get(event.slot)
    if entry is not None and entry.soft_at is not None and not event.done:
        book.put(event.slot, soft_failed=event.note or "it does not obey")


def released(draft: Draft, event: RecoveryReleased) -> None:
    """Begin anew with nodes that somebody released from quarantine."""
    book = Book(draft)
    for slot in event.slots:
        if slot in book.entries:
            book.reset(slot)


def judge(draft: Draft) -> None:
    """Decide for each node in trouble what is done next; nothing to do, and nothing done, where all are well."""
    book = Book(draft)
    suspected = suspects(draft)
    if not (suspected or book.entries or draft.before.recovery_holds or book.looks):
        return
    cast = look_over(draft, suspected, book.entries)
    keep(draft, book, cast)
    holds = _hold(draft, book, cast)
    asked: set[SlotId] = set()
    for slot in cast.trouble:
        entry = book.entries[slot]
        if hold := covering(holds, slot):
            book.put(slot, step=RecoveryStep.HOLD, why=hold.reason, next_at=None)
        else:
            asked |= Case(draft, book, cast, slot, entry).decide()
    for slot in [slot for slot in book.looks if slot not in asked]:
        book.put_look(slot, None)


def _hold(draft: Draft, book: Book, cast: Cast) -> dict[str, RecoveryHold]:
    """Begin, keep and end holds; each is told once, and so is its end."""
    before = draft.before.recovery_holds
    if not (cast.trouble or before):
        return before
    now, grace = draft.now, draft.config.recovery.patience_s
    holds = dict(before)
    there = causes(draft, cast, book.entries, before) if cast.trouble else {}
    for key, reason in there.items():
        old = holds.get(key)
        holds[key] = RecoveryHold(reason=reason, since=old.since if old else now, seen=now)
        if old is None:
            _tell_hold(draft, cast, key, reason)
            _call_off(draft, book, key, reason)
    for key, hold in before.items():
        concerned = [slot for slot in cast.trouble if key in (ALL, key_of(slot.stack))]
        if key in there:
            continue
        if concerned and now < hold.seen + grace:
            book.wake(hold.seen + grace)
            continue
        del holds[key]
        draft.log("recovery.released", f"recovery goes on after {now - hold.since:.0f} s: {hold.reason}",
                  step="released", where=key, why=hold.reason,
                  evidence=f"{len(concerned)} in trouble still")  # fmt: skip
        for slot in concerned:
            book.put(slot, since=now, told="", step=RecoveryStep.WAIT, why="")
    if holds != before:
        draft.other["recovery_holds"] = holds
        shown = {key: hold.reason for key, hold in holds.items()}
        draft.visible = draft.visible or shown != {key: hold.reason for key, hold in before.items()}
    return holds


def _tell_hold(draft: Draft, cast: Cast, key: str, reason: str) -> None:
    names = [draft.name(slot) for slot in cast.trouble if key in (ALL, key_of(slot.stack))]
    evidence = "; ".join(
        f"{draft.name(slot)} {words}" for slot, words in cast.trouble.items() if key in (ALL, key_of(slot.stack))
    )
    where = "" if key == ALL else f" in {key}"
    draft.log("recovery.held", f"nobody is recovered{where}: {reason}", step=RecoveryStep.HOLD.value, where=key,
              why=reason, evidence=evidence, nodes=names, hint="Switches, cables, supplies? grapecli doctor",
              )  # fmt: skip


def _call_off(draft: Draft, book: Book, key: str, reason: str) -> None:
    """Call off cycles that have not cut anything yet."""
    for slot, entry in list(book.entries.items()):
        if entry.job is None or draft.claims.get(slot) != entry.job or key not in (ALL, key_of(slot.stack)):
            continue
        task = draft.jobs[entry.job].tasks[slot]
        if task.step is Step.GUARDS or (task.step is Step.QUEUED and not task.cut_done):
            asking.cancel(draft, CancelAsked(job=entry.job, by=f"{BY}: {reason}"))
            book.put(slot, job=None, attempts=entry.attempts - 1, cycles=entry.cycles[:-1])
