"""The one way to run another program: no shell, no stdin, a deadline, bounded output.

A secret never belongs into ``argv`` (every user of the machine can read it): put it into ``env`` or into the
program's own configuration file. For the same reason errors name the program, not its arguments.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import IO, Protocol

from graped.errors import CommandFailed, CommandTimeout

OUTPUT_LIMIT_BYTES = 1_000_000  # ten times the export table of 96 nodes with four folders each
LINE_LIMIT_BYTES = 10_000  # a line is told in pieces of this length
STDERR_LINES = 3  # how many of the last lines are told in an error
KEPT_NAMES = ("PATH", "HOME")  # all that a tool inherits: where programs are, and its own configuration
LOOK_S = 0.1  # how often a silent program is looked after


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """What a program that ended as expected has said."""

    code: int
    stdout: str


class Runner(Protocol):
    """Run a program and wait for its end; see :class:`SubprocessRunner`."""

    def run(
        self,
        argv: tuple[str, ...],
        *,
        timeout_s: float,
        expect: frozenset[int] = frozenset({0}),
        env: Mapping[str, str] | None = None,
    ) -> Output: ...


class LineRunner(Protocol):
    """A Runner whose programs can be listened to while they run; see :class:`SubprocessRunner`."""

    def run(
        self,
        argv: tuple[str, ...],
        *,
        timeout_s: float,
        expect: frozenset[int] = frozenset({0}),
        env: Mapping[str, str] | None = None,
        on_line: Callable[[str], None] | None = None,
        stdout: int | None = None,
    ) -> Output: ...


@dataclass(slots=True)
class _Heard:
    """What was read so far: the start of stdout, the end of stderr. ``on_line`` is told each line of both."""

    on_line: Callable[[str], None] | None = None
    stdout: bytearray = field(default_factory=bytearray)
    stderr: bytearray = field(default_factory=bytearray)
    begun: dict[int, bytes] = field(default_factory=dict)  # of each pipe, the line that has not ended yet

    def tell(self, pipe: int, chunk: bytes) -> None:
        """Tell the lines that are whole now; at the end (an empty chunk) also what is left."""
        if self.on_line is None:
            return
        *lines, rest = (self.begun.get(pipe, b"") + chunk).replace(b"\r", b"\n").split(b"\n")
        if len(rest) > LINE_LIMIT_BYTES or not chunk:
            lines, rest = [*lines, rest], b""
        self.begun[pipe] = rest
        for line in filter(None, lines):
            self.on_line(line.decode(errors="replace"))


class SubprocessRunner:
    """Run programs on this machine."""

    def __init__(
        self,
        *,
        base_env: Mapping[str, str] | None = None,
        output_limit_bytes: int = OUTPUT_LIMIT_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        inherited = {name: os.environ[name] for name in KEPT_NAMES if name in os.environ}
        self._base_env = inherited if base_env is None else dict(base_env)
        self._limit = output_limit_bytes
        self._clock = clock

    def run(
        self,
        argv: tuple[str, ...],
        *,
        timeout_s: float,
        expect: frozenset[int] = frozenset({0}),
        env: Mapping[str, str] | None = None,
        on_line: Callable[[str], None] | None = None,
        stdout: int | None = None,
    ) -> Output:
        """Run ``argv`` to its end and return what it wrote to stdout; ``on_line`` hears each line as it comes.

        ``stdout``: a descriptor that gets the program's stdout instead, however long it is.
        Raises CommandFailed where it cannot be started, says too much, or exits with an unexpected code, and
        CommandTimeout where it does not end in ``timeout_s``. Whatever it started is stopped with it.
        """
        child = self._start(argv, env, subprocess.PIPE if stdout is None else stdout)
        heard = _Heard(on_line=on_line)
        try:
            self._listen(child, argv[0], heard, self._clock() + timeout_s, timeout_s)
        finally:
            _stop(child)
        return _judge(argv[0], child.returncode, expect, heard)

    def _start(self, argv: tuple[str, ...], env: Mapping[str, str] | None, stdout: int) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=subprocess.PIPE,
                env={**self._base_env, "LC_ALL": "C", **(env or {})},
                start_new_session=True,  # so that what it starts can be stopped with it
            )
        except FileNotFoundError:
            raise CommandFailed(
                f"cannot run {argv[0]}: no such program", hint="Install it, or give its full path."
            ) from None
        except OSError as error:
            raise CommandFailed(f"cannot run {argv[0]}: {error.strerror}") from error

    def _listen(
        self, child: subprocess.Popen[bytes], name: str, heard: _Heard, deadline: float, timeout_s: float
    ) -> None:
        """Read both pipes until they are closed and the program ended, or something is wrong."""
        with selectors.DefaultSelector() as selector:
            for pipe, sink in ((child.stdout, heard.stdout), (child.stderr, heard.stderr)):
                if pipe is not None:
                    selector.register(pipe, selectors.EVENT_READ, (sink, heard))
            while selector.get_map():
                left_s = deadline - self._clock()
                if left_s <= 0:
                    raise _too_late(name, timeout_s)
                ended = child.poll() is not None  # asked first: what it said before its end is in the pipes by now
                if not _read_once(selector, min(left_s, LOOK_S)) and ended:
                    break  # something that it left behind holds a pipe open
                if len(heard.stdout) > self._limit:
                    raise CommandFailed(f"{name} wrote more than {self._limit} bytes and was stopped")
                del heard.stderr[: -self._limit]
        try:
            child.wait(max(0.0, deadline - self._clock()))
        except subprocess.TimeoutExpired:
            raise _too_late(name, timeout_s) from None


def _read_once(selector: selectors.BaseSelector, wait_s: float) -> bool:
    """Take what there is to read; False where there was nothing."""
    ready = selector.select(wait_s)
    for key, _ in ready:
        pipe: IO[bytes] = key.fileobj  # type: ignore[assignment]
        chunk = os.read(pipe.fileno(), 4096)
        sink, heard = key.data
        sink.extend(chunk)
        heard.tell(pipe.fileno(), chunk)
        if not chunk:
            selector.unregister(pipe)
    return bool(ready)


def _too_late(name: str, timeout_s: float) -> CommandTimeout:
    return CommandTimeout(f"{name} did not end in {timeout_s:g} s", hint="Try it by hand, or give it more time.")


def _stop(child: subprocess.Popen[bytes]) -> None:
    """End the program with everything it started, and close its pipes."""
    try:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        child.kill()
    child.wait()
    for pipe in (child.stdout, child.stderr):
        if pipe is not None:
            pipe.close()


def _judge(name: str, code: int, expect: frozenset[int], heard: _Heard) -> Output:
    if code in expect:
        return Output(code=code, stdout=heard.stdout.decode(errors="replace"))
    lines = heard.stderr.decode(errors="replace").strip().splitlines()[-STDERR_LINES:]
    end = f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"
    said = f": {' / '.join(line.strip() for line in lines)}" if lines else ""
    raise CommandFailed(f"{name} {end}{said}", exit_code=code)
