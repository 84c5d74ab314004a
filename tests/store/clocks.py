"""A clock that goes only when told."""

from __future__ import annotations


class FakeClock:
    def __init__(self, wall: float = 1_800_000_000.0) -> None:
        self.now = 1000.0
        self.offset = wall - self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.now + self.offset

    def wall_of(self, monotonic: float) -> float:
        return monotonic + self.offset
