"""Chores as they are kept: in the table of jobs, with what is their own in one JSON column."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from graped.clock import Clock
from graped.core.chore import Chore, ChoreKind, Failure
from graped.core.jobs import Outcome, Result
from graped.model import SlotId


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredNode:
    """One node of a stored chore."""

    slot: SlotId
    result: Result | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredChore:
    """A chore with its times as unix seconds, without its progress."""

    id: int
    kind: ChoreKind
    subject: str
    by: str
    asked: float
    ended: float | None
    outcome: Outcome
    request_id: str
    cancelled_by: str
    failure: Failure | None
    result: str
    nodes: tuple[StoredNode, ...]

    def interrupted(self, at: float) -> StoredChore:
        """The chore as it ends when graped stopped in the middle of it."""
        nodes = tuple(node if node.result else replace(node, result=Result.INTERRUPTED) for node in self.nodes)
        return replace(self, ended=at, outcome=Outcome.INTERRUPTED, nodes=nodes)


def stored_chore(chore: Chore, clock: Clock) -> StoredChore:
    """Turn a chore of the core into one to keep."""
    return StoredChore(
        id=chore.id,
        kind=chore.kind,
        subject=chore.subject,
        by=chore.by,
        asked=clock.wall_of(chore.asked),
        ended=None if chore.ended is None else clock.wall_of(chore.ended),
        outcome=chore.outcome,
        request_id=chore.request_id,
        cancelled_by=chore.cancelled_by,
        failure=chore.failure,
        result=chore.result,
        nodes=tuple(
            StoredNode(slot=slot, result=node.result, reason=node.reason) for slot, node in sorted(chore.nodes.items())
        ),
    )


def to_json(chore: StoredChore) -> str:
    """Write what a chore has and a power job has not."""
    failure = chore.failure
    return json.dumps({
        "kind": chore.kind,
        "subject": chore.subject,
        "cancelled_by": chore.cancelled_by,
        "failure": [failure.code, failure.message, failure.hint] if failure else None,
        "result": chore.result,
        "nodes": [[*node.slot, node.result, node.reason] for node in chore.nodes],
    })  # fmt: skip


def from_json(
    text: str, *, id: int, by: str, asked: float, ended: float | None, outcome: Outcome, request_id: str
) -> StoredChore:
    """Read a chore. Raises: ValueError, TypeError, KeyError for one that another version wrote."""
    told = json.loads(text)
    failure = told["failure"]
    return StoredChore(
        id=id,
        kind=ChoreKind(told["kind"]),
        subject=str(told["subject"]),
        by=by,
        asked=asked,
        ended=ended,
        outcome=outcome,
        request_id=request_id,
        cancelled_by=str(told["cancelled_by"]),
        failure=None if failure is None else Failure(code=failure[0], message=failure[1], hint=failure[2]),
        result=str(told["result"]),
        nodes=tuple(
            StoredNode(
                slot=SlotId(int(stack), int(slot)), result=None if result is None else Result(result), reason=str(why)
            )
            for stack, slot, result, why in told["nodes"]
        ),
    )
