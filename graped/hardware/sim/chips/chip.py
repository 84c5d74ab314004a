"""What the simulated bus asks of a chip."""

from __future__ import annotations

from typing import Protocol


class Chip(Protocol):
    """One I2C target that acknowledged its address."""

    def write(self, data: bytes) -> None:
        """Take the bytes that follow the address with the write bit (none for a quick command)."""
        ...

    def read(self, count: int) -> bytes:
        """Give the bytes that follow the address with the read bit."""
        ...

    def reset(self) -> None:
        """Lose power and come back."""
        ...
