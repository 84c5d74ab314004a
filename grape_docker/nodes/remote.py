"""A node that we are logged in on: scripts run as root, and its Docker."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from grape_docker.nodes.trouble import of_ssh
from graped.errors import CommandFailed, GrapeError
from graped.network.ssh_client import Endpoint, Output, connect

if TYPE_CHECKING:
    import paramiko

CONNECT_S: Final = 15.0  # a Pi that is still booting takes seconds for the key exchange
SCRIPT_S: Final = 30.0


class Session(Protocol):
    """What this room needs of a login (``graped.network.ssh_client.Session``)."""

    def run(
        self,
        command: str,
        *,
        stdin: bytes | str | None = None,
        timeout_s: float,
        expect: frozenset[int] = frozenset({0}),
        what: str = "",
    ) -> Output: ...
    def open(self, command: str) -> paramiko.Channel: ...
    def put_file(self, local: Path, path: str) -> None: ...


Connect = Callable[[Endpoint, Path], contextlib.AbstractContextManager[Session]]


def log_in(endpoint: Endpoint, key: Path) -> contextlib.AbstractContextManager[Session]:
    """Log in for real. Raises: SshError."""
    return connect(endpoint, key, timeout_s=CONNECT_S)


class Remote:
    """A login on a node, and how to be root there: as root, or by sudo without a password."""

    def __init__(self, endpoint: Endpoint, session: Session) -> None:
        self.name = endpoint.name
        self.address = endpoint.address
        self.session = session
        self._root = "" if endpoint.user == "root" else "sudo -n "

    def script(
        self,
        text: str,
        *words: str,
        what: str,
        timeout_s: float = SCRIPT_S,
        expect: frozenset[int] = frozenset({0}),
    ) -> Output:
        """Run a shell script with ``words`` as $1, $2, ... in one round trip; it goes by stdin, no argv holds it.

        Raises: CommandFailed, CommandTimeout, SshError.
        """
        line = f"{self._root}env LC_ALL=C sh -s -- {shlex.join(words)}".rstrip()
        # A script is read as it runs: in a function, nothing that it starts can eat the rest of it.
        body = f'main() {{\n{text}\n}}\nmain "$@" </dev/null\n'
        return self.session.run(line, stdin=body, timeout_s=timeout_s, expect=expect, what=what)

    def dial(self) -> paramiko.Channel:
        """Give a raw connection to the node's Docker. Raises: SshError."""
        return self.session.open(f"{self._root}docker system dial-stdio")


@contextlib.contextmanager
def opened(endpoint: Endpoint, key: Path, log_in: Connect = log_in) -> Iterator[Remote]:
    """Log in for the time of a ``with``; what SSH has to say comes out as NodeTrouble."""
    try:
        with log_in(endpoint, key) as session:
            yield Remote(endpoint, session)
    except GrapeError as error:
        raise of_ssh(error, endpoint.name) from error


def said(error: CommandFailed) -> str:
    """Give the last line that a failed command wrote, for a sentence; its detail where it wrote none. Pure."""
    lines = [line.strip() for line in str(error.fields.get("stderr", "")).splitlines() if line.strip()]
    return lines[-1] if lines else error.detail


def script_of(name: str) -> str:
    """Give the text of a script beside this module."""
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
