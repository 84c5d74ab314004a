"""How chores come, move and end.

| event | needs | makes |
|---|---|---|
| ChoreBegun | a new id | queued |
| ChoreMoved | queued, running | running, with its progress |
| ChoreNodeEnded | queued, running; a node without a result | the node's result |
| CancelAsked | queued, running; not asked before | the same; the edge is asked to stop it |
| ChoreEnded | queued, running | what the edge says, folded with the results of the nodes |

Nothing else changes a chore; one that ended never changes again. An event that does not fit changes nothing.
"""

from __future__ import annotations

from dataclasses import replace

from graped.core.chore import Chore, ChoreNode, folded
from graped.core.draft import Draft
from graped.core.effects import CancelChore, SaveChore
from graped.core.events import CancelAsked, ChoreBegun, ChoreEnded, ChoreMoved, ChoreNodeEnded
from graped.core.jobs import Outcome, Result

KEPT_CHORES = 100  # ended chores that stay in the state; older ones are in the store

# What becomes of nodes that have no result when their chore ends.
_LEFT = {Outcome.CANCELLED: Result.CANCELLED, Outcome.INTERRUPTED: Result.INTERRUPTED, Outcome.DONE: Result.DONE}


def begin(draft: Draft, event: ChoreBegun) -> None:
    """Take a new chore."""
    if event.chore < draft.next_job:
        return  # an id that was given out already
    draft.other["next_job"] = event.chore + 1
    chore = Chore(
        id=event.chore, kind=event.kind, subject=event.subject, by=event.by, asked=draft.now,
        request_id=event.request_id, nodes={slot: ChoreNode() for slot in event.slots},
    )  # fmt: skip
    _set(draft, chore)
    draft.log(f"{chore.kind}.begun", f"job {chore.id}: {chore.kind} of {chore.subject}, asked by {chore.by}",
              job=chore.id, by=chore.by, request_id=chore.request_id)  # fmt: skip


def move(draft: Draft, event: ChoreMoved) -> None:
    """Note how far a chore is, and on which node it works."""
    chore = _open(draft, event.chore)
    if chore is None:
        return
    nodes = chore.nodes
    if event.slot is not None and event.slot in nodes:
        nodes = {**nodes, event.slot: replace(nodes[event.slot], begun=True)}
    moved = replace(chore, outcome=Outcome.RUNNING, progress=event.progress, nodes=nodes)
    if moved != chore:
        draft.chores[chore.id] = moved  # not saved: a disk would be worn by progress
        draft.visible = True


def end_node(draft: Draft, event: ChoreNodeEnded) -> None:
    """Take what became of one node."""
    chore = _open(draft, event.chore)
    node = chore.nodes.get(event.slot) if chore else None
    if chore is None or node is None or node.result is not None:
        return
    ended = ChoreNode(result=event.result, reason=event.reason, begun=True)
    _set(draft, replace(chore, nodes={**chore.nodes, event.slot: ended}))
    if event.result is Result.FAILED:
        message = f"{draft.name(event.slot)}: {chore.kind} failed: {event.reason}"
        draft.log(f"{chore.kind}.failed", message, slot=event.slot, job=chore.id)


def cancel(draft: Draft, event: CancelAsked) -> None:
    """Ask the edge to stop a chore, which ends when its work has."""
    chore = _open(draft, event.job)
    if chore is None or chore.cancelled_by:
        return
    _set(draft, replace(chore, cancelled_by=event.by))
    draft.effects.append(CancelChore(chore=chore.id))
    draft.log("job.cancel", f"job {chore.id} cancelled by {event.by}", job=chore.id, by=event.by)


def end(draft: Draft, event: ChoreEnded) -> None:
    """End a chore, once."""
    chore = _open(draft, event.chore)
    if chore is None or not event.outcome.ended:
        return
    left = _LEFT.get(event.outcome, Result.FAILED)
    reason = event.failure.message if event.failure and left is Result.FAILED else ""
    nodes = {
        slot: node if node.result else replace(node, result=left, reason=reason) for slot, node in chore.nodes.items()
    }
    outcome = folded(nodes, event.outcome)
    chore = replace(chore, nodes=nodes, outcome=outcome, failure=event.failure, result=event.result)
    chore = replace(chore, ended=draft.now)
    _set(draft, chore)
    hint = event.failure.hint if event.failure else ""
    draft.log(f"{chore.kind}.{outcome}", _line(chore), job=chore.id, result=chore.result, by=chore.by, hint=hint)
    ended = sorted(number for number, one in draft.chores.items() if one.ended is not None)
    for number in ended[: max(0, len(ended) - KEPT_CHORES)]:
        del draft.chores[number]


def _open(draft: Draft, number: int) -> Chore | None:
    chore = draft.chores.get(number)
    return chore if chore is not None and chore.ended is None else None


def _set(draft: Draft, chore: Chore) -> None:
    draft.chores[chore.id] = chore
    draft.visible = True
    draft.effects.append(SaveChore(chore=chore))


def _line(chore: Chore) -> str:
    line = f"job {chore.id}: {chore.kind} of {chore.subject} is {chore.outcome.replace('_', ' ')}"
    failed = [node.reason for node in chore.nodes.values() if node.result is Result.FAILED]
    why = chore.failure.message if chore.failure else "; ".join(sorted(set(failed))[:3])
    made = f": {chore.result}" if chore.result else ""
    return f"{line}{made}" + (f" ({why})" if why else "")
