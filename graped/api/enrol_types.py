"""The contract of enrolment: which board sits in which slot, and who is not known yet. Standard library alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

VerdictWord = Literal["found", "kept", "moved", "empty", "silent", "strange", "skipped", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolPlan:
    """What an enrolment would look at. ``running``: nodes that are on, and would be switched off and on again."""

    slots: tuple[str, ...]
    running: tuple[str, ...]
    evidence: tuple[str, ...]  # by what MAC addresses are heard, in words


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolSlot:
    """What sits in one slot. ``verdict`` is null as long as it was not looked at."""

    name: str
    verdict: VerdictWord | None
    mac: str | None  # what sits there
    was: str | None  # the MAC address that the configuration had for it
    home: str | None  # moved: the node that had this MAC address
    macs: tuple[str, ...]  # strange: all that were heard
    model: str | None
    serial: str | None
    was_on: bool
    note: str
    took_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolReport:
    """What an enrolment found, and what of it is in the configuration."""

    job: int
    dry_run: bool
    slots: tuple[EnrolSlot, ...]
    moves: tuple[str, ...]  # nodes whose MAC address moved there, as long as nobody has accepted that
    file: str  # where results are written
    diff: str  # what is, or with ``dry_run`` would be, written there
    written: bool
    left_out: tuple[str, ...]  # what was not written, and why
    stopped: str  # why it ended before the end
    took_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingMac:
    """A MAC address that asked for an address and that no slot has."""

    mac: str
    vendor: str  # of its DHCP request
    maker: str  # "Raspberry Pi" where the address says so, else ""
    model: str | None
    serial: str | None
    first_seen: str
    last_seen: str
    count: int
    rejected: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Seated:
    """A MAC address has got a slot."""

    name: str
    mac: str
    was: str | None  # what the slot had before
    file: str
