"""The lines of Grape in a file that is not ours: between two marks, everything else stays. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

BEGIN: Final = "# begin of grape: written by graped, a change between these marks is lost"
END: Final = "# end of grape"


def with_block(text: str, lines: Iterable[str]) -> str:
    """Replace Grape's lines in a text, or put them at its end; no lines: take them and their marks out."""
    kept = _others(text.splitlines())
    block = list(lines)
    if any("\n" in line or line in (BEGIN, END) for line in block):
        raise ValueError("a line of a block is one line, and no mark")
    all_lines = [*kept, BEGIN, *block, END] if block else kept
    return "".join(f"{line}\n" for line in all_lines)


def _others(lines: list[str]) -> list[str]:
    """Leave out what stands between the marks; a mark without its partner is only a line of ours."""
    kept: list[str] = []
    inside: list[str] | None = None
    for line in lines:
        if line == BEGIN:
            kept += inside or []
            inside = []
        elif line == END:
            inside = None
        elif inside is None:
            kept.append(line)
        else:
            inside.append(line)
    return kept + (inside or [])
