"""From what is to what should be: the rack, the swarm and what is remembered give a plan. Pure.

| node                           | its entry          | what is done                                     |
|--------------------------------|--------------------|--------------------------------------------------|
| up, trusted                    | none, or down      | join, one attempt in its back-off                |
| up, trusted                    | ready              | labels, role, our drain undone; phantoms removed |
| up, its identity is another    | ready              | join afresh: it leaves first                     |
| up, was off since it joined    | ready              | join: the managers may be late to notice         |
| up, the registry is another    | ready              | join: it stays in, and is told of the registry   |
| held by our guard              | ready              | drained, marked as ours                          |
| held by our guard, for an off  | down               | removed: it has left                             |
| off, drained by us             | down               | removed                                          |
| off                            | down               | removed after ``forget_s``                       |
| on, but not up: boots, is lost | any                | kept                                             |
| any                            | not heard of (yet) | waited for                                       |

Only what is down is ever removed. Entries that belong to no node, and the master's, are left alone
(but for ``master_tasks``). A manager is demoted before it goes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from grape_docker.core import entries, labels, master, quorum
from grape_docker.core.backoff import standing
from grape_docker.core.desk import Desk
from grape_docker.core.entries import Entries
from grape_docker.model import (
    LABEL_MAC,
    Health,
    Hold,
    Known,
    Memory,
    NodeFact,
    Plan,
    Rack,
    Role,
    Settings,
    Swarm,
    SwarmNode,
    Trouble,
)


def reconcile(rack: Rack, swarm: Swarm, known: Known, settings: Settings, now: float) -> Plan:
    """Plan what makes the swarm equal to the set of nodes that are up."""
    sorted_, leftover = entries.sort(rack, swarm, dict(known))
    holds = {one.name: one for one in rack.holds}
    desks = [
        _decided(node, known.get(node.name, Memory()), sorted_[node.name], holds.get(node.name), settings, now)
        for node in rack.nodes
    ]
    roles, waiting = quorum.grant((wish for desk in desks for wish in desk.wishes), swarm)
    return Plan(
        actions=(*master.actions(swarm, settings), *(one for desk in desks for one in desk.actions), *roles),
        troubles=(
            *quorum.warnings(rack, swarm, now),
            *(one for desk in desks for one in desk.troubles),
            *(_leftover(one, now) for one in leftover if one.state is Health.DOWN),
        ),
        waiting=(*(one for desk in desks for one in desk.waiting), *waiting),
        known=_remembered(known, desks),
    )


def _remembered(known: Known, desks: list[Desk]) -> Known:
    changed: Mapping[str, Memory] = {desk.node.name: desk.memory for desk in desks if desk.memory != Memory()}
    return {**known, **changed}


def _decided(
    node: NodeFact, memory: Memory, entries: Entries, hold: Hold | None, settings: Settings, now: float
) -> Desk:
    """Decide for one node."""
    memory = replace(memory, retry=standing(memory.retry, node))
    own = entries.own
    if own is not None and own.state is Health.READY:
        memory = labels.learn(own, memory)
    desk = Desk(node=node, memory=memory, entries=entries, hold=hold, settings=settings, now=now)
    if node.is_off:
        _off(desk)
    elif hold is not None:
        _held(desk, own, hold)
    elif node.is_up and node.job is None:
        _up(desk, own)
    else:
        _neither(desk, own)
    desk.close()
    return desk


def _off(desk: Desk) -> None:
    """Power is off: entries go at once where it was drained for that, else after ``forget_s``."""
    if not desk.entries.all:
        return
    if desk.node.job is not None or desk.hold is not None:
        desk.wait("a job works on it")
        return
    for entry in desk.entries.all:
        if entry.state is not Health.DOWN:
            desk.wait("its power is off: the managers have not noticed yet")
        elif labels.is_drained_by_us(entry):
            desk.remove(entry, "drained, then switched off")
        else:
            _forget(desk, entry)


def _forget(desk: Desk, entry: SwarmNode) -> None:
    since = desk.node.off_since
    if since is None:
        desk.wait("off, and nobody knows since when: its entry is kept")
    elif (due := since + desk.settings.forget_s) > desk.now:
        desk.wait("off: its entry is kept for a while", due)
    else:
        desk.remove(entry, f"off for more than {desk.settings.forget_s:g} s")


def _held(desk: Desk, own: SwarmNode | None, hold: Hold) -> None:
    """Our guard holds it: its tasks go elsewhere; when it has left, its entry goes."""
    if own is None:
        desk.wait("its power is going")
    elif own.state is Health.READY:
        desk.actions.extend(labels.drain(desk.node, own))
        if hold.verb == "off" and own.role is Role.MANAGER:
            desk.role(own, Role.WORKER, "its power is going")
        desk.wait("draining: its power is going", hold.deadline if hold.deadline > desk.now else None)
    elif own.state is Health.DOWN and hold.verb == "off":
        desk.remove(own, "drained, and left")
    else:
        desk.wait("its power is going")


def _up(desk: Desk, own: SwarmNode | None) -> None:
    """It answers: it is in the swarm, once, under its name."""
    if own is not None and own.state in (Health.UNKNOWN, Health.DISCONNECTED):
        desk.wait("the managers have not heard of it yet")
    elif own is None:
        if _may_log_in(desk):
            desk.join("it is up, and not in the swarm")
    elif own.state is Health.DOWN:
        if _may_log_in(desk):
            identity = _changed(desk, own)
            desk.join(identity or "it is up, but down in the swarm", fresh=bool(identity))
    elif (identity := _changed(desk, own)) and _may_log_in(desk):
        _afresh(desk, own, identity)
    else:
        _ready(desk, own)


def _may_log_in(desk: Desk) -> bool:
    node = desk.node
    if node.trusted and node.address:
        return True
    if node.address is None:
        desk.complain("no_address", "it is up, but graped knows no address of it", f"grapecli status {node.name}")
    elif node.trusted is False:
        desk.complain("untrusted", "its host key is not pinned", f"grapecli node trust {node.name}")
    else:
        desk.wait("graped does not tell yet whether it is trusted")
    return False


def _changed(desk: Desk, own: SwarmNode) -> str:
    """Say what is another than when it joined."""
    node, memory, told = desk.node, desk.memory, own.labels.get(LABEL_MAC)
    if told and node.mac and told != node.mac:
        return f"its slot has another board: {told} was {node.mac}"
    if memory.own_id == own.id and memory.address and node.address and memory.address != node.address:
        return f"its address was {memory.address}, and is {node.address}"
    return ""


def _afresh(desk: Desk, own: SwarmNode, why: str) -> None:
    """Have it leave and join again; a manager is demoted first."""
    if own.role is Role.MANAGER:
        desk.role(own, Role.WORKER, why)
    else:
        desk.join(why, fresh=True)


def _ready(desk: Desk, own: SwarmNode) -> None:
    """It is in: what stands in its entry, its role, and nothing else of its name."""
    node, memory = desk.node, desk.memory
    came_on = min(node.power_since or 0.0, desk.now)
    if memory.own_id is not None and came_on > memory.joined_at and node.trusted and node.address:
        desk.join("its power was off since it joined")
    elif desk.settings.registry_stamp not in (None, memory.registry) and node.trusted and node.address:
        desk.join("what it has to know of the registry is another")
    desk.actions.extend(labels.keep(node, own, memory, stays=True))
    if own.role is not node.role:
        desk.role(own, node.role, "as configured")
    for other in desk.entries.others:
        if other.state is Health.DOWN:
            desk.remove(other, f"a phantom: {node.name} is {own.id}")
        elif other.state is Health.READY and other.hostname == node.name:
            desk.complain(
                "twice", f"two machines of this name are in the swarm: {own.id}, {other.id}", "rename one of them"
            )
        else:
            desk.wait(f"{other.id} was {node.name} before, and is not down yet")


def _neither(desk: Desk, own: SwarmNode | None) -> None:
    """It boots, is lost, or a job works on it: what is there stays."""
    if own is not None and own.state is Health.READY:
        desk.actions.extend(labels.keep(desk.node, own, desk.memory, stays=False))
    if desk.node.job is not None:
        desk.wait("a job works on it")
    elif desk.node.stage == "lost":
        desk.wait("lost: its entry is kept")
    elif desk.node.power == "on":
        desk.wait(f"it boots ({desk.node.stage})" if desk.node.stage else "on, and nobody knows how far it is")


def _leftover(entry: SwarmNode, now: float) -> Trouble:
    return Trouble(
        name=entry.hostname,
        code="leftover",
        message="an entry of a node that is not configured any more, and is down",
        hint=f"docker node rm {entry.id}, or configure the node again",
        since=now,
    )
