"""``grapecli image shell``: a shell in a writable copy of an image, kept as a new version if wanted."""

from __future__ import annotations

import os
import signal
import subprocess
import termios

import click

from grapecli import exits, working
from grapecli.frame import Command, pass_session
from grapecli.images import complete_images
from graped.terminal import asking
from graped.terminal.failure import Refused
from graped.terminal.session import Session

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
    client.get("/v1/version")  # who is not there is told as such
    _check_daemon(client.socket_path)
    workspace = client.post(f"/v1/images/{ref}/workspace")
    dropped = False
    try:
        session.note(f"{workspace['image']} in {workspace['path']}; leave the shell with exit or Ctrl-D.")
        code = at_terminal(workspace["shell"])
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


def at_terminal(argv: list[str]) -> int:
    """Run a shell at our terminal, and have the terminal back after it. Returns its exit code.

    The shell makes itself the terminal's foreground; in namespaces of its own it cannot give that back to us, and
    our next read would fail (EIO). Ctrl-C is for the shell.
    """
    fd = 0  # stdin: the shell has it too
    saved = termios.tcgetattr(fd) if os.isatty(fd) else None
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        return subprocess.run(argv, check=False).returncode
    finally:
        if saved is not None:
            quiet = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
            os.tcsetpgrp(fd, os.getpgrp())
            termios.tcsetattr(fd, termios.TCSADRAIN, saved)
            signal.signal(signal.SIGTTOU, quiet)
        signal.signal(signal.SIGINT, before)


def _check_daemon(path: str) -> None:
    """See to it that only our own or root's daemon can tell root what to run. Raises: Refused."""
    if os.stat(path).st_uid not in (0, os.getuid()):
        raise Refused(
            f"{path} is not root's: what it tells is not run as root.", hint="Is GRAPE_SOCKET as it should be?"
        )
