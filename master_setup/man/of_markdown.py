"""Parts of a README as sections of a man page: headings, paragraphs, lists, tables, code."""

from __future__ import annotations

import re
from collections.abc import Iterator

from master_setup.man import roff


def part(text: str, heading: str) -> str:
    """Cut out what is under a heading of the second rank."""
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    if found is None:
        raise ValueError(f"there is no heading {heading!r}")
    return found[1]


def convert(text: str) -> str:
    """Write Markdown as roff."""
    return "".join(_blocks(text))


def _blocks(text: str) -> Iterator[str]:
    lines = text.strip().splitlines()
    while lines:
        if not lines[0].strip():
            lines.pop(0)
        elif lines[0].startswith("```"):
            yield _code(lines)
        elif lines[0].startswith("### "):
            yield roff.subsection(lines.pop(0).removeprefix("### ").replace("`", ""))
        elif lines[0].startswith("|"):
            yield _table(_taken(lines, lambda line: line.startswith("|")))
        elif lines[0].startswith("- "):
            items = _taken(lines, lambda line: line.startswith(("- ", "  ")))
            yield "".join(
                f".IP \\(bu 2\n{roff.spans(item)}\n" for item in " ".join(items).removeprefix("- ").split(" - ")
            )
        else:
            yield roff.paragraph(" ".join(_taken(lines, _is_text)))


def _is_text(line: str) -> bool:
    return bool(line.strip()) and not line.startswith(("```", "### ", "|", "- "))


def _taken(lines: list[str], belongs: object) -> list[str]:
    assert callable(belongs)
    taken = []
    while lines and belongs(lines[0]):
        taken.append(lines.pop(0))
    return taken


def _code(lines: list[str]) -> str:
    lines.pop(0)
    taken = _taken(lines, lambda line: not line.startswith("```"))
    lines.pop(0)
    return roff.verbatim("\n".join(taken))


def _table(rows: list[str]) -> str:
    """Give a table of keys as a list of terms: the key with its default, and what it means."""
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", row.strip().strip("|"))] for row in rows[2:]]
    return roff.terms((_key(one), one[-1]) for one in cells)


def _key(cells: list[str]) -> str:
    name = cells[0].replace("`", "")
    default = cells[1].replace("`", "") if len(cells) > 2 else ""
    return f"{name} = {default}" if default and default != "not set" else name
