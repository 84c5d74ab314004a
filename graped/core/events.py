"""What happens to the core: reports of the edges and requests of people."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from graped.config.types import Config, Model
from graped.core.chore import ChoreKind, Failure
from graped.core.jobs import Outcome, Result
from graped.model import PortLayout, PortReading, Reading, SlotId, Stage, Verb
from graped.work import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class StackFound:
    """A stack's port was built: its layout and (for I2C) where it answers."""

    stack: int
    layout: PortLayout
    bus: int | None = None
    address: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StackLost:
    """A stack has no usable port: ``code`` missing, ambiguous, refused; and why, in a sentence."""

    stack: int
    code: str
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PortRead:
    """A reading of a stack's port counts."""

    stack: int
    reading: PortReading
    at: float  # monotonic s, taken when the read ended
    errors: int = 0  # transactions that failed on the way


@dataclass(frozen=True, slots=True, kw_only=True)
class PortUnread:
    """A stack's port could not be read: stable error code and a sentence."""

    stack: int
    code: str
    message: str
    at: float
    hint: str = ""
    errors: int = 0


class SwitchEnd(StrEnum):
    """How a ``SwitchPort`` ended."""

    VERIFIED = "verified"  # read back equal to the byte
    REFUSED = "refused"  # the port was not ``base`` any more: nothing was written
    FOREIGN = "foreign"  # read back as something that is neither the byte, the base nor one flipped bit of it
    UNFINISHED = "unfinished"  # read back as the base or one flipped bit of the byte, and no time to write it again
    UNVERIFIED = "unverified"  # written or perhaps written, but no read-back counts
    UNWRITTEN = "unwritten"  # could not read it first: nothing was written


@dataclass(frozen=True, slots=True, kw_only=True)
class PortSwitched:
    """The end of a ``SwitchPort``."""

    stack: int
    token: int
    end: SwitchEnd
    at: float  # monotonic s, taken when it ended
    reading: PortReading | None = None
    repairs: int = 0  # bytes written again because they arrived changed
    errors: int = 0  # transactions that failed on the way
    code: str = ""  # error code and sentence of UNVERIFIED and UNWRITTEN
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetersRead:
    """Samples of a stack's meters; ``missing`` names the meters that should be there and do not answer."""

    stack: int
    readings: tuple[Reading, ...]
    missing: dict[str, str] = field(default_factory=dict)  # kind or chip -> sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class OverTemperature:
    """The over-temperature line changed."""

    low: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSeen:
    """Evidence for a boot stage of the node in a slot (None: no evidence at all, with the reason)."""

    slot: SlotId
    stage: Stage | None
    evidence: str = ""
    initial: bool = False  # what the source knew when we connected to it, not something that happened now


class BootFact(StrEnum):
    """What was seen of a booting node."""

    DISCOVER = "discover"  # its boot loader asked for an address
    FILE = "file"  # it got a file whole
    MISSING = "missing"  # it asked for a file that is not there, and that boots miss
    MODEL = "model"  # its requests tell what it is


@dataclass(frozen=True, slots=True, kw_only=True)
class BootSeen:
    """A booting node asked for something or got it; posted after the ``StageSeen`` that the same line is evidence of.

    ``path`` is below the node's TFTP folder. Files that every boot asks for in vain (recovery.elf, ...) are not told.
    """

    slot: SlotId
    what: BootFact
    path: str = ""
    size_bytes: int = 0
    model: Model | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotsWatched:
    """Whose boot stages are told from now on: all slots of which evidence comes."""

    slots: frozenset[SlotId]


