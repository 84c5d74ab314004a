"""Draw numbers as a line of blocks."""

from __future__ import annotations

BLOCKS = "▁▂▃▄▅▆▇█"
ASCII = "_.-=+*#@"


def draw(values: list[float] | list[int], *, unicode: bool = True) -> str:
    """Draw each value by its height between the least and the most; a constant is a low line."""
    if not values:
        return ""
    marks = BLOCKS if unicode else ASCII
    least, most = min(values), max(values)
    scale = (len(marks) - 1) / (most - least) if most > least else 0.0
    return "".join(marks[round((value - least) * scale)] for value in values)
