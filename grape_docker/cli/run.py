"""``grape_docker run``: the daemon, or one round of it."""

from __future__ import annotations

import click

from grape_docker.cli.frame import Command, pass_session
from grape_docker.cli.session import Session


@click.command(cls=Command)
@click.option("--once", is_flag=True, help="Do what can be done now, and end; no guard, no drain.")
@click.option(
    "--log-level", type=click.Choice(("debug", "info", "warning", "error")), default="info", help="Default: info."
)
@pass_session
def run(session: Session, once: bool, log_level: str) -> int:
    """Keep the swarm equal to the nodes that are up, until SIGTERM or Ctrl-C.

    With --once the exit code is 1 where a node is not as it should be.
    """
    from grape_docker.daemon import Options
    from grape_docker.daemon import run as serve

    return serve(
        Options(room=session.room, socket=session.socket, docker=session.docker_url, once=once, log_level=log_level)
    )