@dataclass(frozen=True, slots=True, kw_only=True)
class NodesTrusted:
    """Of which nodes a host key is pinned: all of them."""

    slots: frozenset[SlotId]


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerAsked:
    """Somebody asks for power to be switched. Targets are expanded, known slots."""

    job: int
    verb: Verb
    slots: tuple[SlotId, ...]
    by: str  # "uid 1000 pid 4711", "restore after outage", ...
    force: bool = False
    off_s: float | None = None  # cycle: how long it stays off
    request_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoreBegun:
    """Long work was asked for. ``slots``: the nodes it works on, where it works on nodes."""

    chore: int
    kind: ChoreKind
    subject: str
    by: str
    slots: tuple[SlotId, ...] = ()
    request_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoreMoved:
    """A chore has come further; ``slot``: the node it works on now."""

    chore: int
    progress: Progress
    slot: SlotId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoreNodeEnded:
    """A chore is through with one of its nodes."""

    chore: int
    slot: SlotId
    result: Result
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoreEnded:
    """A chore's work ended: ``done`` with a result, or ``failed``, ``cancelled``, ``interrupted`` and why."""

    chore: int
    outcome: Outcome
    result: str = ""
    failure: Failure | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelAsked:
    """Somebody wants a job to stop waiting."""

    job: int
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardRegistered:
    """A client wants to be asked before these slots lose power; again: its lease begins anew, with these slots."""

    name: str
    slots: frozenset[SlotId]
    lease_s: float
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardTold:
    """A guard says what it does for a slot that it holds: "draining 4 tasks"."""

    name: str
    job: int
    slot: SlotId
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardReleased:
    """A guard lets a slot go that it held (``note`` says what it did)."""

    name: str
    job: int
    slot: SlotId
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardRemoved:
    """A client does not want to be asked any more."""

    name: str
    by: str = ""


GuardEvent = GuardRegistered | GuardTold | GuardReleased | GuardRemoved


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftOffChanged:
    """Which slots can be asked to shut down softly."""

    slots: frozenset[SlotId]


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftOffTold:
    """How far the operating system of a slot is on its way down: for whoever waits for the job.

    ``down``: it is down, and only settles: ``SoftOffEnded`` follows after ``power.settle_s``, deadline or not.
    """

    job: int
    slot: SlotId
    note: str
    down: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftOffEnded:
    """The operating system of a slot is down, or did not obey (``note``)."""

    job: int
    slot: SlotId
    note: str = ""


class SshSeen(StrEnum):
    """How a node's SSH server met us; each one is more than the one before."""

    NONE = "none"  # no connection
    REFUSED = "refused"  # the system answers, no server listens
    SILENT = "silent"  # it connects and says nothing
    BANNER = "banner"  # it says what it is; nothing pinned to compare its key with
    WRONG_KEY = "wrong_key"  # it proves a key that is not the pinned one
    TRUSTED = "trusted"  # it proves the pinned key


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceSeen:
    """What a look at a node found, rung by rung; None: not asked, or it cannot be told. The answer to ``LookAtNode``.

    ``text`` is one line for people: "link up, ping answers, SSH connects and says nothing".
    """

    slot: SlotId
    at: float  # monotonic s, when the look ended
    link: bool | None = None  # carrier, ARP or a bridge's table
    ping: bool | None = None
    ssh: SshSeen | None = None
    command: bool | None = None  # a command over SSH ended well
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftRebootEnded:
    """A node was asked to start again (``done``), or could not be asked (``note`` says why)."""

    slot: SlotId
    done: bool
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryReleased:
    """Somebody releases nodes from quarantine."""

    slots: frozenset[SlotId]


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerOnHeld:
    """Nothing is to be switched on for ``reason`` ("" again: go on). What is on stays on."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigChanged:
    """A new configuration is in force."""

    config: Config


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonFault:
    """A part of the daemon itself (store, display, gpio, a bus) fails, or (``message`` empty) works again."""

    code: str
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """Time passed."""


Event = (
    StackFound
    | StackLost
    | PortRead
    | PortUnread
    | PortSwitched
    | MetersRead
    | OverTemperature
    | StageSeen
    | BootSeen
    | SlotsWatched
    | NodesTrusted
    | PowerAsked
    | ChoreBegun
    | ChoreMoved
    | ChoreNodeEnded
    | ChoreEnded
    | CancelAsked
    | GuardRegistered
    | GuardTold
    | GuardReleased
    | GuardRemoved
    | SoftOffChanged
    | SoftOffTold
    | SoftOffEnded
    | EvidenceSeen
    | SoftRebootEnded
    | RecoveryReleased
    | PowerOnHeld
    | ConfigChanged
    | DaemonFault
    | Tick
)
