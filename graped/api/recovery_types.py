"""The contract about recovery: what is done about nodes in trouble. Standard library alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

RecoveryModeWord = Literal["off", "advise", "act"]
RecoveryStepWord = Literal["wait", "leave", "soft_reboot", "cycle", "pause", "quarantine", "hold"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRecovery:
    """What recovery thinks of a node. ``step`` is what was decided last; null: it is in no trouble.

    In mode ``advise`` a step is what would be done. ``quarantine`` says why it is left alone ("" it is not).
    """

    name: str
    mode: RecoveryModeWord
    step: RecoveryStepWord | None = None
    trouble: str = ""  # "lost: SSH: timed out"
    why: str = ""  # of the step
    evidence: str = ""  # what it was decided on
    since: str | None = None  # when the trouble began
    next_at: str | None = None  # when more is decided; null: by what is seen
    cycles: int = 0  # of the last hour
    attempts: int = 0  # cycles since it was well for long
    quarantine: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryHold:
    """Why nobody is recovered for now: the cause is not the nodes."""

    where: str  # "all", "stack 0"
    reason: str
    since: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryReport:
    """Recovery of some nodes; ``mode`` is that of nodes that say nothing else."""

    mode: RecoveryModeWord
    max_cycles_per_hour: int
    held: tuple[RecoveryHold, ...]
    nodes: tuple[NodeRecovery, ...]
