"""Plain aligned columns, with a style for each cell."""

from __future__ import annotations

from graped.terminal.paint import Paint

Cell = str | tuple[str, str]  # text, or text and a style


def lines(header: tuple[str, ...], rows: list[tuple[Cell, ...]], paint: Paint, *, right: str = "") -> list[str]:
    """Align a header and rows; ``right`` has an "r" at each column that is aligned to the right ("..r" the third)."""
    texts = [header, *(tuple(_text(cell) for cell in row) for row in rows)]
    widths = [max(len(row[column]) for row in texts) for column in range(len(header))]
    shown: list[tuple[Cell, ...]] = [tuple((name.upper(), "bold") for name in header), *rows]
    return [_line(row, widths, right, paint) for row in shown]


def _line(row: tuple[Cell, ...], widths: list[int], right: str, paint: Paint) -> str:
    """Pad first, paint then: escape codes have no width. The last column that holds text ends the line."""
    last = max((column for column, cell in enumerate(row) if _text(cell)), default=0)
    parts = []
    for column, cell in enumerate(row[: last + 1]):
        text = _text(cell)
        if right[column : column + 1] == "r":
            text = text.rjust(widths[column])
        elif column < last:
            text = text.ljust(widths[column])
        parts.append(text if isinstance(cell, str) else paint(text, cell[1]))
    return "  ".join(parts)


def _text(cell: Cell) -> str:
    return cell if isinstance(cell, str) else cell[0]
