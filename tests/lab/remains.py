"""Find and remove what a run of the lab has left: processes, mounts, namespaces, cgroups, files."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from pyroute2 import netns

NAMESPACES = Path("/run/netns")
CGROUPS = Path("/sys/fs/cgroup")
GONE_S = 60.0
PAUSE_S = 0.02


def remove(prefix: str, room: Path) -> None:
    """Remove everything named ``prefix-...`` and the folder. Raises OSError where something stays."""
    deadline = time.monotonic() + GONE_S
    while alive := processes(prefix):
        for pid in alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            raise OSError(f"processes of {prefix} do not end: {sorted(alive)}")
        time.sleep(PAUSE_S)
    for mount in mounts(room):
        subprocess.run(("umount", "--lazy", mount), check=False)
    for name in namespaces(prefix):
        netns.remove(name)
    for group in cgroups(prefix):
        group.rmdir()
    if room.exists():
        shutil.rmtree(room)


def namespaces(prefix: str) -> list[str]:
    """Name the network namespaces of a run."""
    return [path.name for path in NAMESPACES.glob(f"{prefix}-*")]


def cgroups(prefix: str) -> list[Path]:
    """Give the cgroups of a run and all below them, deepest first."""
    tops = [Path(folder) for folder, _, _ in os.walk(CGROUPS) if Path(folder).name.startswith(f"{prefix}-")]
    below = [Path(folder) for top in tops for folder, _, _ in os.walk(top)]
    return sorted(set(below), key=lambda path: len(path.parts), reverse=True)


def processes(prefix: str) -> set[int]:
    """Give the processes in a namespace or cgroup of a run, without ourselves."""
    inodes = {path.stat().st_ino for path in NAMESPACES.glob(f"{prefix}-*")}
    mine = re.compile(rf"/{re.escape(prefix)}-")
    found = {pid for pid in _pids() if _namespace(pid) in inodes or mine.search(_cgroup(pid))}
    return found - {os.getpid()}


def mounts(room: Path) -> list[str]:
    """Give the mount points in a folder, the innermost first."""
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return [point for point in reversed(points) if point.startswith(f"{room}/")]


def _pids() -> Iterator[int]:
    return (int(entry) for entry in os.listdir("/proc") if entry.isdigit())


def _namespace(pid: int) -> int:
    try:
        return os.stat(f"/proc/{pid}/ns/net").st_ino
    except OSError:
        return 0


def _cgroup(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cgroup").read_text()
    except OSError:
        return ""
