"""The machines that wheels are locked and collected for."""

from __future__ import annotations

import platform
from dataclasses import dataclass

from graped.errors import NotFound

PYTHONS = ("3.11", "3.13")  # of Debian 12 and 13
GLIBC = {"3.11": 36, "3.13": 41}  # the minor version of the glibc 2.x that comes with it
OLDEST_GLIBC = 17  # of manylinux2014
MACHINES = {"amd64": "x86_64", "arm64": "aarch64", "armhf": "armv7l"}  # Debian's word: the kernel's and pip's
BEST_EFFORT = frozenset({"armhf"})  # not every package has a wheel for it


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A Python on an architecture, e.g. ``Target(python="3.11", arch="arm64")``."""

    python: str
    arch: str

    def __post_init__(self) -> None:
        if self.arch not in MACHINES or self.python not in GLIBC:
            raise NotFound(
                f"there are no wheels for Python {self.python} on {self.arch}",
                hint=f"Known are Python {', '.join(PYTHONS)} on {', '.join(MACHINES)}.",
            )

    @property
    def name(self) -> str:
        """A word for files and messages: ``cp311-arm64``."""
        return f"cp{self.python.replace('.', '')}-{self.arch}"

    def pip_options(self) -> tuple[str, ...]:
        """Have pip choose wheels for this machine instead of the one it runs on."""
        machine = MACHINES[self.arch]
        tags = [f"manylinux_2_{minor}_{machine}" for minor in range(GLIBC[self.python], OLDEST_GLIBC - 1, -1)]
        tags += [f"manylinux2014_{machine}", f"linux_{machine}"]
        platforms = [option for tag in tags for option in ("--platform", tag)]
        return ("--only-binary=:all:", "--implementation=cp", f"--python-version={self.python}", *platforms)


def this_arch() -> str:
    """Debian's name of the architecture this runs on; Raises NotFound where there is none."""
    machine = platform.machine()
    for arch, known in MACHINES.items():
        if machine == known:
            return arch
    raise NotFound(f"Grape knows no wheels for {machine}", hint=f"Name one of {', '.join(MACHINES)}.")
