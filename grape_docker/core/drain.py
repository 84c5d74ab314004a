"""How far the drain of each node that our guard holds has come, and when it is let go. Pure.

A drained node is *empty* when none of its tasks is left on it, and what replaces them runs elsewhere, or cannot:
Docker finds no node for it. It is let go when it is empty (and, before a power-off, has left the swarm), or when
there is nothing to drain, or at the deadline: ``drain_s`` after the guard was asked, at the latest when graped goes
on anyway.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from grape_docker.core import entries, labels
from grape_docker.model import (
    Availability,
    Health,
    Hold,
    Known,
    Leave,
    NodeFact,
    Rack,
    Role,
    Settings,
    Swarm,
    SwarmNode,
    TaskFact,
)

_ENDED: Final = frozenset({"complete", "shutdown", "failed", "rejected", "remove", "orphaned"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Draining:
    """One held node: tasks that are still on it, what to tell, whether to let go, whether it should leave first."""

    name: str
    job: int
    left: int
    note: str
    release: bool
    until: float
    leave: Leave | None = None


def judge(
    rack: Rack,
    swarm: Swarm,
    tasks: Sequence[TaskFact],
    known: Known,
    settings: Settings,
    now: float,
    *,
    stuck: Container[tuple[str, int]] = (),
) -> tuple[Draining, ...]:
    """Judge all holds. ``stuck``: (name, job) of nodes that were told to leave and did not."""
    sorted_, _ = entries.sort(rack, swarm, dict(known))
    nodes = {node.name: node for node in rack.nodes}
    judged = []
    for hold in rack.holds:
        node = nodes.get(hold.name)
        own = sorted_[hold.name].own if node else None
        judged.append(_judged(hold, node, own, tasks, settings, now, stuck))
    return tuple(judged)


def deadline(hold: Hold, settings: Settings) -> float:
    """When a node is let go whatever is left on it."""
    return min(hold.deadline, hold.since + settings.drain_s)


def on_node(tasks: Sequence[TaskFact], node_id: str) -> tuple[TaskFact, ...]:
    """The tasks of a node that have not ended."""
    return tuple(one for one in tasks if one.node_id == node_id and one.state not in _ENDED)


def moving(tasks: Sequence[TaskFact], node_id: str) -> tuple[TaskFact, ...]:
    """What replaces the tasks that had to leave a node, and neither runs yet nor has no chance to."""
    had = {
        (one.service, one.slot)
        for one in tasks
        if one.node_id == node_id and one.desired == "shutdown" and one.state == "shutdown" and not one.everywhere
    }
    return tuple(
        one
        for one in tasks
        if (one.service, one.slot) in had
        and one.node_id != node_id
        and one.desired in ("ready", "running")
        and one.state not in _ENDED
        and one.state != "running"
        and not (one.state == "pending" and one.error)
    )


def _judged(
    hold: Hold,
    node: NodeFact | None,
    own: SwarmNode | None,
    tasks: Sequence[TaskFact],
    settings: Settings,
    now: float,
    stuck: Container[tuple[str, int]],
) -> Draining:
    until = deadline(hold, settings)
    if node is None or own is None or own.state is Health.DOWN or node.is_off:
        drained = own is not None and labels.is_drained_by_us(own)
        return _draining(hold, until, 0, "drained, out of the swarm" if drained else "nothing to drain", release=True)
    here = on_node(tasks, own.id)
    if now >= until:
        note = f"{_tasks(len(here))} still on it after {now - hold.since:.0f} s" if here else "drained"
        return _draining(hold, until, len(here), note, release=True)
    if here or own.availability is not Availability.DRAIN:
        return _draining(hold, until, len(here), f"draining {_tasks(len(here))}")
    if on_their_way := moving(tasks, own.id):
        return _draining(hold, until, 0, f"{_tasks(len(on_their_way))} not running elsewhere yet")
    if hold.verb != "off" or (hold.name, hold.job) in stuck or not node.is_up:
        return _draining(hold, until, 0, "drained", release=True)
    if own.role is Role.MANAGER:
        return _draining(hold, until, 0, "drained; still a manager")
    leave = Leave(name=hold.name, node_id=own.id, why="drained, its power is going")
    return _draining(hold, until, 0, "drained, leaving the swarm", leave=leave)


def _draining(
    hold: Hold, until: float, left: int, note: str, *, release: bool = False, leave: Leave | None = None
) -> Draining:
    return Draining(name=hold.name, job=hold.job, left=left, note=note, release=release, until=until, leave=leave)


def _tasks(count: int) -> str:
    return f"{count} task" if count == 1 else f"{count} tasks"


def counts(tasks: Sequence[TaskFact]) -> Mapping[str, int]:
    """How many tasks that have not ended each entry has, by its id."""
    found: dict[str, int] = {}
    for one in tasks:
        if one.node_id is not None and one.state not in _ENDED:
            found[one.node_id] = found.get(one.node_id, 0) + 1
    return found
