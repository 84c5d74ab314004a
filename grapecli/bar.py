"""The bar of long work, drawn in place. Imports rich, so it is imported late."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from grapecli.working import amount


class Bar:
    """One line a phase: its name, how far it is, how much that is, how long it will take."""

    def __init__(self, *, color: bool, console: Console | None = None) -> None:
        self._console = console or Console(file=sys.stderr, no_color=not color, highlight=False)
        self._progress = self._begun()
        self._task: TaskID | None = None
        self._phase = ""

    def show(self, phase: str, done: int, total: int | None, unit: str) -> None:
        """Draw the phase; one that is over stays as a line of its own."""
        if not phase:
            return
        text = amount(done, total, unit) if done or total else ""
        if not self._progress.live.is_started:  # it was closed: a picture of its own, below what came between
            self._progress, self._task = self._begun(), None
        if self._task is None or phase != self._phase:
            self._end()
            self._task = self._progress.add_task(phase, total=total, amount=text)
            self._phase = phase
        self._progress.update(self._task, completed=done, total=total, amount=text)

    def close(self) -> None:
        """Leave the last picture on the screen; what is shown afterwards begins below it."""
        self._progress.stop()

    def _begun(self) -> Progress:
        """Begin to draw. What is data goes where it should: rich would send our stdout to stderr meanwhile."""
        progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[amount]}"),
            TimeRemainingColumn(),
            console=self._console,
            redirect_stdout=False,
        )
        progress.start()
        return progress

    def _end(self) -> None:
        """Let the phase before stand still."""
        if self._task is not None:
            before = self._progress.tasks[-1]
            self._progress.update(self._task, total=before.completed or 1, completed=before.completed or 1)
            self._progress.stop_task(self._task)
