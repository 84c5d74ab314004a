"""``grapecli ssh``: a shell on a node, by the system's ssh with graped's known_hosts."""

from __future__ import annotations

import os
import shutil
import sys

import click

from grapecli.frame import Command, complete_nodes, pass_session
from graped.errors import GrapeError
from graped.terminal.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from grapecli.words import Json

LOOK_S = 15.0
SSH_PORT = 22


class NoSsh(GrapeError):
    """ssh cannot be started."""

    code = "no_ssh"
    title = "There is no ssh to run"


@click.command("ssh", cls=Command, context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option("--user", metavar="USER", help="Log in as this user (default: ssh.user of the configuration).")
@click.argument("node", shell_complete=complete_nodes)
@click.argument("argv", metavar="[-- COMMAND...]", nargs=-1, type=click.UNPROCESSED)
@pass_session
def ssh(session: Session, node: str, argv: tuple[str, ...], user: str | None) -> int:
    """Open a shell on a node, or run a command there, by the system's ssh: your own key, your agent, your terminal.

    The node has to prove the host key that graped has pinned. Your key is let in if it is in ssh.authorized_keys of
    the configuration (nodes with roots of ours), or was put there by you. Exit code: that of ssh.

    \b
      grapecli ssh worker-0-3
      grapecli ssh worker-0-3 -- journalctl -b -p err
    """
    words = argv[1:] if argv[:1] == ("--",) else argv
    session.timeout_s = LOOK_S
    at = session.client().get(f"/v1/nodes/{node}/ssh", prove=True)
    program = shutil.which("ssh")
    if program is None:
        raise NoSsh("ssh is not installed", hint="sudo apt install openssh-client")
    sys.stdout.flush()
    os.execv(program, command(at, user, words))  # noqa: S606 - the terminal is its own now


def command(at: Json, user: str | None, words: tuple[str, ...]) -> list[str]:
    """Write the command line of ssh. Pure."""
    port = at["port"]
    # What stands in known_hosts; ssh puts no port behind an alias. Source: ssh_config(5), HostKeyAlias
    alias = at["name"] if port == SSH_PORT else f"[{at['name']}]:{port}"
    options = (
        f"UserKnownHostsFile={at['known_hosts']}", "GlobalKnownHostsFile=none", f"HostKeyAlias={alias}",
        "StrictHostKeyChecking=yes", "UpdateHostKeys=no", "CheckHostIP=no",
    )  # fmt: skip
    argv = ["ssh", "-p", str(port), "-l", user or at["user"]]
    for option in options:
        argv += ["-o", option]
    return [*argv, "--", at["address"], *words]
