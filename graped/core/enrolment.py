"""The values of an enrolment: what is looked for where, what was heard, what it says of each slot. Times in s."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from graped.config.types import Model
from graped.model import SlotId


class Verdict(StrEnum):
    """What sits in a slot."""

    FOUND = "found"  # a MAC address that no slot had
    KEPT = "kept"  # the one that the slot has already
    MOVED = "moved"  # the one that another slot has
    EMPTY = "empty"  # nothing was heard
    SILENT = "silent"  # nothing was heard, but something draws current
    STRANGE = "strange"  # two new ones at once, or one that sits in two slots
    SKIPPED = "skipped"  # it was on, and nobody agreed that it is switched off
    FAILED = "failed"  # its power could not be switched as needed

    @property
    def explained(self) -> bool:
        """Whether it is known whose packets come out of the slot."""
        return self in (Verdict.FOUND, Verdict.KEPT, Verdict.MOVED)


class Step(StrEnum):
    """Where one slot is on its way; the table in :mod:`graped.core.enrol` says how it goes on."""

    CLEARING = "clearing"  # it was on: is being switched off
    WAITING = "waiting"  # off, for its turn
    RISING = "rising"  # is being switched on
    WATCHED = "watched"  # on, nothing heard yet
    SETTLING = "settling"  # heard: for a moment longer, whether there is a second MAC address
    LEAVING = "leaving"  # judged, is being switched off
    ENDED = "ended"


UNEXPLAINED = frozenset({Step.RISING, Step.WATCHED, Step.SETTLING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long is waited for what."""

    timeout_s: float = 60.0  # for the first packet, from when the slot is seen on; a Pi 3B takes 25 s at times
    settle_s: float = 2.0  # after the first packet, for that of another MAC address
    grace_s: float = 1.5  # after a slot went off: what is told then was sent before


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a MAC address told of its board besides itself."""

    model: Model | None = None
    serial: str | None = None  # 8 hex digits
    vendor: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One slot that is looked at."""

    was_on: bool
    known: str | None = None  # the MAC address that the configuration has for it
    step: Step = Step.WAITING
    on: bool = False  # as last seen
    on_at: float | None = None  # when it came on in this enrolment
    off_at: float = 0.0  # since when it was off before that
    first_at: float | None = None  # when the first MAC address was heard
    macs: tuple[str, ...] = ()  # that can only be from here
    traffic: tuple[str, ...] = ()  # the same, but they asked for no address: a weak sign
    others: tuple[str, ...] = ()  # heard meanwhile, and expected elsewhere
    draws: bool | None = None  # whether it draws current; None: no meter tells
    verdict: Verdict | None = None
    mac: str | None = None  # what sits here
    home: SlotId | None = None  # moved: the slot that has it in the configuration
    note: str = ""
    took_s: float = 0.0  # from being on to the first packet, or to the verdict where there was none


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """All of it; replaced by :func:`graped.core.enrol.step`."""

    limits: Limits
    order: tuple[SlotId, ...]
    places: Mapping[SlotId, Place]
    homes: Mapping[str, SlotId]  # every configured MAC address, and the slot that has it
    elsewhere: frozenset[str]  # of nodes that are on and not looked at
    blind: bool = False  # something unknown is on and not looked at: only DHCP counts
    heard_at: Mapping[str, float] = field(default_factory=dict)  # when each unexplained MAC address was heard last
    facts: Mapping[str, Facts] = field(default_factory=dict)
    quiet_from: float = 0.0  # from then on nothing old is told any more
    stopped: str = ""  # why the rest is not looked at

    @property
    def done(self) -> bool:
        """Whether there is a verdict for every slot, and none has to be switched off any more."""
        return all(place.step is Step.ENDED for place in self.places.values())

    @property
    def judged(self) -> int:
        """How many slots have a verdict."""
        return sum(place.verdict is not None for place in self.places.values())

    @property
    def to_restore(self) -> tuple[SlotId, ...]:
        """Name the slots that were on before and are off now."""
        return tuple(slot for slot in self.order if self.places[slot].was_on and not self.places[slot].on)


# --- what happens, and what is to be done ---------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A MAC address was heard. ``dhcp``: it asked for an address; else it only sent something."""

    mac: str
    at: float
    dhcp: bool = True
    facts: Facts = Facts()


@dataclass(frozen=True, slots=True, kw_only=True)
class Powered:
    """A slot of the cluster is seen on or off."""

    slot: SlotId
    on: bool
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A switch that was asked for did not happen."""

    slot: SlotId
    why: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Drew:
    """A meter tells whether a slot that is on draws current."""

    slot: SlotId
    draws: bool
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """Time passed."""

    at: float


Happening = Heard | Powered | Refused | Drew | Passed


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """Slots are to be switched, by an ordinary power job."""

    slots: tuple[SlotId, ...]
    on: bool
