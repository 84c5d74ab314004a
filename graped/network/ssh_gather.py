"""One command over SSH whose output is kept as far as a limit, whatever becomes of it; it is ended where it is late.

``Session.run`` is for what graped asks of nodes itself; this is for what people ask.
"""

from __future__ import annotations

import contextlib
import secrets
import shlex
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from graped.errors import Cancelled, CommandEnded, CommandFailed, CommandTimeout, GrapeError, SshFailed
from graped.network.ssh_channel import CHUNK_BYTES, LOST, Talk
from graped.network.ssh_client import OPEN_S

if TYPE_CHECKING:
    import paramiko

    from graped.network.ssh_client import Session

ANSWER_S: Final = 0.5
ENDING_S: Final = 3.0  # for what does not wait to be sent off
MARK: Final = "GRAPE_RUN"
# SSH's own request for signals does nothing where root is logged in (OpenSSH before 9.8). The shell has the mark in its
# command line, what it starts has it in its environment; who asks here has it from stdin, and in neither.
_ENDING: Final = """\
read -r mark
for signal in TERM KILL; do
    found=
    for file in $(grep -lsF "$mark" /proc/[0-9]*/cmdline /proc/[0-9]*/environ); do
        pid=${file#/proc/}
        kill -s $signal "${pid%/*}" && found=yes
    done
    [ -n "$found" ] || break
    sleep 1
done >/dev/null 2>&1 &
"""


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
    mark = f"{MARK}={secrets.token_hex(8)}"
    deadline = time.monotonic() + timeout_s
    channel = session.open(f"export {mark}; {command}", timeout_s=min(OPEN_S, timeout_s))
    heard = _Heard(channel, name, iter((stdin,)), limit_bytes, stopped)
    try:
        code: int | None = heard.run(max(0.1, round(deadline - time.monotonic(), 1))).code
        error: GrapeError | None = None
        if code == LOST:
            code, error = None, _without_code(session, name)
    except (CommandTimeout, Cancelled) as why:
        _end(session, mark)
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


def _end(session: Session, mark: str) -> None:
    """Have a command end, as far as it can be made to: closing its channel alone ends no program that is silent."""
    if session.alive and session.answers(ANSWER_S):
        with contextlib.suppress(GrapeError):
            session.run(f"exec sh -c {shlex.quote(_ENDING)}", stdin=f"{mark}\n", timeout_s=ENDING_S, what="ending it")
