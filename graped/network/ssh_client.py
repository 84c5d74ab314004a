"""The one way to log in on a node: pinned host key, our own key, no agent, nothing of anybody's ``~/.ssh``.

A secret (a password, a token) goes by ``stdin``: every user of a node can read command lines. For the same reason
errors name a command by a few words of the caller, or by its first word, never by the whole line.
"""

from __future__ import annotations

import contextlib
import shlex
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from graped.errors import SshError, SshFailed, SshTimeout
from graped.network.ssh_channel import CHUNK_BYTES, LOST, Output, judged, talk
from graped.network.ssh_login import Endpoint, log_in

if TYPE_CHECKING:
    import paramiko

__all__ = ["Endpoint", "Output", "Progress", "Session", "connect"]

OPEN_S: Final = 10.0  # a node that is alive opens a channel at once
LATE_S: Final = 0.1  # paramiko looks at its clock ten times a second
PUT_S: Final = 30.0
EXPECTED: Final = frozenset({0})

Progress = Callable[[int, int], None]  # bytes sent, bytes in all


def connect(endpoint: Endpoint, key: Path | None, *, timeout_s: float, password: str | None = None) -> Session:
    """Log in with ``key``, then with ``password``, whichever is given; blocks for at most about ``timeout_s``.

    Raises: Untrusted, HostKeyChanged, SshRefused, SshDenied, SshTimeout, SshFailed.
    """
    return Session(endpoint, log_in(endpoint, key, password, timeout_s))


class Session:
    """One login, a context manager. Several threads may use it at once: each command has a channel of its own."""

    def __init__(self, endpoint: Endpoint, transport: paramiko.Transport) -> None:
        self.endpoint = endpoint
        self._transport = transport

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up. What still runs over there is told by sshd that its pipes are closed."""
        with contextlib.suppress(OSError, EOFError):
            self._transport.close()

    @property
    def alive(self) -> bool:
        """Whether the connection still stands, as far as this side can tell."""
        return bool(self._transport.is_active())

    def run(
        self,
        command: str,
        *,
        stdin: bytes | str | None = None,
        timeout_s: float,
        expect: frozenset[int] = EXPECTED,
        what: str = "",
    ) -> Output:
        """Run a line of the login shell to its end; ``what`` names it in errors, default its first word.

        Raises: CommandFailed (``fields["exit_code"]``, ``["stderr"]``), CommandTimeout, SshError.
        """
        data = stdin.encode() if isinstance(stdin, str) else stdin or b""
        return self._run(command, iter((data,)), timeout_s, expect, what)

    def answers(self, timeout_s: float) -> bool:
        """Whether the other end still talks to us: a node that was switched off does not say that it went."""
        import paramiko

        try:
            self._transport.open_session(timeout=timeout_s).close()
        except (paramiko.SSHException, OSError, EOFError):
            return False
        return True

    def open(self, command: str, *, timeout_s: float = OPEN_S) -> paramiko.Channel:
        """Start a command and return its raw channel: the caller reads, writes and closes it. Raises: SshError."""
        import paramiko

        channel: paramiko.Channel | None = None
        began = time.monotonic()
        try:
            channel = self._transport.open_session(timeout=timeout_s)
            channel.settimeout(timeout_s)
            channel.exec_command(command)
            channel.settimeout(None)
        except (paramiko.SSHException, OSError, EOFError) as error:
            if channel is not None:
                channel.close()
            if self.alive and time.monotonic() - began > timeout_s - LATE_S:
                raise self._silent(timeout_s) from error
            raise self._broken(error) from error
        return channel

    def put(self, path: str, data: bytes, mode: int = 0o644) -> None:
        """Write a file over there whole or not at all; its folder must be there. Raises: CommandFailed, SshError."""
        self._put(path, iter((data,)), len(data), mode, PUT_S)

    def put_file(
        self, local: Path, path: str, progress: Progress | None = None, *, mode: int = 0o644, timeout_s: float = 600.0
    ) -> None:
        """Copy a file of ours to ``path``, whole or not at all. Raises: OSError (ours), CommandFailed, SshError."""
        size = local.stat().st_size
        self._put(path, _pieces(local, size, progress), size, mode, timeout_s)

    def _put(self, path: str, pieces: Iterator[bytes], size: int, mode: int, timeout_s: float) -> None:
        # A connection that breaks off ends the input, too: only a file of the right length gets its name.
        to, beside = shlex.quote(path), shlex.quote(f"{path}.grape-partial")
        line = (
            f"test ! -d {to} || {{ echo it is a folder >&2; exit 1; }}; "
            f"umask 077; rm -f {beside}; cat > {beside} && test $(wc -c < {beside}) -eq {size} "
            f"&& chmod {mode:o} {beside} && mv -f {beside} {to} || {{ rm -f {beside}; exit 1; }}"
        )
        self._run(f"exec sh -c {shlex.quote(line)}", pieces, timeout_s, EXPECTED, f"writing {path}")

    def _run(
        self, command: str, pieces: Iterator[bytes], timeout_s: float, expect: frozenset[int], what: str
    ) -> Output:
        import paramiko

        name = f"{self.endpoint.name}: {what or (command.split() or [''])[0]}"
        channel = self.open(command, timeout_s=min(OPEN_S, timeout_s))
        try:
            output = talk(channel, name, pieces, timeout_s)
        except (paramiko.SSHException, EOFError) as error:
            raise self._broken(error) from error
        finally:
            channel.close()
        if output.code == LOST and not self.alive:
            raise self._broken(None)
        return judged(name, output, expect)

    def _silent(self, timeout_s: float) -> SshTimeout:
        name = self.endpoint.name
        return SshTimeout(f"{name}: its SSH server did not begin a command within {timeout_s:g} s", node=name)

    def _broken(self, error: BaseException | None) -> SshError:
        name, why = self.endpoint.name, "the connection broke off"
        if error is not None and self.alive:
            why = f"a command could not be started: {error or type(error).__name__}"
        return SshFailed(f"{name}: {why}", node=name)


def _pieces(local: Path, size: int, progress: Progress | None) -> Iterator[bytes]:
    sent = 0
    with local.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk
            sent += len(chunk)
            if progress is not None:
                progress(min(sent, size), size)
