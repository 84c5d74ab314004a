"""Fold what became of a job's nodes into one line a kind: ``on: worker-0-[0-3]``."""

from __future__ import annotations

from grapecli.fold import fold
from grapecli.progress import SHOWN
from graped.terminal.paint import Paint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from grapecli.words import Json

Entry = tuple[str, str, str]  # node, word, reason ("" is success)
_IN_VAIN = ("soft-off: not down", "soft-off: could not", "soft-off: graped failed")
_STYLE = {"on": "green", "up": "green", "off": "", "unknown": "yellow"}


def groups(entries: list[Entry]) -> list[tuple[str, str, list[str]]]:
    """Group (name, word, reason) by word and reason, in order of their first node."""
    found: dict[tuple[str, str], list[str]] = {}
    for name, word, reason in entries:
        found.setdefault((word, reason), []).append(name)
    return [(word, reason, names) for (word, reason), names in found.items()]


def line(entries: list[Entry], paint: Paint) -> str:
    """Fold entries into ``on: worker-0-[0-3]  unknown: worker-1-2 (stack 1: no answer since 12:03)``."""
    parts = []
    for word, reason, names in groups(entries):
        style = _STYLE.get(word, "yellow")
        why = f" ({reason})" if reason else ""
        parts.append(f"{paint(word + ':', style)} {fold(names)}{paint(why, 'red') if why else ''}")
    return "  ".join(parts)


def of_job(job: Json) -> list[Entry]:
    """Tell each node of a job: what its power is, and why it is not done, where it is not."""
    target = "off" if job["verb"] == "off" else "on"
    return [(task["name"], task["observed"], _reason(task, target)) for task in job["tasks"]]


def hard(job: Json) -> list[str]:
    """Say which nodes lost power while their systems ran, although they were asked to stop."""
    said: dict[str, list[str]] = {}
    for task in job["tasks"]:
        for step in task["way"]:
            if step.startswith(_IN_VAIN):
                said.setdefault(step.removeprefix("soft-off: "), []).append(task["name"])
    return [f"{fold(names)}: cut while the system ran: {why}" for why, names in said.items()]


def _reason(task: Json, target: str) -> str:
    """Say why a task is not done, or not so any more; nothing where it is."""
    result, reason = task["result"], str(task["reason"])
    if result == "done":
        since = "not known now" if task["observed"] == "unknown" else "changed since"
        return "" if task["observed"] == target else f"was {target}; {since}"
    word = f"still {SHOWN.get(task['step'], task['step'])}" if result is None else str(result)
    if reason and (result == "failed" or reason.startswith(word)):  # "cancelled: cancelled by ..." says it twice
        return reason
    return f"{word}: {reason}" if reason else word
