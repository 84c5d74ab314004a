"""The machine that is set up: every file, program and account of it is reached through here.

Tests give a replica tree as ``root`` and a runner that behaves.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, cast

from graped.errors import CommandFailed
from graped.runner import LineRunner, Output, Runner, SubprocessRunner

SHORT_S: Final = 60.0
ANY_CODE: Final = frozenset(range(256))


def _silent(line: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A root folder, the way to run programs, and who hears about progress."""

    root: Path = Path("/")
    runner: Runner = field(default_factory=SubprocessRunner)
    say: Callable[[str], None] = _silent
    pause: Callable[[float], None] = time.sleep

    @property
    def can_chown(self) -> bool:
        """Whether owners can be set: an ordinary user who tries things on a replica cannot."""
        return os.geteuid() == 0

    @property
    def booted(self) -> bool:
        """Whether systemd runs here; it does not in a tree that becomes an image."""
        return self.path("/run/systemd/system").is_dir()

    def path(self, name: str) -> Path:
        """Return where the machine's absolute path ``name`` is."""
        return self.root / name.lstrip("/")

    def exists(self, name: str) -> bool:
        """Tell whether there is anything at ``name``, a link that leads nowhere included."""
        return os.path.lexists(self.path(name))

    def read(self, name: str) -> bytes | None:
        """Return a file's bytes, or None where there is no such file."""
        try:
            return self.path(name).read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None

    def text(self, name: str) -> str:
        """Return a file's text; "" where there is no such file."""
        return (self.read(name) or b"").decode(errors="replace")

    def names(self, folder: str) -> tuple[str, ...]:
        """Return the names in a folder, sorted; none where there is no such folder."""
        try:
            return tuple(sorted(os.listdir(self.path(folder))))
        except (FileNotFoundError, NotADirectoryError):
            return ()

    def run(
        self,
        *argv: str,
        timeout_s: float = SHORT_S,
        expect: frozenset[int] = frozenset({0}),
        env: Mapping[str, str] | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> Output:
        """Run a program to its end; ``on_line`` hears its lines as they come. Raises CommandFailed, CommandTimeout."""
        if on_line is None:
            return self.runner.run(argv, timeout_s=timeout_s, expect=expect, env=env)
        listening = cast(LineRunner, self.runner)
        return listening.run(argv, timeout_s=timeout_s, expect=expect, env=env, on_line=on_line)

    def succeeds(self, *argv: str, timeout_s: float = SHORT_S) -> bool:
        """Tell whether a program is there and ends with 0."""
        try:
            return self.run(*argv, timeout_s=timeout_s, expect=ANY_CODE).code == 0
        except CommandFailed:
            return False

    def says(self, *argv: str, timeout_s: float = SHORT_S) -> str:
        """Return what a program prints, whatever its exit code; "" where it cannot be run."""
        try:
            return self.run(*argv, timeout_s=timeout_s, expect=ANY_CODE).stdout.strip()
        except CommandFailed:
            return ""
