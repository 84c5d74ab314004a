"""One command over SSH: what goes in, what comes out, when it is over. A node may say anything: all is bounded."""

from __future__ import annotations

import select
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from graped.errors import CommandFailed, CommandTimeout

if TYPE_CHECKING:
    import paramiko

OUTPUT_LIMIT_BYTES: Final = 4_000_000
CHUNK_BYTES: Final = 32_768  # what one packet of SSH carries at most. Source: RFC 4253, 6.1
LOOK_S: Final = 0.05  # how often a silent channel is looked after: it does not tell when it can take more input
IDLE_S: Final = 0.2  # the same once all is said: what comes then is told at once
LEFT_BEHIND_S: Final = 1.0  # a program that ended and left others on its pipes is not waited for any longer
WINDOW_BYTES: Final = 2_097_152  # what can have come and wait to be heard: paramiko's window of a channel
STDERR_LINES: Final = 3  # how many of the last lines are told in an error
LOST: Final = -1  # paramiko's code of a command that was ended by a signal, or whose end was never told


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """What a command has said; ``code`` is -1 where a signal ended it."""

    code: int
    stdout: str
    stderr: str


def talk(channel: paramiko.Channel, name: str, pieces: Iterator[bytes], timeout_s: float) -> Output:
    """Feed a command that was started and listen until it ends. ``name`` is for errors.

    Raises CommandTimeout, CommandFailed (it says too much), OSError where the connection breaks off.
    """
    return Talk(channel, name, pieces).run(timeout_s)


def judged(name: str, output: Output, expect: frozenset[int]) -> Output:
    """Return an output that is as expected. Raises: CommandFailed with the last lines of stderr. Pure."""
    if output.code in expect:
        return output
    lines = output.stderr.strip().splitlines()[-STDERR_LINES:]
    end = "was ended by a signal" if output.code == LOST else f"ended with code {output.code}"
    said = f": {' / '.join(line.strip() for line in lines)}" if lines else ""
    raise CommandFailed(f"{name} {end}{said}", exit_code=output.code, stderr=output.stderr)


class Talk:
    """A command that was started: fed and listened to until it ends. ``run`` once; see :func:`talk`."""

    def __init__(self, channel: paramiko.Channel, name: str, pieces: Iterator[bytes]) -> None:
        self._channel = channel
        self._name = name
        self._pieces = pieces
        self._waiting: memoryview | None = memoryview(b"")  # None: all is said
        self._out, self._err = bytearray(), bytearray()

    def run(self, timeout_s: float) -> Output:
        """Feed and listen until the end."""
        channel, deadline = self._channel, time.monotonic() + timeout_s
        channel.setblocking(False)
        signs = select.poll()
        signs.register(channel.fileno(), select.POLLIN)
        ended: float | None = None
        unheard = WINDOW_BYTES // CHUNK_BYTES  # looks at what it said before its end
        while True:
            # seen before what is heard: its last words come before that
            over, has_ended = channel.eof_received or channel.closed, channel.exit_status_ready()
            self._look()
            heard, said = self._hear(), self._say()
            if over and not heard:
                break
            now = time.monotonic()
            if has_ended:
                ended = ended or now
                unheard = unheard - 1 if heard else 0
                if now >= ended + LEFT_BEHIND_S and unheard <= 0:
                    break
            if now >= deadline:
                raise self._late(timeout_s)
            if not heard and not said:
                signs.poll(1000 * min(deadline - now, LOOK_S if self._waiting is not None else IDLE_S))
        if not channel.status_event.wait(max(0.0, deadline - time.monotonic())):
            raise self._late(timeout_s)
        return Output(code=channel.exit_status, stdout=_text(self._out), stderr=_text(self._err))

    def _look(self) -> None:
        """Raise where it is to end before its time."""

    def _hear(self) -> bool:
        """Take what has come; False where nothing has."""
        heard = False
        if self._channel.recv_ready():
            self._out += self._channel.recv(CHUNK_BYTES)
            heard = True
        if self._channel.recv_stderr_ready():
            self._err += self._channel.recv_stderr(CHUNK_BYTES)
            heard = True
        if len(self._out) > OUTPUT_LIMIT_BYTES:
            raise CommandFailed(f"{self._name} wrote more than {OUTPUT_LIMIT_BYTES} bytes and was left")
        del self._err[:-OUTPUT_LIMIT_BYTES]
        return heard

    def _say(self) -> bool:
        """Give what can be taken; False where nothing was. A command that does not listen to its end is no error."""
        if self._waiting is None or self._channel.closed:
            return False
        if not self._waiting:
            piece = next(self._pieces, None)
            if piece is None:
                self._waiting = None
                self._channel.shutdown_write()
                return True
            self._waiting = memoryview(piece)
        if not self._waiting or not self._channel.send_ready():
            return not self._waiting
        try:
            sent = self._channel.send(bytes(self._waiting[:CHUNK_BYTES]))
        except OSError:  # it closed its input just now
            return False
        self._waiting = self._waiting[sent:]
        return True

    def _late(self, timeout_s: float) -> CommandTimeout:
        return CommandTimeout(f"{self._name} did not end in {timeout_s:g} s")


def _text(data: bytearray) -> str:
    return data.decode(errors="replace")
