"""Rows of the table: a figure, what it stands beside, their ratio, and whether the aim was met."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

HEAD = ("what", "figure", "against", "ratio", "aim", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One measurement. ``ratio`` is figure by reference; ``met`` is None where there is no aim."""

    what: str
    figure: str
    against: str = ""
    ratio: float | None = None
    aim: str = ""
    met: bool | None = None
    cause: str = ""  # why the aim is missed, where it is

    def cells(self) -> tuple[str, ...]:
        """Write the cells of the table."""
        ratio = "" if self.ratio is None else f"{self.ratio:.2f} x" if self.ratio < 10 else f"{self.ratio:.0f} x"
        verdict = {None: "", True: "met", False: "missed"}[self.met]
        return (self.what, self.figure, self.against, ratio, self.aim, verdict)


def ratio_row(
    what: str, figure_s: float, name: str, reference_s: float, *, at_most: float | None = None, cause: str = ""
) -> Row:
    """Compare two durations; ``at_most`` is the aim for their ratio."""
    ratio = figure_s / reference_s
    return Row(
        what=what,
        figure=span(figure_s),
        against=f"{name}: {span(reference_s)}",
        ratio=ratio,
        aim="" if at_most is None else f"<= {at_most:g} x",
        met=None if at_most is None else ratio <= at_most,
        cause=cause,
    )


def missed(rows: Iterable[Row]) -> list[str]:
    """Say of each aim that is missed why."""
    return [f"Missed: {row.what}, {row.cells()[3]} ({row.aim}): {row.cause}." for row in rows if row.met is False]


def span(seconds: float) -> str:
    """Write a duration with three digits."""
    if seconds >= 1:
        return f"{seconds:.2f} s"
    return f"{seconds * 1e3:.3g} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.3g} us"


def median(values: Sequence[float]) -> float:
    """Give the middle value."""
    return statistics.median(values)


def percentile(values: Sequence[float], percent: float) -> float:
    """Give the value that ``percent`` of all do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def plain(rows: Iterable[Row]) -> str:
    """Lay out for a terminal."""
    table = [HEAD, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in table) for column in range(len(HEAD))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
                     for line in table)  # fmt: skip


def markdown(rows: Iterable[Row]) -> str:
    """Lay out for the README."""
    lines = [HEAD, ("---",) * len(HEAD), *(row.cells() for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
