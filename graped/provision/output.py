"""What commands of long work write: the last lines of each, in memory alone, so that no SD card is worn by them."""

from __future__ import annotations

import threading
from collections import deque
from typing import Final

LINES: Final = 1000  # kept of one job
LINE_CHARACTERS: Final = 2000  # kept of one line
CHARACTERS: Final = 500_000  # kept of one job, in all
_CUT: Final = "..."


class Output:
    """The last lines of one job. Written in the thread that works, read in any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lines: deque[str] = deque()
        self._characters = 0
        self._last = 0  # the number of the last line; the first one is 1

    def say(self, line: str) -> None:
        """Take a line; the oldest go where there is no room."""
        if len(line) > LINE_CHARACTERS:
            line = line[: LINE_CHARACTERS - len(_CUT)] + _CUT
        with self._lock:
            self._lines.append(line)
            self._characters += len(line)
            self._last += 1
            while len(self._lines) > LINES or self._characters > CHARACTERS:
                self._characters -= len(self._lines.popleft())

    def after(self, number: int) -> tuple[tuple[str, ...], int]:
        """Tell the lines behind this one that are kept, and the number of the last line."""
        with self._lock:
            kept = tuple(self._lines)
            first = self._last - len(kept)  # the number of the line before the first that is kept
            return kept[max(0, number - first) :], self._last
