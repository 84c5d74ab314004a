"""Wait for long work: a bar on a terminal, a line now and then in a pipe, nothing with ``--json``."""

from __future__ import annotations

import sys
from collections.abc import Callable

import click

from grapecli import exits, follow
from grapecli.fold import fold
from grapecli.frame import span
from grapecli.hearing import Hearing
from graped.errors import TimedOut, Unreachable
from graped.terminal.failure import Interrupted
from graped.terminal.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    from grapecli.words import Json

    class View(Protocol):
        """Shows how far one phase is."""

        def show(self, phase: str, done: int, total: int | None, unit: str) -> None:
            """Show it."""

        def close(self) -> None:
            """Leave the terminal as it was."""


STEPS = 10  # lines of one phase in a pipe, at most and one more
_SIZES = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


def options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add what every command of long work takes."""
    for option in (
        click.option("--timeout", type=span, metavar="S", help="Give up waiting after so long (exit code 5)."),
        click.option("--wait/--no-wait", default=True, help="Wait for the end (default), or only start it."),
    ):
        function = option(function)
    return function


def amount(done: int, total: int | None, unit: str) -> str:
    """Say how much is done: ``120 of 400 MB``, ``1200 files``."""
    if unit == "bytes":
        size, name = next((one for one in _SIZES if (total or done) >= one[0]), (1.0, "bytes"))
        places = 0 if size == 1 or (total or done) / size >= 100 else 1
        text = f"{done / size:.{places}f}"
        return f"{text} of {total / size:.{places}f} {name}" if total is not None else f"{text} {name}"
    text = f"{done} of {total}" if total is not None else str(done)
    return f"{text} {unit}".rstrip()


class Silent:
    """Shows nothing."""

    def show(self, phase: str, done: int, total: int | None, unit: str) -> None:
        """Show nothing."""

    def close(self) -> None:
        """Nothing to leave."""


class Lines:
    """A line for each phase, and for each tenth of one whose length is known."""

    def __init__(self) -> None:
        self._told = ("", -1)

    def show(self, phase: str, done: int, total: int | None, unit: str) -> None:
        """Print a line where something has changed that is worth one."""
        step = STEPS * done // total if total else 0
        if not phase or (phase, step) == self._told:
            return
        self._told = (phase, step)
        sys.stderr.write(f"{phase}: {amount(done, total, unit)}\n" if done or total else f"{phase}\n")
        sys.stderr.flush()

    def close(self) -> None:
        """Nothing to leave."""


def choose(session: Session) -> View:
    """Choose how to tell progress."""
    if session.json:
        return Silent()
    if sys.stderr.isatty():
        from grapecli.bar import Bar

        return Bar(color=session.paint(sys.stderr).color)
    return Lines()


def finish(
    session: Session,
    job: Json,
    *,
    wait: bool,
    timeout: float | None,
    view: View | None = None,
    hear: bool = False,
) -> int:
    """See an accepted job to its end, or only say that it was accepted. Returns the exit code.

    ``hear``: what its command writes is shown, too, or is in the JSON. Raises: TimedOut, Unreachable, Interrupted; the
    job goes on.
    """
    if not wait:
        if session.json:
            session.print_json(job)
        else:
            session.print(f"job {job['id']} accepted: {job['kind']} {job['subject']}")
        return exits.OK
    return ended(session, followed(session, job, timeout=timeout, view=view, hear=hear))


def followed(
    session: Session, job: Json, *, timeout: float | None = None, view: View | None = None, hear: bool = False
) -> Json:
    """See an accepted job to its end, and return it as it ended. Raises: TimedOut, Unreachable, Interrupted."""
    view = view or choose(session)
    deadline = follow.Deadline(timeout)
    hearing = Hearing(session, job["id"]) if hear else None
    try:
        for now in follow.job(session.client(), job, deadline):
            job = now
            if hearing and not session.json:
                hearing.show_more(deadline, before=view.close)  # a bar and lines do not go together
            show(job, view, but="lines" if hearing and hearing.heard else None)  # they tell enough of themselves
        if hearing and session.json:
            job = hearing.of(job, deadline)
    except KeyboardInterrupt:
        raise Interrupted(f"Job {job['id']} goes on.", hint=follow.job_hint(job)) from None
    except (TimedOut, Unreachable):
        if session.json:
            session.print_json(job)
        raise
    finally:
        view.close()
    return job


def show(job: Json, view: View, *, but: str | None = None) -> None:
    """Show how far a job is, unless that is counted in what needs no showing."""
    progress = job["progress"]
    if progress is not None and progress["unit"] != but:
        view.show(_phase(job), progress["done"], progress["total"], progress["unit"])


def _phase(job: Json) -> str:
    """Name the phase, and the node that is worked on where there are several."""
    phase = str(job["progress"]["phase"])
    at = [task["name"] for task in job["tasks"] if task["step"] == "working"]
    return f"{at[-1]}: {phase}" if at and phase else phase


def ended(session: Session, job: Json) -> int:
    """Tell how a job ended: its result (and that of each node) on stdout, why it failed on stderr."""
    if session.json:
        session.print_json(job)
        return exits.of_outcome(job["outcome"])
    if job["tasks"]:
        session.print(nodes_line(session, job))
    elif job["outcome"] == "done":
        session.print(job["result"] or f"job {job['id']}: {job['kind']} {job['subject']} is done")
    if job["outcome"] != "done" and (job["reason"] or not job["tasks"]):
        paint = session.paint(sys.stderr)
        why = f": {job['reason']}" if job["reason"] else ""
        session.note(paint(f"job {job['id']} {job['outcome'].replace('_', ' ')}{why}", "red"))
        if job["hint"]:
            session.note(f"  hint: {job['hint']}")
    return exits.of_outcome(job["outcome"])


def nodes_line(session: Session, job: Json) -> str:
    """Fold what became of each node into ``done: worker-0-[0-2]  failed: worker-0-3 (the disk is full)``."""
    found: dict[tuple[str, str], list[str]] = {}
    for task in job["tasks"]:
        found.setdefault((task["result"] or task["step"], task["reason"]), []).append(task["name"])
    paint = session.paint()
    parts = []
    for (word, reason), names in found.items():
        why = f" ({reason})" if reason else ""
        style = "green" if word == "done" else "red" if word == "failed" else "yellow"
        parts.append(f"{paint(word + ':', style)} {fold(names)}{paint(why, '' if word == 'done' else 'red')}")
    return "\n".join(parts)
