"""``grapecli image diff`` and ``grapecli node diff``: what differs between two trees."""

from __future__ import annotations

import click

from grapecli.frame import Command, complete_nodes, pass_session
from grapecli.images import complete_images
from graped.terminal.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from grapecli.words import Json

LOOK_S = 1800.0  # graped reads both trees before it answers, from an SD card perhaps
_MARKS = {"added": ("+", "green"), "removed": ("-", "red"), "changed": ("~", "yellow"), "meta": ("m", "cyan")}


def _complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    return complete_images(ctx, param, incomplete) + complete_nodes(ctx, param, incomplete)


@click.command("diff", cls=Command)
@click.argument("one", metavar="IMAGE|NODE", shell_complete=_complete)
@click.argument("two", metavar="[IMAGE]", required=False, shell_complete=complete_images)
@pass_session
def diff(session: Session, one: str, two: str | None) -> None:
    """Show what the second image has, has not, and has changed; of one NODE: what it changed of its image.

    \b
    +  added    -  removed    ~  changed content    m  changed mode, owner or attributes
    """
    session.timeout_s = LOOK_S
    if two is None:
        show(session, session.client().get(f"/v1/nodes/{one}/diff"))
    else:
        show(session, session.client().get("/v1/images/diff", old=one, new=two))


@click.command("diff", cls=Command)
@click.argument("node", shell_complete=complete_nodes)
@pass_session
def node_diff(session: Session, node: str) -> None:
    """Show what a node has changed of its image.

    \b
    +  added    -  removed    ~  changed content    m  changed mode, owner or attributes
    """
    session.timeout_s = LOOK_S
    show(session, session.client().get(f"/v1/nodes/{node}/diff"))


def show(session: Session, changes: list[Json]) -> None:
    """Print changes, one a line."""
    if session.json:
        session.print_json(changes)
        return
    if not changes:
        session.note("Nothing differs.")
        return
    paint = session.paint()
    for change in changes:
        mark, style = _MARKS[change["kind"]]
        what = f"  ({change['what']})" if change["what"] and change["what"] != "content" else ""
        session.print(f"{paint(mark, style)} {change['path']}{paint(what, 'dim')}")
