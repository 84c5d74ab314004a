"""The contract of rollouts and rolling reboots. Standard library alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

RolloutKind = Literal["image.rollout", "node.reboot"]
RolloutStatus = Literal["running", "done", "stopped", "cancelled", "interrupted"]
RolloutStep = Literal[
    "waiting", "preparing", "ready", "cycling", "booting", "checking", "passed", "moved", "skipped", "failed",
    "stopping", "returning", "returned", "starting", "rising", "back", "stuck",
]  # fmt: skip
WhenOffWord = Literal["skip", "move"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutNode:
    """One node: ``wave`` counts from 1, 0 for one that was left out; ``root`` is null for a reboot."""

    name: str
    wave: int
    step: RolloutStep
    reason: str  # why it failed or was left out, or what was found out
    root: Literal["former", "new"] | None
    stage: str | None  # its boot stage now


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """One rollout or rolling reboot. ``wave`` is the one that began last, of ``waves``; 0 before the first."""

    id: int  # of its first job
    kind: RolloutKind
    image: str | None  # full ref; null for a reboot
    status: RolloutStatus
    reason: str
    by: str
    asked: str
    ended: str | None
    job: int  # the one that drives it, or drove it last
    waves: int
    wave: int
    canary: int
    size: int
    failures: int
    health: str
    health_s: float
    when_off: WhenOffWord
    folded: str
    nodes: tuple[RolloutNode, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutWave:
    """Nodes that go together."""

    folded: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutSkip:
    """A node that is left out, and why."""

    name: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutPlan:
    """What would be done: wave after wave. ``cut``: nodes that would lose power; ``moved``: those that are off."""

    image: str | None
    names: tuple[str, ...]  # all that were named
    waves: tuple[RolloutWave, ...]
    cut: tuple[str, ...]
    moved: tuple[str, ...]
    skipped: tuple[RolloutSkip, ...]
