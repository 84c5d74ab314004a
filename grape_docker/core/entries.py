"""Which entries of the swarm belong to which node. Pure.

An entry belongs to a node by its host name, or, where its host name is no node's, by the labels that it got from us:
then the node had another name before. The master's own entry is never a node's. All others are foreign.
"""

from __future__ import annotations

from dataclasses import dataclass

from grape_docker.model import LABEL_MAC, LABEL_SLOT, LABEL_STACK, Health, Memory, NodeFact, Rack, Swarm, SwarmNode


@dataclass(frozen=True, slots=True, kw_only=True)
class Entries:
    """``own``: the one that stands for the node now. ``others``: of its name, or of a name it had before."""

    own: SwarmNode | None = None
    others: tuple[SwarmNode, ...] = ()

    @property
    def all(self) -> tuple[SwarmNode, ...]:
        """All of them."""
        return (self.own, *self.others) if self.own else self.others


def sort(rack: Rack, swarm: Swarm, known: dict[str, Memory]) -> tuple[dict[str, Entries], tuple[SwarmNode, ...]]:
    """Sort the swarm's entries by node; second, those that got labels from us but belong to no node."""
    named: dict[str, list[SwarmNode]] = {node.name: [] for node in rack.nodes}
    former: dict[str, list[SwarmNode]] = {node.name: [] for node in rack.nodes}
    leftover: list[SwarmNode] = []
    for entry in swarm.nodes:
        if entry.id == swarm.self_id:
            continue
        if entry.hostname in named:
            named[entry.hostname].append(entry)
        elif heir := _heir(rack, entry):
            former[heir.name].append(entry)
        elif LABEL_SLOT in entry.labels:
            leftover.append(entry)
    sorted_ = {
        node.name: _entries(node, named[node.name], former[node.name], known.get(node.name, Memory()))
        for node in rack.nodes
    }
    return sorted_, tuple(leftover)


def _heir(rack: Rack, entry: SwarmNode) -> NodeFact | None:
    """The node that an entry of another name was labelled for: by its MAC, else by its slot."""
    mac, stack, slot = (entry.labels.get(one) for one in (LABEL_MAC, LABEL_STACK, LABEL_SLOT))
    if mac:
        return next((node for node in rack.nodes if node.mac == mac), None)
    return next((node for node in rack.nodes if (str(node.stack), str(node.slot)) == (stack, slot)), None)


def _entries(node: NodeFact, named: list[SwarmNode], former: list[SwarmNode], memory: Memory) -> Entries:
    own = max(named, key=lambda one: _likeness(node, one, memory), default=None)
    return Entries(own=own, others=tuple(one for one in (*named, *former) if one is not own))


def _likeness(node: NodeFact, entry: SwarmNode, memory: Memory) -> tuple[bool, bool, bool, bool, float, str]:
    """How much an entry looks like the node's: it lives, is the one it said, is where it is, is the newest."""
    return (
        entry.state is Health.READY,
        entry.id == memory.own_id,
        entry.state is not Health.DOWN,
        node.address is not None and entry.address == node.address,
        entry.created,
        entry.id,
    )
