"""What a machine says on its console, kept in a file."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

PAUSE_S = 0.05
TOLD_CHARACTERS = 3000  # of the console, where a wait fails


class Console:
    """A log that a machine writes, over all its lives."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._from = 0
        path.touch()

    def text(self) -> str:
        """All that was said since the last power-on."""
        with self.path.open("rb") as log:
            log.seek(self._from)
            return log.read().decode(errors="replace")

    def fresh(self) -> None:
        """From now on look only at what comes: the machine is switched on again."""
        self._from = self.path.stat().st_size

    def wait_for(self, pattern: str, timeout_s: float, alive: Callable[[], bool] = lambda: True) -> re.Match[str]:
        """Wait until the console shows this regular expression. Raises AssertionError with what it shows instead."""
        deadline = time.monotonic() + timeout_s
        while True:
            lives = alive()
            if found := re.search(pattern, self.text()):
                return found
            if not lives or time.monotonic() > deadline:
                why = f"not within {timeout_s:g} s" if lives else "and never will: the machine has ended"
                raise AssertionError(f"{pattern!r} {why} in {self.path}:\n{self.text()[-TOLD_CHARACTERS:]}")
            time.sleep(PAUSE_S)
