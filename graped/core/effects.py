"""What the core asks the edges to do."""

from __future__ import annotations

from dataclasses import dataclass, field

from graped.core.chore import Chore
from graped.core.jobs import Job
from graped.model import SlotId, Verb


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchPort:
    """Write ``value`` to a stack's port and verify it; the answer is a ``PortSwitched`` with the same token.

    The edge records (job, value) on disk first, reads the port and refuses unless it still is ``base``, writes,
    reads back, and repairs a byte that arrived changed by writing exactly ``value`` again.
    """

    stack: int
    base: int
    value: int
    token: int
    jobs: tuple[int, ...]
    repair: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadPort:
    """Read a stack's port now instead of at its next turn."""

    stack: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """One line for the event log (and its followers)."""

    kind: str  # "power.changed", "stack.missing", "job.done", ... dotted, never renamed
    message: str
    stack: int | None = None
    slot: SlotId | None = None
    job: int | None = None
    fields: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveJob:
    """A job changed: remember it."""

    job: Job


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveChore:
    """A chore came, was cancelled, is through with a node or ended: remember it."""

    chore: Chore


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelChore:
    """Stop a chore's work; it then ends."""

    chore: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveDesired:
    """What is wanted of these slots changed: remember it."""

    desired: dict[SlotId, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class AskGuards:
    """Tell the guards of a slot that it is about to lose power: each answers ``GuardReleased``."""

    job: int
    slot: SlotId
    verb: Verb
    guards: tuple[str, ...]
    deadline: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AskSoftOff:
    """Ask the operating system in this slot to stop; answer ``SoftOffEnded``."""

    job: int
    slot: SlotId
    deadline: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LookAtNode:
    """Look how far the node in a slot answers (link, ping, SSH, a command); answer ``EvidenceSeen`` in some seconds."""

    slot: SlotId


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftReboot:
    """Ask the operating system in a slot to start again; answer ``SoftRebootEnded``."""

    slot: SlotId


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveQuarantine:
    """Recovery puts a node into quarantine: set it for its device."""

    slot: SlotId
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadTemperatures:
    """Read every stack's temperature now: the over-temperature line is low."""


Effect = (
    SwitchPort
    | ReadPort
    | Log
    | SaveJob
    | SaveChore
    | CancelChore
    | SaveDesired
    | AskGuards
    | AskSoftOff
    | LookAtNode
    | SoftReboot
    | SaveQuarantine
    | ReadTemperatures
)
