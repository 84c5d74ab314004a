"""Who is told what changes in the rack."""

from __future__ import annotations

from typing import Protocol


class Watcher(Protocol):
    """Called under the rack's lock: it must not wait. ``t`` is wall time in seconds."""

    def slot_switched(self, t: float, stack: int, slot: int, on: bool) -> None: ...
    def stage_changed(self, t: float, stack: int, slot: int, stage: str | None) -> None: ...
    def line_moved(self, t: float, pin: int, level: bool) -> None: ...
    def woken(self) -> None: ...  # the next tick is due earlier than was said
