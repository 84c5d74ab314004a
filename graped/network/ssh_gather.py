"""One command over SSH whose output is kept as far as a limit, whatever becomes of it; it is ended where it is late.

``Session.run`` is for what graped asks of nodes itself; this is for what people ask.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from graped.errors import Cancelled, CommandEnded, CommandFailed, CommandTimeout, GrapeError, SshFailed
from graped.network.ssh_channel import CHUNK_BYTES, LOST, Talk

if TYPE_CHECKING:
    import paramiko

    from graped.network.ssh_client import Session

END_S: Final = 1.0  # between asking a command to end and ending it
_SIGNAL: Final = "signal"  # Source: RFC 4254, 6.9; OpenSSH takes it since 7.9 and passes it to the process group


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """What a command has said, as far as it is kept. ``code`` None: ``error`` says why there is none."""

    code: int | None
    stdout: str
    stderr: str
    stdout_cut: bool = False
    stderr_cut: bool = False
    error: GrapeError | None = None


def gather(
    session: Session,
    command: str,
    *,
    stdin: bytes,
    timeout_s: float,
    limit_bytes: int,
    stopped: Callable[[], bool] = lambda: False,
) -> Gathered:
    """Run a line of the login shell; keep so much of each of its outputs, and let the rest go by.

    A command that is late, or that ``stopped`` says should end, gets SIGTERM and then SIGKILL. Raises: SshFailed where
    it could not be started.
    """
    import paramiko

    name = session.endpoint.name
    channel = session.open(command)
    heard = _Heard(channel, name, iter((stdin,)), limit_bytes, stopped)
    try:
        code: int | None = heard.run(timeout_s).code
        error: GrapeError | None = None
        if code == LOST:
            code, error = None, _without_code(session, name)
    except (CommandTimeout, Cancelled) as why:
        _end(channel)
        code, error = None, why
    except (paramiko.SSHException, OSError, EOFError):
        code, error = None, SshFailed(f"{name}: the connection broke off", node=name)
    finally:
        channel.close()
    return heard.told(code, error)


class _Heard(Talk):
    """Keeps the beginning of what is said."""

    def __init__(
        self,
        channel: paramiko.Channel,
        name: str,
        pieces: Iterator[bytes],
        limit_bytes: int,
        stopped: Callable[[], bool],
    ) -> None:
        super().__init__(channel, name, pieces)
        self._limit_bytes = limit_bytes
        self._stopped = stopped
        self._out_cut = self._err_cut = False

    def told(self, code: int | None, error: GrapeError | None) -> Gathered:
        """Say what was kept."""
        return Gathered(
            code=code, stdout=self._out.decode(errors="replace"), stderr=self._err.decode(errors="replace"),
            stdout_cut=self._out_cut, stderr_cut=self._err_cut, error=error,
        )  # fmt: skip

    def _look(self) -> None:
        if self._stopped():
            raise Cancelled("it was ended: its job was cancelled")

    def _hear(self) -> bool:
        heard = False
        if self._channel.recv_ready():
            self._out_cut |= self._keep(self._out, self._channel.recv(CHUNK_BYTES))
            heard = True
        if self._channel.recv_stderr_ready():
            self._err_cut |= self._keep(self._err, self._channel.recv_stderr(CHUNK_BYTES))
            heard = True
        return heard

    def _keep(self, kept: bytearray, data: bytes) -> bool:
        """Keep what there is room for; return whether something was let go."""
        room = self._limit_bytes - len(kept)
        kept += data[:room]
        return len(data) > room

    def _late(self, timeout_s: float) -> CommandTimeout:
        return CommandEnded(f"it did not end in {timeout_s:g} s, and was ended")


def _without_code(session: Session, name: str) -> GrapeError:
    if session.alive:
        return CommandFailed("it was ended by a signal")
    return SshFailed(f"{name}: the connection broke off", node=name)


def _end(channel: paramiko.Channel) -> None:
    """Have a command end, as far as it can be made to: closing its channel alone ends no program that is silent."""
    with contextlib.suppress(Exception):
        _send_signal(channel, "TERM")
        if not channel.status_event.wait(END_S):
            _send_signal(channel, "KILL")


def _send_signal(channel: paramiko.Channel, name: str) -> None:
    """Send a request that paramiko has no method for."""
    import paramiko
    from paramiko.common import cMSG_CHANNEL_REQUEST

    message = paramiko.Message()
    message.add_byte(cMSG_CHANNEL_REQUEST)
    message.add_int(channel.remote_chanid)
    message.add_string(_SIGNAL)
    message.add_boolean(False)  # no answer is wanted
    message.add_string(name)
    transport: Any = channel.transport
    transport._send_user_message(message)
