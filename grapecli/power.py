"""``grapecli power``: on, off, cycle and status of a node set."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import click

from grapecli import exits, follow, plan, progress, waiting
from grapecli.fold import fold
from grapecli.frame import Command, Group, join, nodes_argument, pass_session, span
from graped.terminal.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from grapecli.words import Json


class PowerCommand(Command):
    """A command whose ``--wait`` may stand alone: the word after it is never taken for its value."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Write a bare ``--wait`` out."""
        end = args.index("--") if "--" in args else len(args)
        head = ["--wait=power" if word == "--wait" else word for word in args[:end]]
        return super().parse_args(ctx, head + args[end:])


@click.group(cls=Group)
def power() -> None:
    """Switch nodes on and off.

    \b
    NODESET names nodes, as one word or several:
      worker-0-[1-5]                             by name
      @all, @stack:0                             all configured nodes; those of a stack
      @on, @off, @up, @unknown, @fault, @empty   those that are so now
      @slots, @slots:0                           every slot, also those without a node
    joined by "," (and), "!" (but not), "&" (in both), "^" (in one of both).
    """


_WAIT = "Wait until power is verified on the wire"
_WAIT_UP = f"{_WAIT}; =up: until the nodes are up."


def _options(function: Callable[..., Any], wait: str = _WAIT_UP) -> Callable[..., Any]:
    """Add what on, off and cycle have in common."""
    for option in (
        click.option("--timeout", type=span, metavar="S", help="Give up waiting after so long (exit code 5)."),
        click.option(
            "--wait",
            type=click.Choice(("power", "up")),
            is_flag=False,
            flag_value="power",
            metavar="[=up]" if wait is _WAIT_UP else "",
            help=wait,
        ),
        click.option("--force", is_flag=True, help="Skip lifecycle guards and soft-off."),
        click.option("--yes", "-y", is_flag=True, help="Do not ask."),
        click.option("--dry-run", "-n", is_flag=True, help="Show order, times and watts; do nothing."),
        nodes_argument(),
        pass_session,
    ):
        function = option(function)
    return function


@power.command("on", cls=PowerCommand, short_help="Switch nodes on.")
@_options
def on(session: Session, nodeset: tuple[str, ...], **options: Any) -> int:
    """Switch nodes on. What NODESET may be: grapecli power --help."""
    return _switch(session, "on", nodeset, **options)


@power.command("off", cls=PowerCommand, short_help="Switch nodes off.")
@partial(_options, wait=f"{_WAIT}.")
def off(session: Session, nodeset: tuple[str, ...], **options: Any) -> int:
    """Switch nodes off. What NODESET may be: grapecli power --help."""
    if options["wait"] == "up":
        raise click.UsageError("--wait=up waits for a boot; power off has none. Use --wait.")
    return _switch(session, "off", nodeset, **options)


@power.command("cycle", cls=PowerCommand, short_help="Switch nodes off, and on again after a while.")
@click.option(
    "--off-time",
    "off_s",
    type=span,
    metavar="S",
    help="How long they stay off (default: power.cycle_off_s of the configuration).",
)
@_options
def cycle(session: Session, nodeset: tuple[str, ...], **options: Any) -> int:
    """Switch nodes off, and on again after a while. What NODESET may be: grapecli power --help."""
    return _switch(session, "cycle", nodeset, **options)


@power.command("status")
@nodes_argument()
@pass_session
def status(session: Session, nodeset: tuple[str, ...]) -> None:
    """Show which nodes are on, off or unknown, folded."""
    groups = session.client().get("/v1/power", nodes=join(nodeset))
    if session.json:
        session.print_json(groups)
        return
    paint = session.paint()
    styles = {"on": "green", "off": "", "unknown": "yellow"}
    for group in groups:
        why = f" ({group['reason']})" if group["reason"] else ""
        session.print(f"{paint(group['state'] + ':', styles[group['state']])} {group['folded']}{why}")


def _switch(
    session: Session,
    verb: str,
    nodeset: tuple[str, ...],
    *,
    wait: str | None,
    timeout: float | None,
    force: bool,
    yes: bool,
    dry_run: bool,
    off_s: float | None = None,
) -> int:
    """Plan, ask, send, and wait where that is wanted. Returns the exit code."""
    deadline = follow.Deadline(timeout)
    client = session.client()
    request: Json = {"nodes": join(nodeset), "verb": verb, "force": force, "off_s": off_s}
    planned = client.post("/v1/power/plan", request)
    if dry_run:
        return _show_plan(session, planned)
    plan.confirm(session, planned, force=force, yes=yes)
    job = client.post("/v1/power", {**request, "nodes": planned["names"]})
    if wait is None:
        return _accepted(session, job, planned)
    _tell_already(session, planned)
    return waiting.wait(session, job, deadline, up=wait == "up")


def _show_plan(session: Session, planned: Json) -> int:
    """Print a plan. A slot that can never be switched is a conflict, as it will be without --dry-run."""
    if session.json:
        session.print_json(planned)
    else:
        session.print("\n".join(plan.lines(planned, session.paint())))
    never = any(step["action"] == "never" for step in planned["steps"])
    return exits.CONFLICT if never else exits.OK


def _accepted(session: Session, job: Json, planned: Json) -> int:
    """Say that a job was accepted, and what of it is already so."""
    if session.json:
        session.print_json(job)
        return exits.OK
    session.print(f"job {job['id']} accepted: {job['verb']} {job['folded']}")
    _tell_already(session, planned)
    if job["outcome"] in follow.ENDED:  # nothing had to be done
        return exits.of_outcome(job["outcome"])
    if any(task["step"] in progress.TOLD for task in job["tasks"]):
        from grapecli.guards import tell_first_words  # seldom needed

        tell_first_words(session, job)
    return exits.OK


def _tell_already(session: Session, planned: Json) -> None:
    """Say which nodes are already as asked."""
    names = plan.already(planned)
    if names:
        session.note(f"already {planned['verb']}: {fold(names)}")
