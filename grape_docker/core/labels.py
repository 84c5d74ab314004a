"""Labels and availability of an entry: what is ours, what is people's, what comes back with a node. Pure.

An entry is *settled* when what people set on the node's former entry was given back to it; from then on the entry is
what we learn from. A drain of ours (``grape.drained = "off"``) is nothing that people set.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from grape_docker.model import (
    DRAINED,
    DRAINED_OFF,
    LABEL_IMAGE,
    LABEL_MAC,
    LABEL_MODEL,
    LABEL_SLOT,
    LABEL_STACK,
    OURS,
    Action,
    Availability,
    Memory,
    NodeFact,
    SetAvailability,
    SetLabels,
    SwarmNode,
)

_ASIDE: Final = frozenset(OURS)


def ours(node: NodeFact) -> dict[str, str | None]:
    """The labels that tell where and what a node is; None for what nobody knows."""
    return {
        LABEL_STACK: str(node.stack),
        LABEL_SLOT: str(node.slot),
        LABEL_MODEL: node.model,
        LABEL_IMAGE: node.image,
        LABEL_MAC: node.mac,
    }


def peoples(labels: Mapping[str, str]) -> dict[str, str]:
    """The labels that people set."""
    return {key: value for key, value in labels.items() if key not in _ASIDE and (key, value) != (DRAINED, DRAINED_OFF)}


def is_drained_by_us(entry: SwarmNode) -> bool:
    """Whether it was drained before its power was to go."""
    return entry.labels.get(DRAINED) == DRAINED_OFF


def given_back(entry: SwarmNode, memory: Memory) -> tuple[dict[str, str | None], Availability | None]:
    """What an entry that is new lacks of what people set on the one before: labels, availability."""
    if memory.settled_id in (None, entry.id):
        return {}, None
    missing: dict[str, str | None] = {
        key: value for key, value in memory.labels.items() if key not in entry.labels
    }  # fmt: skip
    lacks = memory.availability is not Availability.ACTIVE and entry.availability is Availability.ACTIVE
    return missing, memory.availability if lacks and not is_drained_by_us(entry) else None


def learn(entry: SwarmNode, memory: Memory) -> Memory:
    """Remember what people set on an entry that is settled, or lacks nothing."""
    missing, availability = given_back(entry, memory)
    if missing or availability is not None:
        return memory
    kept = memory.availability if is_drained_by_us(entry) else entry.availability
    return replace(memory, settled_id=entry.id, labels=peoples(entry.labels), availability=kept)


def keep(node: NodeFact, entry: SwarmNode, memory: Memory, *, stays: bool) -> tuple[Action, ...]:
    """Bring labels and availability of a living entry to what they should be.

    ``stays``: the node is up and nothing holds it, so a drain of ours is undone.
    """
    missing, availability = given_back(entry, memory)
    changes = {key: value for key, value in (ours(node) | missing).items() if entry.labels.get(key) != value}
    why = "as it was before it left"
    if stays and is_drained_by_us(entry):
        changes[DRAINED] = memory.labels.get(DRAINED)
        availability = memory.availability if memory.availability is not entry.availability else None
        why = "it is up again"
    actions: list[Action] = []
    if availability is not None:
        actions.append(SetAvailability(name=node.name, node_id=entry.id, availability=availability, why=why))
    if changes:
        actions.append(SetLabels(name=node.name, node_id=entry.id, labels=changes))
    return tuple(actions)


def drain(node: NodeFact, entry: SwarmNode) -> tuple[Action, ...]:
    """Drain an entry, marked as ours first; what people have drained already is left as it is."""
    if entry.availability is Availability.DRAIN:
        return ()
    mark = SetLabels(name=node.name, node_id=entry.id, labels={DRAINED: DRAINED_OFF})
    away = SetAvailability(
        name=node.name, node_id=entry.id, availability=Availability.DRAIN, why="its power is going"
    )  # fmt: skip
    return (away,) if is_drained_by_us(entry) else (mark, away)
