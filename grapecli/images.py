"""``grapecli image``: the images that nodes boot, and their versions."""

from __future__ import annotations

import click

from grapecli import times
from grapecli.fold import fold
from grapecli.frame import Group, pass_session
from grapecli.working import amount
from graped.terminal import asking, table
from graped.terminal.nodesets import COMPLETION_S
from graped.terminal.session import REMOVE_S, Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from grapecli.words import Json

LATE = {
    "import": ("grapecli.image_import:import_image", "Import a disk image, a tar or a folder."),
    "build": ("grapecli.image_build:build", "Build an image out of Debian's packages, and import it."),
    "verify": ("grapecli.image_work:verify", "Compare a version with its digest."),
    "diff": ("grapecli.changes:diff", "Show what differs: two versions, or a node and its image."),
    "prepare": ("grapecli.image_work:prepare", "Make a version that is ready for netbooting."),
    "exec": ("grapecli.image_work:execute", "Make a version by running a command in one."),
    "shell": ("grapecli.image_shell:shell", "Make a version by hand, in a shell in one."),
    "rollout": ("grapecli.rollout:rollout", "Move nodes to an image, wave after wave."),
    "rollouts": ("grapecli.rollout:rollouts", "List rollouts and reboots, and what became of their nodes."),
    "workspace": ("grapecli.workspaces:workspace", "List shells' trees that were left behind; keep or drop them."),
    "commit": ("grapecli.image_work:commit", "Make a version of what a node has now."),
}


@click.group(cls=Group, late=LATE)
def image() -> None:
    """Import, change and remove the images that nodes boot.

    \b
    IMAGE is a name, for its newest version, or one version:
      bookworm, bookworm@3f9c2a
    Versions never change: whatever changes an image makes a new one.
    """


def complete_images(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Complete an image: names first, versions once there is an ``@``; silent without a daemon."""
    from graped.errors import GrapeError

    session = ctx.ensure_object(Session)
    session.timeout_s = COMPLETION_S
    try:
        found = session.client().get("/v1/images")
    except (GrapeError, OSError, ValueError):
        return []
    words = [one["ref"] for one in found] if "@" in incomplete else sorted({one["name"] for one in found})
    return [word for word in words if word.startswith(incomplete)]


@image.command("list")
@pass_session
def list_images(session: Session) -> None:
    """List all versions, the newest of each name last."""
    images = session.client().get("/v1/images")
    if session.json:
        session.print_json(images)
        return
    if not images:
        session.note("There is no image. Import one: grapecli image import FILE")
        return
    rows: list[tuple[table.Cell, ...]] = []
    for one in images:
        ready = ("yes", "green") if one["prepared"] else ("no", "yellow")
        size = amount(one["size_bytes"], None, "bytes")
        rows.append((one["ref"], times.clock(one["created"]), size, one["arch"] or "?", ready, fold(one["nodes"])))
    header = ("image", "made", "size", "arch", "prepared", "nodes")
    session.print("\n".join(table.lines(header, rows, session.paint(), right="..r")))


@image.command("show")
@click.argument("ref", metavar="IMAGE", shell_complete=complete_images)
@pass_session
def show_image(session: Session, ref: str) -> None:
    """Show all that is known of one version."""
    one = session.client().get(f"/v1/images/{ref}")
    if session.json:
        session.print_json(one)
        return
    pairs = _pairs(one)
    width = max(len(key) for key, _text in pairs)
    session.print("\n".join(f"{key.ljust(width)}  {text}" for key, text in pairs))


def _pairs(one: Json) -> list[tuple[str, str]]:
    pairs = [
        ("image", one["ref"]),
        ("made", times.clock(one["created"])),
        ("from", one["source"] or "-"),
        ("parent", one["parent"] or "-"),
        ("arch", one["arch"] or "unknown"),
        ("size", f"{amount(one['size_bytes'], None, 'bytes')}, {one['files']} files"),
        ("boot files", one["boot"] or "none: a Pi cannot boot it by itself"),
        ("prepared", "yes" if one["prepared"] else f"no: grapecli image prepare {one['ref']}"),
        ("nodes", fold(one["nodes"]) or "none"),
        ("digest", one["digest"]),
    ]
    return [*pairs, ("note", one["note"])] if one["note"] else pairs


@image.command("rm")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.argument("refs", metavar="IMAGE...", nargs=-1, required=True, shell_complete=complete_images)
@pass_session
def remove(session: Session, refs: tuple[str, ...], yes: bool) -> None:
    """Remove versions. One that a node's root is built on is kept, and said so."""
    session.timeout_s = REMOVE_S
    client = session.client()
    found = {one["ref"]: one for one in (client.get(f"/v1/images/{ref}") for ref in refs)}
    lines = [f"{ref}  {amount(one['size_bytes'], None, 'bytes')}, from {one['source']}" for ref, one in found.items()]
    what = f"{len(found)} image version{'s' * (len(found) != 1)} will be removed: {', '.join(found)}"
    asking.confirm(session, what, lines, "Remove?", yes=yes)
    gone = []
    for ref in found:
        gone.append(client.delete(f"/v1/images/{ref}"))
        if not session.json:
            session.print(f"removed {ref}")
    if session.json:
        session.print_json(gone)
