"""Time, injected: monotonic for deadlines, wall for people."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Monotonic and wall time in seconds."""

    def monotonic(self) -> float: ...
    def wall(self) -> float: ...
    def wall_of(self, monotonic: float) -> float: ...


class SystemClock:
    """The machine's clock. A Pi without RTC jumps by years when NTP answers; ``wall_of`` then tells the new truth."""

    def monotonic(self) -> float:
        """Seconds that never jump."""
        return time.monotonic()

    def wall(self) -> float:
        """Unix seconds."""
        return time.time()

    def wall_of(self, monotonic: float) -> float:
        """Unix seconds of a monotonic moment, by the clock as it is set now."""
        return time.time() - (time.monotonic() - monotonic)
