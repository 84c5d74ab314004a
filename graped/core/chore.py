"""A chore: long work on images and roots, told as a job. Ids, outcomes and archive are those of power jobs."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from graped.core.jobs import Outcome, Result
from graped.model import SlotId
from graped.work import Progress


class ChoreKind(StrEnum):
    """What is worked on, and what is done with it; the wire's word, and the family of its lines in the event log."""

    IMAGE_IMPORT = "image.import"
    IMAGE_PREPARE = "image.prepare"
    IMAGE_EXEC = "image.exec"
    IMAGE_VERIFY = "image.verify"
    IMAGE_COMMIT = "image.commit"
    IMAGE_ROLLOUT = "image.rollout"
    NODE_SET = "node.set"
    NODE_RESET = "node.reset"
    NODE_SNAPSHOT = "node.snapshot"
    NODE_ROLLBACK = "node.rollback"
    NODE_DROP = "node.drop"
    NODE_KEYS = "node.keys"
    NODE_TRUST = "node.trust"
    NODE_ENROL = "node.enrol"
    NODE_REBOOT = "node.reboot"
    NODE_FACTS = "node.facts"
    NODE_IDENTIFY = "node.identify"
    NODE_RUN = "node.run"
    NODE_COPY = "node.copy"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoreNode:
    """What became of one node that a chore works on; no result yet: it still waits or is worked on."""

    result: Result | None = None
    reason: str = ""
    begun: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a chore did not do its work: stable error code, a sentence, what helps."""

    code: str
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chore:
    """Long work: accepted with an id, with progress, perhaps a result per node, an outcome of its own."""

    id: int
    kind: ChoreKind
    subject: str  # an image, or the nodes, in words
    by: str
    asked: float  # monotonic s
    request_id: str = ""
    nodes: dict[SlotId, ChoreNode] = field(default_factory=dict)
    progress: Progress | None = None  # None: waits for its turn
    cancelled_by: str = ""
    outcome: Outcome = Outcome.QUEUED
    failure: Failure | None = None
    result: str = ""  # e.g. the image version that was made
    ended: float | None = None  # monotonic s


def folded(nodes: dict[SlotId, ChoreNode], outcome: Outcome) -> Outcome:
    """The outcome of a chore whose work ended with ``outcome``: a failed node counts as in a power job."""
    results = {node.result for node in nodes.values()}
    if outcome is Outcome.DONE and Result.FAILED in results:
        return Outcome.WITH_ERRORS if Result.DONE in results else Outcome.FAILED
    return outcome
