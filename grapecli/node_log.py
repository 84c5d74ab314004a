"""``grapecli node log``: what a node says while it boots and runs."""

from __future__ import annotations

import time

import click

from grapecli import follow, times
from grapecli.frame import Command, complete_nodes, pass_session
from graped.terminal.session import Session, flush

TYPE_CHECKING = False
if TYPE_CHECKING:
    from grapecli.words import Json

PAGE = 1000
POLL_S = 20.0
PAUSE_S = 2.0
PROBLEM, WARNING = 3, 4  # levels of syslog, RFC 5424: error, warning


@click.command("log", cls=Command)
@click.option("--follow", "-f", "on", is_flag=True, help="Go on with what comes, until Ctrl-C.")
@click.option("-n", "--lines", "count", type=click.IntRange(0, 10_000), default=50, show_default=True, metavar="N",
              help="So many of the last lines.")  # fmt: skip
@click.argument("name", shell_complete=complete_nodes)
@pass_session
def log(session: Session, name: str, on: bool, count: int) -> None:
    """Show what a node's kernel and its services said, also of the boots before. With -f and --json: an object a line.

    Nodes that netboot a prepared image send it to the master (netboot.console); it goes on over restarts of the node
    and of graped.
    """
    path = f"/v1/nodes/{name}/log"
    told = session.client().get(path, limit=min(count or 1, PAGE))
    told = {**told, "lines": _last(session, path, told, count)}
    if session.json and not on:
        session.print_json(told)
        return
    for line in told["lines"]:
        _print(session, line)
    if told["why"]:
        session.note(f"Nothing comes from {name}: {told['why']}.")
    elif not told["lines"] and not on:
        session.note(f"Nothing came from {name} yet.")
    if on:
        flush()
        _follow(session, path, told["last"])


def _last(session: Session, path: str, told: Json, count: int) -> list[Json]:
    """Take the last lines, also more than one answer holds."""
    lines: list[Json] = told["lines"]
    if count <= PAGE or len(lines) < PAGE:
        return lines[len(lines) - min(count, len(lines)) :]
    lines, after = [], 1
    while page := session.client().get(path, after=after, limit=PAGE)["lines"]:
        lines, after = (lines + page)[-count:], page[-1]["id"]
    return lines


def _follow(session: Session, path: str, last: int) -> None:
    """Print what comes, over restarts of graped too, until Ctrl-C. Raises: Unreachable."""
    client, forever = session.client(), follow.Deadline(None)
    try:
        while True:
            told = follow.ask(client, forever, path, after=last, limit=PAGE, wait_s=POLL_S)
            if told["left_out"]:
                session.note("(some lines are not kept any more: they came faster than they were fetched)")
            for line in told["lines"]:
                _print(session, line)
            flush()
            last = max(last, told["last"])
            if told["why"]:
                time.sleep(PAUSE_S)  # nothing can come now: graped does not make us wait
    except KeyboardInterrupt:
        pass  # the way to end it: no failure


def _print(session: Session, line: Json) -> None:
    if session.json:
        session.print_json(line)
        return
    paint, level = session.paint(), line["level"]
    style = "dim" if line["source"] == "grape" else ""
    if level is not None and level <= WARNING:
        style = "red" if level <= PROBLEM else "yellow"
    who = paint({"kernel": "kernel", "system": "      ", "grape": "      "}[line["source"]], "cyan")
    session.print(f"{paint(times.clock(line['time']), 'dim')}  {who}  {paint(line['text'], style)}")
