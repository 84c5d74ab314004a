"""The folder in which something is built: gone afterwards, and what a build that was killed has left goes, too."""

from __future__ import annotations

import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from graped.files import remove_tree
from graped.runner import Runner

PREFIX: Final = ".grape-image-"
LARGE: Final = "/var/tmp"  # noqa: S108 - of a name nobody can guess; often /tmp is memory
GONE_S: Final = 20.0
REMOVED_S: Final = 600.0
FRESH_S: Final = 60.0  # somebody may have made it just now, and not have locked it yet


@contextmanager
def workshop(beside: Path | None, runner: Runner, *, as_root: bool) -> Iterator[Path]:
    """Give a folder in ``beside`` (None: where large temporary files are); nothing of it is left, whatever happens."""
    parent = Path(os.environ.get("TMPDIR") or LARGE) if beside is None else beside
    sweep(parent, runner, as_root=as_root)
    work = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    held = os.open(work, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)  # as long as we live, nobody takes it for a leftover
        work.chmod(0o755)  # apt's own user, and those of a namespace, look for files in it
        yield work
    finally:
        try:
            _remove(work, runner, as_root=as_root)
        finally:
            os.close(held)


def sweep(parent: Path, runner: Runner, *, as_root: bool) -> None:
    """Remove what builds of ours have left that were killed: its mounts went with them."""
    for path in parent.glob(f"{PREFIX}*"):
        try:
            held = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            continue  # gone just now, or not ours
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            status = os.fstat(held)
            if status.st_uid == os.geteuid() and status.st_mtime < time.time() - FRESH_S:
                _remove(path, runner, as_root=as_root)
        except BlockingIOError:
            pass  # somebody builds in it
        finally:
            os.close(held)


def _remove(work: Path, runner: Runner, *, as_root: bool) -> None:
    """Remove it; programs that were killed just now may still let go of something in it."""
    if not as_root:  # what is left of a tree belongs to users of the namespace
        leftovers = tuple(str(path) for path in work.glob("mmdebstrap.*"))
        if leftovers:
            words = (
                "mmdebstrap",
                "--unshare-helper",
                "env",
                "--chdir=/",
                "find",
                *leftovers,
                "-mindepth",
                "1",
                "-delete",
            )
            runner.run(words, timeout_s=REMOVED_S)
    deadline = time.monotonic() + GONE_S
    while True:
        try:
            return remove_tree(work)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
