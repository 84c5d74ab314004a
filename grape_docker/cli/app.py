"""The root command. Each command is a module of its own, imported when it is asked for."""

from __future__ import annotations

import click

from grape_docker.cli import exits
from grape_docker.cli.frame import Group
from grape_docker.cli.session import Session

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


def _version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value:
        from graped import __version__

        click.echo(f"grape_docker {__version__}")
        ctx.exit()


class Root(Group):
    """The root group: its help ends with the exit codes."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the exit codes."""
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code), text) for code, text in exits.TABLE])


@click.group(cls=Root, late=LATE)
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version.")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Keep a Docker swarm equal to the set of nodes that are up.

    A client of graped and of the master's Docker.
    """
    ctx.ensure_object(Session)
