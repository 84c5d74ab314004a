"""What is mounted where, from the kernel's own table."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

TABLE: Final = Path("/proc/self/mountinfo")
_ESCAPE: Final = re.compile(r"\\([0-7]{3})")  # blank, tab, newline and backslash are written as \040 and so on


def mounts_below(folder: Path, table: str) -> tuple[Path, ...]:
    """List the mount points at and below ``folder``, in the order in which they can be undone. Pure.

    ``table`` is the text of ``/proc/PID/mountinfo``. One mount point that is mounted on twice is there twice.
    Source: proc_pid_mountinfo(5): the fifth field is the mount point; later lines were mounted later.
    """
    points = [Path(_ESCAPE.sub(_character, line.split(" ")[4])) for line in table.splitlines() if line]
    return tuple(point for point in reversed(points) if point == folder or folder in point.parents)


def mounted_below(folder: Path) -> tuple[Path, ...]:
    """List what is mounted at and below ``folder`` now, in the order in which it can be undone."""
    return mounts_below(folder.resolve(), TABLE.read_text(errors="surrogateescape"))


def _character(match: re.Match[str]) -> str:
    return chr(int(match.group(1), 8))
