"""The root command. Each command is a module of its own, imported when it is asked for."""

from __future__ import annotations

import click

from grape_docker.cli import exits
from grape_docker.cli.frame import Group
from grape_docker.cli.session import Session
from graped.terminal.groups import ExitCodes, version_option

LATE: dict[str, tuple[str, str]] = {
    "run": ("grape_docker.cli.run:run", "Keep the swarm equal to the nodes that are up (the daemon)."),
    "plan": ("grape_docker.cli.plan:plan", "Show what would be done to the swarm now; do nothing."),
    "status": ("grape_docker.cli.status:status", "Show the nodes in the swarm, and what keeps others out of it."),
    "drain": ("grape_docker.cli.availability:drain", "Move all tasks away from nodes, until they are activated."),
    "activate": ("grape_docker.cli.availability:activate", "Let nodes that were drained have tasks again."),
    "rm": ("grape_docker.cli.removal:rm", "Remove entries of nodes from the swarm."),
    "token": ("grape_docker.cli.token:token", "Change the secrets that nodes join with."),
    "image": ("grape_docker.cli.images:image", "Images in the cluster's own registry."),
    "registry": ("grape_docker.cli.registry:registry", "Prepare the cluster's own registry."),
    "completion": ("grape_docker.cli.completion:completion", "Print the completion script of a shell."),
}


class Root(ExitCodes, Group):
    """The root group."""

    exit_codes = exits.TABLE


@click.group(cls=Root, late=LATE)
@version_option("grape_docker")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Keep a Docker swarm equal to the set of nodes that are up.

    A client of graped and of the master's Docker.
    """
    ctx.ensure_object(Session)
