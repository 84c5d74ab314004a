"""``grapecli node look``: how far nodes answer now."""

from __future__ import annotations

import click

from grapecli.frame import Command, join, nodes_argument, pass_session
from graped.terminal import table
from graped.terminal.session import Session

SSH = {
    None: ("-", ""),
    "none": ("no", "red"),
    "refused": ("closed", "red"),
    "silent": ("says nothing", "red"),
    "banner": ("key not pinned", "yellow"),
    "wrong_key": ("ANOTHER KEY", "red"),
    "trusted": ("pinned key", "green"),
}


@click.command("look", cls=Command)
@nodes_argument()
@pass_session
def look(session: Session, nodeset: tuple[str, ...]) -> None:
    """Look how far nodes answer: link, ping, SSH with the pinned key, a command. Takes some 5 s at most.

    It changes nothing. What is in the last column tells a dead node from a hung one, a stranger, or a cable.
    """
    found = session.client().post("/v1/nodes/look", {"nodes": join(nodeset)})
    if session.json:
        session.print_json(found)
        return
    rows: list[tuple[table.Cell, ...]] = [
        (one["name"], _rung(one["link"]), _rung(one["ping"]), SSH[one["ssh"]], _rung(one["command"]), one["text"])
        for one in found
    ]
    head = ("node", "link", "ping", "ssh", "command", "what was seen")
    session.print("\n".join(table.lines(head, rows, session.paint())))


def _rung(value: bool | None) -> table.Cell:
    return {True: ("yes", "green"), False: ("no", "red"), None: ("-", "")}[value]
