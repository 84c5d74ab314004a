"""What takes long and makes or judges a version: ``image verify|prepare|exec|commit``."""

from __future__ import annotations

import click

from grapecli import working
from grapecli.frame import Command, complete_nodes, pass_session
from grapecli.images import complete_images
from graped.terminal.session import Session

_ref = click.argument("ref", metavar="IMAGE", shell_complete=complete_images)
_quiet = click.option("--quiet", "-q", is_flag=True, help="Do not show what runs inside writes; only what is made.")


@click.command("verify", cls=Command)
@working.options
@_ref
@pass_session
def verify(session: Session, ref: str, wait: bool, timeout: float | None) -> int:
    """Read a version and compare it with its digest: has anybody or the disk changed it?"""
    job = session.client().post(f"/v1/images/{ref}/verify")
    return working.finish(session, job, wait=wait, timeout=timeout)


@click.command("prepare", cls=Command)
@_quiet
@working.options
@_ref
@pass_session
def prepare(session: Session, ref: str, quiet: bool, wait: bool, timeout: float | None) -> int:
    """Make a version that is ready for netbooting: SSH on, no SD card in fstab, what netboot.prepare says."""
    job = session.client().post(f"/v1/images/{ref}/prepare")
    return working.finish(session, job, wait=wait, timeout=timeout, hear=not quiet)


@click.command("exec", cls=Command, context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option("--name", metavar="NAME", help="Name of the new version (default: that of the image).")
@_quiet
@working.options
@_ref
@click.argument("argv", metavar="COMMAND...", nargs=-1, required=True, type=click.UNPROCESSED)
@pass_session
def execute(
    session: Session,
    ref: str,
    argv: tuple[str, ...],
    name: str | None,
    quiet: bool,
    wait: bool,
    timeout: float | None,
) -> int:
    """Run a command as root inside an image; what it leaves is a new version. Nothing is made if it fails.

    What the command writes is shown as it comes; the last line on stdout is the version that was made.

    \b
      grapecli image exec bookworm -- apt-get install -y vim
      grapecli image exec --name worker bookworm -- sh -c 'apt-get update && apt-get -y upgrade'
    """
    words = argv[1:] if argv[0] == "--" else argv
    if not words:
        raise click.UsageError("COMMAND is missing.")
    job = session.client().post(f"/v1/images/{ref}/exec", {"argv": list(words), "name": name})
    return working.finish(session, job, wait=wait, timeout=timeout, hear=not quiet)


@click.command("commit", cls=Command)
@click.option("--name", metavar="NAME", required=True, help="Name of the image that is made.")
@working.options
@click.argument("node", shell_complete=complete_nodes)
@pass_session
def commit(session: Session, node: str, name: str, wait: bool, timeout: float | None) -> int:
    """Make an image version of what a node has now: its image and all its changes. The node has to be off."""
    job = session.client().post(f"/v1/nodes/{node}/commit", {"name": name})
    return working.finish(session, job, wait=wait, timeout=timeout)
