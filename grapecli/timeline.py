"""The timeline of a boot: how long each stage took, in words and as a small drawing."""

from __future__ import annotations

from grapecli import times

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Json = dict[str, Any]

WIDTH = 40  # columns of the drawing
_ENDS = ("up", "lost")  # stages that nothing comes after in a boot


def stage_time(node: Json, now: str) -> str:
    """Say how long a node is in its stage already."""
    age_s = times.age_s(node["stage_since"], now)
    return "" if age_s is None else times.span(age_s)


def boot_time(node: Json) -> str:
    """Say how long a boot took that was seen from power-on to up."""
    marks = node["timeline"]
    if len(marks) < 2 or marks[0]["stage"] != "powered" or marks[-1]["stage"] != "up":
        return ""
    return times.span(times.age_s(marks[0]["at"], marks[-1]["at"]) or 0.0)


def draw(node: Json, now: str, *, fine: bool) -> list[str]:
    """Draw a bar for each stage of a node's last boot, the one that goes on until ``now``; nothing without a boot.

    ``fine``: with block characters, else in ASCII.
    """
    marks = node["timeline"]
    if not marks:
        return []
    ended = marks[-1]["stage"] in _ENDS
    starts = [times.age_s(marks[0]["at"], mark["at"]) or 0.0 for mark in marks]
    whole_s = starts[-1] if ended else times.age_s(marks[0]["at"], now) or 0.0
    lines = ["", f"boot, {'in all' if ended else 'so far'} {times.span(whole_s)}"]
    for mark, start_s, end_s in zip(marks, starts, [*starts[1:], whole_s], strict=True):
        going_on = mark is marks[-1] and not ended
        lasted = "" if mark is marks[-1] and ended else times.span(end_s - start_s) + (" ..." if going_on else "")
        evidence = f"  {mark['evidence']}" if mark["evidence"] else ""
        line = f"  {mark['stage']:<8}|{_bar(start_s, end_s, whole_s, fine=fine)}|  {lasted:<12}{evidence}"
        lines.append(line.rstrip())
    return lines


def _bar(start_s: float, end_s: float, whole_s: float, *, fine: bool) -> str:
    """Draw one stage where it was in the whole; one that was too short to see is a tick."""
    full, tick = ("\u2588", "\u258f") if fine else ("#", "|")
    first = min(WIDTH - 1, round(WIDTH * start_s / whole_s)) if whole_s else 0
    last = round(WIDTH * end_s / whole_s) if whole_s else 0
    return (" " * first + (full * (last - first) or tick)).ljust(WIDTH)[:WIDTH]
