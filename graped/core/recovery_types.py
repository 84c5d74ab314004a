"""What recovery knows of nodes in trouble, as plain values. Times are monotonic seconds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from graped.core.events import EvidenceSeen

BY: Final = "recovery"  # who asks for its cycles
HOUR_S: Final = 3600.0


class RecoveryStep(StrEnum):
    """What recovery decided for a node last."""

    WAIT = "wait"  # it may come by itself, or nothing can be told yet
    LEAVE = "leave"  # power would not help, or is not recovery's to switch
    SOFT_REBOOT = "soft_reboot"
    CYCLE = "cycle"
    PAUSE = "pause"  # it was cycled; not again before the pause is over
    QUARANTINE = "quarantine"
    HOLD = "hold"  # the cause is not the node


class Verdict(StrEnum):
    """What a look at a node says; see the table in graped.core.recovery_evidence."""

    UNKNOWN = "unknown"  # nothing that could be acted on
    ALIVE = "alive"
    STRANGER = "stranger"  # it answers, with a key that is not the pinned one
    UNPINNED = "unpinned"  # it answers, and no key is pinned
    SICK = "sick"  # it lets us in, and a command does not end well
    HUNG = "hung"  # its kernel answers, its system does not
    SILENT = "silent"  # nothing answers
    UNLINKED = "unlinked"  # nothing answers, and its link is down


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A look at a node: when it was asked for, and what was seen last (by an earlier look, until this one is back)."""

    asked: float
    seen: EvidenceSeen | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """One node in trouble, on its way out of it, or well again while its cycles still count."""

    since: float | None = None  # in trouble, its patience counted from then; None: not now
    began: float | None = None  # when the trouble began
    trouble: str = ""  # "lost: SSH: timed out", for people
    step: RecoveryStep = RecoveryStep.WAIT
    why: str = ""  # of the step, one sentence
    evidence: str = ""  # what it was decided on
    next_at: float | None = None  # when more is decided
    soft_at: float | None = None  # when it was asked to start again
    soft_failed: str = ""  # why it could not be asked
    attempts: int = 0  # cycles since it was well for long
    cycles: tuple[float, ...] = ()  # of the last hour
    job: int | None = None  # of the last cycle
    well_since: float | None = None
    told: str = ""  # what was told last: each thing once
    left: str = ""  # why it is left alone until it is well or somebody switches it
    quarantine: str = ""  # the reason, until the configuration has it


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryHold:
    """Why nobody is recovered for now: the cause is not the nodes."""

    reason: str
    since: float
    seen: float  # when its cause was there last
