"""Remove what was half done, whatever is still mounted in it or written into it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

from graped.errors import CommandFailed, ServerError
from graped.files import remove_tree
from graped.netboot.mountinfo import mounted_below
from graped.runner import Runner

UNMOUNT_S: Final = 30.0
TRIES: Final = 50  # a mount or mcopy that outlived us is at its end within moments
PAUSE_S: Final = 0.1
LOOPS: Final = Path("/sys/block")


def clear(folder: Path, runner: Runner) -> None:
    """Undo all mounts in ``folder``, free its loop devices, remove it. Raises: ServerError where that fails.

    Programs that were started before a crash may still be at work in it, so it is tried more than once.
    """
    for left in range(TRIES, 0, -1):
        try:
            unmount_below(folder, runner)
            free_loops_below(folder, runner)
            remove_tree(folder)
            if not folder.exists():
                return
            reason = "it is there again"
        except (OSError, CommandFailed) as error:
            reason = str(error)
        if left > 1:
            time.sleep(PAUSE_S)
    raise ServerError(f"{folder} cannot be removed: {reason}", hint="See what uses it (`fuser -vm`), then remove it.")


def unmount_below(folder: Path, runner: Runner) -> None:
    """Undo what is mounted at and below ``folder``; never is a tree removed that somebody mounted elsewhere."""
    for point in mounted_below(folder):
        runner.run(("umount", "--", str(point)), timeout_s=UNMOUNT_S)


def free_loops_below(folder: Path, runner: Runner) -> None:
    """Free loop devices of files in ``folder`` that are mounted nowhere."""
    for device in loops_below(folder, LOOPS):
        runner.run(("losetup", "--detach", device), timeout_s=UNMOUNT_S)


def loops_below(folder: Path, blocks: Path) -> tuple[str, ...]:
    """List loop devices whose file is in ``folder``, also where it was unlinked. ``blocks`` is /sys/block."""
    found = []
    for entry in sorted(blocks.glob("loop*/loop/backing_file")):
        try:
            file = Path(entry.read_text(errors="surrogateescape").rstrip("\n"))
        except OSError:
            continue  # freed meanwhile
        if folder.resolve() in file.parents:
            found.append(f"/dev/{entry.parent.parent.name}")
    return tuple(found)
