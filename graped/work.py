"""Long blocking work seen from inside: it tells how far it is, and is told when to stop."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from graped.errors import Cancelled


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far one phase is: ``done`` of ``total`` (None: not known) in ``unit`` ("bytes", "files", "")."""

    phase: str
    done: int = 0
    total: int | None = None
    unit: str = "bytes"


class Work:
    """Handed to whatever takes long. Called in the thread that works; ``cancel`` may come from any other."""

    def __init__(
        self, tell: Callable[[Progress], None] = lambda _: None, say: Callable[[str], None] = lambda _: None
    ) -> None:
        self._tell = tell
        self.say = say  # takes a line that a program has written
        self._stop = threading.Event()
        self.progress = Progress(phase="")

    def phase(self, phase: str, total: int | None = None, unit: str = "bytes") -> None:
        """Begin a phase. Raises: Cancelled."""
        self.progress = Progress(phase=phase, total=total, unit=unit)
        self._tell(self.progress)
        self.check()

    def advance(self, by: int) -> None:
        """Tell that ``by`` more is done. Raises: Cancelled."""
        now = self.progress
        self.progress = Progress(phase=now.phase, done=now.done + by, total=now.total, unit=now.unit)
        self._tell(self.progress)
        self.check()

    def check(self) -> None:
        """Stop here if somebody asked for it. Raises: Cancelled."""
        if self._stop.is_set():
            raise Cancelled("cancelled")

    def cancel(self) -> None:
        """Ask the work to stop at its next look."""
        self._stop.set()

    @property
    def cancelled(self) -> bool:
        """Whether somebody asked for a stop."""
        return self._stop.is_set()
