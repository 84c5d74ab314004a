"""Who is in trouble since when, who came out of it and how: the entries of recovery, kept step by step."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from graped.core import asking
from graped.core.boot import device_of
from graped.core.draft import Draft
from graped.core.effects import LookAtNode
from graped.core.events import PowerAsked
from graped.core.jobs import Result
from graped.core.recovery_trouble import Cast
from graped.core.recovery_types import BY, HOUR_S, Look, Recovery, RecoveryStep
from graped.core.writing import WRITABLE
from graped.model import Power, SlotId, Stage, Verb

LOOK_S: Final = 15.0  # from one look to the next


class Book:
    """The entries and looks of one step: what changes is copied once."""

    def __init__(self, draft: Draft) -> None:
        self.draft = draft
        self.entries: dict[SlotId, Recovery] = draft.other.get("recovery", draft.before.recovery)
        self.looks: dict[SlotId, Look] = draft.other.get("looks", draft.before.looks)

    def put(self, slot: SlotId, **changes: Any) -> Recovery:
        """Replace fields of an entry, which is made where there is none."""
        old = self.entries.get(slot)
        if old is not None and all(getattr(old, name) == value for name, value in changes.items()):
            return old  # most calls tell what is known already
        new = replace(old or Recovery(), **changes)
        if self.entries is self.draft.before.recovery:
            self.entries = self.draft.other["recovery"] = dict(self.entries)
        self.entries[slot] = new
        self.draft.visible = True
        return new

    def reset(self, slot: SlotId) -> None:
        """Forget everything of a node but the cycles of the last hour."""
        self.put(slot, **{**_BLANK, "cycles": self.entries[slot].cycles})

    def drop(self, slot: SlotId) -> None:
        """Forget a node."""
        if self.entries is self.draft.before.recovery:
            self.entries = self.draft.other["recovery"] = dict(self.entries)
        del self.entries[slot]
        self.draft.visible = True

    def put_look(self, slot: SlotId, look: Look | None) -> None:
        """Replace or (None) forget a look."""
        if self.looks is self.draft.before.looks:
            self.looks = self.draft.other["looks"] = dict(self.looks)
        if look is None:
            self.looks.pop(slot, None)
        else:
            self.looks[slot] = look

    def look_at(self, slot: SlotId, every_s: float = LOOK_S) -> None:
        """Have a node looked at, unless that was asked for a moment ago."""
        look, now = self.looks.get(slot), self.draft.now
        if look is None or now >= look.asked + every_s:
            self.put_look(slot, Look(asked=now, seen=look.seen if look else None))
            self.draft.effects.append(LookAtNode(slot=slot))
        self.wake(self.looks[slot].asked + every_s)

    def wake(self, when: float) -> None:
        """Ask for a Tick at a time to come."""
        if when > self.draft.now:
            self.draft.wake_at(when)


_BLANK: Final = {name: getattr(Recovery(), name) for name in Recovery.__slots__}


def keep(draft: Draft, book: Book, cast: Cast) -> None:
    """Open, close and forget entries: who came into trouble, who came out of it, and how."""
    for slot, words in cast.trouble.items():
        entry = book.entries.get(slot, Recovery())
        if entry.since is None:
            if _well_for(draft, entry) >= draft.config.recovery.pause_max_s:
                book.put(slot, attempts=0, soft_at=None, soft_failed="")
            book.put(slot, since=draft.now, began=draft.now, step=RecoveryStep.WAIT, why="", evidence="", told="",
                     well_since=None, cycles=_counted_from_on(draft, slot, entry))  # fmt: skip
        book.put(slot, trouble=words)
    for slot, entry in list(book.entries.items()):
        if slot not in cast.trouble:
            _out_of_trouble(draft, book, slot, entry)


def _counted_from_on(draft: Draft, slot: SlotId, entry: Recovery) -> tuple[float, ...]:
    """Count the last cycle from when its node came on again: it may have waited for its turn."""
    on_since = draft.slots[slot].on_since
    if entry.job is None or not entry.cycles or on_since is None or on_since <= entry.cycles[-1]:
        return entry.cycles
    return (*entry.cycles[:-1], on_since)


def of_an_hour(entry: Recovery, now: float) -> tuple[float, ...]:
    """Give the cycles of a node that still count."""
    return tuple(at for at in entry.cycles if now < at + HOUR_S)


def _well_for(draft: Draft, entry: Recovery) -> float:
    return 0.0 if entry.well_since is None else draft.now - entry.well_since


def _out_of_trouble(draft: Draft, book: Book, slot: SlotId, entry: Recovery) -> None:
    """See how a node came out of its trouble, and forget it when there is nothing left to remember."""
    state, claim = draft.slots.get(slot), draft.claims.get(slot)
    device = device_of(draft.config, slot)
    if state is None or state.desired is not Power.ON or (claim is not None and claim != entry.job):
        book.reset(slot)  # somebody switches it, or nobody wants it on
    elif device is None or device.quarantine:
        book.reset(slot)  # the configuration has the reason now
    elif state.stage is Stage.UP and entry.well_since is None and not entry.quarantine:
        _tell_recovered(draft, slot, entry)
        book.put(slot, since=None, began=None, step=RecoveryStep.WAIT, why="", next_at=None, well_since=draft.now,
                 told="", left="", job=None,
                 cycles=_counted_from_on(draft, slot, entry))  # fmt: skip
    elif entry.since is not None:
        book.put(slot, since=None, began=None, next_at=None)
    elif claim is None and state.observed is Power.OFF:
        _bring_back(draft, book, slot, entry)
    _forget(draft, book, slot)


def _tell_recovered(draft: Draft, slot: SlotId, entry: Recovery) -> None:
    if entry.told or entry.attempts:
        tries = f" after {times(entry.attempts, 'cycle')}" if entry.attempts else ""
        draft.log("recovery.recovered", f"{draft.name(slot)} is up again{tries}", slot=slot,
                  step="recovered", evidence=draft.slots[slot].stage_reason, why=entry.trouble)  # fmt: skip


def _bring_back(draft: Draft, book: Book, slot: SlotId, entry: Recovery) -> None:
    """Switch a node on whose own cycle failed between off and on: it is wanted on, and we cut it."""
    job = draft.jobs.get(entry.job) if entry.job is not None else None
    if job is None or job.ended is None or job.tasks[slot].result is not Result.FAILED:
        return
    if draft.stacks[slot.stack].condition not in WRITABLE:
        return
    if draft.now < job.ended + LOOK_S:
        book.wake(job.ended + LOOK_S)
        return
    number = draft.next_job
    asking.accept(draft, PowerAsked(job=number, verb=Verb.ON, slots=(slot,), by=BY))
    book.put(slot, job=number)
    draft.log("recovery.brought_back", f"{draft.name(slot)} is switched on: its cycle failed in the middle", slot=slot,
              job=number, step="on", why=job.tasks[slot].reason, evidence="its port shows off")  # fmt: skip


def _forget(draft: Draft, book: Book, slot: SlotId) -> None:
    entry = book.entries[slot]
    cycles = of_an_hour(entry, draft.now)
    if cycles != entry.cycles:
        entry = book.put(slot, cycles=cycles)
    over = (not entry.attempts and entry.soft_at is None) or _well_for(
        draft, entry
    ) >= draft.config.recovery.pause_max_s
    if over and not (cycles or entry.quarantine or entry.left):
        book.drop(slot)


def times(count: int, what: str = "") -> str:
    """Say how often, or how many of what."""
    if what:
        return f"{count} {what}{'s' * (count != 1)}"
    return {1: "once", 2: "twice"}.get(count, f"{count} times")
