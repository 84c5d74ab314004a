"""How a build talks: a bar on a terminal, lines in a pipe, one JSON object a line for another program."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Final, Protocol, TextIO

from graped.errors import GrapeError
from master_setup.image.progress import Progress

STEPS: Final = 10  # lines of one phase in a pipe, at most and one more
BAR: Final = 30
REDRAW_S: Final = 0.1
_SIZES: Final = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


class Console(Protocol):
    """Tells how far a build is, and how it ended."""

    def tell(self, progress: Progress) -> None:
        """Tell how far it is."""

    def note(self, text: str) -> None:
        """Say something that people want to know."""

    def fail(self, error: GrapeError) -> None:
        """Say why it failed."""

    def close(self) -> None:
        """Leave the terminal as it was."""


def choose(how: str, stream: TextIO | None = None) -> Console:
    """Choose by the word of --progress: auto, lines, json, none. It is told on stderr, if nowhere else."""
    stream = stream or sys.stderr
    if how == "json":
        return Json(stream)
    if how == "auto" and stream.isatty() and os.environ.get("TERM") != "dumb":
        return Bar(stream)
    return Lines(stream, quiet=how == "none")


class Json:
    """``{"phase", "done", "total", "unit"}``, ``{"note"}``, and at its end perhaps an error as graped's API has it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._told: Progress | None = None

    def tell(self, progress: Progress) -> None:
        """Tell it where it is something new."""
        if progress != self._told:
            self._told = progress
            self._write(phase=progress.phase, done=progress.done, total=progress.total, unit=progress.unit)

    def note(self, text: str) -> None:
        """Say it."""
        self._write(note=text)

    def fail(self, error: GrapeError) -> None:
        """Say why it failed."""
        self._write(code=error.code, title=error.title, detail=error.detail, hint=error.hint)

    def close(self) -> None:
        """Nothing to leave."""

    def _write(self, **fields: object) -> None:
        self._stream.write(json.dumps(fields) + "\n")
        self._stream.flush()


class Lines:
    """A line for each phase, and for each tenth of one whose length is known."""

    def __init__(self, stream: TextIO, *, quiet: bool = False) -> None:
        self._stream = stream
        self._quiet = quiet
        self._told = ("", -1)

    def tell(self, progress: Progress) -> None:
        """Print a line where it is worth one."""
        step = STEPS * progress.done // progress.total if progress.total else 0
        if not self._quiet and (progress.phase, step) != self._told:
            self._told = (progress.phase, step)
            self.note(f"{progress.phase}: {amount(progress)}" if progress.total else progress.phase)

    def note(self, text: str) -> None:
        """Print it."""
        self._stream.write(text + "\n")
        self._stream.flush()

    def fail(self, error: GrapeError) -> None:
        """Say why it failed, and what helps."""
        self.note(f"error: {error.detail}" + (f"\n  hint: {error.hint}" if error.hint else ""))

    def close(self) -> None:
        """Nothing to leave."""


class Bar(Lines):
    """One line that is drawn again and again; what is done stays above it."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._phase = ""
        self._drawn_s = 0.0

    def tell(self, progress: Progress) -> None:
        """Draw it; not more often than people see."""
        now_s = time.monotonic()
        if progress.phase == self._phase and now_s - self._drawn_s < REDRAW_S and progress.done != progress.total:
            return
        if progress.phase != self._phase and self._phase:
            self._stream.write("\n")
        self._phase, self._drawn_s = progress.phase, now_s
        full = BAR * min(progress.done, progress.total) // progress.total if progress.total else 0
        picture = f"[{'#' * full}{' ' * (BAR - full)}] {amount(progress)}" if progress.total else ""
        self._stream.write(f"\r\x1b[K{progress.phase:10} {picture}")
        self._stream.flush()

    def note(self, text: str) -> None:
        """Print it below the bar."""
        self.close()
        super().note(text)

    def close(self) -> None:
        """End the bar's line."""
        if self._phase:
            self._stream.write("\n")
            self._stream.flush()
        self._phase = ""


def amount(progress: Progress) -> str:
    """Say how much is done: ``120 of 400 MB``, ``12 of 230 packages``."""
    total = progress.total or 0
    if progress.unit != "bytes":
        return f"{progress.done} of {total} {progress.unit}".rstrip()
    size, name = next((one for one in _SIZES if total >= one[0]), (1.0, "bytes"))
    places = 1 if size > 1 and total / size < 100 else 0
    return f"{progress.done / size:.{places}f} of {total / size:.{places}f} {name}"
