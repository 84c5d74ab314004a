"""Ask the operating system of a node, over SSH, to stop or to start again. It is asked, never forced."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Final

from graped.errors import CommandFailed, CommandTimeout, GrapeError, SshFailed
from graped.network.ssh_channel import LOST
from graped.network.ssh_client import Endpoint, connect

LOGIN_S: Final = 5.0
ASK_S: Final = 5.0
SIGNALLED: Final = 128  # a shell's code of a command that a signal ended is that much more than the signal


class Wish(StrEnum):
    """What is asked; the words are those of systemctl."""

    POWEROFF = "poweroff"
    REBOOT = "reboot"


# It is done by pid 1: the login may end, or be ended, before the answer. Who is not root asks by sudo, without a
# password; a system without systemd has a command of that name for it.
_SCRIPT: Final = """\
PATH=$PATH:/usr/sbin:/sbin
become=
[ "$(id -u)" = 0 ] || become="sudo -n"
if command -v systemctl >/dev/null; then exec $become systemctl --no-block --no-wall WISH; fi
exec $become WISH
"""


def ask_system(at: Endpoint, key: Path, wish: Wish, *, login_s: float = LOGIN_S) -> None:
    """Log in and ask; blocks for at most about ``login_s`` and ``ASK_S``.

    A login that breaks off, or says nothing any more, once the command was sent: it is under way, and that is no error.
    Raises: SshError (nobody could log in), CommandFailed (the system refuses).
    """
    if not at.address:
        raise SshFailed(f"{at.name}: it has no address", node=at.name)
    with connect(at, key, timeout_s=login_s) as session:
        channel = f"sh -c '{_SCRIPT.replace('WISH', wish.value)}'"
        try:
            session.run(channel, timeout_s=ASK_S, what=wish.value)
        except (CommandTimeout, SshFailed):
            return
        except CommandFailed as error:
            code = error.fields.get("exit_code")
            if code != LOST and not (isinstance(code, int) and code > SIGNALLED):
                raise


def words(error: GrapeError, name: str) -> str:
    """Say an error of a node where its name stands already."""
    return error.detail.removeprefix(f"{name}: ")
