"""A cgroup of a machine's own in every hierarchy; without it the systemd of all machines would share one."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

TOP: Final = Path("/sys/fs/cgroup")
ENTER: Final = 'for folder in $1; do echo $$ > "$folder/cgroup.procs"; done; shift; exec "$@"'


class Groups:
    """The cgroups called ``name`` below this process's own."""

    def __init__(self, name: str) -> None:
        self.folders = [folder / name for folder in _own()]

    def make(self) -> None:
        """Make them."""
        for folder in self.folders:
            folder.mkdir(exist_ok=True)
            if (folder / "cpuset.cpus").exists():
                for setting in ("cpuset.cpus", "cpuset.mems"):
                    (folder / setting).write_text((folder.parent / setting).read_text())
                (folder / "cgroup.clone_children").write_text("1")

    def command(self) -> tuple[str, ...]:
        """Give the words before a command that make it run in them."""
        return ("sh", "-c", ENTER, "enter", " ".join(map(str, self.folders)))

    def remove(self) -> None:
        """Remove them, the deepest first; the machine must be off."""
        for top in self.folders:
            for folder, _, _ in os.walk(top, topdown=False):
                with contextlib.suppress(FileNotFoundError):
                    Path(folder).rmdir()


def _own() -> Iterator[Path]:
    """Give this process's folder in every hierarchy that is mounted."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        name = controllers.removeprefix("name=") or "unified"
        mounted = TOP / name if (TOP / name).is_dir() else TOP  # a machine with cgroups v2 alone has no such folder
        yield mounted / path.lstrip("/")
