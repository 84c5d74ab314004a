"""Single numbers of the database, and ids that are never used twice."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Mark(StrEnum):
    """Keys of the table ``marks``."""

    CLEAN = "clean"  # 1: the last graped was told to stop and recorded everything
    JOBS = "jobs"  # no job id above this was ever given out
    EVENTS = "events"  # no event id above this was ever given out
    MINUTES = "minutes"  # samples up to this id are in the buckets of a minute
    QUARTERS = "quarters"  # ... of a quarter of an hour


@dataclass(slots=True)
class Ids:
    """Give out growing ids in memory while the disk holds a mark above them, moved by whole blocks.

    After a kill the next run starts behind the mark; so an id whose record never reached the disk is not used again.
    """

    block: int
    last: int = 0  # the highest id given out
    mark: int = 0  # the mark on disk

    def next(self) -> int:
        """Give out one id."""
        self.last += 1
        return self.last

    def used(self, number: int) -> None:
        """Note an id that somebody else gave out."""
        self.last = max(self.last, number)

    def wanted_mark(self) -> int:
        """The mark that should be on disk: always at least half a block ahead."""
        if self.mark - self.last >= self.block // 2:
            return self.mark
        return (self.last + self.block // 2) // self.block * self.block + self.block
