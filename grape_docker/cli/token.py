"""``grape_docker token``: the secrets that nodes join with."""

from __future__ import annotations

import click

from grape_docker.cli.frame import Command, Group, pass_session
from grape_docker.cli.session import Session


@click.group("token", cls=Group)
def token() -> None:
    """Change the secrets that nodes join with."""


@token.command("rotate", cls=Command)
@pass_session
def rotate(session: Session) -> None:
    """Make the tokens anew: the old ones let nobody join any more. Nodes that are in the swarm stay in.

    The daemon asks for the token at each join, so nothing else has to be told. The tokens are not printed.
    """
    session.manager.rotate()
    if session.json:
        session.print_json({"rotated": True})
    else:
        session.print("the tokens are new")
