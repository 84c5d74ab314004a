"""The root command. Each group is a module of its own, imported when it is asked for."""

from __future__ import annotations

import click

from grapecli import exits
from grapecli.frame import Group
from graped.terminal.groups import ExitCodes, version_option
from graped.terminal.session import Session

LATE = {
    "status": ("grapecli.status:status", "Show stacks, nodes, meters and faults."),
    "power": ("grapecli.power:power", "Switch nodes on and off."),
    "run": ("grapecli.run:run", "Run a command on nodes, all at once."),
    "copy": ("grapecli.copy:copy", "Copy a file to nodes, all at once."),
    "ssh": ("grapecli.ssh:ssh", "Open a shell on a node."),
    "reboot": ("grapecli.reboot:reboot", "Reboot nodes, so many at a time."),
    "enrol": ("grapecli.enrol:enrol", "Find out which board sits in which slot."),
    "meters": ("grapecli.meters:meters", "Show meters, now or over time."),
    "events": ("grapecli.events:events", "Show what happened; -f follows."),
    "guards": ("grapecli.guards:guards", "List who is asked before nodes lose power."),
    "jobs": ("grapecli.jobs:jobs", "List, show and cancel power commands and long work."),
    "stack": ("grapecli.stacks:stack", "List and show stacks."),
    "node": ("grapecli.nodes:node", "List and show nodes; set what they boot, and their roots."),
    "image": ("grapecli.images:image", "Import, change and remove the images that nodes boot."),
    "facts": ("grapecli.facts:facts", "Show what nodes say of themselves."),
    "recovery": ("grapecli.recovery:recovery", "Show nodes in trouble, and what is done about them."),
    "doctor": ("grapecli.doctor:doctor", "Find what keeps nodes from booting."),
    "config": ("grapecli.config:config", "Show, check and reload the configuration."),
    "sim": ("grapecli.sim:sim", "Play with the simulated rack."),
    "completion": ("grapecli.completion:completion", "Print the completion script of a shell."),
    "version": ("grapecli.version:version", "Show the versions of grapecli and graped."),
}


class Root(ExitCodes, Group):
    """The root group."""

    exit_codes = exits.TABLE


@click.group(cls=Root, late=LATE)
@version_option("grapecli")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Power, boot and watch a rack of single-board computers.

    A client of the daemon graped: it starts nothing by itself.
    """
    ctx.ensure_object(Session)
