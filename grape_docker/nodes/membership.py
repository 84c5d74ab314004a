"""How a node stands to our swarm. Pure."""

from __future__ import annotations

from grape_docker.nodes.values import Engine, Invite, Machine, Membership

_IN = frozenset({"active", "pending", "error"})


def membership_of(machine: Machine, engine: Engine | None, swarm_id: str, node_ids: frozenset[str]) -> Membership:
    """Judge by the swarm's id in the node's certificate; where there is none, by the ids that our managers list."""
    if engine is None or engine.swarm_state not in _IN:
        locked = engine is not None and engine.swarm_state == "locked"
        return Membership.LOCKED if locked else Membership.NONE
    swarm = engine.cluster_id or machine.swarm_id
    known = engine.node_id in node_ids
    if swarm and swarm != swarm_id:
        return Membership.FOREIGN
    if known:
        return Membership.OURS
    return Membership.REMOVED if swarm else Membership.FOREIGN


def is_removed(machine: Machine, invite: Invite) -> bool:
    """Whether a node's certificate says that it is in our swarm, which has no such entry (any more)."""
    return machine.swarm_id == invite.swarm_id and bool(invite.node_ids) and machine.member_id not in invite.node_ids


def why_anew(machine: Machine, engine: Engine, invite: Invite, *, address: str, renamed: str) -> str:
    """Say why a node that is in our swarm has to leave and join again; "" where it has not to."""
    if invite.fresh:
        return "it is another one than before"
    if renamed:
        return f"it was called {renamed}"
    if engine.swarm_state == "error":
        return f"its Docker gave up: {engine.swarm_error}"
    if address in machine.addresses and engine.node_address and engine.node_address != address:
        return f"its address was {engine.node_address}"
    if engine.managers and not set(engine.managers) & set(invite.managers):
        return f"it looks for the manager at {', '.join(engine.managers)}"
    return ""
