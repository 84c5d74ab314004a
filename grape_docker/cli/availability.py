"""``grape_docker drain`` and ``activate``: whether nodes take tasks, as people want it."""

from __future__ import annotations

import time

import click

from grape_docker.cli.cluster import Now, look
from grape_docker.cli.frame import Command, join, nodes_argument, pass_session
from grape_docker.cli.session import Session
from grape_docker.core import drain as draining
from grape_docker.model import DRAINED, DRAINED_ASKED, Availability, SwarmNode
from graped.api.folding import fold
from graped.errors import Conflict, TimedOut

LOOK_S = 0.5


class NotInSwarm(Conflict):
    """A node that has no entry in the swarm."""

    code = "not_in_swarm"
    title = "Not in the swarm"


@click.command("drain", cls=Command)
@click.option("--wait", is_flag=True, help="Wait until no task is left on them.")
@click.option("--timeout", "timeout_s", type=float, default=300.0, metavar="S", help="Wait at most so long (300).")
@nodes_argument()
@pass_session
def drain(session: Session, nodeset: tuple[str, ...], wait: bool, timeout_s: float) -> None:
    """Move all tasks away from nodes; they take none until they are activated, also over power cycles."""
    chosen = _entries(session, nodeset)
    for entry in chosen.values():
        session.manager.update(entry.id, labels={DRAINED: DRAINED_ASKED}, availability=Availability.DRAIN)
    if wait:
        _wait(session, chosen, time.monotonic() + timeout_s)
    _tell(session, chosen, "drained" if wait else "being drained")


@click.command("activate", cls=Command)
@nodes_argument()
@pass_session
def activate(session: Session, nodeset: tuple[str, ...]) -> None:
    """Let nodes have tasks again."""
    chosen = _entries(session, nodeset)
    for entry in chosen.values():
        session.manager.update(entry.id, labels={DRAINED: None}, availability=Availability.ACTIVE)
    _tell(session, chosen, "activated")


def _entries(session: Session, nodeset: tuple[str, ...]) -> dict[str, SwarmNode]:
    """Find the entry of each node; all or none. Raises: NotInSwarm."""
    names = session.nodes(join(nodeset))
    now: Now = look(session)
    found = {name: now.entries[name].own for name in names if name in now.entries}
    missing = [name for name in names if found.get(name) is None]
    if missing:
        raise NotInSwarm(f"{fold(missing)}: no entry in the swarm", hint="grape_docker status says why.")
    return {name: entry for name, entry in found.items() if entry is not None}


def _wait(session: Session, chosen: dict[str, SwarmNode], until: float) -> None:
    """Wait until no task is left; say how many are. Raises: TimedOut."""
    told = -1
    while True:
        tasks = session.manager.tasks()
        left = sum(len(draining.on_node(tasks, entry.id)) for entry in chosen.values())
        if not left:
            return
        if left != told:
            session.note(f"{fold(chosen)}: {left} {'task' if left == 1 else 'tasks'} left")
            told = left
        if time.monotonic() >= until:
            raise TimedOut(f"{left} tasks are still on {fold(chosen)}", hint="They go on being drained.")
        time.sleep(LOOK_S)


def _tell(session: Session, chosen: dict[str, SwarmNode], what: str) -> None:
    if session.json:
        session.print_json({"nodes": list(chosen), "folded": fold(chosen)})
    else:
        session.print(f"{fold(chosen)} {what}")
