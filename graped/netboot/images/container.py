"""Start a command inside a root, hear it line by line, and end it with everything that it has started."""

from __future__ import annotations

import os
import re
import selectors
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Final

from graped.errors import BadImage, CommandFailed
from graped.netboot.images.emulate import emulation_of
from graped.netboot.images.transient import unit_argv
from graped.work import Work

LAST_LINES: Final = 5  # told in the error
LINE_BYTES: Final = 8192  # what is longer is told in pieces
LOOK_S: Final = 0.1  # how soon a cancel is seen
END_S: Final = 10.0  # for the kernel to end what is inside
# ECMA-48: control sequences and operating system commands; then what is left of the control characters but the tab
_ESCAPES: Final = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

OnLine = Callable[[str], None]


def enter_argv(
    root: Path,
    command: Iterable[str],
    *,
    network: bool = False,
    binds: Iterable[tuple[Path, str]] = (),
    lock: Path | None = None,
    lifeline: bool = False,
) -> tuple[str, ...]:
    """The command line that runs ``command`` in ``root``; root on this machine must run it.

    ``binds`` are files that are shown read-only below ``/run/grape``. ``lifeline``: it ends when its stdin is closed.
    """
    words = [sys.executable, "-P", "-m", "graped.netboot.images.enter", f"--root={root}"]
    words += ["--lifeline"] if lifeline else []
    words += ["--network"] if network else []
    words += [f"--bind={source}:{name}" for source, name in binds]
    words += [f"--lock={lock}"] if lock else []
    return (*words, "--", *command)


def run_inside(
    root: Path,
    command: tuple[str, ...],
    work: Work,
    on_line: OnLine = lambda _: None,
    *,
    arch: str = "",
    network: bool = False,
    binds: Iterable[tuple[Path, str]] = (),
    in_unit: bool = False,
) -> None:
    """Run a command in ``root`` to its end; when this returns or raises, nothing of it runs any more.

    ``arch`` is the root's; a foreign one is emulated where that is possible. Progress: lines of the phase "run".
    ``in_unit``: systemd starts it, outside of graped's sandbox.
    Raises: CommandFailed (with the last lines), BadImage where it cannot run here, Cancelled.
    """
    if not command:
        raise BadImage("no command was given")
    emulation = emulation_of(root, arch, command)
    if emulation.note:
        on_line(emulation.note)
    work.phase("run", unit="lines")
    argv = enter_argv(root, emulation.command, network=network, binds=[*binds, *emulation.binds], lifeline=True)
    last: deque[str] = deque(maxlen=LAST_LINES)

    def heard(line: str) -> None:
        last.append(line)
        on_line(line)
        work.advance(1)

    code = _run(unit_argv(argv) if in_unit else argv, work, heard)
    if code != 0:
        said = " / ".join(line.strip() for line in last if line.strip())
        raise CommandFailed(
            f"{command[0]} in the image ended with code {code}" + (f": {said}" if said else ""), exit_code=code
        )


def _run(argv: tuple[str, ...], work: Work, heard: OnLine) -> int:
    child = subprocess.Popen(
        argv,
        stdin=subprocess.PIPE,  # the lifeline: nothing is ever written, and it is closed even if we are killed
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={name: os.environ[name] for name in ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH") if name in os.environ},
        start_new_session=True,  # a Ctrl-C at graped's terminal is not for it
        cwd="/",
    )
    assert child.stdout is not None
    try:
        _listen(child, child.stdout, work, heard)
        return child.wait()
    finally:
        _end(child)
        child.stdout.close()


def _listen(child: subprocess.Popen[bytes], pipe: IO[bytes], work: Work, heard: OnLine) -> None:
    """Tell lines until the command has ended, whoever still holds the pipe."""
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while True:
            work.check()
            ended = child.poll() is not None  # asked first: what it said before its end is in the pipe by now
            if not selector.select(LOOK_S):
                if ended:
                    break
                continue
            chunk = os.read(pipe.fileno(), LINE_BYTES)
            if not chunk:
                break
            *lines, rest = (rest + chunk).replace(b"\r\n", b"\n").split(b"\n")
            if len(rest) >= LINE_BYTES:
                lines, rest = [*lines, rest], b""
            for line in lines:
                heard(_text(line))
    if rest:
        heard(_text(rest))


def _text(line: bytes) -> str:
    """A line as a terminal would show it in the end, with nothing left in it that moves or colours a terminal."""
    text = line.rstrip(b"\r").rpartition(b"\r")[2].decode(errors="replace")
    return _CONTROL.sub("\ufffd", _ESCAPES.sub("", text))


def _end(child: subprocess.Popen[bytes]) -> None:
    """End it: without its lifeline it kills its process 1, and with that the kernel all others, and waits for it."""
    assert child.stdin is not None
    child.stdin.close()
    try:
        child.wait(END_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
