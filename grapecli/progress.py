"""Tell progress on stderr: live on a terminal, one line a change in a pipe, nothing with ``--json``."""

from __future__ import annotations

import sys

from grapecli import timeline, times
from grapecli.fold import fold
from graped.terminal.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from grapecli.words import Json

    class View(Protocol):
        """Shows where each node is; ``every_s``: how often at least, to show seconds that pass."""

        every_s: float

        def show(self, places: dict[str, Place]) -> None:
            """Show every node's place."""

        def close(self) -> None:
            """Leave the terminal as it was."""


NEVER_S = 3600.0  # only changes are shown

# Steps that read badly as they are.
SHOWN = {"on": "switching on", "cut": "switching off", "soft_off": "stopping its system"}
# In these what is said is what goes on: "draining 4 tasks ...", "the system is stopping ...".
TOLD = {"guards": "held by guards", "soft_off": "the system is stopping"}


class Place:
    """Where one node is on its way: a step or stage, why it stands there, and whether it arrived.

    ``time`` says how long its stage lasts already, or all of them took: only a view that is drawn anew shows it.
    """

    __slots__ = ("end", "reason", "step", "time", "words")

    def __init__(self, step: str, words: str, reason: str, end: str = "", time: str = "") -> None:
        self.step = step
        self.words = words
        self.reason = reason
        self.end = end  # "", "good" or "bad"
        self.time = time

    def __str__(self) -> str:
        """Say it in one line."""
        if not self.words:
            return f"{self.step} ({self.reason})" if self.reason else self.step
        if self.step in TOLD:
            return f"{self.reason or TOLD[self.step]} ..., {self.words}"
        text = f"{SHOWN.get(self.step, self.step)}, {self.words}"
        return f"{text} ({self.reason})" if self.reason else text


def of_task(task: Json) -> Place:
    """Place a task of a job."""
    ends = {None: "", "done": "good"}
    step = task["step"] if task["result"] is None else task["result"]
    stage = f", {task['stage']}" if task["stage"] not in (None, task["observed"]) else ""
    return Place(step, f"power {task['observed']}{stage}", task["reason"], ends.get(task["result"], "bad"))


def of_node(node: Json | None, verdict: tuple[str, str] | None) -> Place:
    """Place a booting node."""
    if node is None:  # a missing node has a verdict
        return Place("unknown", "", verdict[1] if verdict else "", "bad" if verdict else "")
    if verdict is None:
        return Place(node["stage"] or "on", "", node["stage_reason"], time=timeline.stage_time(node, times.now()))
    word, reason = verdict
    if word == "up":
        return Place(word, "", reason, "good", timeline.boot_time(node))
    return Place(word, "", reason, "bad", timeline.stage_time(node, times.now()))


class Silent:
    """Shows nothing."""

    every_s = NEVER_S

    def show(self, places: dict[str, Place]) -> None:
        """Show nothing."""

    def close(self) -> None:
        """Nothing to leave."""


class Lines:
    """One line a change; nodes that changed alike share it."""

    every_s = NEVER_S

    def __init__(self) -> None:
        self._told: dict[str, str] = {}

    def show(self, places: dict[str, Place]) -> None:
        """Print what changed since the last time."""
        changed: dict[str, list[str]] = {}
        for name, place in places.items():
            text = str(place)
            if self._told.get(name) != text:
                self._told[name] = text
                changed.setdefault(text, []).append(name)
        for text, names in changed.items():
            sys.stderr.write(f"{fold(names)}: {text}\n")
        sys.stderr.flush()

    def close(self) -> None:
        """Nothing to leave."""


def choose(session: Session) -> View:
    """Choose how to tell progress."""
    if session.json:
        return Silent()
    if sys.stderr.isatty():
        from grapecli.live import Live

        return Live(color=session.paint(sys.stderr).color)
    return Lines()
