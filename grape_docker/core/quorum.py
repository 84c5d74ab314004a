"""Managers: who is promoted, who is demoted, and what is said about their number. Pure.

A swarm of n managers goes on while more than half of them are there, so it stands the loss of (n - 1) // 2: three
stand one, five stand two, and an even number stands no more than the odd one below it.
One manager changes at a time, and none is demoted where the ones that remain would have no majority.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from grape_docker.model import Rack, Role, SetRole, Swarm, SwarmNode, Trouble, Waiting

_MOST: Final = 7  # more only slow each other down. Source: Docker, "Administer and maintain a swarm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A role that an entry should have."""

    name: str
    entry: SwarmNode
    role: Role
    why: str


def managers(swarm: Swarm) -> tuple[SwarmNode, ...]:
    """All managers, reachable or not."""
    return tuple(one for one in swarm.nodes if one.role is Role.MANAGER)


def majority(all_: Iterable[SwarmNode]) -> bool:
    """Whether these managers could go on: more than half of them are reachable."""
    told = [one.reachable for one in all_]
    return sum(told) * 2 > len(told)


def may_demote(swarm: Swarm, node_id: str) -> bool:
    """Whether the swarm decides now, and would still without this manager. The master itself always stays."""
    now = managers(swarm)
    return node_id != swarm.self_id and majority(now) and majority(one for one in now if one.id != node_id)


def grant(wishes: Iterable[Wish], swarm: Swarm) -> tuple[tuple[SetRole, ...], tuple[Waiting, ...]]:
    """Grant the most urgent wish that is safe: dead managers go first, then come new ones, then others go."""
    granted: list[SetRole] = []
    waiting: list[Waiting] = []
    for wish in sorted(wishes, key=_urgency):
        if granted:
            waiting.append(Waiting(name=wish.name, why="one manager changes at a time"))
        elif wish.role is Role.WORKER and not may_demote(swarm, wish.entry.id):
            waiting.append(Waiting(name=wish.name, why="stays a manager: the others would have no majority"))
        else:
            granted.append(SetRole(name=wish.name, node_id=wish.entry.id, role=wish.role, why=wish.why))
    return tuple(granted), tuple(waiting)


def _urgency(wish: Wish) -> tuple[int, str, str]:
    if wish.role is Role.MANAGER:
        return (1, wish.name, wish.entry.id)
    return (2 if wish.entry.reachable else 0, wish.name, wish.entry.id)


def warnings(rack: Rack, swarm: Swarm, now: float) -> tuple[Trouble, ...]:
    """What is to be said about the number of managers: as configured, and as they are."""
    return (*_of_number(rack, now), *_of_reach(swarm, now))


def _of_number(rack: Rack, now: float) -> Iterable[Trouble]:
    wanted = 1 + sum(node.role is Role.MANAGER for node in rack.nodes)
    if wanted % 2 == 0:
        yield Trouble(
            name="",
            code="quorum_even",
            message=f"{wanted} managers (the master is one) stand the loss of {(wanted - 1) // 2}, "
            f"no more than {wanted - 1} do",
            hint="set role = \"manager\" on one node more or less: 3 or 5 managers with the master",
            since=now,
        )  # fmt: skip
    if wanted > _MOST:
        yield Trouble(
            name="",
            code="quorum_big",
            message=f"{wanted} managers slow each other down",
            hint="5 stand the loss of two, and 7 of three",
            since=now,
        )


def _of_reach(swarm: Swarm, now: float) -> Iterable[Trouble]:
    told = managers(swarm)
    lost = [one.hostname for one in told if not one.reachable]
    if lost:
        spare = (len(told) - 1) // 2 - len(lost)
        yield Trouble(
            name="",
            code="quorum_thin" if spare >= 0 else "quorum_lost",
            message=f"managers not reachable: {', '.join(sorted(lost))}; "
            + (f"{spare} more may go before the swarm stands still" if spare >= 0 else "the swarm stands still"),
            hint="bring them back, or have one node less in role = \"manager\"",
            since=now,
        )  # fmt: skip
