"""The root command. Each group is a module of its own, imported when it is asked for."""

from __future__ import annotations

import click

from grapecli import exits
from grapecli.frame import Group
from graped.terminal.session import Session

LATE = {
    "status": ("grapecli.status:status", "Show stacks, nodes, meters and faults."),
    "power": ("grapecli.power:power", "Switch nodes on and off."),
    "meters": ("grapecli.meters:meters", "Show meters, now or over time."),
    "events": ("grapecli.events:events", "Show what happened; -f follows."),
    "guards": ("grapecli.guards:guards", "List who is asked before nodes lose power."),
    "jobs": ("grapecli.jobs:jobs", "List, show and cancel power commands and long work."),
    "stack": ("grapecli.stacks:stack", "List and show stacks."),
    "node": ("grapecli.nodes:node", "List and show nodes; set what they boot, and their roots."),
    "image": ("grapecli.images:image", "Import, change and remove the images that nodes boot."),
    "doctor": ("grapecli.doctor:doctor", "Find what keeps nodes from booting."),
    "config": ("grapecli.config:config", "Show, check and reload the configuration."),
    "sim": ("grapecli.sim:sim", "Play with the simulated rack."),
    "completion": ("grapecli.completion:completion", "Print the completion script of a shell."),
    "version": ("grapecli.version:version", "Show the versions of grapecli and graped."),
}


def _version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    """Print our own version; the daemon is not asked."""
    if value:
        from grapecli.version import own_version

        click.echo(f"grapecli {own_version()}")
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
    """Power, boot and watch a rack of single-board computers.

    A client of the daemon graped: it starts nothing by itself.
    """
    ctx.ensure_object(Session)
