"""How far a build is, told in phases; made of what apt and dpkg print."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

_DOWNLOADED: Final = re.compile(r"dlstatus:\d+:([0-9.]+):")
_SET_UP: Final = re.compile(r"(?:Unpacking|Setting up) [a-z0-9]")
_INITRAMFS: Final = re.compile(r"update-initramfs: Generating ")
_ENDING: Final = re.compile(r"I: cleaning package lists")
_PACKING: Final = re.compile(r"I: creating tarball")
_STEPS_OF_A_PACKAGE: Final = 2  # unpacked, set up


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far one phase is: ``done`` of ``total`` (None: not known) in ``unit`` ("bytes", "packages", "")."""

    phase: str
    done: int = 0
    total: int | None = None
    unit: str = ""


Tell = Callable[[Progress], None]


class Fetching:
    """Hears apt's status lines while it fetches; ``size_bytes`` is what is still to come."""

    def __init__(self, tell: Tell, size_bytes: int) -> None:
        self._tell = tell
        self._size_bytes = size_bytes

    def hear(self, line: str) -> None:
        """Take one line."""
        found = _DOWNLOADED.match(line)
        if found:
            done = round(float(found[1]) / 100 * self._size_bytes)
            self._tell(Progress(phase="download", done=done, total=self._size_bytes, unit="bytes"))


class Installing:
    """Hears mmdebstrap, apt and dpkg while they install so many packages; keeps what they complain of."""

    def __init__(self, tell: Tell, packages: int) -> None:
        self._tell = tell
        self._packages = packages
        self._steps = 0
        self.complaints: list[str] = []

    def hear(self, line: str) -> None:
        """Take one line."""
        if line.startswith(("E: ", "dpkg: error", "chroot: ")):
            self.complaints.append(line)
        if _SET_UP.match(line):
            self._steps = min(self._steps + 1, _STEPS_OF_A_PACKAGE * self._packages)
            done = self._steps // _STEPS_OF_A_PACKAGE
            self._tell(Progress(phase="install", done=done, total=self._packages, unit="packages"))
        elif _INITRAMFS.match(line):
            self._tell(Progress(phase="initramfs"))
        elif _ENDING.match(line):
            self._tell(Progress(phase="clean"))
        elif _PACKING.match(line):
            self._tell(Progress(phase="pack"))
