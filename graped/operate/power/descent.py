"""How a system that was asked to stop is seen to go down. Pure.

| seen                                           | means                                                     |
|------------------------------------------------|-----------------------------------------------------------|
| it answers ping                                | its kernel is alive                                       |
| it stays silent ``SILENT_ROUNDS`` times in a row | it may be down: its SSH port is tried                     |
| a TCP connection, taken or refused             | its kernel is alive, and does not answer ping: try again  |
| no TCP connection either                       | it is down                                                |
| ``power.settle_s`` after that was seen         | what it had to write is written: it is cut                |

Where this machine may not ping the SSH port alone is tried. The stack's current tells people more; it decides nothing:
neighbours draw from the same wire.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from graped.model import MeterKind, Reading

SILENT_ROUNDS: Final = 3
FALL_MA: Final = 50  # less is noise, or a fan


@dataclass(frozen=True, slots=True, kw_only=True)
class Descent:
    """One system on its way down. Times are monotonic seconds."""

    asked_at: float
    silent: int = 0  # pings in a row
    silent_since: float | None = None
    down_at: float | None = None

    def heard(self, answers: bool | None, now: float) -> Descent:
        """Take a round of pings; None: this machine may not ping."""
        if self.down_at is not None:
            return self
        if answers:
            return replace(self, silent=0, silent_since=None)
        since = now if self.silent_since is None else self.silent_since
        return replace(self, silent=self.silent + 1, silent_since=since)

    @property
    def to_be_tried(self) -> bool:
        """Whether its SSH port is to be tried now."""
        return self.down_at is None and self.silent >= SILENT_ROUNDS

    def tried(self, connected: bool, now: float) -> Descent:
        """Take what came of a TCP connection: taken or refused is ``connected``."""
        if self.down_at is not None or not self.to_be_tried:
            return self
        if connected:
            return replace(self, silent=0, silent_since=None)
        return replace(self, down_at=now if self.silent_since is None else self.silent_since)

    def took_s(self) -> float:
        """How long it took to go down."""
        return 0.0 if self.down_at is None else max(0.0, self.down_at - self.asked_at)


def words(descent: Descent, *, pinged: bool, fell_ma: int | None) -> str:
    """Say that a system is down, and by what one knows."""
    signs = ["no ping"] if pinged else []
    signs.append("no SSH")
    if fell_ma is not None:
        signs.append(f"the stack's current fell by {fell_ma / 1000:.2f} A")
    return f"is down after {descent.took_s():.1f} s: {', '.join(signs)}"


def fall_ma(before: Reading | None, after: Reading | None, down_at: float) -> int | None:
    """By how much a stack's current fell, if it was read since the system is down and did fall."""
    if before is None or after is None or after.at < down_at or MeterKind.CURRENT is not after.kind:
        return None
    fell = before.value - after.value
    return fell if fell >= FALL_MA else None
