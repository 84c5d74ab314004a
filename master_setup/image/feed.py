"""Run a program that reads a stream; what it writes goes into a file."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Final

from graped.errors import CommandFailed
from graped.runner import KEPT_NAMES
from master_setup.image.progress import Progress, Tell

PIECE_BYTES: Final = 1024 * 1024
TOLD_BYTES: Final = 500  # of what a program complains


def feed(argv: tuple[str, ...], pieces: Iterable[bytes], output: Path | None = None) -> None:
    """Run ``argv`` with ``pieces`` as its stdin, to its end; nothing of it runs when this returns or raises.

    Raises: CommandFailed.
    """
    with contextlib.ExitStack() as stack:
        sink: IO[bytes] | int = subprocess.DEVNULL if output is None else stack.enter_context(output.open("wb"))
        said = stack.enter_context(tempfile.TemporaryFile())
        env = {name: os.environ[name] for name in KEPT_NAMES if name in os.environ} | {"LC_ALL": "C"}
        try:
            child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=sink, stderr=said, env=env)
        except OSError as error:
            raise CommandFailed(f"cannot run {argv[0]}: {error.strerror}", hint="Install it.") from None
        try:
            _pour(child, pieces)
            code = child.wait()
        finally:
            _end(child)
        if code:
            said.seek(0)
            complaint = said.read().decode(errors="replace").strip()[-TOLD_BYTES:]
            raise CommandFailed(f"{argv[0]} ended with code {code}: {complaint}", exit_code=code)


def pieces_of(path: Path, phase: str, tell: Tell) -> Iterator[bytes]:
    """Read a file piece by piece, and tell how far it is."""
    done, total = 0, path.stat().st_size
    with path.open("rb") as stream:
        while piece := stream.read(PIECE_BYTES):
            tell(Progress(phase=phase, done=done, total=total, unit="bytes"))
            yield piece
            done += len(piece)
    tell(Progress(phase=phase, done=done, total=total, unit="bytes"))


def _pour(child: subprocess.Popen[bytes], pieces: Iterable[bytes]) -> None:
    assert child.stdin is not None
    # A program that has ended early says why itself.
    with contextlib.suppress(BrokenPipeError), child.stdin as stream:
        for piece in pieces:
            stream.write(piece)


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        child.kill()
        child.wait()
