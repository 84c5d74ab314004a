"""``grapecli node role``: what nodes are in the Docker swarm."""

from __future__ import annotations

import click

from grapecli.frame import Command, join, nodes_argument, pass_session
from graped.terminal.session import Session


@click.command("role", cls=Command)
@click.argument("role", type=click.Choice(("worker", "manager", "default")))
@nodes_argument()
@pass_session
def role(session: Session, role: str, nodeset: tuple[str, ...]) -> None:
    """Set what nodes are in the Docker swarm; "default" goes back to what the configuration files say.

    Managers keep the swarm alive when the master is down: with the master there should be three or five of them.
    """
    word = "" if role == "default" else role
    done = session.client().post("/v1/nodes/role", {"nodes": join(nodeset), "role": word})
    if session.json:
        session.print_json(done)
        return
    session.print(f"{done['folded']}: {role}" + ("" if word else ", as the configuration files say"))
