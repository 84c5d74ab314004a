"""``grapecli image shell``: a shell in a writable copy of an image, kept as a new version if wanted."""

from __future__ import annotations

import os
import shutil
import subprocess

import click

from grapecli import asking, exits, working
from grapecli.failure import Refused
from grapecli.frame import Command, pass_session
from grapecli.images import complete_images
from grapecli.session import Session

OPEN_S = 1800.0  # a copy where the file system can do nothing better


@click.command("shell", cls=Command)
@click.option("--name", metavar="NAME", help="Name of the new version (default: that of the image).")
@click.option("--keep/--drop", default=None, help="Keep what you did, or not; without: you are asked at the end.")
@working.options
@click.argument("ref", metavar="IMAGE", shell_complete=complete_images)
@pass_session
def shell(
    session: Session, ref: str, name: str | None, keep: bool | None, wait: bool, timeout: float | None
) -> int:  # fmt: skip
    """Open a shell as root inside an image, on the master; at its end keep the changes as a new version, or not."""
    if os.geteuid() != 0:
        raise Refused("A shell in an image needs root.", hint="Run it with sudo.")
    if keep is None and not session.terminal:
        raise Refused("There is no terminal to ask at.", hint="Add --keep or --drop.")
    session.timeout_s = OPEN_S
    client = session.client()
    workspace = client.post(f"/v1/images/{ref}/workspace")
    dropped = False
    try:
        session.note(f"{workspace['image']} in {workspace['path']}; leave the shell with exit or Ctrl-D.")
        code = subprocess.run(enter(workspace["path"]), check=False).returncode
        if code != 0:
            session.note(f"The shell ended with code {code}.")
        if keep is None:
            keep = asking.ask(f"Keep this as a new version of {name or workspace['image'].split('@')[0]}?")
        dropped = not keep
    except BaseException:
        dropped = True
        raise
    finally:
        if dropped:
            client.delete(f"/v1/workspaces/{workspace['id']}")
    if dropped:
        session.note("Nothing was kept.")
        return exits.OK
    job = client.post(f"/v1/workspaces/{workspace['id']}/commit", {"name": name})
    return working.finish(session, job, wait=wait, timeout=timeout)


def enter(path: str) -> tuple[str, ...]:
    """The command that opens a shell in a tree: a container where systemd-nspawn is, else a plain chroot."""
    if shutil.which("systemd-nspawn") is None:
        return ("chroot", path, "/bin/sh", "-l")
    alone = ("--register=no", "--keep-unit", "--as-pid2")
    return ("systemd-nspawn", "--quiet", *alone, f"--directory={path}", "/bin/sh", "-l")
