"""What is known of a rollout or a rolling reboot: what was asked for, and where each node is; see ``rollout``."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from graped.model import SlotId


class Step(StrEnum):
    """Where a node is; the wire's word."""

    WAITING = "waiting"
    PREPARING = "preparing"
    READY = "ready"
    CYCLING = "cycling"
    BOOTING = "booting"
    CHECKING = "checking"
    PASSED = "passed"
    MOVED = "moved"  # it is off, and has the new root for its next boot
    SKIPPED = "skipped"
    FAILED = "failed"
    STOPPING = "stopping"
    RETURNING = "returning"
    RETURNED = "returned"
    STARTING = "starting"
    RISING = "rising"
    BACK = "back"  # on the root that it had before
    STUCK = "stuck"  # neither passed nor back: a person has to look


FORWARD: Final = frozenset({Step.PREPARING, Step.CYCLING, Step.BOOTING, Step.CHECKING})
BACKWARD: Final = frozenset({Step.STOPPING, Step.RETURNING, Step.STARTING, Step.RISING})
TOGETHER: Final = frozenset({Step.CYCLING, Step.STOPPING, Step.STARTING})  # one power job for all that begin it
BAD: Final = frozenset({Step.FAILED, Step.BACK, Step.STUCK})


class Status(StrEnum):
    """How a rollout stands; the wire's word."""

    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"  # after a failure
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"  # graped ended in the middle


class WhenOff(StrEnum):
    """What becomes of nodes that are off."""

    SKIP = "skip"
    MOVE = "move"  # they get their new root, and no power


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What was asked for. ``image`` is a full ref; "" for a reboot, which goes on until ``failures`` nodes failed."""

    image: str = ""
    canary: int = 0  # nodes of the first wave; 0: none comes before the others
    wave: int = 1
    failures: int = 1
    health: str = ""
    health_s: float = 30.0
    when_off: WhenOff = WhenOff.SKIP


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One node: ``moved`` once its root is the new one; ``was`` and ``was_image`` are the root it had before."""

    slot: SlotId
    wave: int
    step: Step = Step.WAITING
    reason: str = ""
    moved: bool = False
    off: bool = False  # it was off when its turn came: it gets no power
    was: str = ""
    was_image: str = ""
    boot: str = ""  # what told its boot before; "": nobody could ask


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """All of one rollout or rolling reboot; ``wave`` is the last that has begun, -1 before the first."""

    id: int
    orders: Orders
    nodes: tuple[Node, ...]
    by: str = ""
    asked: float = 0.0  # unix s
    ended: float | None = None  # unix s
    jobs: tuple[int, ...] = ()  # the jobs that drove it: one, and one more for each resume
    wave: int = -1
    status: Status = Status.RUNNING
    reason: str = ""
    cancelled: bool = False

    @property
    def waves(self) -> int:
        """How many waves there are."""
        return max((node.wave for node in self.nodes), default=-1) + 1

    def node(self, slot: SlotId) -> Node | None:
        """Give one node."""
        return next((node for node in self.nodes if node.slot == slot), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """What is to be begun now for these nodes: the work of a step."""

    step: Step
    slots: tuple[SlotId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The work of a step has ended for one node; it failed where ``error`` says why. The rest comes of preparing."""

    slot: SlotId
    step: Step
    error: str = ""
    note: str = ""
    off: bool = False
    skip: bool = False  # nothing is to be done for it; ``note`` says why
    was: str = ""
    was_image: str = ""
    boot: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a node is found like after a crash. ``rebooted`` None: nobody can tell."""

    new: bool  # its root is the new one
    old: bool  # its root is the one that was noted as its former one
    up: bool
    rebooted: bool | None = None
    was: str = ""  # the root that it probably had before, where none was noted
    was_image: str = ""
