"""``grapecli image workspace``: trees of ``image shell`` whose end nobody has seen."""

from __future__ import annotations

import click

from grapecli import working
from grapecli.frame import Group, pass_session
from graped.terminal import asking, table
from graped.terminal.session import REMOVE_S, Session

_id = click.argument("number", metavar="ID")


@click.group(cls=Group)
def workspace() -> None:
    """List, keep and drop what a shell in an image left behind when its terminal was lost."""


@workspace.command("list")
@pass_session
def list_workspaces(session: Session) -> None:
    """List workspaces, the newest last."""
    found = session.client().get("/v1/workspaces")
    if session.json:
        session.print_json(found)
    elif not found:
        session.note("There is no workspace.")
    else:
        rows: list[tuple[table.Cell, ...]] = [(one["id"], one["image"], one["path"]) for one in found]
        session.print("\n".join(table.lines(("workspace", "image", "path"), rows, session.paint())))


@workspace.command("commit")
@click.option("--name", metavar="NAME", help="Name of the new version (default: that of the image).")
@working.options
@_id
@pass_session
def commit(session: Session, number: str, name: str | None, wait: bool, timeout: float | None) -> int:
    """Make an image version of a workspace."""
    job = session.client().post(f"/v1/workspaces/{number}/commit", {"name": name})
    return working.finish(session, job, wait=wait, timeout=timeout)


@workspace.command("drop")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@_id
@pass_session
def drop(session: Session, number: str, yes: bool) -> None:
    """Throw a workspace away."""
    asking.confirm(session, f"What was done in workspace {number} will be lost", [], "Drop it?", yes=yes)
    session.timeout_s = REMOVE_S
    gone = session.client().delete(f"/v1/workspaces/{number}")
    if session.json:
        session.print_json(gone)
    else:
        session.print(f"dropped {gone['id']} of {gone['image']}")
