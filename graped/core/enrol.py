"""Which MAC address sits in which slot: slots off, then one on at a time, and listen. Pure.

| step     | what happens                             | then                                                      |
|----------|------------------------------------------|-----------------------------------------------------------|
| clearing | it is off                                | waiting                                                   |
| waiting  | its turn: all are off or explained       | rising; is asked on                                       |
| rising   | it is on                                 | watched                                                   |
| watched  | a MAC address that is not explained asks | settling                                                  |
|          | ``timeout_s`` over, only traffic heard   | as settled                                                |
|          | nothing for ``timeout_s``                | empty; where the meter tells of a current, silent         |
| settling | ``settle_s`` over, one MAC address       | kept, moved or found, by whose it is in the configuration |
|          | ``settle_s`` over, several               | strange                                                   |
| leaving  | it is off                                | ended                                                     |
| any      | cannot be switched                       | failed                                                    |

A slot is *explained* once it is known whose packets come out of it: it may boot on while the next one is looked at.
Everything else has to be off, and quiet for ``grace_s``, before the next one comes on. What counts for a slot that is
looked at is a MAC address that nothing else explains: not that of a node that is on, not one of an explained slot that
is on, and not one that was heard while the slot itself was off. One of an explained slot that is off sits in two slots.

Power: running slots are touched only with consent (else skipped). A slot that was on stays on when it is explained,
and is named by ``to_restore`` where not; one that was off is off again. Whoever switches on a slot in the middle that
nobody can explain ends the enrolment: the rest is failed, and goes back to where it was.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, assert_never

from graped.core.enrolment import (
    UNEXPLAINED,
    Drew,
    Enrolment,
    Facts,
    Happening,
    Heard,
    Limits,
    Passed,
    Place,
    Powered,
    Refused,
    Step,
    Switch,
    Verdict,
)
from graped.model import SlotId

MACS_AT_MOST = 8  # of one slot, told; a network may be loud
HEARD_AT_MOST = 500


def begin(
    slots: tuple[SlotId, ...],
    *,
    on: Collection[SlotId],
    consent: Collection[SlotId],
    known: Mapping[SlotId, str],
    limits: Limits,
    now: float,
    off_since: Mapping[SlotId, float] | None = None,
    heard_at: Mapping[str, float] | None = None,
) -> tuple[Enrolment, tuple[Switch, ...]]:
    """Begin to look at slots. ``on``: all slots of the cluster that are on, or may be; ``known``: all configured MACs.

    ``off_since`` and ``heard_at`` say what is remembered of before: since when slots are off, when MACs were heard.
    """
    skipped = {slot for slot in slots if slot in on and slot not in consent}
    off = off_since or {}
    places = {
        slot: _first(slot in on, slot in skipped, known.get(slot), off.get(slot, now - limits.grace_s))
        for slot in slots
    }
    running = [slot for slot in on if slot not in places or slot in skipped]
    enrolment = Enrolment(
        limits=limits, order=slots, places=places,
        homes={mac: slot for slot, mac in known.items()},
        elsewhere=frozenset(known[slot] for slot in running if slot in known),
        blind=any(slot not in known for slot in running),
        heard_at=dict(heard_at or {}),
        quiet_from=max((place.off_at for place in places.values()), default=now) + limits.grace_s,
    )  # fmt: skip
    turn = _Turn(enrolment, now)
    clearing = tuple(slot for slot in slots if places[slot].step is Step.CLEARING)
    if clearing:
        turn.ask(clearing, on=False)
    turn.go_on()
    return turn.result()


def step(enrolment: Enrolment, event: Happening) -> tuple[Enrolment, tuple[Switch, ...]]:
    """Take one thing that happened."""
    turn = _Turn(enrolment, event.at)
    match event:
        case Heard():
            turn.heard(event)
        case Powered():
            turn.powered(event)
        case Refused():
            turn.refused(event)
        case Drew():
            if event.slot in turn.places:
                turn.set(event.slot, draws=event.draws)
        case Passed():
            pass
        case _:
            assert_never(event)
    turn.go_on()
    return turn.result()


def _first(on: bool, skipped: bool, known: str | None, off_at: float) -> Place:
    place = Place(was_on=on, on=on, known=known, off_at=off_at)
    if skipped:
        return replace(place, step=Step.ENDED, verdict=Verdict.SKIPPED, note="it is on", mac=known)
    return replace(place, step=Step.CLEARING) if on else place


@dataclass(slots=True, eq=False)
class _Turn:
    """One event's draft."""

    enrolment: Enrolment
    now: float
    places: dict[SlotId, Place]
    asked: list[Switch]

    def __init__(self, enrolment: Enrolment, now: float) -> None:
        self.enrolment = enrolment
        self.now = now
        self.places = dict(enrolment.places)
        self.asked = []

    def result(self) -> tuple[Enrolment, tuple[Switch, ...]]:
        return replace(self.enrolment, places=self.places), tuple(self.asked)

    def set(self, slot: SlotId, **changes: Any) -> None:
        self.places[slot] = replace(self.places[slot], **changes)

    def change(self, **changes: Any) -> None:
        self.enrolment = replace(self.enrolment, **changes)

    def ask(self, slots: tuple[SlotId, ...], *, on: bool) -> None:
        self.asked.append(Switch(slots=slots, on=on))

    # --- what happened --------------------------------------------------------------------------------

    def heard(self, event: Heard) -> None:
        """Find out which slot a packet speaks for, if any."""
        self._learn(event)
        mac = event.mac
        if not event.dhcp and self.enrolment.blind:
            return
        owner = self._explained(mac)
        if owner is not None and self._may_send(owner, event.at):
            self._expected(mac)
            return
        before = self._remember(event)
        slot = self._looked_at()
        place = self.places[slot] if slot is not None else None
        if slot is None or place is None or not place.on or place.on_at is None or event.at < place.on_at:
            return
        elsewhere = before is not None and place.off_at + self.enrolment.limits.grace_s <= before < place.on_at
        if mac in self.enrolment.elsewhere or mac in place.others or (elsewhere and owner is None):
            self._expected(mac)
            return
        if not event.dhcp and mac != place.known:
            if mac not in place.traffic:
                self.set(slot, traffic=(*place.traffic, mac)[:MACS_AT_MOST])
            return
        if mac not in place.macs:
            self.set(slot, macs=(*place.macs, mac)[:MACS_AT_MOST])
        if place.step is Step.WATCHED:
            self.set(slot, step=Step.SETTLING, first_at=event.at)

    def powered(self, event: Powered) -> None:
        """Take what a slot's power is."""
        slot = event.slot
        if slot not in self.places:
            if event.on:
                self._intruder(slot)
            return
        place = self.places[slot]
        if place.on == event.on:
            if place.step is Step.LEAVING and not event.on:  # it never came on
                self.set(slot, step=Step.ENDED)
            return
        self.set(slot, on=event.on, **({"on_at": event.at} if event.on else {"off_at": event.at}))
        if event.on:
            if place.step is Step.RISING:
                self.set(slot, step=Step.WATCHED)
            elif place.step is Step.WAITING:
                self.set(slot, step=Step.ENDED)
                self.judge(slot, Verdict.FAILED, "somebody switched it on meanwhile")
                self._stop(f"{slot.default_name} was switched on by somebody else")
            elif place.step is Step.ENDED and not (place.verdict and place.verdict.explained):
                self._stop(f"{slot.default_name} was switched on by somebody else")
            return
        self._quiet(event.at, place)
        if place.step is Step.CLEARING:
            self.set(slot, step=Step.WAITING)
        elif place.step is Step.LEAVING:
            self.set(slot, step=Step.ENDED)
        elif place.step in UNEXPLAINED:
            self.set(slot, step=Step.ENDED)
            self.judge(slot, Verdict.FAILED, "somebody switched it off meanwhile")

    def refused(self, event: Refused) -> None:
        """Give up on a slot that cannot be switched."""
        place = self.places.get(event.slot)
        if place is None or place.step is Step.ENDED:
            return
        if place.step is Step.LEAVING:
            self.set(event.slot, step=Step.ENDED, note=_joined(place.note, f"it stays on: {event.why}"))
            if place.verdict is None or not place.verdict.explained:
                self._stop(f"{event.slot.default_name} cannot be switched off again: {event.why}")
            return
        self.judge(event.slot, Verdict.FAILED, event.why)
        if place.step is Step.CLEARING:
            self.set(event.slot, step=Step.ENDED)
            if place.known:
                self.change(elsewhere=self.enrolment.elsewhere | {place.known})
            else:
                self.change(blind=True)
        else:
            self._leave(event.slot)  # it may have come on all the same

    # --- what follows ---------------------------------------------------------------------------------

    def go_on(self) -> None:
        """Judge what is ripe, and look at the next slot once that is unambiguous."""
        slot = self._looked_at()
        if slot is not None:
            place, limits = self.places[slot], self.enrolment.limits
            settled = place.step is Step.SETTLING and self.now >= (place.first_at or 0.0) + limits.settle_s
            late = place.step is Step.WATCHED and self.now >= (place.on_at or 0.0) + limits.timeout_s
            if settled or late:
                self._conclude(slot)
        if self._busy() or self.now < self.enrolment.quiet_from or self.enrolment.stopped:
            return
        waiting = [slot for slot in self.enrolment.order if self.places[slot].step is Step.WAITING]
        if waiting:
            self.set(waiting[0], step=Step.RISING)
            self.ask((waiting[0],), on=True)

    def judge(self, slot: SlotId, verdict: Verdict, note: str, **more: Any) -> None:
        """Say what sits in a slot."""
        place = self.places[slot]
        took_s = (
            (place.first_at or self.now) - place.on_at if place.on_at is not None and place.step in UNEXPLAINED else 0.0
        )
        self.set(slot, verdict=verdict, note=note, took_s=took_s, **more)

    def _conclude(self, slot: SlotId) -> None:
        place = self.places[slot]
        if not place.macs:
            place = replace(place, macs=place.traffic)
            self.set(slot, macs=place.traffic)
        if len(place.macs) > 1:
            self.judge(slot, Verdict.STRANGE, "several MAC addresses at once")
        elif not place.macs:
            self._nothing(slot, place)
        elif (twin := self._explained(place.macs[0])) not in (None, slot):
            assert twin is not None
            mac = place.macs[0]
            self.judge(slot, Verdict.STRANGE, f"the same MAC address as in {twin.default_name}")
            note = f"the same MAC address as in {slot.default_name}"
            self.set(twin, verdict=Verdict.STRANGE, mac=None, home=None, macs=(mac,), note=note)
        else:
            self._one(slot, place, place.macs[0])
        explained = self.places[slot].verdict in (Verdict.FOUND, Verdict.KEPT, Verdict.MOVED)
        if explained and place.was_on:
            self.set(slot, step=Step.ENDED)
        else:
            self._leave(slot)

    def _one(self, slot: SlotId, place: Place, mac: str) -> None:
        home = self.enrolment.homes.get(mac)
        if home is None:
            note = f"in place of {place.known}" if place.known else ""
            self.judge(slot, Verdict.FOUND, note, mac=mac)
        elif home == slot:
            self.judge(slot, Verdict.KEPT, "", mac=mac)
        else:
            self.judge(slot, Verdict.MOVED, f"from {home.default_name}", mac=mac, home=home)

    def _nothing(self, slot: SlotId, place: Place) -> None:
        heard = f"; heard {', '.join(place.others)}, expected elsewhere" if place.others else ""
        within = f"nothing new was heard within {self.enrolment.limits.timeout_s:g} s"
        if place.draws:
            self.judge(slot, Verdict.SILENT, f"draws current, but {within}{heard}")
        elif place.draws is False:
            self.judge(slot, Verdict.EMPTY, f"draws no current, and {within}{heard}")
        else:
            self.judge(slot, Verdict.EMPTY, f"{within}{heard}")

    def _leave(self, slot: SlotId) -> None:
        self.set(slot, step=Step.LEAVING)
        self.ask((slot,), on=False)

    def _stop(self, why: str) -> None:
        """Look at nothing more; what is on because of us goes off."""
        if self.enrolment.stopped:
            return
        self.change(stopped=why)
        for slot, place in list(self.places.items()):
            if place.step in UNEXPLAINED:
                self.judge(slot, Verdict.FAILED, why)
                self._leave(slot)
            elif place.step is Step.WAITING:
                self.set(slot, step=Step.ENDED)
                self.judge(slot, Verdict.FAILED, why)

    # --- who is who -----------------------------------------------------------------------------------

    def _looked_at(self) -> SlotId | None:
        return next((slot for slot, place in self.places.items() if place.step in UNEXPLAINED), None)

    def _busy(self) -> bool:
        """Whether a slot that is not explained is on, or may be."""
        return any(
            place.step in UNEXPLAINED
            or place.step is Step.CLEARING
            or (place.step is Step.LEAVING and not (place.verdict and place.verdict.explained))
            for place in self.places.values()
        )

    def _explained(self, mac: str) -> SlotId | None:
        for slot, place in self.places.items():
            if place.mac == mac and place.verdict is not None and place.verdict.explained:
                return slot
        return None

    def _may_send(self, slot: SlotId, at: float) -> bool:
        """Whether a packet can come from an explained slot: it is on, or was a moment ago."""
        place = self.places[slot]
        return place.on or at < place.off_at + self.enrolment.limits.grace_s

    def _expected(self, mac: str) -> None:
        """Note for the slot that is looked at who else was heard."""
        slot = self._looked_at()
        if slot is not None and mac not in self.places[slot].others:
            self.set(slot, others=(*self.places[slot].others, mac)[:MACS_AT_MOST])

    def _remember(self, event: Heard) -> float | None:
        """Note when a MAC address was heard; give when that was the time before."""
        before = self.enrolment.heard_at.get(event.mac)
        heard_at = {**self.enrolment.heard_at, event.mac: max(event.at, before or event.at)}
        if len(heard_at) > HEARD_AT_MOST:
            del heard_at[min(heard_at, key=lambda mac: heard_at[mac])]
        self.change(heard_at=heard_at)
        return before

    def _quiet(self, at: float, place: Place) -> None:
        """A slot went off: for a moment, what is told was sent before."""
        if not _settled(place):
            self.change(quiet_from=max(self.enrolment.quiet_from, at + self.enrolment.limits.grace_s))

    def _intruder(self, slot: SlotId) -> None:
        macs = [mac for mac, home in self.enrolment.homes.items() if home == slot]
        if macs:
            self.change(elsewhere=self.enrolment.elsewhere | set(macs))
        else:
            self._stop(f"{slot.default_name} was switched on by somebody else, and what sits there is not known")

    def _learn(self, event: Heard) -> None:
        old, new = self.enrolment.facts.get(event.mac, Facts()), event.facts
        merged = Facts(
            model=new.model or old.model, serial=new.serial or old.serial, vendor=new.vendor or old.vendor
        )  # fmt: skip
        if merged != old or event.mac not in self.enrolment.facts:
            self.change(facts={**self.enrolment.facts, event.mac: merged})


def _settled(place: Place) -> bool:
    return place.verdict is not None and place.verdict.explained


def _joined(*notes: str) -> str:
    return "; ".join(filter(None, notes))
