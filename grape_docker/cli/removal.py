"""``grape_docker rm``: entries of nodes out of the swarm."""

from __future__ import annotations

import click

from grape_docker.cli.cluster import look
from grape_docker.cli.frame import Command, join, nodes_argument, pass_session
from grape_docker.cli.session import Session
from grape_docker.model import Health, SwarmNode
from graped.api.folding import fold
from graped.errors import Conflict
from graped.terminal.asking import confirm


class StillUp(Conflict):
    """An entry of a node that takes part in the swarm."""

    code = "node_up"
    title = "The node is in the swarm"


@click.command("rm", cls=Command)
@click.option("--force", is_flag=True, help="Also of nodes that are up: their tasks die, and they join anew.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@nodes_argument()
@pass_session
def rm(session: Session, nodeset: tuple[str, ...], force: bool, yes: bool) -> None:
    """Remove the entries of nodes from the swarm at once, phantoms too, instead of after docker.forget_s.

    What people set on them (labels, drained) is given back when they join again.
    """
    names = session.nodes(join(nodeset))
    now = look(session)
    entries = {name: now.entries[name].all if name in now.entries else () for name in names}
    up = [name for name, found in entries.items() if any(one.state is not Health.DOWN for one in found)]
    if up and not force:
        hint = "Switch it off first (grapecli power off), or --force."
        raise StillUp(f"{fold(up)} {'is' if len(up) == 1 else 'are'} not down", hint=hint)
    if up:
        confirm(session, f"The tasks on {fold(up)} die", [], "Remove?", yes=yes)
    removed = {name: _remove(session, found) for name, found in entries.items()}
    gone = [name for name, ids in removed.items() if ids]
    if session.json:
        session.print_json({"removed": removed, "folded": fold(gone)})
    elif gone:
        session.print(f"{fold(gone)} removed from the swarm")
    else:
        session.note("No entry was there.")


def _remove(session: Session, entries: tuple[SwarmNode, ...]) -> list[str]:
    """Remove entries; return the ids of those that were there."""
    return [one.id for one in entries if session.manager.remove(one.id, force=one.state is not Health.DOWN)]
