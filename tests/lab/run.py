"""One run of the lab: its id, its folder, and an end that leaves nothing behind, even after SIGKILL.

Everything that a run makes carries its id: namespaces and cgroups in their names, files below its folder. A process
of the lab runs in a namespace or a cgroup of the lab, so that it is found there, whoever started it. While a run
lives it holds a lock on its record; a record whose lock is free belongs to a dead run, and the next run removes
what that one left.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import IO

from tests.lab.remains import remove

RECORDS = Path("/run/grape-lab")
ROOMS = Path("/var/tmp/grape-lab")
PREFIX = "grape-lab-"
STOP_S = 10.0


class Run:
    """What one run of tests has made. Use it as a context manager."""

    def __init__(self) -> None:
        remove_dead_runs()
        self.id = secrets.token_hex(3)
        self.room = ROOMS / self.id
        self._record = _hold(self.id)
        self.room.mkdir(parents=True)
        self._closers: list[Callable[[], object]] = []

    def name(self, short: str) -> str:
        """Give the name of a namespace or cgroup of this run."""
        return f"{PREFIX}{self.id}-{short}"

    def folder(self, name: str) -> Path:
        """Make a folder of this run."""
        path = self.room / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def at_end(self, close: Callable[[], object]) -> None:
        """Have something closed in order before everything else is swept away; the last one first."""
        self._closers.append(close)

    def spawn(self, argv: tuple[str | Path, ...], log: Path) -> subprocess.Popen[bytes]:
        """Start a process without a terminal; it is stopped at the end."""
        with log.open("ab") as output:
            child = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        self.at_end(lambda: stop(child))
        return child

    def close(self) -> None:
        """End and remove everything, whatever state it is in."""
        while self._closers:
            with contextlib.suppress(Exception):
                self._closers.pop()()
        remove(PREFIX + self.id, self.room)
        (RECORDS / self.id).unlink(missing_ok=True)
        self._record.close()

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def stop(child: subprocess.Popen[bytes], patience_s: float = STOP_S) -> int:
    """End a process politely, then at all events."""
    if child.poll() is None:
        child.terminate()
    try:
        return child.wait(patience_s)
    except subprocess.TimeoutExpired:
        child.kill()
        return child.wait()


def remove_dead_runs() -> list[str]:
    """Remove what runs left that were killed; tell their ids."""
    RECORDS.mkdir(exist_ok=True)
    dead = []
    for path in sorted(RECORDS.iterdir()):
        with contextlib.suppress(FileNotFoundError, BlockingIOError), path.open("rb") as record:
            fcntl.flock(record, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove(PREFIX + path.name, ROOMS / path.name)
            path.unlink(missing_ok=True)
            dead.append(path.name)
    return dead


def _hold(name: str) -> IO[bytes]:
    """Make a record that is never seen without its lock."""
    draft = RECORDS.parent / f".grape-lab-{name}-{os.getpid()}"
    record = draft.open("wb")
    fcntl.flock(record, fcntl.LOCK_EX)
    draft.rename(RECORDS / name)
    return record
