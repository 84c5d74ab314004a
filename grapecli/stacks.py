"""``grapecli stack``: the boards."""

from __future__ import annotations

import click

from grapecli import status, words
from grapecli.frame import Group, pass_session
from graped.terminal import table
from graped.terminal.session import Session


@click.group(cls=Group)
def stack() -> None:
    """List and show stacks."""


@stack.command("list")
@pass_session
def list_stacks(session: Session) -> None:
    """List stacks, their places and how well they answer."""
    answer = session.client().get("/v1/status")
    if session.json:
        session.print_json(answer["stacks"])
        return
    rows: list[tuple[table.Cell, ...]] = []
    for one in answer["stacks"]:
        nodes = [node for node in answer["nodes"] if node["stack"] == one["id"]]
        on = sum(1 for node in nodes if node["power"]["observed"] == "on")
        state = (one["state"], status.STATE_STYLE[one["state"]])
        fault = words.fault(one["fault"], answer["time"]) if one["fault"] else ""
        place = words.place(one)
        fresh = words.freshness(one, answer["time"])[0]
        rows.append((str(one["id"]), state, one["driver"], place, f"{on} of {len(nodes)}", fresh, (fault, "red")))
    header = ("stack", "state", "driver", "place", "on", "fresh", "fault")
    session.print("\n".join(table.lines(header, rows, session.paint(), right="r")))


@stack.command("show")
@click.argument("number", metavar="N", type=click.IntRange(0))
@pass_session
def show_stack(session: Session, number: int) -> None:
    """Show one stack with its slots, as grapecli status does."""
    client = session.client()
    one = client.get(f"/v1/stacks/{number}")
    if session.json:
        session.print_json(one)
        return
    answer = client.get("/v1/status")
    nodes = [node for node in answer["nodes"] if node["stack"] == number]
    session.print("\n".join(status.stack_page(one, nodes, answer["time"], session.paint())))
